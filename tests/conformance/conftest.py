"""One exam for every database behind the store's port."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conformance.stores import KINDS, new_address, open_address
from extensa.store.port import Store


@pytest.fixture(params=KINDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    return new_address(request.param, tmp_path)


@pytest.fixture
async def store(address: str) -> AsyncIterator[Store]:
    """A store on an empty database."""
    opened = await open_address(address)
    yield opened
    await opened.close()
