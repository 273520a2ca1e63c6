"""A control plane in memory, as a host sees it: for tests of the host."""

import asyncio
import contextlib
from datetime import UTC, datetime

import msgspec

from extensa.base.errors import Unavailable
from extensa.link.cluster import (
    ClusterFeed,
    ClusterPhase,
    ClusterReports,
    DesiredCluster,
    NodePool,
    ObservedCluster,
    Power,
)
from extensa.link.sealing import Sealed, new_private_key, public_key, unseal


def desired_cluster(
    uid: str = "00000000-0000-4000-8000-00000000000a",
    *,
    generation: int = 1,
    power: Power = Power.RUNNING,
    count: int = 1,
    version: str = "1.37.1",
) -> DesiredCluster:
    """Return a desired document with one pool of ``count`` nodes."""
    return DesiredCluster(
        uid=uid,
        generation=generation,
        resource_id="/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/demo",
        name="demo",
        location="westeurope",
        kubernetes_version=version,
        power=power,
        pools=[NodePool(name="nodepool1", count=count)],
        correlation_id=f"correlation-{generation}",
        operation_id=f"operation-{generation}",
    )


class MemoryControlPlane:
    """Keeps desired documents and what was reported; ``answering`` off makes every call fail."""

    def __init__(self) -> None:
        self.answering = True
        self.reports: list[ClusterReports] = []
        self._private = new_private_key()
        self._rows: dict[str, tuple[int, DesiredCluster]] = {}
        self._sequence = 0
        self._changed = asyncio.Condition()

    async def want(self, desired: DesiredCluster) -> None:
        """Make ``desired`` the newest document of its cluster."""
        async with self._changed:
            self._sequence += 1
            self._rows[desired.uid] = (self._sequence, desired)
            self._changed.notify_all()

    async def forget(self, uid: str) -> None:
        """Know nothing of a cluster any more."""
        async with self._changed:
            self._rows.pop(uid, None)

    async def clusters(self, *, after: int, wait: int) -> ClusterFeed:
        """See `ControlPlane`."""
        self._check()
        async with self._changed:
            if wait and self._sequence <= after:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
            new = [desired for sequence, desired in sorted(self._rows.values(), key=_order) if sequence > after]
        self._check()
        return ClusterFeed(cursor=self._sequence, desired=new, server_key=public_key(self._private))

    async def report_clusters(self, reports: ClusterReports) -> None:
        """See `ControlPlane`."""
        self._check()
        async with self._changed:
            self.reports.append(msgspec.json.decode(msgspec.json.encode(reports), type=ClusterReports))
            self._changed.notify_all()

    def of(self, uid: str) -> list[ObservedCluster]:
        """Return everything reported of a cluster, in order."""
        return [each for report in self.reports for each in report.observed if each.uid == uid]

    async def seen(
        self, desired: DesiredCluster, phase: ClusterPhase, *, timeout: float = 60, after: datetime | None = None
    ) -> ObservedCluster:
        """Wait until ``phase`` is reported for the generation of ``desired``, and return that report."""
        oldest = after or datetime(2000, 1, 1, tzinfo=UTC)
        async with asyncio.timeout(timeout), self._changed:
            while True:
                for each in self.of(desired.uid):
                    if (each.generation, each.phase) == (desired.generation, phase) and each.observed_at >= oldest:
                        return each
                await self._changed.wait()

    def open(self, box: Sealed | None, uid: str) -> bytes:
        """Return what a host sealed for this control plane."""
        assert box is not None
        return unseal(box, private=self._private, purpose=uid)

    def _check(self) -> None:
        if not self.answering:
            raise Unavailable("ControlPlaneUnavailable", "The control plane does not answer.")


def _order(row: tuple[int, DesiredCluster]) -> int:
    return row[0]
