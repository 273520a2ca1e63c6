"""Extensions by state and health, counted by the database and not too often."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extensa.extensions.records import ROW_TYPE
from extensa.extensions.settle import health
from extensa.extensions.tally import Tally
from extensa.link.extension import Drift, ObjectHealth, ObservedExtension, Phase
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


def seen(*healths: str, phase: Phase = Phase.READY, drift: list[Drift] | None = None) -> ObservedExtension:
    objects = [ObjectHealth(kind="K", name="n", namespace="", health=each) for each in healths]
    return ObservedExtension(
        uid="u", generation=1, phase=phase, observed_at=NOW, statuses=[], objects=objects, drift=drift or []
    )


FIELD = Drift(kind="K", name="n", namespace="", path="/spec")


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (seen(), "Healthy"),
        (seen("Current", "Current"), "Healthy"),
        (seen("Current", "InProgress"), "Unhealthy"),
        (seen("Current", drift=[FIELD]), "Drifted"),
        (seen("Failed", drift=[FIELD]), "Unhealthy"),
        (seen("Current", phase=Phase.FAILED), "Healthy"),
        (seen(phase=Phase.FAILED), "Unknown"),
        (seen(phase=Phase.WORKING), "Unknown"),
    ],
)
def test_health_is_one_word(observed: ObservedExtension, expected: str) -> None:
    assert expected == health(observed)
