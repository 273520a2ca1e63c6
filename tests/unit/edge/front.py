"""Doubles of the rooms below the front: each satisfies a protocol of `extensa.edge.port` or `extensa.arm.binding`."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx2

from extensa.arm.binding import Answer, Caller, Level, Listing, Request, TypeSpec
from extensa.arm.operations import Operation, Style, begun
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import Forbidden, NotFound, Unauthenticated
from extensa.edge.app import Front, Rooms, build_app
from extensa.identity.agent_credentials import LinkCaller
from extensa.identity.token_requests import TokenRefused
from extensa.link.cluster import ClusterFeed, ClusterReports
from extensa.link.extension import ExtensionFeed, ExtensionReports
from extensa.link.question import Answer as LinkAnswer
from extensa.link.question import QuestionFeed

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
BASE = "https://extensa.test:9443"
S = "/subscriptions/0000"
G = S + "/resourceGroups/rg"
CLUSTER = G + "/providers/Microsoft.ContainerService/managedClusters/c"
EXTENSION = CLUSTER + "/providers/Microsoft.KubernetesConfiguration/extensions/hello"
TOKEN = {"Authorization": "Bearer good"}
CALLER = Caller("oid", "tid", "app")

EXTENSIONS = TypeSpec(
    type="Microsoft.KubernetesConfiguration/extensions",
    levels=(Level.CLUSTER,),
    api_versions=("2022-03-01", "2023-05-01", "2025-03-01"),
    verbs=frozenset({"get", "put", "patch", "delete", "list"}),
    actions=("listObjects",),
)
CLUSTERS = TypeSpec(
    type="Microsoft.ContainerService/managedClusters",
    levels=(Level.GROUP,),
    api_versions=("2024-09-01",),
    verbs=frozenset({"get", "put", "delete", "list"}),
    actions=("listClusterAdminCredential",),
    listed_in_subscription=True,
)
TYPES = TypeSpec(
    type="Microsoft.KubernetesConfiguration/extensionTypes",
    levels=(Level.LOCATION, Level.CLUSTER, Level.SUBSCRIPTION),
    api_versions=("2023-05-01-preview", "2024-11-01"),
    verbs=frozenset({"get", "put", "list"}),
)
VERSIONS = TypeSpec(
    type="Microsoft.KubernetesConfiguration/extensionTypes/versions",
    levels=(Level.LOCATION, Level.CLUSTER, Level.SUBSCRIPTION),
    api_versions=("2023-05-01-preview", "2024-11-01"),
    verbs=frozenset({"get", "list"}),
)
SUBSCRIPTIONS = TypeSpec(
    type="Microsoft.Resources/subscriptions",
    levels=(Level.ROOT,),
    api_versions=("2016-06-01",),
    verbs=frozenset({"get", "list"}),
)
GROUPS = TypeSpec(
    type="Microsoft.Resources/resourceGroups",
    levels=(Level.GROUPS,),
    api_versions=("2016-02-01",),
    verbs=frozenset({"get", "put", "patch", "delete", "list"}),
)
SPECS = (EXTENSIONS, CLUSTERS, TYPES, VERSIONS, SUBSCRIPTIONS, GROUPS)


@dataclass
class BindingDouble:
    """Says what it was asked, and answers what it was told to."""

    spec: TypeSpec
    answer: Answer = field(default_factory=lambda: Answer(200, {"ok": True}))
    error: Exception | None = None
    page: Listing = field(default_factory=lambda: Listing([]))
    asked: list[tuple[str, Request]] = field(default_factory=list)
    after: str | None = None
    limit: int = 0

    @property
    def request(self) -> Request:
        """The last request."""
        return self.asked[-1][1]

    def _said(self, verb: str, request: Request) -> Answer:
        self.asked.append((verb, request))
        if self.error is not None:
            raise self.error
        return self.answer

    async def get(self, request: Request) -> Answer:
        return self._said("get", request)

    async def put(self, request: Request) -> Answer:
        return self._said("put", request)

    async def patch(self, request: Request) -> Answer:
        return self._said("patch", request)

    async def delete(self, request: Request) -> Answer:
        return self._said("delete", request)

    async def act(self, request: Request, action: str) -> Answer:
        return self._said(action, request)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        self._said("list", request)
        self.after, self.limit = after, limit
        return self.page


@dataclass
class AuthorityDouble:
    """Knows one caller by the token ``good``, a host and an agent, and refuses what it was told to refuse."""

    tenant_id: str = "11111111-2222-3333-4444-555555555555"
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)
    asked: list[tuple[str, str]] = field(default_factory=list)
    form: Mapping[str, str] = field(default_factory=dict)

    def authenticate(self, authorization: str | None) -> Caller:
        if authorization != "Bearer good":
            raise Unauthenticated("AuthenticationFailed", "Authentication failed.")
        return CALLER

    def authorize(self, caller: Caller, action: str, scope_key: str) -> None:
        self.asked.append((action, scope_key))
        if (action, scope_key) in self.forbidden:
            raise Forbidden("AuthorizationFailed", f"{caller.app_id} may not {action} at {scope_key}.")

    def sees(self, caller: Caller, scope_key: str) -> bool:
        return scope_key not in self.unseen

    def link_caller(self, authorization: str | None) -> LinkCaller:
        kinds = {"Bearer hosted.s": LinkCaller("agent", "hosted"), "Bearer local.s": LinkCaller("host", "local")}
        if authorization not in kinds:
            raise Unauthenticated("LinkCredentialInvalid", "Not valid.")
        return kinds[authorization]

    async def token(self, tenant: str, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        self.form = form
        if form.get("client_secret") != "s":
            raise TokenRefused(401, "invalid_client", 7000215, "Invalid client secret provided.")
        return {"token_type": "Bearer", "access_token": tenant, "expires_in": 3599}

    def discovery(self, tenant: str, *, v2: bool) -> dict[str, Any]:
        return {"tenant": tenant, "v2": v2}

    def jwks(self) -> dict[str, Any]:
        return {"keys": []}


@dataclass
class OperationsDouble:
    """Operations by id; a wait ends when `end` is called."""

    kept: dict[str, Operation] = field(default_factory=dict)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    waits: list[float] = field(default_factory=list)

    async def get(self, operation_id: str, wait: float) -> Operation | None:
        self.waits.append(wait)
        if wait > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.ended.wait(), wait)
        return self.kept.get(operation_id)


@dataclass
class LinkRooms:
    """Clusters, extensions, questions and charts in one: remembers reports, holds empty feeds."""

    observed: list[tuple[str, Any]] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    charts: dict[str, bytes] = field(default_factory=dict)
    published: list[tuple[Request, bytes]] = field(default_factory=list)

    async def _wait(self, **asked: Any) -> None:
        self.asked.append(asked)
        if asked["wait"] > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), asked["wait"])

    async def chart(self, digest: str) -> bytes | None:
        return self.charts.get(digest)

    async def publish_version(self, request: Request, archive: bytes) -> Answer:
        self.published.append((request, archive))
        return Answer(201, {"name": request.id.name})


class ClusterLink(LinkRooms):
    def heard(self, name: str, now: datetime) -> None:
        self.asked.append({"heard": name, "now": now})

    async def feed(self, host: str, *, after: int, wait: float) -> ClusterFeed:
        await self._wait(caller=host, after=after, wait=wait)
        return ClusterFeed(cursor=after, desired=[], server_key="key")

    async def observe(self, host: str, reports: ClusterReports) -> None:
        self.observed.append((host, reports))


class ExtensionLink(LinkRooms):
    async def feed(self, agent: str, *, after: int, wait: float, agent_key: str) -> ExtensionFeed:
        await self._wait(caller=agent, after=after, wait=wait, agent_key=agent_key)
        return ExtensionFeed(cursor=after, desired=[])

    async def observe(self, agent: str, reports: ExtensionReports) -> None:
        self.observed.append((agent, reports))


class QuestionLink(LinkRooms):
    async def feed(self, agent: str, *, after: int, wait: float) -> QuestionFeed:
        await self._wait(caller=agent, after=after, wait=wait)
        return QuestionFeed(cursor=after, questions=[])

    async def answer(self, agent: str, answer: LinkAnswer) -> None:
        self.observed.append((agent, answer))


class ProvidersDouble:
    """One provider."""

    async def list(self, subscription: str) -> Sequence[Any]:
        return [{"namespace": "Microsoft.ContainerService", "subscription": subscription}]

    async def get(self, subscription: str, namespace: str) -> Any:
        if namespace.casefold() != "microsoft.containerservice":
            raise NotFound("InvalidResourceNamespace", f"The resource namespace '{namespace}' is invalid.")
        return {"namespace": namespace, "registrationState": "Registered"}

    async def register(self, subscription: str, namespace: str) -> Any:
        return {"namespace": namespace, "registrationState": "Registering"}


class DirectoryDouble:
    """One tenant, one region, one subscription."""

    def tenants(self) -> Sequence[Any]:
        return [{"tenantId": "t"}]

    def locations(self) -> Sequence[Any]:
        return [{"name": "westeurope"}]

    def require(self, subscription: str | None) -> None:
        if subscription != "0000":
            raise NotFound("SubscriptionNotFound", "no")


@dataclass
class EverythingDouble:
    """Remembers how it was asked."""

    asked: list[tuple[str, str, str | None, int]] = field(default_factory=list)
    page: Listing = field(default_factory=lambda: Listing([]))

    async def list(self, scope: ResourceId, *, filter: str, after: str | None, limit: int) -> Listing:
        self.asked.append((scope.path, filter, after, limit))
        return self.page


@dataclass
class House:
    """The front over doubles, and an HTTP client that speaks to it in process."""

    bindings: dict[str, BindingDouble]
    identity: AuthorityDouble
    operations: OperationsDouble
    clusters: ClusterLink
    extensions: ExtensionLink
    questions: QuestionLink
    everything: EverythingDouble
    front: Front
    client: httpx2.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """GET as the one caller."""
        return await self.client.get(path, headers={**TOKEN, **headers})


def house(
    *,
    base_url: str = BASE,
    probes: Mapping[str, Callable[[], Awaitable[None]]] | None = None,
) -> House:
    """Return a front over fresh doubles."""
    bindings = {spec.type: BindingDouble(spec) for spec in SPECS}
    identity, operations, everything = AuthorityDouble(), OperationsDouble(), EverythingDouble()
    clusters, extensions, questions = ClusterLink(), ExtensionLink(), QuestionLink()
    rooms = Rooms(
        bindings=list(bindings.values()),
        identity=identity,
        operations=operations,
        providers=ProvidersDouble(),
        directory=DirectoryDouble(),
        everything=everything,
        clusters=clusters,
        extensions=extensions,
        questions=questions,
        charts=extensions,
        publisher=extensions,
        probes=probes or {},
    )
    front = build_app(rooms, base_url=base_url, clock=lambda: NOW)
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(front.app), base_url=base_url)
    return House(bindings, identity, operations, clusters, extensions, questions, everything, front, client)


def operation(style: Style, resource_id: str = EXTENSION, **changed: Any) -> Operation:
    """Return an operation that has just begun on ``resource_id``."""
    started = begun(
        operation_id="op-1",
        resource_id=resource_id,
        resource_uid="uid",
        style=style,
        doing="Creating",
        now=NOW,
        correlation_id="correlation",
        location="westeurope",
    )
    fields: dict[str, Any] = {name: getattr(started, name) for name in started.__struct_fields__}
    return Operation(**{**fields, **changed})


def refused(response: httpx2.Response) -> tuple[int, str]:
    """Return status and code of an error answer."""
    return response.status_code, response.json()["error"]["code"]
