"""One installation for all of chaos, on a disk of its own where there can be one; each test leaves it at rest."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from chaos.history import HISTORIES
from chaos.run import World, world
from e2e.small_disk import SmallDisk, small_disk


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """A disk for the data folder."""
    with small_disk(tmp_path_factory.mktemp("disk") / "disk", mib=1500) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chaos(
    disk: SmallDisk, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """The installation; what its end and its files show is told when everything else is over."""
    folder: Path = tmp_path_factory.mktemp("chaos")
    async with world(folder, data=disk.path / "home") as made:
        request.config.stash[HISTORIES].append(made.history)
        yield made
    assert {} == made.history.violations, made.history.told()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was survived."""
    for history in terminalreporter.config.stash[HISTORIES]:
        terminalreporter.write_line(f"{history.summary} (seed {history.seed}; {dict(sorted(history.counts.items()))})")


def pytest_configure(config: pytest.Config) -> None:
    """Have somewhere to put the histories."""
    config.stash[HISTORIES] = []
