"""Builders of plain facts for the tests of clusters, and a small world of the room over a real store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from extensa.arm import operations, resource_id, system_data
from extensa.arm.binding import Answer, Binding, Caller, Condition, Request
from extensa.arm.operations import Operation, Style
from extensa.arm.resource_id import ResourceId
from extensa.clusters.model import Record
from extensa.clusters.rules import Decision, PutFacts, decide_put
from extensa.clusters.service import Clusters
from extensa.link.cluster import (
    ClusterFailure,
    ClusterFeed,
    ClusterPhase,
    ClusterReports,
    DesiredCluster,
    HostStatus,
    ObservedCluster,
    Power,
)
from extensa.link.sealing import seal
from extensa.store.port import Expect, PutResource
from extensa.store.sqlite import SqliteStore

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
TENANT = "11111111-2222-3333-4444-555555555555"
GROUP = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/Demo"
CALLER = Caller("object", TENANT, "app")
VERSIONS = ["1.36.4", "1.37.0", "1.37.1"]


def cluster_id(name: str = "demo") -> ResourceId:
    """The id of a cluster in the demo group."""
    return resource_id.parse(f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/{name}")


ID = cluster_id()


def create_body(**properties: Any) -> dict[str, Any]:
    """What ``az aks create`` sends, with empty strings for what it leaves to the server."""
    pool = {"count": 3, "vmSize": "", "osType": "Linux", "type": "VirtualMachineScaleSets", "mode": "System"}
    return {
        "location": "West Europe",
        "identity": {"type": "SystemAssigned"},
        "sku": {"name": "Base", "tier": "Free"},
        "properties": {
            "kubernetesVersion": "",
            "dnsPrefix": "demo-Demo-0b1f64",
            "agentPoolProfiles": [{**pool, "name": "nodepool1", "enableFIPS": False}],
            "enableRBAC": True,
            "networkProfile": {"outboundType": "loadBalancer", "serviceCidr": "10.0.0.0/16"},
            "addonProfiles": {},
            "storageProfile": {},
            **properties,
        },
    }


def put(
    body: Any, existing: Record | None = None, *, versions: list[str] | None = None, name: str = "demo"
) -> Decision:
    """What a PUT comes to."""
    return decide_put(PutFacts(cluster_id(name), body, existing, VERSIONS if versions is None else versions))


def record(body: Any = None, **changed: Any) -> Record:
    """A cluster as it is kept, running well unless told otherwise."""
    draft = put(create_body() if body is None else body).draft
    made = Record(
        uid="uid-1",
        id=ID.path,
        location=draft.location,
        identity=draft.identity,
        body=draft.body,
        kubernetes_version=draft.kubernetes_version,
        power=Power.RUNNING,
        generation=3,
        operation_id="op-3",
        correlation_id="correlation",
        system_data=system_data.created(CALLER, NOW),
        host="local",
        agent="hosted-local",
        provisioning_state="Succeeded",
        observed=seen(),
    )
    return replace(made, **changed)


def active(doing: str = "Updating", **changed: Any) -> Record:
    """A cluster with a running operation."""
    return record(provisioning_state=doing, active=True, deadline=NOW + timedelta(minutes=10), **changed)


def operation_of(kept: Record) -> Operation:
    """The running operation of a cluster."""
    return operations.begun(
        operation_id=kept.operation_id,
        resource_id=kept.id,
        resource_uid=kept.uid,
        style=Style.AKS,
        doing=kept.provisioning_state,
        now=NOW,
        correlation_id=kept.correlation_id,
        generation=kept.generation,
    )


def seen(phase: ClusterPhase = ClusterPhase.RUNNING, **changed: Any) -> ObservedCluster:
    """What the host reports of generation 3."""
    report = ObservedCluster(
        uid="uid-1",
        generation=3,
        phase=phase,
        observed_at=NOW,
        kubernetes_version="1.37.1",
        api_server="https://127.0.0.1:6443",
        oidc_issuer="https://127.0.0.1:6443/oidc",
        node_count=3,
    )
    return replace(report, **changed)


@dataclass
class World:
    """The room over a real store, a clock that stands still, a host that says what it is told to, and a caller."""

    store: SqliteStore
    clusters: Clusters
    moment: list[datetime] = field(default_factory=lambda: [NOW])

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.moment[0]

    def later(self, **passed: float) -> None:
        """Let time pass."""
        self.moment[0] += timedelta(**passed)

    @property
    def managed(self) -> Binding:
        """The binding of managedClusters."""
        return self.clusters.bindings[0]

    @property
    def pools(self) -> Binding:
        """The binding of agentPools."""
        return self.clusters.bindings[1]

    async def group(self, state: str = "Succeeded") -> None:
        """Make the resource group, or change its state."""
        key = GROUP.casefold()
        body = msgspec.json.encode({"id": GROUP, "state": state})
        await self.store.commit([PutResource(key, "microsoft.resources/resourcegroups", body, Expect.ANYTHING)])

    def request(self, id: ResourceId = ID, body: Any = None, **condition: str) -> Request:
        """A request about ``id``."""
        return Request(
            caller=CALLER,
            id=id,
            api_version="2026-06-01",
            asked_version="2026-06-01",
            correlation_id="correlation",
            body=body,
            condition=Condition(**condition),
        )

    async def put(self, body: Any = None, *, name: str = "demo", **condition: str) -> Answer:
        """PUT a cluster."""
        return await self.managed.put(
            self.request(cluster_id(name), create_body() if body is None else body, **condition)
        )

    async def get(self, name: str = "demo") -> dict[str, Any]:
        """GET a cluster's body."""
        body: dict[str, Any] = (await self.managed.get(self.request(cluster_id(name)))).body
        return body

    async def delete(self, name: str = "demo") -> Answer:
        """DELETE a cluster."""
        return await self.managed.delete(self.request(cluster_id(name)))

    async def act(self, action: str) -> Answer:
        """POST an action."""
        return await self.managed.act(self.request(), action)

    async def running(self, name: str = "demo") -> DesiredCluster:
        """Create a cluster and let the host report it running."""
        await self.put(name=name)
        await self.report(await self.told(name))
        return await self.told(name)

    async def told(self, name: str = "demo") -> DesiredCluster:
        """What the host is told of a cluster now."""
        return next(each for each in (await self.feed()).desired if each.name == name)

    async def feed(self, after: int = 0) -> ClusterFeed:
        """The host's feed."""
        return await self.clusters.feed("local", after=after, wait=0)

    async def report(
        self, desired: DesiredCluster, phase: ClusterPhase = ClusterPhase.RUNNING, **changed: Any
    ) -> ObservedCluster:
        """Let the host report a cluster; a running one with its kubeconfigs."""
        key = (await self.feed()).server_key
        report = seen(phase, uid=desired.uid, generation=desired.generation, observed_at=self.now)
        if phase is ClusterPhase.RUNNING:
            report = replace(
                report,
                user_kubeconfig=seal(b"user kubeconfig", recipient=key, purpose=desired.uid),
                admin_kubeconfig=seal(b"admin kubeconfig", recipient=key, purpose=desired.uid),
            )
        report = replace(report, **changed)
        await self.clusters.observe("local", ClusterReports(observed=[report]))
        return report

    async def versions(self, *known: str) -> None:
        """Let the host say which versions it has."""
        await self.clusters.observe("local", ClusterReports(host=HostStatus(kubernetes_versions=list(known))))

    async def operation(self, answer: Answer) -> Operation:
        """The operation of an answer as it is kept now."""
        assert answer.operation is not None
        row = await self.store.operation(answer.operation.id)
        assert row is not None
        return msgspec.json.decode(row.body, type=Operation)


def failure(code: str = "BinariesMissing") -> ClusterFailure:
    """Why a host gave up."""
    return ClusterFailure(code=code, message="etcd is missing.", next_step="Build it.")
