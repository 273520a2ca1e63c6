"""Builders of plain facts, and the doubles of this room's own protocols."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from extensa.arm.binding import Answer, Caller, Condition, Request
from extensa.arm.operations import Operation, Style, begun
from extensa.arm.resource_id import ResourceId, parse
from extensa.arm.system_data import SystemData
from extensa.base.errors import Unavailable
from extensa.catalog.model import ExtensionType, TypeVersion
from extensa.clusters.model import Cluster
from extensa.extensions.decision import Facts
from extensa.extensions.model import Extension, State
from extensa.extensions.service import Extensions
from extensa.link.cluster import Power
from extensa.link.extension import Chart, Failure, ObjectHealth, ObservedExtension, Phase, Status
from extensa.link.question import Answer as LinkAnswer
from extensa.link.question import Question
from extensa.link.sealing import new_private_key, public_key
from extensa.store.sqlite import SqliteStore, open_store
from extensa.store.vault import Vault, load_vault

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
CLUSTER = "/subscriptions/S1/resourceGroups/Shop/providers/Microsoft.ContainerService/managedClusters/blue"
ARC = "/subscriptions/S1/resourceGroups/Shop/providers/Microsoft.Kubernetes/connectedClusters/edge"
CALLER = Caller(object_id="00000000-0000-0000-0000-0000000000aa", tenant_id="t", app_id="a")
AGENT = "hosted-local"
AGENT_KEY = new_private_key()


def extension_id(name: str = "greeter", cluster: str = CLUSTER) -> ResourceId:
    return parse(f"{cluster}/providers/Microsoft.KubernetesConfiguration/extensions/{name}")


def chart(version: str) -> Chart:
    return Chart(name="hello", version=version, digest=f"sha256:{version}", size=1000)


def type_version(version: str, *trains: str) -> TypeVersion:
    return TypeVersion(version=version, trains=list(trains or ("stable",)), chart=chart(version), published_at=NOW)


SYSTEM_DATA = SystemData(
    created_by="u",
    created_by_type="Application",
    created_at=NOW,
    modified_by="u",
    modified_by_type="Application",
    modified_at=NOW,
)

HELLO = ExtensionType(
    name="extensa.hello",
    default_release_namespace="hello-system",
    allow_multiple_instances=True,
    supported_cluster_types=["managedClusters", "connectedClusters"],
    versions=[type_version("2.0.0", "preview"), type_version("1.1.0"), type_version("1.0.0")],
    system_data=SYSTEM_DATA,
)
SINGLE = ExtensionType(
    name="extensa.crds",
    supported_cluster_types=["managedClusters"],
    versions=[type_version("1.0.0")],
    system_data=SYSTEM_DATA,
)


def cluster(**changes: Any) -> Cluster:
    made = Cluster(
        uid="cluster-1",
        id=CLUSTER,
        name="blue",
        kind="managedClusters",
        location="westeurope",
        identity="SystemAssigned",
        kubernetes_version="1.37.1",
        power=Power.RUNNING,
        provisioning_state="Succeeded",
        agent=AGENT,
        agent_last_seen=NOW,
    )
    return replace(made, **changes)


def arc(**changes: Any) -> Cluster:
    return cluster(id=ARC, name="edge", kind="connectedClusters", uid="cluster-2", agent="edge-agent", **changes)


def extension(**changes: Any) -> Extension:
    """An extension that runs, healthy, at its first generation."""
    fields: dict[str, Any] = {
        "uid": "uid-1",
        "id": str(extension_id()),
        "cluster_uid": "cluster-1",
        "agent": AGENT,
        "extension_type": "extensa.hello",
        "namespace": "hello-system",
        "version": "1.1.0",
        "chart": chart("1.1.0"),
        "settings": {"greeting": "hi"},
        "correlation_id": "correlation-0",
        "operation_id": "operation-0",
        "state": State.SUCCEEDED,
        "installed_version": "1.1.0",
        "system_data": SYSTEM_DATA,
    }
    return Extension(**(fields | changes))


def running(doing: State = State.CREATING, **changes: Any) -> tuple[Extension, Operation]:
    """An extension with an active operation, and the operation's record."""
    found = extension(state=doing, operation="operation-0", **changes)
    operation = begun(
        operation_id="operation-0",
        resource_id=found.id,
        resource_uid=found.uid,
        style=Style.EXTENSIONS,
        doing=doing,
        now=NOW,
        correlation_id="c",
        generation=found.generation,
    )
    return found, operation


