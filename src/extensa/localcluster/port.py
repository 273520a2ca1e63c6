"""What the host needs of the control plane: a feed of desired clusters, and somewhere to report.

The carrier lives in another room of the cluster side; ``entry`` brings the two together.
"""

from typing import Protocol

from extensa.link.cluster import ClusterFeed, ClusterReports


class ControlPlane(Protocol):
    """The link's second pair, as a host sees it; both calls raise `ExtensaError` when nobody answers."""

    async def clusters(self, *, after: int, wait: int) -> ClusterFeed:
        """Return what changed after ``after``, waiting up to ``wait`` seconds; after 0 comes everything."""
        ...

    async def report_clusters(self, reports: ClusterReports) -> None:
        """Hand in what was seen; return when the control plane has kept it."""
        ...
