"""The host process: it says when it is ready, ends cleanly, and is the only one of its data folder."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from extensa.base import processes
from extensa.base.home import Home
from extensa.base.settings import Settings
from extensa.entry import host
from extensa.entry.host import FoundBinaries
from extensa.localcluster.errors import BinariesError
from extensa.localcluster.model import Binaries
from extensa.localcluster.progress import Progress


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EXTENSA_")}
    return {**kept, "EXTENSA_HOME": str(home)}


@contextlib.asynccontextmanager
async def process(home: Home) -> AsyncIterator[Process]:
    """Run `extensa host` without a control plane until the block ends."""
    argv = [sys.executable, "-m", "extensa.entry.host"]
    child = await processes.spawn(argv, env=environment(home.path), log=home.log("host"))
    try:
        async with asyncio.timeout(20):
            while not home.pid_file("host").exists():
                await asyncio.sleep(0.02)
        yield child
    finally:
        await processes.stop(child)


async def test_the_pid_file_is_there_while_the_host_serves_and_gone_afterwards(tmp_path: Path) -> None:
    home = Home(tmp_path)
    async with process(home) as child:
        written = json.loads(home.pid_file("host").read_bytes())
        assert {"pid": child.pid, "ticks": processes.start_ticks(child.pid)} == written
        child.send_signal(signal.SIGTERM)
        assert 0 == await asyncio.wait_for(child.wait(), 10)
    assert not home.pid_file("host").exists()
    lines = [json.loads(line) for line in home.log("host").read_text().splitlines()]
    assert ("ready", "stopped") == (lines[0]["event"], lines[-1]["event"])
    assert {"host"} == {line["process"] for line in lines}


async def test_a_second_host_of_the_same_folder_is_refused_in_words(tmp_path: Path) -> None:
    home = Home(tmp_path)
    async with process(home):
        argv = [sys.executable, "-m", "extensa.entry.host"]
        second = await processes.run(argv, env=environment(home.path), timeout=20)
    assert 1 == second.code
    assert b"AlreadyRunning" in second.stderr
    assert b"extensa down" in second.stderr


async def test_a_data_folder_that_is_a_file_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    argv = [sys.executable, "-m", "extensa.entry.host"]
    ended = await processes.run(argv, env=environment(tmp_path / "file"), timeout=20)
    assert 1 == ended.code
    assert b"HomeUnusable" in ended.stderr
    assert b"Traceback" not in ended.stderr


async def test_programs_are_found_once_however_many_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def find(settings: Settings, *, version: str, progress: Progress) -> Binaries:
        asked.append(version)
        await asyncio.sleep(0.01)
        return Binaries(tmp_path, version, tmp_path)

    monkeypatch.setattr(host, "find_binaries", find)
    found = FoundBinaries(Settings())
    said: list[str] = []
    first, second = await asyncio.gather(found("1.37.1", said.append), found("1.37.1", said.append))
    assert first == second
    assert ["1.37.1"] == asked
    assert ["Waiting for the Kubernetes programs, which are being made ready for another cluster."] == said


async def test_a_failure_to_find_them_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [BinariesError("BuildFailed", "no")]

    async def find(settings: Settings, *, version: str, progress: Progress) -> Binaries:
        if failures:
            raise failures.pop()
        return Binaries(tmp_path, version, tmp_path)

    monkeypatch.setattr(host, "find_binaries", find)
    found = FoundBinaries(Settings())
    with pytest.raises(BinariesError):
        await found("1.37.1", lambda sentence: None)
    assert "1.37.1" == (await found("1.37.1", lambda sentence: None)).version
