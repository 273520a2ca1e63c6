"""The resource groups: PUT, GET, PATCH, DELETE and LIST over the store, and the beginning of a deletion.

A service in the house's sense: it reads the facts, lets ``rules`` decide, and writes once. A deletion is only begun
here: ``cascade`` empties the group and removes it, however often the process dies in between.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from extensa.arm import etags
from extensa.arm.binding import Answer, Level, Listing, Request, TypeSpec
from extensa.arm.operations import Operation, Style, begun
from extensa.base.clock import Clock
from extensa.base.errors import ExtensaError
from extensa.base.ids import new_id
from extensa.resources import filters, rules
from extensa.resources.locations import NAMES
from extensa.resources.model import TYPE, ResourceGroup, State
from extensa.resources.subscriptions import subscription_not_found
from extensa.store.port import Expect, PutOperation, PutResource, Row, StaleWrite, Store

T = TypeVar("T")

SPEC = TypeSpec(
    type=TYPE,
    levels=(Level.GROUPS,),
    api_versions=("2015-11-01", "2016-02-01", "2019-10-01", "2021-04-01", "2022-09-01", "2024-11-01", "2025-04-01"),
    verbs=frozenset({"get", "put", "patch", "delete", "list"}),
    summary="a resource group",
)
ROW_TYPE = TYPE.casefold()
_ATTEMPTS = 5
"""How often a write without a condition of its own is decided anew when another request was faster."""
_NOWHERE = lambda: None  # noqa: E731 - the default of a callback


class Groups:
    """The binding of ``/subscriptions/S/resourceGroups[/G]``; ``deletion_begun`` is called when there is work for the
    cascade.
    """

    spec = SPEC

    def __init__(
        self,
        store: Store,
        *,
        subscription_id: str,
        clock: Clock,
        regions: Sequence[str] = NAMES,
        deletion_begun: Callable[[], None] = _NOWHERE,
    ) -> None:
        self._store = store
        self._subscription = subscription_id
        self._clock = clock
        self._regions = regions
        self._deletion_begun = deletion_begun

    async def get(self, request: Request) -> Answer:
        """Return the group (200); raises `NotFound` (``ResourceGroupNotFound``)."""
        row = await self._row(request)
        if row is None:
            raise rules.group_not_found(request.id.name)
        return Answer(200, rendered(decoded(row)), etag=row.etag)

    async def put(self, request: Request) -> Answer:
        """Create (201) or replace (200) the group; raises `Refused` and `Conflict` (see ``rules``)."""
        return await _decided_anew(lambda: self._put_once(request))

    async def _put_once(self, request: Request) -> Answer:
        row = await self._row(request)
        etags.check(request.condition, None if row is None else row.etag, target=request.id.path)
        present = None if row is None else decoded(row)
        draft = rules.read_draft(request.body, name=request.id.name, regions=self._regions)
        group = rules.decide_put(
            draft, present=present, id=request.id, uid=new_id(), caller=request.caller, now=self._clock()
        )
        etag = await self._write(group, row)
        return Answer(201 if row is None else 200, rendered(group), etag=etag)

    async def patch(self, request: Request) -> Answer:
        """Change tags (200); raises `NotFound`, `Refused` and `Conflict`."""
        return await _decided_anew(lambda: self._patch_once(request))

    async def _patch_once(self, request: Request) -> Answer:
        row = await self._row(request)
        if row is None:
            raise rules.group_not_found(request.id.name)
        etags.check(request.condition, row.etag, target=request.id.path)
        present = decoded(row)
        draft = rules.read_patch(request.body, present=present, regions=self._regions)
        group = rules.decide_put(
            draft, present=present, id=request.id, uid=present.uid, caller=request.caller, now=self._clock()
        )
        return Answer(200, rendered(group), etag=await self._write(group, row))

    async def delete(self, request: Request) -> Answer:
        """Begin to delete the group and all that is inside (202); a group being deleted joins the running operation.

        Raises `NotFound` for an absent one, as Azure does here.
        """
        return await _decided_anew(lambda: self._delete_once(request))

    async def _delete_once(self, request: Request) -> Answer:
        row = await self._row(request)
        if row is None:
            raise rules.group_not_found(request.id.name)
        etags.check(request.condition, row.etag, target=request.id.path)
        group = decoded(row)
        running = await self._running(group)
        if running is None:
            running = begun(
                operation_id=new_id(),
                resource_id=group.id,
                resource_uid=group.uid,
                style=Style.LOCATION,
                doing=State.DELETING.value,
                now=self._clock(),
                correlation_id=request.correlation_id,
                location=group.location,
            )
            deleting = msgspec.structs.replace(group, state=State.DELETING, operation_id=running.id)
            record = PutOperation(running.id, group.key, msgspec.json.encode(running))
            await self._store.commit([written(deleting, row.etag), record])
        self._deletion_begun()
        return Answer(202, operation=running)

    async def _running(self, group: ResourceGroup) -> Operation | None:
        """Return the deletion that has begun and not ended."""
        row = await self._store.operation(group.operation_id) if group.state is State.DELETING else None
        return None if row is None else msgspec.json.decode(row.body, type=Operation)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of groups; ``$filter`` may demand ``tagName`` and ``tagValue``."""
        self._require_subscription(request)
        demands = filters.parse(request.query.get("$filter"), known=("tagName", "tagValue"))
        prefix = f"{request.id.key}/resourcegroups/"
        rows = await self._store.list(prefix=prefix, type=ROW_TYPE, after=after, limit=limit + 1)
        page = [decoded(row) for row in rows[:limit]]
        found = [rendered(group) for group in page if filters.matches_tag(demands, group.tags)]
        return Listing(found, page[-1].key if len(rows) > limit else None)

    async def act(self, request: Request, action: str) -> Answer:
        """Refuse: groups have no actions."""
        raise ExtensaError("MethodNotAllowed", f"A group has no action '{action}'.", target=request.id.path, status=405)

    def _require_subscription(self, request: Request) -> None:
        named = request.id.subscription
        if named is None or named.casefold() != self._subscription.casefold():
            raise subscription_not_found(named)

    async def _row(self, request: Request) -> Row | None:
        self._require_subscription(request)
        return await self._store.get(request.id.key)

    async def _write(self, group: ResourceGroup, row: Row | None) -> str:
        etags_by_key = await self._store.commit([written(group, Expect.ABSENT if row is None else row.etag)])
        return etags_by_key[group.key]


async def _decided_anew(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what ``attempt`` returns, asked again while another request is faster; then raises `StaleWrite`."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt()
        except StaleWrite:
            continue
    return await attempt()


def decoded(row: Row) -> ResourceGroup:
    """Return the group that a row holds."""
    return msgspec.json.decode(row.body, type=ResourceGroup)


def written(group: ResourceGroup, expect: str | Expect) -> PutResource:
    """Return the write that keeps ``group``."""
    return PutResource(group.key, ROW_TYPE, msgspec.json.encode(group), expect)


def rendered(group: ResourceGroup) -> dict[str, Any]:
    """Return the group as GET answers with it."""
    body: dict[str, Any] = {"id": group.id, "name": group.name, "type": TYPE, "location": group.location}
    if group.managed_by is not None:
        body["managedBy"] = group.managed_by
    if group.tags is not None:
        body["tags"] = group.tags
    return body | {"properties": {"provisioningState": group.state.value}}
