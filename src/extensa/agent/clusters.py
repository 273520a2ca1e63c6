"""The clusters this agent can reach: each by a kubeconfig file that appears, changes and vanishes with the cluster.

A file that is not there means that there is no such cluster; one that has changed is another way to the same cluster.
It opens connections when they are first needed; what is done over them is for others to say.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from extensa.agent.installer import Applier
from extensa.agent.kube import KubeClient, Rehearsal
from extensa.agent.kubeconfig import read_kubeconfig
from extensa.agent.watches import Source, Watches
from extensa.base.log import get_logger
from extensa.helm.cleaning import Hands
from extensa.helm.release import ObjectRef

_log = get_logger("agent")

_UNHURRIED = 2

_Edition = tuple[int, int, int]


class Api(Hands, Applier, Source, Protocol):
    """All that is asked of a cluster's API (`kube.KubeClient`)."""

    async def version(self) -> str:
        """Return the API's version; raises `ClusterError`."""
        ...

    async def rehearse(self, ref: ObjectRef, manifest: Mapping[str, Any], *, manager: str) -> Rehearsal:
        """Return what an apply would make of an object; nothing is changed. Raises `ClusterError`."""
        ...

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """Return the last lines of a container's log; raises `ClusterError`."""
        ...

    async def close(self) -> None:
        """End every connection."""
        ...


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster within reach. ``cache`` is Helm's folder for what it learns of this cluster."""

    uid: str
    kubeconfig: Path
    cache: Path
    kube: Api
    watches: Watches
    edition: _Edition
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_UNHURRIED))
    """Places for work that is in no hurry."""

    async def close(self) -> None:
        """End every connection."""
        await self.watches.close()
        await self.kube.close()


class Reach(Protocol):
    """Which clusters there are (`Clusters`)."""

    def reach(self, uid: str) -> Cluster | None:
        """Return the cluster, None when there is none; raises `ClusterError`."""
        ...

    async def scan(self) -> tuple[set[str], set[str]]:
        """Return the uids of clusters that are reached another way now, and of those that are gone."""
        ...

    async def close(self) -> None:
        """End every connection to every cluster."""
        ...


class Clusters:
    """Every cluster by its uid, as kubeconfig files tell."""

    def __init__(self, locate: Callable[[str], Path], cache: Path) -> None:
        """``locate`` says where the kubeconfig of a uid lies."""
        self._locate = locate
        self._cache = cache
        self._open: dict[str, Cluster] = {}

    def reach(self, uid: str) -> Cluster | None:
        """Return the cluster, None when there is none; raises `ClusterError` for a kubeconfig that cannot be used."""
        if (known := self._open.get(uid)) is not None:
            return known
        path = self._locate(uid)
        if (edition := _edition(path)) is None:
            return None
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        kube = KubeClient(read_kubeconfig(text, path.parent))
        cluster = Cluster(uid, path, self._cache / uid, kube, Watches(kube), edition)
        self._open[uid] = cluster
        _log.info("cluster in reach", cluster=uid)
        return cluster

    async def scan(self) -> tuple[set[str], set[str]]:
        """Look at the files again; return the uids whose file has changed, and those whose file is gone."""
        changed: set[str] = set()
        gone: set[str] = set()
        for uid, cluster in list(self._open.items()):
            edition = _edition(cluster.kubeconfig)
            if edition != cluster.edition:
                (gone if edition is None else changed).add(uid)
                del self._open[uid]
                await cluster.close()
                _log.info("cluster gone" if edition is None else "cluster reached anew", cluster=uid)
        return changed, gone

    async def close(self) -> None:
        """End every connection to every cluster."""
        for cluster in list(self._open.values()):
            await cluster.close()
        self._open.clear()


def _edition(path: Path) -> _Edition | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
