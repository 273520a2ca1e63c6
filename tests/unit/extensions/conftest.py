"""A house per test: the service over a real store in a folder of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from unit.extensions.extension_facts import House, house


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[House]:
    made = await house(tmp_path)
    yield made
    await made.store.close()
