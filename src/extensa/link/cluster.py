"""The second pair: what a managed cluster should be, and what its host has seen of it.

Only hosts take part. A kubeconfig travels sealed to the server's key; for the hosted agent beside it the host writes
the same kubeconfig to a 0600 file, so that the agent never asks the control plane for it.
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from extensa.link.sealing import Sealed


class Power(StrEnum):
    """What the cluster should be doing."""

    RUNNING = "running"
    STOPPED = "stopped"
    ABSENT = "absent"


class NodePool(Struct, frozen=True, kw_only=True):
    """One agent pool: its simulated nodes' number, operating system and labels."""

    name: str
    count: int
    os_type: str = "Linux"
    mode: str = "System"
    vm_size: str = "simulated"
    labels: dict[str, str] = {}


class DesiredCluster(Struct, frozen=True, kw_only=True):
    """What one managed cluster should be; ``uid`` is its identity, ``generation`` grows with every change."""

    uid: str
    generation: int
    resource_id: str
    name: str
    location: str
    kubernetes_version: str
    power: Power
    pools: list[NodePool]
    correlation_id: str
    operation_id: str


class ClusterPhase(StrEnum):
    """Where the host stands with a generation."""

    WORKING = "working"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"
    GONE = "gone"


class ClusterFailure(Struct, frozen=True, kw_only=True):
    """Why a cluster is not what it should be, and what to do about it."""

    code: str
    message: str
    next_step: str = ""


class ObservedCluster(Struct, frozen=True, kw_only=True):
    """What the host has seen of one cluster, for one generation. ``progress`` is a sentence for people."""

    uid: str
    generation: int
    phase: ClusterPhase
    observed_at: datetime
    progress: str = ""
    kubernetes_version: str = ""
    api_server: str = ""
    oidc_issuer: str = ""
    node_count: int = 0
    admin_kubeconfig: Sealed | None = None
    user_kubeconfig: Sealed | None = None
    failure: ClusterFailure | None = None
    correlation_id: str = ""


class HostStatus(Struct, frozen=True, kw_only=True):
    """What a host says of itself: the Kubernetes versions whose binaries it has (newest last)."""

    kubernetes_versions: list[str]


class ClusterFeed(Struct, frozen=True, kw_only=True):
    """One answer to a host's long poll. ``server_key`` is the public key that kubeconfigs are sealed to."""

    cursor: int
    desired: list[DesiredCluster]
    server_key: str


class ClusterReports(Struct, frozen=True, kw_only=True):
    """What a host sends: itself, and observed documents in any order, any number of times."""

    host: HostStatus | None = None
    observed: list[ObservedCluster] = []
