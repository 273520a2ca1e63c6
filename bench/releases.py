"""From PUT to Succeeded: one extension against `helm install --wait` by hand, and two hundred over four clusters.

Both sides install the same archive with the same values into the same clusters, in turns, so that a machine that slows
down slows both. `helm` runs as a person would run it: one process per release, waiting until it is ready.
"""

import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.installation import Installation
from bench.table import Row
from extensa.client import paths
from extensa.client.arm import Arm

PAIRS = 8
MANY = 200
AT_ONCE = 4
NAMESPACE = "bench"


def put_and_wait(arm: Arm, cluster: str, name: str) -> float:
    """Create an extension and return the seconds until its operation had ended well."""
    path = paths.extension(cluster, name)
    begun = time.perf_counter()
    arm.wait(arm.put(path, paths.EXTENSIONS_API, _body()), target=path)
    return time.perf_counter() - begun


def remove(arm: Arm, cluster: str, name: str) -> None:
    """Delete an extension and wait until it is gone."""
    path = paths.extension(cluster, name)
    arm.wait(arm.delete(path, paths.EXTENSIONS_API), target=path)


def _body() -> dict[str, object]:
    return {
        "properties": {
            "extensionType": "extensa.hello",
            "version": "1.0.0",
            "autoUpgradeMinorVersion": False,
            "scope": {"cluster": {"releaseNamespace": NAMESPACE}},
            "configurationSettings": {"greeting": "bench"},
        }
    }


class ByHand:
    """`helm install --wait` and `helm uninstall --wait` of the same archive."""

    def __init__(self, bench: Installation, archive: Path) -> None:
        self._bench, self._archive = bench, archive

    def install(self, cluster: str, name: str) -> float:
        """Install and return the seconds it took."""
        begun = time.perf_counter()
        self._helm(
            cluster, "install", name, str(self._archive), "--wait", "--create-namespace", "--set", "greeting=bench"
        )
        return time.perf_counter() - begun

    def remove(self, cluster: str, name: str) -> None:
        """Uninstall and wait."""
        self._helm(cluster, "uninstall", name, "--wait")

    def _helm(self, cluster: str, *argv: str) -> None:
        kubeconfig = str(self._bench.kubeconfigs[cluster])
        command = [self._bench.tool("helm"), *argv, "--kubeconfig", kubeconfig, "--namespace", NAMESPACE]
        subprocess.run(command, capture_output=True, check=True)


def one(bench: Installation, archive: Path, cluster: str) -> Row:
    """PUT → Succeeded against `helm install --wait`, in pairs."""
    arm, hand = bench.caller(), ByHand(bench, archive)
    path = bench.cluster(arm, cluster)
    put_and_wait(arm, path, "warm")
    hand.install(cluster, "warm-by-hand")
    ours, theirs = [], []
    for turn in range(PAIRS):
        ours.append(put_and_wait(arm, path, f"ours-{turn}"))
        theirs.append(hand.install(cluster, f"hand-{turn}"))
        remove(arm, path, f"ours-{turn}")
        hand.remove(cluster, f"hand-{turn}")
    remove(arm, path, "warm")
    hand.remove(cluster, "warm-by-hand")
    return Row(
        what="PUT → Succeeded",
        ours=f"{statistics.median(ours):.2f} s",
        peer=f"helm install --wait {statistics.median(theirs):.2f} s",
        found=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        aim=1.15,
    )


def many(bench: Installation, archive: Path, clusters: list[str]) -> Row:
    """Two hundred extensions over four clusters against helm in a shell, four at a time; wall time."""
    arm, hand = bench.caller(), ByHand(bench, archive)
    places = [(clusters[n % len(clusters)], f"fleet-{n}") for n in range(MANY)]
    begun = time.perf_counter()
    promises = []
    for cluster, name in places:
        path = paths.extension(bench.cluster(arm, cluster), name)
        promises.append((path, arm.put(path, paths.EXTENSIONS_API, _body())))
    for path, promise in promises:
        arm.wait(promise, target=path)
    ours = time.perf_counter() - begun
    removals = []
    for cluster, name in places:
        path = paths.extension(bench.cluster(arm, cluster), name)
        removals.append((path, arm.delete(path, paths.EXTENSIONS_API)))
    for path, promise in removals:
        arm.wait(promise, target=path)
    begun = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda place: hand.install(*place), places))
    theirs = time.perf_counter() - begun
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda place: hand.remove(*place), places))
    return Row(
        what=f"{MANY} extensions over {len(clusters)} clusters",
        ours=f"{ours:.1f} s",
        peer=f"helm install --wait, {AT_ONCE} at a time {theirs:.1f} s",
        found=ours / theirs,
        aim=1.1,
    )
