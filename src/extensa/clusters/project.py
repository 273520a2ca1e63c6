"""What a host is told of a cluster: the desired document, always the same for the same record. Pure.

The fast path (a write) and the repair path (the sweep) both call this, so they cannot drift apart.
"""

from extensa.clusters.model import Record
from extensa.clusters.pools import node_pools
from extensa.link.cluster import DesiredCluster


def project(record: Record) -> DesiredCluster:
    """Return what the cluster should be, as the host is told."""
    return DesiredCluster(
        uid=record.uid,
        generation=record.generation,
        resource_id=record.id,
        name=record.name,
        location=record.location,
        kubernetes_version=record.kubernetes_version,
        power=record.power,
        pools=node_pools(record.properties["agentPoolProfiles"]),
        correlation_id=record.correlation_id,
        operation_id=record.operation_id,
    )


def lane(host: str) -> str:
    """Return the feed that ``host`` reads."""
    return f"clusters:{host}"


def extension_lane(agent: str) -> str:
    """Return the feed that ``agent`` reads desired extensions from."""
    return f"extensions:{agent}"
