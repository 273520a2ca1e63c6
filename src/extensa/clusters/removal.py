"""The end of a cluster that was seen gone: its record and everything attached below it, in one commit.

What is attached (extensions, role assignments) has no life without its cluster, so its rows, what agents are told of it
and its open operations go with it; nothing of it is asked. What those documents mean is not looked at.
"""

from collections.abc import Sequence

import msgspec

from extensa.arm import operations
from extensa.arm.envelope import error_object
from extensa.arm.operations import Operation
from extensa.base.clock import Clock
from extensa.clusters import records
from extensa.clusters.model import Record
from extensa.clusters.project import extension_lane
from extensa.clusters.records import Found
from extensa.store.port import DeleteFeed, DeleteResource, Store, Write

_PAGE = 500
_MOST_OPERATIONS = 100_000
_MOST_TOLD = 100_000


async def removal(store: Store, found: Found, ended: Operation | None, clock: Clock) -> Sequence[Write]:
    """Return the writes that remove the cluster; ``ended`` is its own operation, ended well, if it has one."""
    record = found.record
    writes: list[Write] = [DeleteResource(record.key, found.etag), records.drop_desired(record)]
    if ended is not None:
        writes.append(records.put_operation(ended, record.key))
    writes += [DeleteResource(key) for key in await _attached(store, record)]
    lane = extension_lane(record.agent)
    told = await store.feed(lane, after=0, limit=_MOST_TOLD)
    writes += [DeleteFeed(lane, row.key) for row in told if row.key.startswith(record.key + "/")]
    for row in await store.open_operations(limit=_MOST_OPERATIONS):
        if row.resource_key.startswith(record.key + "/"):
            operation = msgspec.json.decode(row.body, type=Operation)
            canceled = operations.canceled(operation, clock(), _gone_with(record, operation))
            writes.append(records.put_operation(canceled, row.resource_key))
    return writes


async def _attached(store: Store, record: Record) -> Sequence[str]:
    keys: list[str] = []
    while True:
        rows = await store.list(prefix=record.key + "/", after=keys[-1] if keys else None, limit=_PAGE)
        keys += [row.key for row in rows]
        if len(rows) < _PAGE:
            return keys


def _gone_with(record: Record, operation: Operation) -> dict[str, object]:
    return error_object(
        "ParentResourceDeleted",
        f"The managed cluster '{record.name}' was deleted, and what was attached to it went with it.",
        target=operation.resource_id,
    )
