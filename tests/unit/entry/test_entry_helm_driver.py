"""Which driver of Helm an agent gets: our engine where its program is, ``helm`` otherwise, or as it is told."""

import asyncio
import re
from pathlib import Path

import pytest

from extensa.base.home import Home
from extensa.base.settings import Settings
from extensa.entry.agent import helm_driver
from extensa.helm.driver import CliDriver
from extensa.helm.engine import EngineDriver
from extensa.localcluster.model import Binaries


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, with helm and without an engine, and nothing on PATH."""
    (tmp_path / "helm").write_text("")
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    found(monkeypatch, tmp_path, engine=False)
    return tmp_path


def found(monkeypatch: pytest.MonkeyPatch, folder: Path, *, engine: bool) -> None:
    """Let these be the programs that are ready."""
    binaries = Binaries(folder, "1.37.1", folder / "stages", folder / "helm-engine" if engine else None)
    monkeypatch.setattr("extensa.entry.agent.ready_binaries", lambda _: binaries)


@pytest.mark.parametrize(
    ("asked", "engine", "kind"),
    [
        ("auto", True, EngineDriver),
        ("auto", False, CliDriver),
        ("cli", True, CliDriver),
        ("engine", True, EngineDriver),
    ],
)
async def test_the_driver_is_chosen_by_setting_and_by_what_there_is(
    ready: Path, monkeypatch: pytest.MonkeyPatch, asked: str, engine: bool, kind: type
) -> None:
    found(monkeypatch, ready, engine=engine)
    async with helm_driver(Settings(helm_driver=asked), Home(ready)) as driver:
        assert kind is type(driver)


async def test_an_engine_that_is_asked_for_is_waited_for(ready: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.entry.agent._LOOK_FOR_HELM_EVERY", 0.01)
    chosen = asyncio.create_task(helm_driver(Settings(helm_driver="engine"), Home(ready)).__aenter__())
    await asyncio.sleep(0.05)
    assert not chosen.done()
    found(monkeypatch, ready, engine=True)
    assert EngineDriver is type(await chosen)


def test_a_driver_that_does_not_exist_is_told() -> None:
    with pytest.raises(ValueError, match=re.escape("EXTENSA_HELM_DRIVER must be auto, engine or cli, not 'tiller'")):
        Settings(helm_driver="tiller").driver  # noqa: B018 - reading it is the check
