"""A real store and a clock that stands still, for the tests of Microsoft.Resources."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from extensa.resources.groups import Groups
from extensa.store.sqlite import SqliteStore, open_store
from unit.resources.widgets import SUBSCRIPTION, StandingClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An empty store."""
    opened = await open_store(tmp_path / "store.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> StandingClock:
    """Noon, until told otherwise."""
    return StandingClock()


@pytest.fixture
def groups(store: SqliteStore, clock: StandingClock) -> Groups:
    """The binding of resource groups."""
    return Groups(store, subscription_id=SUBSCRIPTION, clock=clock)
