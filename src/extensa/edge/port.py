"""What the front asks of the rooms below, as protocols: the doors it knocks at, and nothing behind them.

The rooms satisfy these by having the methods; ``entry/server.py`` hands them in, tests hand in doubles. Types of
documents come from `extensa.arm` and `extensa.link`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from extensa.arm.binding import Answer as ArmAnswer
from extensa.arm.binding import Caller, Listing, Request
from extensa.arm.operations import Operation
from extensa.arm.resource_id import ResourceId
from extensa.link.cluster import ClusterFeed, ClusterReports
from extensa.link.extension import ExtensionFeed, ExtensionReports
from extensa.link.question import Answer, QuestionFeed


class LinkCaller(Protocol):
    """Who calls on the link: ``kind`` is host or agent, ``name`` the one of its lane."""

    @property
    def kind(self) -> str:
        """``host`` or ``agent``."""
        ...

    @property
    def name(self) -> str:
        """The host's or agent's name."""
        ...


class Authority(Protocol):
    """Who is calling, and what they may do (the identity room)."""

    @property
    def tenant_id(self) -> str:
        """The one tenant of this installation."""
        ...

    def authenticate(self, authorization: str | None) -> Caller:
        """Return who presents this ``Authorization`` header; raises `Unauthenticated`."""
        ...

    def authorize(self, caller: Caller, action: str, scope_key: str) -> None:
        """Return quietly when ``caller`` may do ``action`` at ``scope_key``; raises `Forbidden`."""
        ...

    def sees(self, caller: Caller, scope_key: str) -> bool:
        """Return whether ``caller`` may know that a scope exists: it has some role at it, above or below."""
        ...

    def link_caller(self, authorization: str | None) -> LinkCaller:
        """Return which host or agent presents this header; raises `Unauthenticated`."""
        ...

    async def token(self, tenant: str, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        """Return the token endpoint's answer; raises `TokenRefused`."""
        ...

    def discovery(self, tenant: str, *, v2: bool) -> dict[str, Any]:
        """Return the OpenID configuration of ``tenant``."""
        ...

    def jwks(self) -> dict[str, Any]:
        """Return the keys that tokens are signed with."""
        ...


class Operations(Protocol):
    """Asynchronous operations as they are kept (the resources room)."""

    async def get(self, operation_id: str, wait: float) -> Operation | None:
        """Return the record, held up to ``wait`` seconds until it ends; None when there is none."""
        ...


class Clusters(Protocol):
    """The clusters room's side of the link."""

    def heard(self, name: str, now: datetime) -> None:
        """Remember that a host or agent speaks now."""
        ...

    async def feed(self, host: str, *, after: int, wait: float) -> ClusterFeed:
        """Return what is new for ``host`` after a cursor, held up to ``wait`` seconds."""
        ...

    async def observe(self, host: str, reports: ClusterReports) -> None:
        """Take in what ``host`` has seen."""
        ...


class Extensions(Protocol):
    """The extensions room's side of the link."""

    async def feed(self, agent: str, *, after: int, wait: float, agent_key: str) -> ExtensionFeed:
        """Return what is new for ``agent`` after a cursor, held up to ``wait`` seconds, sealed to ``agent_key``."""
        ...

    async def observe(self, agent: str, reports: ExtensionReports) -> None:
        """Take in what ``agent`` has seen."""
        ...


class Questions(Protocol):
    """Questions waiting for an agent, and its answers."""

    async def feed(self, agent: str, *, after: int, wait: float) -> QuestionFeed:
        """Return the questions after a cursor, held up to ``wait`` seconds."""
        ...

    async def answer(self, agent: str, answer: Answer) -> None:
        """Take in an answer."""
        ...


class Charts(Protocol):
    """Charts by digest, and publishing (the catalog room)."""

    async def chart(self, digest: str) -> bytes | None:
        """Return the chart archive with this digest, or None."""
        ...


class Publisher(Protocol):
    """Publishing into the catalog."""

    async def publish_version(self, request: Request, archive: bytes) -> ArmAnswer:
        """Keep ``archive`` as the version that ``request.id`` names, on the train that its query names."""
        ...


class Providers(Protocol):
    """Resource providers and their registration (the resources room)."""

    async def list(self, subscription: str) -> Sequence[Any]:
        """Return every provider as the subscription sees it."""
        ...

    async def get(self, subscription: str, namespace: str) -> Any:
        """Return one provider; raises `NotFound` (``InvalidResourceNamespace``)."""
        ...

    async def register(self, subscription: str, namespace: str) -> Any:
        """Register one provider with the subscription and return it; raises `NotFound`."""
        ...


class Directory(Protocol):
    """What lies beside the subscriptions: tenants and regions (the resources room)."""

    def tenants(self) -> Sequence[Any]:
        """Return every tenant."""
        ...

    def locations(self) -> Sequence[Any]:
        """Return every region."""
        ...

    def require(self, subscription: str | None) -> None:
        """Return quietly for a subscription that is there; raises `NotFound`."""
        ...


class Everything(Protocol):
    """The list of all resources of all types (the resources room)."""

    async def list(self, scope: ResourceId, *, filter: str, after: str | None, limit: int) -> Listing:
        """Return one page of what lies below ``scope`` and passes ARM's ``$filter``; raises `Refused` for a bad one."""
        ...
