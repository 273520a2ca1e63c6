"""The default database: SQLite in one file, in WAL mode, behind `extensa.store.port.Store`.

Writes go through one thread with group commit (``committer.py``) and ``synchronous=FULL``: what was acknowledged
survives a power cut. Reads run inline on the event loop, on a connection of their own that only reads: a point read
takes about 10 µs, and the hop to a thread and back alone four times that (``bench/store.py``); WAL readers wait for
nobody. Charts are the exception and are read in a thread. It is the only file that imports the driver; it never looks
inside a document.
"""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from extensa.base.clock import Clock, utc_now
from extensa.store import failures
from extensa.store import statements as sql
from extensa.store.committer import Committer
from extensa.store.migrations import REVISIONS
from extensa.store.port import FeedRow, OperationRow, Row, Write
from extensa.store.waking import Listener, Topics, topics_of
from extensa.store.writing import write_all

_WRITER_PATIENCE = 10.0
"""Seconds the writing thread waits for another process's lock (a backup, a shell)."""
_READER_PATIENCE = 0.5
"""Seconds a read waits, on the event loop, for the moments in which WAL locks readers out (recovery)."""
_SYSTEM = {
    errno.ENOSPC: "SQLITE_FULL",
    errno.EDQUOT: "SQLITE_FULL",
    errno.EACCES: "SQLITE_READONLY",
    errno.EPERM: "SQLITE_READONLY",
    errno.EROFS: "SQLITE_READONLY",
}
_WAL_LIMIT = 64 * 1024 * 1024
"""Bytes to which the write-ahead log shrinks again after a large chart."""


async def open_store(path: Path, *, clock: Clock = utc_now) -> "SqliteStore":
    """Return the store in the file at ``path``, made (0600) if missing and brought to the newest schema.

    Before an existing database is changed, a copy is put beside it (``….before-REVISION-TIME``); ``clock`` dates it.
    Raises `StoreUnavailable`; among them `StoreUnusable` for a database newer than this program or not ours.
    """
    return SqliteStore(await asyncio.to_thread(_prepare, path, clock))


class SqliteStore:
    """One open database. Use it on the event loop on which it was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._topics = Topics()
        with _Words(path):
            self._reader = _connect(path, patience=_READER_PATIENCE)
            self._reader.execute("PRAGMA query_only = ON")
            session = _Session(path)
        self._committer: Committer[_Session] = Committer(
            session, self._topics, closed=lambda: failures.closed(str(path))
        )
        self._words = _Words(path)

    async def get(self, key: str) -> Row | None:
        """Return the document with exactly this key, or None."""
        found = self._read(sql.GET, (key,))
        return Row(*found[0]) if found else None

    async def list(
        self, *, prefix: str = "", type: str | None = None, after: str | None = None, limit: int
    ) -> Sequence[Row]:
        """Return up to ``limit`` documents in key order, as the port says."""
        statement, values = sql.select_resources(prefix, type, after, limit)
        return [Row(*each) for each in self._read(statement, values)]

    async def count(self, *, prefix: str = "", type: str | None = None) -> int:
        """Return how many documents `list` would give without a limit."""
        statement, values = sql.select_resources(prefix, type, None, None)
        return int(self._read(statement, values)[0][0])

    async def tally(self, *, type: str, fields: Sequence[str]) -> dict[tuple[str, ...], int]:
        """Return how many documents of ``type`` there are of each combination of ``fields``, counted in a thread."""
        if self._committer.closing:
            raise failures.closed(str(self._path))
        found = await asyncio.to_thread(_read_once, self._path, *sql.tally_resources(type, fields))
        return {tuple(str(value) for value in row[:-1]): int(row[-1]) for row in found}

    async def commit(self, writes: Sequence[Write]) -> dict[str, str]:
        """Write all of ``writes`` durably or none; return new etags by key. Raises `StaleWrite`."""
        if not writes:
            return {}
        return await self._committer.run(lambda session: write_all(session, writes), topics_of(writes))

    async def operation(self, operation_id: str) -> OperationRow | None:
        """Return an operation record, or None."""
        found = self._read(sql.OPERATION, (operation_id,))
        return _operation(found[0]) if found else None

    async def open_operations(self, *, limit: int) -> Sequence[OperationRow]:
        """Return operations that have not ended, oldest first."""
        return [_operation(each) for each in self._read(sql.OPEN_OPERATIONS, (limit,))]

    async def count_open_operations(self) -> int:
        """Return how many operations have not ended."""
        return int(self._read(sql.COUNT_OPEN, ())[0][0])

    async def forget_operations(self, *, ended_before: datetime) -> int:
        """Remove operation records that ended before that moment; return how many."""
        moment = sql.as_number(ended_before)
        return await self._committer.run(lambda session: session.run(sql.FORGET_OPERATIONS, (moment,)))

    async def feed(self, lane: str, *, after: int, limit: int) -> Sequence[FeedRow]:
        """Return up to ``limit`` documents of ``lane`` with a sequence above ``after``, in order."""
        return [FeedRow(*each) for each in self._read(sql.FEED, (lane, after, limit))]

    async def feed_row(self, lane: str, key: str) -> FeedRow | None:
        """Return one document of a feed, or None."""
        found = self._read(sql.FEED_ROW, (lane, key))
        return FeedRow(*found[0]) if found else None

    async def put_blob(self, digest: str, content: bytes) -> None:
        """Keep ``content`` under ``digest``, durably; keeping the same one again changes nothing."""
        await self._committer.run(lambda session: session.run(sql.PUT_BLOB, (digest, content)))

    async def get_blob(self, digest: str) -> bytes | None:
        """Return the content kept under ``digest``, or None."""
        if self._committer.closing:
            raise failures.closed(str(self._path))
        found = await asyncio.to_thread(_read_once, self._path, sql.GET_BLOB, (digest,))
        return found[0][0] if found else None

    def topic_changed(self, topic: str) -> Listener:
        """Start listening for commits under ``topic``; see the port."""
        return self._topics.listen(topic)

    async def close(self) -> None:
        """Finish writes in progress and release the database; closing twice is no error."""
        self._reader.close()
        await self._committer.close()

    def _read(self, statement: str, values: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
        if self._committer.closing:
            raise failures.closed(str(self._path))
        try:
            found: Sequence[tuple[Any, ...]] = self._reader.execute(statement, values).fetchall()
            return found
        except sqlite3.Error as error:
            raise self._words.told(error) from error


class _Words:
    """As a block, raises the driver's errors in the store's own words."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise self.told(error) from error

    def told(self, error: Exception) -> Exception:
        """Return ``error`` in the store's words, or itself when it is not the database's but ours."""
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.ProgrammingError):
            name = getattr(error, "sqlite_errorname", None) or "SQLITE_IOERR"
            return failures.unavailable(name, str(error), str(self._path))
        return error


