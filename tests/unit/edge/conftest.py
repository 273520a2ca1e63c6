"""A front over doubles for every test that speaks HTTP."""

from collections.abc import AsyncIterator

import pytest

from unit.edge.front import House
from unit.edge.front import house as build


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A front over fresh doubles."""
    built = build()
    yield built
    await built.client.aclose()
