"""Deleting a resource group with all that is inside: look, decide one step, do it, look again.

It is driven by a periodic sweep and keeps its state in the store only (the group says Deleting and names its
operation), so a crash at any point delays it and nothing more. What is inside is deleted through the `Gateway` like by
anyone else; the group goes when nothing is *seen* inside it any more. A deletion that cannot end is given up in words,
and the group comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from extensa.arm import operations, resource_id
from extensa.arm.envelope import error_object
from extensa.arm.operations import Operation
from extensa.base.clock import Clock
from extensa.base.errors import ExtensaError, Problem
from extensa.base.log import correlated, get_logger
from extensa.resources.gateway import Body, Gateway, is_deleting, key_of
from extensa.resources.groups import ROW_TYPE, decoded, written
from extensa.resources.model import ResourceGroup, State
from extensa.store.port import DeleteResource, PutOperation, Row, StaleWrite, Store

_log = get_logger("resources")

DEADLINE = timedelta(minutes=30)
"""How long a deletion is tried; Azure gives up, too."""
QUIET = timedelta(seconds=1)
"""How long a group must have been Deleting before it can go: longer than a write that read the group just before."""
_PAGE = 500
_MOST_DETAILS = 20


@dataclass(frozen=True, slots=True)
class Facts:
    """What is seen of a group that is being deleted: its resources, and how many documents lie below it."""

    inside: Sequence[Body]
    documents: int
    started: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now: delete these resources, remove the group, or give up; nothing of it means wait."""

    delete: Sequence[Body] = ()
    remove: bool = False
    give_up: bool = False


def next_step(facts: Facts) -> Step:
    """Return the next step towards an empty group."""
    age = facts.now - facts.started
    if not facts.inside and not facts.documents:
        return Step(remove=age >= QUIET)
    if age >= DEADLINE:
        return Step(give_up=True)
    return Step(delete=[body for body in facts.inside if not is_deleting(body)])


class Cascade:
    """Empties and removes the groups that are being deleted."""

    def __init__(self, store: Store, gateway: Gateway, *, clock: Clock) -> None:
        self._store = store
        self._gateway = gateway
        self._clock = clock
        self._refusals: dict[str, dict[str, ExtensaError]] = {}

    async def sweep(self) -> None:
        """Take one step for every group that is being deleted; a group that fails does not hold up the others."""
        after: str | None = None
        while rows := await self._store.list(type=ROW_TYPE, after=after, limit=_PAGE):
            after = rows[-1].key
            for row in rows:
                group = decoded(row)
                if group.state is State.DELETING:
                    await self._turn(group, row)

    async def _turn(self, group: ResourceGroup, row: Row) -> None:
        record = await self._store.operation(group.operation_id)
        if record is None:
            return
        operation = msgspec.json.decode(record.body, type=Operation)
        with correlated(operation.correlation_id):
            try:
                await self._take(next_step(await self._look(group, operation)), group, row, operation)
            except StaleWrite:  # another process was faster: the next look shows what it did
                return
            except ExtensaError as error:
                _log.warning("deleting a resource group is held up", group=group.id, reason=str(error))

    async def _look(self, group: ResourceGroup, operation: Operation) -> Facts:
        prefix = f"{group.key}/"
        return Facts(
            inside=await self._gateway.list(prefix),
            documents=await self._store.count(prefix=prefix),
            started=operation.started,
            now=self._clock(),
        )

    async def _take(self, step: Step, group: ResourceGroup, row: Row, operation: Operation) -> None:
        if step.remove:
            ended = operations.succeeded(operation, self._clock())
            await self._store.commit([DeleteResource(group.key, row.etag), _ended(ended, group)])
            self._refusals.pop(group.key, None)
            _log.info("resource group deleted", group=group.id)
        elif step.give_up:
            await self._give_up(group, row, operation)
        for body in step.delete:
            await self._delete(body, group, operation)

    async def _delete(self, body: Body, group: ResourceGroup, operation: Operation) -> None:
        refusals = self._refusals.setdefault(group.key, {})
        try:
            await self._gateway.delete(resource_id.parse(str(body["id"])), operation.correlation_id)
            refusals.pop(key_of(body), None)
        except ExtensaError as error:  # tried again at the next turn; told when we give up
            refusals[key_of(body)] = error
            _log.warning("a resource of a group cannot be deleted yet", resource=body["id"], reason=str(error))

    async def _give_up(self, group: ResourceGroup, row: Row, operation: Operation) -> None:
        left = await self._store.list(prefix=f"{group.key}/", limit=_MOST_DETAILS)
        inside = await self._gateway.list(f"{group.key}/", limit=_MOST_DETAILS)
        names = [str(body["id"]) for body in inside] or [each.key for each in left]
        failed = operations.failed(
            operation, self._clock(), blocked(group, operation, names, self._refusals.pop(group.key, {}))
        )
        back = msgspec.structs.replace(group, state=State.SUCCEEDED, operation_id="")
        await self._store.commit([written(back, row.etag), _ended(failed, group)])
        _log.error("resource group could not be deleted", group=group.id, left=names)


def blocked(
    group: ResourceGroup, operation: Operation, left: Sequence[str], refusals: Mapping[str, ExtensaError]
) -> dict[str, object]:
    """Return the ARM error of a deletion that was given up, with what is left and why as far as it was said."""
    details = [_detail(path, refusals.get(path.casefold())) for path in left]
    return error_object(
        "ResourceGroupDeletionBlocked",
        f"Deletion of resource group '{group.name}' failed as resources with identifiers '{','.join(left)}' could not "
        f"be deleted. The provisioning state of the resource group will be rolled back. The tracking Id is "
        f"'{operation.correlation_id}'.",
        target=group.id,
        next_step="Delete what the details name, one by one, and see why it stays; then delete the group again.",
        details=details,
    )


def _detail(path: str, refusal: ExtensaError | None) -> Problem:
    if refusal is None:
        return Problem("ResourceDeletionTimeout", f"'{path}' was asked to go and is still there.", path)
    return Problem(refusal.code, refusal.message, path, refusal.next_step)


def _ended(operation: Operation, group: ResourceGroup) -> PutOperation:
    return PutOperation(operation.id, group.key, msgspec.json.encode(operation), operation.ended)
