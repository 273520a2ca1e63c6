"""What this room asks of others: whether a cluster exists.

A protocol, because the clusters room lies beside this one. Its service satisfies it as it is.
"""

from typing import Protocol


class Clusters(Protocol):
    """Which clusters exist."""

    async def find(self, cluster_key: str) -> object | None:
        """Return the cluster with this row key, or None."""
        ...
