"""The nouns of this room: a managed cluster as it is kept, as others see it, and heartbeats.

A record holds what the client asked for (`body`, whole), what that means (`power`, `kubernetes_version`), and what the
host has seen (`observed`); the three are never mixed, and what a reader gets is laid together in `render`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import Struct

from extensa.arm import resource_id
from extensa.arm.resource_id import ResourceId
from extensa.arm.system_data import SystemData
from extensa.link.cluster import ObservedCluster, Power

NAMESPACE = "Microsoft.ContainerService"
KIND = "managedClusters"
RECORD_TYPE = f"{NAMESPACE}/{KIND}".casefold()
HEARTBEAT_TYPE = "extensa.clusters/heartbeats"

SUCCEEDED, FAILED = "Succeeded", "Failed"
MANAGED_IDENTITIES = frozenset({"SystemAssigned", "UserAssigned"})


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One managed cluster. ``body`` is what the client sent, less what is not its to say, defaults filled in.

    Written by, field by field: a client's write (`binding`) all but the last four; ``observed``, ``kubeconfigs`` by the
    host's reports; ``provisioning_state`` and ``active`` by both.
    """

    uid: str
    id: str
    location: str
    identity: str
    body: dict[str, Any]
    kubernetes_version: str
    """Whole version wanted; empty while no host has said which it has and the client named none."""
    power: Power
    generation: int
    operation_id: str
    """The operation that brought this generation."""
    correlation_id: str
    system_data: SystemData
    host: str
    agent: str
    provisioning_state: str
    active: bool = False
    """Whether ``operation_id`` is still running; only it may be finished."""
    deadline: datetime | None = None
    """When the active operation ends by itself."""
    observed: ObservedCluster | None = None
    """The host's newest report, without the kubeconfigs."""
    kubeconfigs: dict[str, str] = {}
    """``user`` and ``admin``: envelopes of the vault, bound to `bound_to`."""

    @property
    def resource_id(self) -> ResourceId:
        """The parsed id."""
        return resource_id.parse(self.id)

    @property
    def key(self) -> str:
        """Where it is kept."""
        return self.id.casefold()

    @property
    def name(self) -> str:
        """The cluster's name, as spelled when it was made."""
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> dict[str, Any]:
        """What the client sent under ``properties``."""
        found: dict[str, Any] = self.body.get("properties", {})
        return found

    def bound_to(self, role: str) -> str:
        """What the kubeconfig of ``role`` is sealed to at rest."""
        return f"{self.key}#{self.uid}/{role}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as the rooms above see it, managed or connected."""

    uid: str
    id: str
    name: str
    kind: str
    location: str
    identity: str
    """``SystemAssigned``, ``UserAssigned``, ``ServicePrincipal`` or ``None``."""
    kubernetes_version: str
    power: Power
    provisioning_state: str
    agent: str
    agent_last_seen: datetime | None


class Heartbeat(Struct, frozen=True, kw_only=True):
    """When a host or an agent last spoke, and which Kubernetes versions a host has (newest last)."""

    name: str
    last_seen: datetime
    kubernetes_versions: list[str] = []

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"/extensa/clusters/heartbeats/{self.name}"


def cluster_of(record: Record, agent_last_seen: datetime | None) -> Cluster:
    """Return ``record`` as the rooms above see it; the version is the one seen running, else the one wanted."""
    seen = record.observed.kubernetes_version if record.observed else ""
    return Cluster(
        uid=record.uid,
        id=record.id,
        name=record.name,
        kind=KIND,
        location=record.location,
        identity=record.identity,
        kubernetes_version=seen or record.kubernetes_version,
        power=record.power,
        provisioning_state=record.provisioning_state,
        agent=record.agent,
        agent_last_seen=agent_last_seen,
    )
