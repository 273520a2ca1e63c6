"""`extensa kubernetes`: the programs ahead of time."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from extensa.base.settings import Settings
from extensa.cli import kubernetes
from extensa.localcluster.errors import BinariesError
from extensa.localcluster.model import Binaries
from unit.cli.conftest import Shell

FOUND = Binaries(Path("/programs"), "1.36.1", Path("/programs/stages"))


def test_installing_tells_each_step_and_where_they_are(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def find(_settings: Settings, *, version: str, progress: Callable[[str], None]) -> Binaries:
        asked.append(version)
        progress("Building etcd (1 of 7)")
        return FOUND

    monkeypatch.setattr(kubernetes, "find_binaries", find)
    ran = shell("kubernetes", "install", "--version", "1.36")

    assert (0, "Kubernetes 1.36.1 in /programs\n") == (ran.code, ran.out)
    assert ["1.36"] == asked
    assert "Kubernetes programs" in ran.err


def test_a_failed_build_is_told_with_its_next_step(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(_settings: Settings, **_: object) -> Binaries:
        raise BinariesError("BuildFailed", "etcd did not build.", target="/log", next_step="Read /log.")

    monkeypatch.setattr(kubernetes, "find_binaries", find)
    ran = shell("kubernetes", "install")

    assert 1 == ran.code
    assert "(BuildFailed) etcd did not build." in ran.err
    assert "next: Read /log." in ran.err


def test_versions_are_listed_whether_installed_or_not(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "ready_binaries", lambda _settings: FOUND)
    assert "1.36.1   True       /programs" in shell("kubernetes", "list").out
    monkeypatch.setattr(kubernetes, "ready_binaries", lambda _settings: None)
    monkeypatch.setattr(kubernetes, "known_versions", lambda: ["1.37.1"])
    assert [{"version": "1.37.1", "installed": False, "folder": None}] == json.loads(
        shell("kubernetes", "list", "-o", "json").out
    )
