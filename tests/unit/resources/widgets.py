"""Requests, a clock that stands still, and a room of resources to delete, for the tests of Microsoft.Resources."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from extensa.arm import resource_id
from extensa.arm.binding import Answer, Caller, Condition, Level, Listing, Request, TypeSpec
from extensa.arm.resource_id import ResourceId, build
from extensa.base.errors import ExtensaError, NotFound

SUBSCRIPTION = "0b1f6471-1bf0-4dda-aec3-cb9272f09590"
CALLER = Caller(object_id="someone", tenant_id="t", app_id="a")
ROOT = f"/subscriptions/{SUBSCRIPTION}"


@dataclass
class StandingClock:
    """A clock that moves when told to."""

    now: datetime = datetime(2026, 11, 25, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


def request(path: str, body: Any = None, *, query: dict[str, str] | None = None, **condition: str) -> Request:
    """A request to ``path`` below our subscription; an empty path is the subscription itself, ``/`` the root."""
    return Request(
        caller=CALLER,
        id=build(None, None) if path == "/" else resource_id.parse(ROOT + path),
        api_version="2024-11-01",
        asked_version="2024-11-01",
        correlation_id="c-1",
        body=body,
        query=query or {},
        condition=Condition(**condition),
    )


def widget(group: str, name: str, **more: Any) -> dict[str, Any]:
    """A resource as its GET words it."""
    path = f"{ROOT}/resourceGroups/{group}/providers/Example.Widgets/widgets/{name}"
    body = {"id": path, "name": name, "type": "Example.Widgets/widgets", "location": "westeurope"}
    return body | {"properties": {"provisioningState": "Succeeded"}} | more


WIDGETS = TypeSpec(
    type="Example.Widgets/widgets",
    levels=(Level.GROUP,),
    api_versions=("2024-01-01", "2025-01-01"),
    verbs=frozenset({"get", "put", "delete", "list"}),
    listed_in_subscription=True,
)


@dataclass
class Widgets:
    """A binding of tracked resources in memory, whose DELETE takes until `finish` is called."""

    spec: TypeSpec = WIDGETS
    bodies: dict[str, dict[str, Any]] = field(default_factory=dict)
    deletions: list[Request] = field(default_factory=list)
    refusal: ExtensaError | None = None
    page: int = 1000

    def add(self, *bodies: dict[str, Any]) -> None:
        self.bodies |= {body["id"].casefold(): body for body in bodies}

    def finish(self) -> None:
        for asked in self.deletions:
            self.bodies.pop(asked.id.key, None)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        keys = sorted(k for k in self.bodies if k.startswith(f"{request.id.key}/") and k > (after or ""))
        chosen = keys[: min(limit, self.page)]
        return Listing([self.bodies[k] for k in chosen], chosen[-1] if len(chosen) < len(keys) else None)

    async def delete(self, request: Request) -> Answer:
        self.deletions.append(request)
        if self.refusal is not None:
            raise self.refusal
        if request.id.key not in self.bodies:
            raise NotFound("ResourceNotFound", "gone")
        self.bodies[request.id.key]["properties"]["provisioningState"] = "Deleting"
        return Answer(202)

    async def get(self, request: Request) -> Answer:
        raise NotImplementedError

    async def put(self, request: Request) -> Answer:
        raise NotImplementedError

    async def patch(self, request: Request) -> Answer:
        raise NotImplementedError

    async def act(self, request: Request, action: str) -> Answer:
        raise NotImplementedError


def paths(ids: Sequence[Request]) -> list[str]:
    """The last words of the ids that were asked for."""
    return [each.id.name for each in ids]


def scope(path: str) -> ResourceId:
    """The id at ``path`` below our subscription."""
    return resource_id.parse(ROOT + path)