def facts(existing: Extension | None = None, **changes: Any) -> Facts:
    made = Facts(
        id=extension_id(),
        caller=CALLER,
        correlation_id="correlation-1",
        now=NOW,
        fresh_uid="uid-fresh",
        fresh_operation="operation-fresh",
        cluster=cluster(),
        existing=existing,
        extension_type=HELLO,
    )
    return replace(made, **changes)


def observed(phase: Phase, *, generation: int = 1, seconds: int = 1, **changes: Any) -> ObservedExtension:
    fields: dict[str, Any] = {
        "uid": "uid-1",
        "generation": generation,
        "phase": phase,
        "observed_at": NOW + timedelta(seconds=seconds),
        "statuses": [],
    }
    if phase is Phase.FAILED:
        fields["failure"] = Failure(
            code="NotReadyInTime",
            message="Deployment greeter was not ready in time",
            step="ready",
            target="Deployment greeter",
            next_step="Look at its pods.",
            raw="timed out waiting for the condition",
        )
    return ObservedExtension(**(fields | changes))


def health(name: str, level: str = "Current", waits_for: str = "") -> ObjectHealth:
    return ObjectHealth(kind="Deployment", name=name, namespace="hello-system", health=level, waits_for=waits_for)


def status(code: str, message: str) -> Status:
    return Status(code=code, message=message)


def body(**properties: Any) -> dict[str, Any]:
    return {"properties": {"extensionType": "extensa.hello", **properties}}


@dataclass
class FakeClusters:
    """Clusters by key."""

    found: dict[str, Cluster] = field(default_factory=lambda: {CLUSTER.casefold(): cluster(), ARC.casefold(): arc()})

    spoken: dict[str, datetime] = field(default_factory=dict)

    async def find(self, cluster_key: str) -> Cluster | None:
        return self.found.get(cluster_key)

    def heard(self, name: str, now: datetime) -> None:
        self.spoken[name] = now


@dataclass
class FakeCatalog:
    """Types by name."""

    found: dict[str, ExtensionType] = field(default_factory=lambda: {t.name: t for t in (HELLO, SINGLE)})

    async def find(self, extension_type: str) -> ExtensionType | None:
        return self.found.get(extension_type.casefold())


@dataclass
class FakeQuestions:
    """Remembers what was asked; answers with ``body``, or not at all."""

    body: dict[str, Any] | None = None
    failure: str = ""
    asked: list[Question] = field(default_factory=list)

    async def ask(self, agent: str, question: Question, now: datetime) -> LinkAnswer:
        self.asked.append(question)
        if self.body is None:
            raise Unavailable("AgentSilent", f"{agent} does not answer.")
        return LinkAnswer(id=question.id, body=self.body, failure_code=self.failure, failure_message="no")


@dataclass
class House:
    """The service over a real store, with time in our hands."""

    store: SqliteStore
    vault: Vault
    clusters: FakeClusters = field(default_factory=FakeClusters)
    catalog: FakeCatalog = field(default_factory=FakeCatalog)
    questions: FakeQuestions = field(default_factory=FakeQuestions)
    now: datetime = NOW
    even: datetime | None = None
    """What a clock says that no jump reaches; None: there is no such clock."""

    def __post_init__(self) -> None:
        self.extensions = Extensions(
            self.store,
            self.vault,
            clusters=self.clusters,
            catalog=self.catalog,
            questions=self.questions,
            clock=lambda: self.now,
            steady=None if self.even is None else lambda: self.even or NOW,
        )

    async def put(self, given: Any, name: str = "greeter", **changes: Any) -> Answer:
        return await self.extensions.put(request(given, name, **changes))

    async def patch(self, given: Any, name: str = "greeter", **changes: Any) -> Answer:
        return await self.extensions.patch(request(given, name, **changes))

    async def delete(self, name: str = "greeter", **changes: Any) -> Answer:
        return await self.extensions.delete(request(None, name, **changes))

    async def get(self, name: str = "greeter", **changes: Any) -> Answer:
        return await self.extensions.get(request(None, name, **changes))

    async def later(self, **time: float) -> None:
        self.now += timedelta(**time)
        if self.even is not None:
            self.even += timedelta(**time)


async def house(folder: Path) -> House:
    return House(await open_store(folder / "store.sqlite3"), load_vault(folder / "keys"))


def request(
    given: Any = None,
    name: str = "greeter",
    *,
    cluster_id: str = CLUSTER,
    version: str = "2025-03-01",
    query: Mapping[str, str] | None = None,
    condition: Condition | None = None,
) -> Request:
    return Request(
        caller=CALLER,
        id=extension_id(name, cluster_id),
        api_version=version,
        asked_version=version,
        correlation_id="correlation-1",
        body=given,
        query=query or {},
        condition=condition or Condition(),
    )


def public_agent_key() -> str:
    return public_key(AGENT_KEY)
