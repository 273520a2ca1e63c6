"""Extensions by state and health, counted by the database and not too often."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extensa.extensions.records import ROW_TYPE
from extensa.extensions.tally import Tally
from extensa.store.port import Expect, PutResource, Store
from extensa.store.sqlite import open_store

NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    found = await open_store(tmp_path / "db")
    yield found
    await found.close()


def row(name: str, body: bytes) -> PutResource:
    return PutResource(f"/{name}", ROW_TYPE, body, Expect.ANYTHING)


async def test_what_nobody_has_looked_at_yet_is_unknown(store: Store) -> None:
    await store.commit(
        [
            row("a", b'{"state":"Succeeded","observed":{"health":"Healthy"}}'),
            row("b", b'{"state":"Succeeded","observed":{"health":"Unhealthy"}}'),
            row("c", b'{"state":"Creating"}'),
            row("d", b'{"state":"Creating"}'),
        ]
    )

    expected = {("Succeeded", "Healthy"): 1, ("Succeeded", "Unhealthy"): 1, ("Creating", "Unknown"): 2}
    assert expected == await Tally(store, lambda: NOW).read()


async def test_it_counts_again_only_after_a_while(store: Store) -> None:
    now = [NOW]
    tally = Tally(store, lambda: now[0])
    assert {} == await tally.read()
    await store.commit([row("a", b'{"state":"Failed"}')])

    now[0] += timedelta(seconds=9)
    assert {} == await tally.read()
    now[0] += timedelta(seconds=1)
    assert {("Failed", "Unknown"): 1} == await tally.read()


async def test_a_clock_that_is_set_back_does_not_stop_the_count(store: Store) -> None:
    now = [NOW]
    tally = Tally(store, lambda: now[0])
    await tally.read()
    await store.commit([row("a", b'{"state":"Failed"}')])

    now[0] -= timedelta(days=1)
    assert {("Failed", "Unknown"): 1} == await tally.read()
