"""The memory outlives the process, holds no secret in the open, and belongs to one process at a time."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from extensa.agent import memory as agent_memory
from extensa.agent.memory import FileMemory, MemoryError_, Outcome, Remembered
from extensa.base import home
from extensa.helm.release import Inventory, ObjectRef
from extensa.link.extension import Failure, Phase
from unit.agent.test_agent_prepare import DESIRED, sealed

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LEAVING = Inventory((ObjectRef("v1", "ConfigMap", "ns", "a"),), kept=(ObjectRef("v1", "Secret", "ns", "b"),))
FULL = Remembered(
    desired=sealed({"p": "hunter2-long"}),
    outcome=Outcome(
        uid="u", generation=3, phase=Phase.FAILED, at=NOW, failure=Failure(code="C", message="m", step="s")
    ),
    leaving=LEAVING,
)


def holding(folder: Path, secret: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[FileMemory]:
    made = FileMemory(tmp_path / "agent")
    yield made
    made.close()


async def test_everything_comes_back_as_it_was(tmp_path: Path) -> None:
    for _ in range(2):
        memory = FileMemory(tmp_path / "agent")
        await memory.keep(FULL)
        assert [FULL] == await memory.load()
        memory.close()


async def test_no_secret_is_on_the_disk(memory: FileMemory, tmp_path: Path) -> None:
    await memory.keep(FULL)

    assert not holding(tmp_path, b"hunter2")


async def test_a_resource_is_known_whatever_the_case_of_its_id(memory: FileMemory) -> None:
    await memory.keep(FULL)
    await memory.keep(Remembered(desired=msgspec.structs.replace(DESIRED, resource_id="/SUB/x", generation=9)))

    assert [9] == [kept.desired.generation for kept in await memory.load()]
    await memory.forget("/sub/X")
    await memory.forget("/sub/X")
    assert [] == await memory.load()


async def test_a_file_that_cannot_be_read_is_left_out(memory: FileMemory, tmp_path: Path) -> None:
    await memory.keep(FULL)
    (tmp_path / "agent" / "extensions" / "broken.json").write_text("{")

    assert [FULL] == await memory.load()


async def test_the_key_is_made_once_and_for_us_alone(memory: FileMemory, tmp_path: Path) -> None:
    key = await memory.private_key()

    assert key == await memory.private_key()
    assert 0o600 == (tmp_path / "agent" / "key").stat().st_mode & 0o777
    assert 0o700 == (tmp_path / "agent").stat().st_mode & 0o777


async def test_charts_are_kept_by_content(memory: FileMemory) -> None:
    assert await memory.chart("sha256:a") is None
    path = await memory.keep_chart("sha256:a", b"chart")
    await memory.keep_chart("sha256:b", b"other")

    assert path == await memory.chart("sha256:a")
    await memory.drop_charts({"sha256:a"})
    assert b"chart" == path.read_bytes()
    assert await memory.chart("sha256:b") is None


def test_a_second_process_is_refused(memory: FileMemory, tmp_path: Path) -> None:
    with pytest.raises(MemoryError_) as caught:
        FileMemory(tmp_path / "agent")

    assert ("AgentAlreadyRunning", "Stop it with `extensa down`.") == (caught.value.code, caught.value.next_step)


async def test_a_folder_that_cannot_be_used_is_told(memory: FileMemory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryError_, match="cannot be used"):
        FileMemory(tmp_path / "file" / "agent")
    extensions = tmp_path / "agent" / "extensions"
    extensions.rmdir()
    extensions.write_text("")
    with pytest.raises(MemoryError_) as caught:
        await memory.keep(FULL)

    assert "AgentFolderUnusable" == caught.value.code


async def test_what_was_half_written_when_the_agent_was_killed_is_cleared_away(tmp_path: Path) -> None:
    first = FileMemory(tmp_path)
    await first.keep(FULL)
    first.close()
    (kept,) = (tmp_path / "extensions").iterdir()
    half = [kept.with_name(f".{kept.name}.x1_abcde"), tmp_path / ".key.12345678"]
    for each in half:
        each.write_bytes(b"half")
    second = FileMemory(tmp_path)

    assert [] == [each for each in half if each.exists()]
    assert [FULL] == await second.load()
    second.close()


async def test_what_is_forgotten_does_not_come_back_from_a_write_that_was_cancelled(
    memory: FileMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = home.write_file

    def slow(path: Path, content: bytes) -> None:
        time.sleep(0.1)
        write(path, content)

    monkeypatch.setattr(agent_memory, "write_file", slow)
    keeping = asyncio.create_task(memory.keep(FULL))
    await asyncio.sleep(0.02)
    keeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeping
    await memory.forget(FULL.desired.resource_id)
    await asyncio.sleep(0.15)

    assert [] == await memory.load()
