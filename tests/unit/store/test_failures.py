"""Full, read-only, locked, damaged: provoked on a real database where possible, told in words with a way out."""

import asyncio
import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from extensa.store import sqlite
from extensa.store.failures import unavailable
from extensa.store.port import Expect, PutResource, StoreUnavailable
from extensa.store.sqlite import SqliteStore, open_store

LARGE = os.urandom(200_000)
_NOBODY = 65534


def put(key: str, body: bytes = b"{}") -> PutResource:
    return PutResource(key, "t", body, Expect.ANYTHING)


def pragma(store: SqliteStore, statement: str) -> Any:
    """Turn a screw on the writer's own connection, while no commit is under way."""
    return store._committer._session._connection.execute(f"PRAGMA {statement}").fetchone()


async def refused(store: SqliteStore, *writes: PutResource) -> StoreUnavailable:
    with pytest.raises(StoreUnavailable) as caught:
        await store.commit(list(writes))
    assert caught.value.next_step
    assert str(store._path) in caught.value.message
    return caught.value


def overwrite(path: Path, place: int, content: bytes) -> None:
    """Put ``content`` at ``place`` in a file, as a bad disk would."""
    path.touch()
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "db"


@contextlib.contextmanager
def nobody_special(folder: Path) -> Iterator[None]:
    """Be somebody who may read ``folder`` and not write it: root, who may write everywhere, acts as another user."""
    was = os.geteuid()
    if was == 0:
        os.chown(folder, _NOBODY, -1)
    folder.chmod(0o500)
    if was == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)
        folder.chmod(0o700)


class TestFull:
    async def test_it_is_told_and_goes_on_when_there_is_room_again(self, path: Path) -> None:
        store = await open_store(path)
        await store.commit([put("/a")])
        pages = pragma(store, "page_count")[0]
        pragma(store, f"max_page_count = {pages}")

        assert "StoreFull" == (await refused(store, put("/b", LARGE))).code
        pragma(store, "max_page_count = 1000000")
        await store.commit([put("/c", LARGE)])
        assert ["/a", "/c"] == [row.key for row in await store.list(limit=9)]
        await store.close()

    async def test_of_a_group_only_those_written_are_acknowledged(self, path: Path) -> None:
        store = await open_store(path)
        pragma(store, f"max_page_count = {pragma(store, 'page_count')[0] + 20}")
        results = await asyncio.gather(
            *(store.commit([put(f"/{n}", LARGE if n == 3 else b"small")]) for n in range(6)), return_exceptions=True
        )
        kept = {row.key for row in await store.list(limit=9)}

        assert {f"/{n}" for n, each in enumerate(results) if isinstance(each, dict)} == kept
        assert isinstance(results[3], StoreUnavailable)
        await store.close()


class TestReadOnly:
    async def test_a_connection_that_may_not_write(self, path: Path) -> None:
        store = await open_store(path)
        pragma(store, "query_only = ON")

        assert "StoreReadOnly" == (await refused(store, put("/a"))).code
        await store.close()

    async def test_a_reader_never_writes(self, path: Path) -> None:
        store = await open_store(path)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            store._reader.execute("DELETE FROM resources")
        await store.close()

    def test_a_folder_that_may_not_be_written(self) -> None:
        with (
            tempfile.TemporaryDirectory() as folder,
            nobody_special(Path(folder)),
            pytest.raises(StoreUnavailable) as caught,
        ):
            asyncio.run(open_store(Path(folder) / "db"))
        assert "StoreReadOnly" == caught.value.code

    async def test_a_folder_that_is_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StoreUnavailable) as caught:
            await open_store(tmp_path / "file" / "db")
        assert "StoreUnreachable" == caught.value.code

    async def test_a_database_that_is_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(StoreUnavailable) as caught:
            await open_store(tmp_path)
        assert "StoreUnreachable" == caught.value.code


class TestLocked:
    async def test_reads_go_on_and_writes_are_told_after_their_patience(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite, "_WRITER_PATIENCE", 0.05)
        store = await open_store(path)
        await store.commit([put("/a")])
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")

            assert "StoreLocked" == (await refused(store, put("/b"))).code
            assert await store.get("/a") is not None
            other.execute("ROLLBACK")
        await store.commit([put("/c")])
        await store.close()

    async def test_a_short_lock_is_waited_out_without_holding_up_the_loop(self, path: Path) -> None:
        store = await open_store(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            writing = asyncio.create_task(store.commit([put("/a")]))
            for _ in range(10):
                await asyncio.sleep(0.01)
                assert await store.get("/a") is None
            other.execute("ROLLBACK")
            await writing
        await store.close()


class TestDamaged:
    async def test_what_is_no_database(self, path: Path) -> None:
        overwrite(path, 0, b"This is a text, and no database at all. " * 100)
        with pytest.raises(StoreUnavailable) as caught:
            await open_store(path)
        assert "StoreDamaged" == caught.value.code

    async def test_a_page_that_was_overwritten(self, path: Path) -> None:
        store = await open_store(path)
        await store.commit([put(f"/{n:04}", LARGE[:2000]) for n in range(200)])
        await store.close()
        overwrite(path, 4096 * 5, b"\xa5" * 400_000)

        store = await open_store(path)
        with pytest.raises(StoreUnavailable) as caught:
            await store.list(limit=1000)
        assert "StoreDamaged" == caught.value.code
        assert "copy" in (caught.value.next_step or "")
        await store.close()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SQLITE_FULL", "StoreFull"),
        ("SQLITE_READONLY_DBMOVED", "StoreReadOnly"),
        ("SQLITE_BUSY_SNAPSHOT", "StoreLocked"),
        ("SQLITE_CORRUPT_INDEX", "StoreDamaged"),
        ("SQLITE_CANTOPEN_ISDIR", "StoreUnreachable"),
        ("SQLITE_IOERR_FSYNC", "StoreFailing"),
        ("SQLITE_SOMETHING_NEW", "StoreFailing"),
    ],
)
def test_every_code_has_words_and_a_next_step(name: str, code: str) -> None:
    error = unavailable(name, "detail", "/data/db")

    assert (code, True, 503) == (error.code, error.transient, error.status)
    assert all(part in error.message for part in ("/data/db", "detail", name))
    assert error.next_step


async def test_a_commit_is_synced_before_it_is_acknowledged(path: Path) -> None:
    store = await open_store(path)

    assert (2,) == pragma(store, "synchronous")
    assert ("wal",) == pragma(store, "journal_mode")
    await store.close()
