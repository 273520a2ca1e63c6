"""A real local cluster for tests: started once for a whole run, on a loop in a thread of its own.

A child dies with the thread that made it, so that thread lives as long as the cluster does.
"""

import asyncio
import json
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from extensa.base import processes
from extensa.base.clock import utc_now
from extensa.link.cluster import NodePool
from extensa.localcluster.cluster import LocalCluster
from extensa.localcluster.model import Binaries, ClusterSpec, Profile
from extensa.localcluster.objects import node_names

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RealCluster:
    """A running cluster: ``kubeconfig`` administers it, ``kubectl`` and ``helm`` are programs that fit it."""

    kubeconfig: Path
    kubectl: Path
    helm: Path
    url: str
    folder: Path
    uid: str
    engine: Path

    def run_kubectl(self, *arguments: str, check: bool = True) -> str:
        """Run kubectl on the cluster and return what it printed; a failure fails the test unless ``check`` is off."""
        argv = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", *arguments]
        done = processes.run_sync(argv, timeout=120)
        if check and done.code != 0:
            raise AssertionError(f"{' '.join(arguments)} ended with {done.code}: {done.stderr.decode()}")
        return done.stdout.decode()

    def get(self, *arguments: str) -> Any:
        """Return what ``kubectl get … -o json`` says."""
        return json.loads(self.run_kubectl("get", *arguments, "-o", "json"))

    async def apply(self, manifest: str) -> None:
        """Apply a manifest."""
        argv = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", "apply", "-f", "-"]
        done = await processes.run(argv, stdin=manifest.encode(), timeout=60)
        assert done.code == 0, done.stderr.decode()


class LoopThread:
    """An event loop that runs in a thread until the block ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="clusters", daemon=True)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop itself."""
        return self._loop

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call(self._loop.shutdown_default_executor(), timeout=30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def call(self, work: Coroutine[Any, Any, T], *, timeout: float) -> T:
        """Run ``work`` on the loop and return what it returns."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(timeout)


def spec(uid: str, *, nodes: int = 2, profile: Profile = Profile.FULL) -> ClusterSpec:
    """Return a cluster with one pool of ``nodes`` nodes."""
    pools = (NodePool(name="nodepool1", count=nodes),)
    return ClusterSpec(uid=uid, name="test", group="tests", location="westeurope", pools=pools, profile=profile)


def open_cluster(wanted: ClusterSpec, folder: Path) -> LocalCluster:
    """Make a cluster that is not started."""
    return LocalCluster(wanted, folder, clock=utc_now, changed=lambda: None)


async def bring_up(cluster: LocalCluster, binaries: Binaries, *, timeout: float = 60) -> float:
    """Start a cluster and wait until it is ready; return the seconds that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(timeout):
        await cluster.start_store(binaries)
        filled = False
        while True:
            sight = await cluster.look()
            if sight.api_ready and not filled:
                await cluster.start_controllers()
                await cluster.fill(sight.nodes)
                filled = True
            ready = [name for name, well in sight.nodes.items() if well]
            if sight.controllers_ready and len(ready) == len(node_names(cluster.spec)):
                return loop.time() - began
            await asyncio.sleep(0.05)
