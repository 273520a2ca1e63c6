"""A hundred releases on one cluster through the whole product, against `helm --wait` in a pool.

Ours is what callers see, four at a time: a hundred PUTs to the public API (then PATCHes, then DELETEs), each followed
until its operation has ended, with every record of Extensa's own written on the way. The CPU is that of server, host
and agent with all that they started for it (a Helm engine, helms), and of the callers; the peer's is that of the helms.
The API server's is counted for neither: both need one. Same chart, same cluster, same run, act by act in turns.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.installation import Installation
from bench.light import ACTS, AIM, AT_ONCE, MANY, Took, archive, best, by_hand
from bench.load import CLOCK_TICKS
from bench.table import Row
from extensa.client import paths
from extensa.client.arm import Arm
from extensa.client.operations import Accepted

TYPE = "bench.light"
VERSION = "1.0.0"
TURNS = 2

Begin = Callable[[Arm, str], Accepted]


def install(arm: Arm, path: str) -> Accepted:
    """PUT an extension."""
    return arm.put(path, paths.EXTENSIONS_API, _BODY)


def upgrade(arm: Arm, path: str) -> Accepted:
    """PATCH a setting of it."""
    return arm.patch(path, paths.EXTENSIONS_API, {"properties": {"configurationSettings": {"turn": "2"}}})


def remove(arm: Arm, path: str) -> Accepted:
    """DELETE it."""
    return arm.delete(path, paths.EXTENSIONS_API)


class Whole:
    """A hundred extensions of one installation, on one of its clusters."""

    def __init__(self, bench: Installation, cluster: str, folder: Path) -> None:
        """Makes the light chart an extension type of its own; ``folder`` is for its archive."""
        self._bench = bench
        self._callers = [bench.caller() for _ in range(AT_ONCE)]
        self._cluster = bench.cluster(self._callers[0], cluster)
        self._publish(self._callers[0], folder / "light-published.tgz")

    def each(self, begin: Begin, numbers: range) -> Took:
        """Begin it for these extensions, wait until every operation has ended well, and return what that took.

        Every caller begins all of its part before it waits for any.
        """

        def part(arm: Arm, mine: range) -> None:
            targets = [paths.extension(self._cluster, f"scale-{number}") for number in mine]
            promises = [(path, begin(arm, path)) for path in targets]
            for path, promise in promises:
                arm.wait(promise, target=path)

        began, before = time.perf_counter(), self._cpu()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = [numbers[caller::AT_ONCE] for caller in range(AT_ONCE)]
            list(pool.map(part, self._callers, parts))
        return Took(time.perf_counter() - began, self._cpu() - before)

    def _publish(self, arm: Arm, file: Path) -> None:
        file.write_bytes(archive())
        registration = paths.type_registration(arm.subscription, TYPE)
        scopes = {"defaultScope": "cluster", "clusterScopeSettings": {"allowMultipleInstances": True}}
        facts = {"supportedClusterTypes": ["managedClusters"], "supportedScopes": scopes}
        arm.put(registration, paths.TYPES_API, {"properties": facts})
        version = f"{registration}/versions/{VERSION}"
        with file.open("rb") as content:
            arm.upload(version, paths.TYPES_API, content, length=file.stat().st_size, train="stable")

    def _cpu(self) -> float:
        """CPU seconds so far of all that is ours; the host's living children are the cluster, which is not."""
        product = self._bench.product
        ours = sum(_used(product.pid(name)) for name in ("server", "host", "agent"))
        return ours + sum(_used(pid) for pid in _children(product.pid("agent"))) + time.process_time()


def measure(bench: Installation, cluster: str, folder: Path) -> Iterator[Row]:
    """Give a row for the wall and one for the CPU time of every kind of act."""
    whole = Whole(bench, cluster, folder)
    acts = dict(zip(ACTS, (install, upgrade, remove), strict=True))
    whole.each(install, range(MANY, MANY + 1))
    hand = by_hand(Path(bench.tool("helm")), bench.kubeconfigs[cluster], folder)
    ours: dict[str, list[Took]] = {act: [] for act in ACTS}
    theirs: dict[str, list[Took]] = {act: [] for act in ACTS}
    for _ in range(TURNS):
        for act, begin in acts.items():
            ours[act].append(whole.each(begin, range(MANY)))
            theirs[act].append(hand[act]())
    for act in ACTS:
        for what, unit in (("wall", "s"), ("cpu", "CPU s")):
            one, other = getattr(best(ours[act]), what), getattr(best(theirs[act]), what)
            yield Row(
                what=f"{MANY} {act} through the API, {what}",
                ours=f"{one:.1f} {unit}",
                peer=f"helm --wait, {AT_ONCE} at a time {other:.1f} {unit}",
                found=one / other,
                aim=AIM,
            )


def _used(pid: int) -> float:
    """User and system seconds of a process and of its children that have ended (proc(5), fields 14 to 17)."""
    return sum(int(field) for field in _stat(pid)[11:15]) / CLOCK_TICKS


def _children(pid: int) -> list[int]:
    """The living children of a process (proc(5), field 4)."""
    entries = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return [child for child in entries if _stat(child)[1:2] == [str(pid)]]


def _stat(pid: int) -> list[str]:
    """Everything after the name in /proc/PID/stat, nothing for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    except (OSError, UnicodeDecodeError):
        return []


_BODY = {
    "properties": {
        "extensionType": TYPE,
        "version": VERSION,
        "autoUpgradeMinorVersion": False,
        "scope": {"cluster": {"releaseNamespace": "scale"}},
        "configurationSettings": {"turn": "1"},
    }
}
