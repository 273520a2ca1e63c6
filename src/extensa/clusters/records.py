"""How clusters lie in the store: rows in and out, and the writes that belong together.

    {cluster id}              the record
    {resource group id}       read only: a new cluster insists on its group (written by the resources room)
    feed clusters:{host}      what the host is told, under the cluster's uid

Whatever belongs together is one list of writes, so that it becomes one commit; a commit that finds something changed
in between is decided again from the start.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct

from extensa.arm import resource_id
from extensa.arm.operations import Operation
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import Conflict, NotFound
from extensa.clusters.model import RECORD_TYPE, Record
from extensa.clusters.project import lane, project
from extensa.clusters.settle import Settled
from extensa.link.cluster import DesiredCluster
from extensa.store.port import (
    DeleteFeed,
    Expect,
    PutFeed,
    PutOperation,
    PutResource,
    Require,
    Row,
    StaleWrite,
    Store,
    Write,
)

T = TypeVar("T")
ATTEMPTS = 8
"""How often a write is decided again when others change the same cluster at the same time."""

_record = msgspec.json.Decoder(Record)
_operation = msgspec.json.Decoder(Operation)
_desired = msgspec.json.Decoder(DesiredCluster)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Found:
    """A record and the etag it had when it was read."""

    record: Record
    etag: str


class _Group(Struct, frozen=True):
    """The one fact this room reads of a resource group's row: its provisioning word."""

    state: str = "Succeeded"


async def find(store: Store, key: str) -> Found | None:
    """Return the record kept under ``key``, or None."""
    row = await store.get(key)
    return found_in(row) if row is not None and row.type == RECORD_TYPE else None


def found_in(row: Row) -> Found:
    """Return the record that a row holds."""
    return Found(_record.decode(row.body), row.etag)


async def find_by_uid(store: Store, host: str, uid: str) -> Found | None:
    """Return the record that ``host`` knows under ``uid``, or None when it has nothing to do with such a cluster."""
    row = await store.feed_row(lane(host), uid)
    if row is None:
        return None
    key = resource_id.parse(desired_in(row.body).resource_id).key
    found = await find(store, key)
    return found if found is not None and found.record.uid == uid else None


def desired_in(body: bytes) -> DesiredCluster:
    """Return the document that a feed row holds."""
    return _desired.decode(body)


async def active_operation(store: Store, record: Record) -> Operation | None:
    """Return the record's running operation, or None when nothing runs (or it was forgotten)."""
    row = await store.operation(record.operation_id) if record.active else None
    if row is None:
        return None
    operation = _operation.decode(row.body)
    return None if operation.terminal else operation


async def require_group(store: Store, cluster: ResourceId) -> Require:
    """Return the write that insists on the cluster's resource group being as it is now.

    Raises `NotFound` (``ResourceGroupNotFound``) and `Conflict` (``ResourceGroupBeingDeleted``).
    """
    group = resource_id.build(cluster.subscription, cluster.resource_group)
    row = await store.get(group.key)
    if row is None:
        raise group_not_found(cluster)
    if msgspec.json.decode(row.body, type=_Group).state == "Deleting":
        raise Conflict(
            "ResourceGroupBeingDeleted",
            f"The resource group '{group.name}' is in deprovisioning state and cannot perform this operation.",
            target=group.path,
            next_step="Wait until it is gone and make it again, or choose another group.",
        )
    return Require(group.key, row.etag)


def group_not_found(cluster: ResourceId) -> NotFound:
    """Return ARM's refusal for a resource group that does not exist."""
    name = cluster.resource_group or ""
    return NotFound(
        "ResourceGroupNotFound",
        f"Resource group '{name}' could not be found.",
        target=name,
        next_step=f"az group create --name {name} --location REGION makes it.",
    )


async def not_found(store: Store, cluster: ResourceId) -> NotFound:
    """Return ARM's refusal for a cluster that does not exist: its group's, when that is missing too."""
    if await store.get(resource_id.build(cluster.subscription, cluster.resource_group).key) is None:
        return group_not_found(cluster)
    return NotFound(
        "ResourceNotFound",
        f"The Resource '{cluster.type}/{cluster.name}' under resource group '{cluster.resource_group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        target=cluster.path,
        next_step=f"az resource list --resource-group {cluster.resource_group} --resource-type {cluster.type} lists "
        "those there are.",
    )


def put(record: Record, expect: str | Expect) -> PutResource:
    """Return the write of ``record`` alone."""
    return PutResource(record.key, RECORD_TYPE, _encode(record), expect)


def put_operation(operation: Operation, key: str) -> PutOperation:
    """Return the write of an operation on the resource kept under ``key``."""
    return PutOperation(operation.id, key, _encode(operation), operation.ended)


def put_desired(record: Record) -> PutFeed:
    """Return the write that tells the host what the cluster should be."""
    return PutFeed(lane(record.host), record.uid, _encode(project(record)))


def drop_desired(record: Record) -> DeleteFeed:
    """Return the write after which the host is told nothing more of the cluster."""
    return DeleteFeed(lane(record.host), record.uid)


def settled(before: Found, outcome: Settled) -> Sequence[Write]:
    """Return the writes of what a report or a deadline settled, for a cluster that stays."""
    after = outcome.record
    if after is None:
        raise ValueError("a cluster that is gone is removed, not settled")
    writes: list[Write] = [put(after, before.etag)]
    if outcome.operation is not None:
        writes.append(put_operation(outcome.operation, after.key))
    if project(after) != project(before.record):
        writes.append(put_desired(after))
    return writes


async def decided_anew(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what ``attempt`` returns, decided again while others are faster; then raises `StaleWrite`."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await attempt()
        except StaleWrite:
            continue
    return await attempt()
