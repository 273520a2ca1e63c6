"""What one resource type brings to the ARM front: a `TypeSpec` of facts and a `Binding` of verbs.

PUT, GET, PATCH, DELETE, LIST and POST are written once, in ``edge/handlers/resource.py``; a type is added by writing a
binding in its own room and naming it in ``entry/server.py``. This file holds the contract between the two, and no code
that does anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from extensa.arm.operations import Operation
from extensa.arm.resource_id import ResourceId


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: the object id that role assignments name, its tenant, and the application it signed in as."""

    object_id: str
    tenant_id: str
    app_id: str
    kind: str = "Application"
    """``User``, ``Application`` or ``ManagedIdentity``, as systemData words it."""


@dataclass(frozen=True, slots=True)
class Condition:
    """The request's ``If-Match`` and ``If-None-Match``: an etag (unquoted), ``*``, or None when absent."""

    if_match: str | None = None
    if_none_match: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One ARM request, authenticated, authorised and checked for form.

    ``api_version`` is already one that the type knows; ``asked_version`` is what the caller wrote. ``body`` is the
    decoded JSON (None when there was none); ``query`` has case-folded keys.
    """

    caller: Caller
    id: ResourceId
    api_version: str
    asked_version: str
    correlation_id: str
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    condition: Condition = Condition()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb gives back: a status, a JSON body, and the operation to poll when the work goes on.

    With ``operation`` set the front adds ``Azure-AsyncOperation`` (or ``Location``) and ``Retry-After``.
    """

    status: int
    body: Any = None
    operation: Operation | None = None
    etag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a collection: bodies in order, and where the next page starts (None on the last)."""

    value: Sequence[Any]
    next_after: str | None = None


class Level(StrEnum):
    """Where a type's resources lie."""

    ROOT = "root"
    """``/subscriptions[/S]``: outside every namespace; for ``list`` the id is the empty one (`build(None, None)`)"""
    GROUPS = "groups"
    """``/subscriptions/S/resourceGroups[/G]``: outside every namespace; for ``list`` the id is the subscription's"""
    TENANT = "tenant"
    """``/providers/NS/type/name``"""
    SUBSCRIPTION = "subscription"
    """``/subscriptions/S/providers/NS/type/name``"""
    LOCATION = "location"
    """``/subscriptions/S/providers/NS/locations/L/type/name``"""
    GROUP = "group"
    """``/subscriptions/S/resourceGroups/G/providers/NS/type/name``"""
    CLUSTER = "cluster"
    """Attached to a cluster: ``{clusterId}/providers/NS/type/name``"""


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """The facts about a type: its name, where it lies, what it can do and since which api-version.

    ``verbs`` names what the binding implements, of get, put, patch, delete, list; ``actions`` the POST actions, as
    spelled in the URL. ``api_versions`` runs from oldest to newest.
    """

    type: str
    levels: tuple[Level, ...]
    api_versions: tuple[str, ...]
    verbs: frozenset[str]
    actions: tuple[str, ...] = ()
    listed_in_subscription: bool = False
    summary: str = ""

    @property
    def namespace(self) -> str:
        """``Microsoft.KubernetesConfiguration`` of ``Microsoft.KubernetesConfiguration/extensions``."""
        return self.type.partition("/")[0]

    @property
    def kind(self) -> str:
        """``extensions`` of ``Microsoft.KubernetesConfiguration/extensions``."""
        return self.type.partition("/")[2]


class Binding(Protocol):
    """One resource type's verbs. A verb the spec does not name is never called.

    Every verb may raise any `ExtensaError`; nothing else may escape. ``get`` and ``list`` answer at once; ``put``,
    ``patch`` and ``delete`` return when the write is durable, with the operation that carries the rest.
    ``request.id`` is the resource, for ``list`` the scope that is listed.
    """

    spec: TypeSpec

    async def get(self, request: Request) -> Answer:
        """Return the resource (200); raise `NotFound` when there is none."""
        ...

    async def put(self, request: Request) -> Answer:
        """Create (201) or replace (200) the resource."""
        ...

    async def patch(self, request: Request) -> Answer:
        """Change what the body names (200, or 202 with an operation)."""
        ...

    async def delete(self, request: Request) -> Answer:
        """Remove the resource (202 with an operation, 200), or 204 when there is none."""
        ...

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of the resources below ``request.id``, in key order."""
        ...

    async def act(self, request: Request, action: str) -> Answer:
        """Perform a POST action (one of ``spec.actions``, as spelled there)."""
        ...