class _Session(_Words):
    """The writing thread's connection: a `committer.Session`, and the one way for a job to write."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._connection = _connect(path, patience=_WRITER_PATIENCE)

    def run(self, statement: str, values: Sequence[Any]) -> int:
        """Run one statement; return how many rows it changed."""
        return self._connection.execute(statement, values).rowcount

    def one(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row that ``statement`` finds."""
        found: tuple[Any, ...] | None = self._connection.execute(statement, values).fetchone()
        return found

    def begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def mark(self) -> None:
        self._connection.execute("SAVEPOINT job")

    def keep(self) -> None:
        self._connection.execute("RELEASE job")

    def undo(self) -> bool:
        if not self._connection.in_transaction:
            return False
        self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")
        return True

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        self._connection.close()


def _operation(row: tuple[Any, ...]) -> OperationRow:
    return OperationRow(row[0], row[1], sql.as_moment(row[2]), row[3])


def _read_once(path: Path, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Read with a connection of its own, for what takes too long between two requests."""
    with _Words(path), contextlib.closing(_connect(path, patience=_WRITER_PATIENCE)) as connection:
        return connection.execute(statement, values).fetchall()


def _connect(path: Path, *, patience: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "fullfsync = ON",
            "temp_store = MEMORY",
            f"journal_size_limit = {_WAL_LIMIT}",
        ):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(path: Path, clock: Clock) -> Path:
    """Make the file at ``path`` a database at head; return its absolute path."""
    path = path.absolute()
    with _Words(path):
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        except OSError as error:
            name = _SYSTEM.get(error.errno or 0, "SQLITE_CANTOPEN")
            raise failures.unavailable(name, str(error), str(path)) from error
        with contextlib.closing(_connect(path, patience=_WRITER_PATIENCE)) as connection:
            found = _revision(connection, path) or _create(connection, path)
            if found == REVISIONS[-1]:
                return path
            copy = f"{path}.before-{REVISIONS[-1]}-{clock():%Y%m%dT%H%M%SZ}"
            os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
            connection.execute("VACUUM INTO ?", (copy,))
        _migrate(path)
    return path


def _revision(connection: sqlite3.Connection, path: Path) -> str | None:
    """Return the schema's revision, None for an empty database; raises `StoreUnusable` for any that is not ours."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise failures.foreign(str(path))
    found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if found is None:
        raise failures.foreign(str(path))
    if found[0] not in REVISIONS:
        raise failures.too_new(str(path), found[0], REVISIONS[-1])
    return str(found[0])


def _create(connection: sqlite3.Connection, path: Path) -> str:
    """Make the tables at head in one transaction, unless another process was faster; return the revision."""
    script = (Path(__file__).parent / "migrations" / "head.sql").read_text(encoding="utf-8")
    connection.execute("BEGIN IMMEDIATE")
    found = _revision(connection, path)
    if found is None:
        found = REVISIONS[-1]
        for statement in script.split(";"):
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (found,))
    connection.execute("COMMIT")
    return found


def _migrate(path: Path) -> None:
    # Loads SQLAlchemy and Alembic (25 MiB, 0.25 s), which a server at head must not pay for.
    from extensa.store.migrate import MigrationFailed, upgrade_sqlite  # noqa: PLC0415

    try:
        upgrade_sqlite(path)
    except MigrationFailed as error:
        if isinstance(error.cause, sqlite3.Error):
            raise error.cause from error
        raise
