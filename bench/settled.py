"""Five hundred extensions that are what they should be: what they cost at rest, and how soon a change is noticed.

They have no replicas, so that what is measured is ours and not the pods'. A change is noticed when the public API says
so. For the last figure the agent reaches the cluster through a relay that then forwards nothing more on connections
that are open: every watch stands and is deaf, as behind a gateway that has forgotten it.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from bench.installation import Installation
from bench.load import cpu_seconds, resident_mib
from bench.table import Row
from extensa.client import paths
from extensa.client.arm import Arm

MANY = 500
QUIET = 45.0
WINDOW = 120.0
MINUTE = 60.0
CHANGES = 10
NAMESPACE = "settled"


def measure(bench: Installation, cluster: str) -> list[Row]:
    """Install, wait for rest, and measure."""
    arm = bench.caller()
    path = bench.cluster(arm, cluster)
    _install(arm, path)
    time.sleep(QUIET)
    agent = bench.product.pid("agent")
    rows = [_rest(bench, cluster, agent), _anew(bench, cluster)]
    rows += [_memory(bench.product.pid("agent")), _by_watch(bench, cluster, arm, path)]
    return [*rows, _by_list(bench, cluster, arm, path)]


def _install(arm: Arm, cluster: str) -> None:
    promises = []
    for number in range(MANY):
        path = paths.extension(cluster, _name(number))
        promises.append((path, arm.put(path, paths.EXTENSIONS_API, _body())))
    for path, promise in promises:
        arm.wait(promise, target=path)


def _rest(bench: Installation, cluster: str, agent: int) -> Row:
    """CPU of agent and server while nothing happens, and that Helm has done nothing."""
    ours = [agent, bench.product.pid("server")]
    before, used, begun = _records(bench, cluster), cpu_seconds([*ours, *_children(agent)]), time.perf_counter()
    time.sleep(WINDOW)
    cores = (cpu_seconds([*ours, *_children(agent)]) - used) / (time.perf_counter() - begun)
    acts = len(_records(bench, cluster) ^ before)
    told = f"{cores:.3f} core, {acts} acts of Helm in {WINDOW:.0f} s"
    return Row(f"{MANY} in-sync extensions at rest", told, "–", cores if not acts else 99.0, 0.2, unit="core")


def _anew(bench: Installation, cluster: str) -> Row:
    """CPU of an agent that begins anew, looks at every extension, and compares every object with its manifest."""
    before = _records(bench, cluster)
    bench.product.kill("agent")
    bench.product.run("up", timeout=600)
    agent = bench.product.pid("agent")
    time.sleep(MINUTE)
    cores = cpu_seconds([agent, *_children(agent)]) / MINUTE
    acts = len(_records(bench, cluster) ^ before)
    told = f"{cores * MINUTE:.1f} CPU-s, {acts} acts of Helm in {MINUTE:.0f} s"
    return Row(f"{MANY} looked at and compared anew", told, "–", cores if not acts else 99.0, 0.2, unit="core")


def _memory(agent: int) -> Row:
    found = sum(resident_mib(pid) for pid in (agent, *_children(agent)))
    return Row(f"agent memory, {MANY} extensions", "its Helm process included", "–", found, 250, unit="MiB")


def _by_watch(bench: Installation, cluster: str, arm: Arm, path: str) -> Row:
    took = [_noticed(bench, cluster, arm, path, number, patience=30) for number in range(CHANGES)]
    told = f"the slowest of {CHANGES}; the fastest {min(took):.1f} s"
    return Row("drift noticed, by watch", told, "–", max(took), 5, unit="s")


def _by_list(bench: Installation, cluster: str, arm: Arm, path: str) -> Row:
    """Reach the cluster through a relay, let everything come to rest, make the relay deaf, and change something."""
    kubeconfig = bench.home.agent_kubeconfig(_uid(bench, cluster))
    as_it_was = kubeconfig.read_text(encoding="utf-8")
    took = []
    with relay(bench.kubernetes(cluster)["port"]) as through:
        try:
            _point_to(kubeconfig, through.port)
            time.sleep(QUIET)
            for number in range(CHANGES, CHANGES + 3):
                through.freeze()
                took.append(_noticed(bench, cluster, arm, path, number, patience=150))
        finally:
            _replace(kubeconfig, as_it_was)
    return Row("drift noticed, every watch deaf", f"the slowest of {len(took)}", "–", max(took), 60, unit="s")


def _noticed(bench: Installation, cluster: str, arm: Arm, path: str, number: int, *, patience: float) -> float:
    """Change an object of one extension by hand and return the seconds until the API names the field."""
    name = _name(number)
    extension = paths.extension(path, name)
    change = json.dumps({"data": {"changed-by-hand": "yes", "greeting": "by hand"}})
    begun = time.perf_counter()
    bench.kubectl(cluster, "patch", "configmap", name, "-n", NAMESPACE, "-p", change)
    while time.perf_counter() - begun < patience:
        if arm.post(f"{extension}/listDrift", paths.EXTENSIONS_API).body["value"]:
            return time.perf_counter() - begun
        time.sleep(0.1)
    return patience


def _records(bench: Installation, cluster: str) -> set[tuple[str, str]]:
    """Helm's records: every act makes one or writes one anew."""
    words = bench.kubectl(
        cluster, "get", "secret", "-A", "-l", "owner=helm", "--no-headers",
        "-o", "custom-columns=N:.metadata.name,V:.metadata.resourceVersion",
    )  # fmt: skip
    return {(line.split()[0], line.split()[1]) for line in words.splitlines()}


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _uid(bench: Installation, cluster: str) -> str:
    port = bench.kubernetes(cluster)["port"]
    found = bench.home.clusters.glob("*/agent.kubeconfig")
    return next(each.parent.name for each in found if f":{port}" in each.read_text(encoding="utf-8"))


def _point_to(kubeconfig: Path, port: int) -> None:
    config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    _replace(kubeconfig, yaml.safe_dump(config))


def _replace(kubeconfig: Path, text: str) -> None:
    draft = kubeconfig.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text(text, encoding="utf-8")
    draft.rename(kubeconfig)


def _name(number: int) -> str:
    return f"settled-{number}"


def _body() -> dict[str, object]:
    return {
        "properties": {
            "extensionType": "extensa.hello",
            "version": "1.0.0",
            "autoUpgradeMinorVersion": False,
            "scope": {"cluster": {"releaseNamespace": NAMESPACE}},
            "configurationSettings": {"replicas": "0", "greeting": "bench"},
        }
    }


class Relay:
    """Forwards bytes to a loopback port; what is open when it freezes stays open and carries nothing more."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._era = 0
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def freeze(self) -> None:
        """Carry nothing more over connections that are open now."""
        self._era += 1

    def run(self) -> None:
        """Forward until stopped; for a thread of its own."""
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    def stop(self) -> None:
        """End it, from another thread."""
        self._loop.call_soon_threadsafe(self._ended.set)

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        async with await asyncio.start_server(self._accept, sock=self._listener):
            await self._ended.wait()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        era = self._era
        onward = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._carry(reader, onward[1], era), self._carry(onward[0], writer, era))

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, era: int) -> None:
        while content := await reader.read(65536):
            if era == self._era:
                writer.write(content)
        if era == self._era:
            writer.close()


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    """Run a relay in a thread for the length of a block."""
    found = Relay(target)
    thread = threading.Thread(target=found.run, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.stop()
        thread.join(10)
