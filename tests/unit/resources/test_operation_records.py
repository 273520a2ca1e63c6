"""Polling an operation: at once when it has ended, held while it runs, None when nobody knows it."""

import asyncio
import time
from datetime import UTC, datetime

import msgspec

from extensa.arm.operations import Operation, Style, begun, succeeded
from extensa.resources.operations import Operations
from extensa.store.port import PutOperation
from extensa.store.sqlite import SqliteStore

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUNNING = begun(
    operation_id="o",
    resource_id="/a",
    resource_uid="u",
    style=Style.AKS,
    doing="Creating",
    now=NOW,
    correlation_id="c",
)


def put(operation: Operation) -> PutOperation:
    return PutOperation(operation.id, operation.resource_id, msgspec.json.encode(operation), operation.ended)


async def test_an_unknown_one_is_told_at_once(store: SqliteStore) -> None:
    assert await asyncio.wait_for(Operations(store).get("nope", 60), 5) is None


async def test_an_ended_one_is_told_at_once(store: SqliteStore) -> None:
    ended = succeeded(RUNNING, NOW)
    await store.commit([put(ended)])

    assert ended == await asyncio.wait_for(Operations(store).get("o", 60), 5)


async def test_a_running_one_is_held_and_then_shown_as_it_is(store: SqliteStore) -> None:
    await store.commit([put(RUNNING)])
    begin = time.monotonic()

    assert RUNNING == await Operations(store).get("o", 0.1)
    assert time.monotonic() - begin >= 0.1


async def test_the_end_is_told_the_moment_it_is_written(store: SqliteStore) -> None:
    await store.commit([put(RUNNING)])
    polls = [asyncio.create_task(Operations(store).get("o", 60)) for _ in range(3)]
    await asyncio.sleep(0.02)
    await store.commit([put(RUNNING)])  # progress, no end: still held
    await asyncio.sleep(0.02)
    assert not any(poll.done() for poll in polls)
    ended = succeeded(RUNNING, NOW)
    await store.commit([put(ended)])

    assert [ended] * 3 == await asyncio.wait_for(asyncio.gather(*polls), 5)
