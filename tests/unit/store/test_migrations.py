"""The schema in its three forms agrees, and databases of every age are opened, migrated or refused in words."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from extensa.store import migrations, schema
from extensa.store.failures import StoreUnusable
from extensa.store.migrate import MigrationFailed, upgrade_sqlite
from extensa.store.migrations import REVISIONS
from extensa.store.port import Expect, FeedRow, PutFeed, PutResource, Row, StoreUnavailable
from extensa.store.sqlite import open_store

HEAD_SQL = Path(migrations.__file__).parent / "head.sql"
SOURCE = Path(__file__).resolve().parents[3] / "src"


def dump(path: Path) -> list[str]:
    """Every table and index that a database has, as it was declared."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        )
        return [row[0] for row in rows]


def run(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Run statements on a database; what the last one found."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(each).fetchall() for each in statements][-1]


@contextmanager
def connected(path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


async def made(path: Path) -> Path:
    """A database of today with one document in it, closed."""
    store = await open_store(path)
    await store.commit([PutResource("/a", "t", b"kept", Expect.ABSENT), PutFeed("l", "k", b"")])
    await store.close()
    return path


class TestSchema:
    async def test_a_new_database_is_what_the_migrations_add_up_to(self, tmp_path: Path) -> None:
        upgrade_sqlite(tmp_path / "migrated")
        migrated = dump(tmp_path / "migrated")

        assert migrated == dump(await made(tmp_path / "new"))
        declared = HEAD_SQL.read_text().partition("\n")[2].partition("INSERT")[0]
        assert "".join(f"{each};\n" for each in migrated) == declared, "head.sql must hold what stands on the left"
        assert [(1, 0)] == run(tmp_path / "migrated", "SELECT * FROM feed_sequence")
        assert [(1, 1)] == run(tmp_path / "new", "SELECT * FROM feed_sequence")

    def test_the_migrations_add_up_to_the_tables_of_the_code(self, tmp_path: Path) -> None:
        upgrade_sqlite(tmp_path / "db")
        with connected(tmp_path / "db") as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})

            assert [] == compare_metadata(context, schema.metadata)

    def test_the_list_of_revisions_is_the_history(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(HEAD_SQL.parent))
        history = ScriptDirectory.from_config(config).walk_revisions()

        assert list(REVISIONS) == [each.revision for each in history][::-1]

    async def test_hot_statements_are_answered_by_indexes(self, tmp_path: Path) -> None:
        path = await made(tmp_path / "db")
        for statement, count in (
            ("SELECT * FROM resources WHERE key = ?", 1),
            ("SELECT * FROM resources WHERE key >= ? AND key < ? ORDER BY key LIMIT ?", 3),
            ("SELECT * FROM resources WHERE type = ? AND key > ? AND key < ? ORDER BY key LIMIT ?", 4),
            ("SELECT count(*) FROM resources WHERE type = ?", 1),
            ("SELECT * FROM operations WHERE ended IS NULL ORDER BY number LIMIT ?", 1),
            ("DELETE FROM operations WHERE ended < ?", 1),
            ("SELECT * FROM feeds WHERE lane = ? AND sequence > ? ORDER BY sequence LIMIT ?", 3),
        ):
            with closing(sqlite3.connect(path)) as connection:
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ["1"] * count).fetchall()
            assert all("USING" in each[3] and "INDEX" in each[3] and "TEMP" not in each[3] for each in plan), plan


class TestOpening:
    def test_at_head_neither_sqlalchemy_nor_alembic_is_loaded(self, tmp_path: Path) -> None:
        script = (
            "import asyncio, sys\nfrom pathlib import Path\nfrom extensa.store.sqlite import open_store\n"
            "async def main():\n    for _ in range(2):\n        await (await open_store(Path(sys.argv[1]))).close()\n"
            "asyncio.run(main())\nprint([m for m in ('sqlalchemy', 'alembic') if m in sys.modules])"
        )
        told = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "db")],
            env={"PYTHONPATH": str(SOURCE)},
            capture_output=True,
            check=True,
        )

        assert b"[]\n" == told.stdout

    async def test_the_file_is_for_its_owner_only_and_its_folder_is_made(self, tmp_path: Path) -> None:
        path = await made(tmp_path / "deep" / "er" / "db")

        assert (0o600, 0o700) == (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777)

    async def test_a_newer_database_is_refused_and_left_alone(self, tmp_path: Path) -> None:
        path = await made(tmp_path / "db")
        run(path, "UPDATE alembic_version SET version_num = '9999'")
        before = path.read_bytes()

        with pytest.raises(StoreUnusable, match="newer Extensa: its schema is '9999'") as caught:
            await open_store(path)
        assert ("StoreTooNew", False) == (caught.value.code, caught.value.transient)
        assert caught.value.next_step
        assert before == path.read_bytes()

    @pytest.mark.parametrize("statement", ["CREATE TABLE t (a)", "CREATE TABLE alembic_version (version_num)"])
    async def test_a_database_that_is_not_ours_is_refused(self, tmp_path: Path, statement: str) -> None:
        run(tmp_path / "db", statement)

        with pytest.raises(StoreUnusable, match="not made by Extensa"):
            await open_store(tmp_path / "db")

    def test_two_who_come_first_make_one_database(self, tmp_path: Path) -> None:
        path = tmp_path / "db"
        script = (
            "import asyncio, sys\nfrom pathlib import Path\nfrom extensa.store.sqlite import open_store\n"
            "async def main():\n    await (await open_store(Path(sys.argv[1]))).close()\nasyncio.run(main())"
        )
        children = [
            subprocess.Popen([sys.executable, "-c", script, str(path)], env={"PYTHONPATH": str(SOURCE)})
            for _ in range(3)
        ]

        assert [0, 0, 0] == [child.wait(30) for child in children]
        assert [(REVISIONS[-1],)] == run(path, "SELECT version_num FROM alembic_version")


class TestMigrating:
    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        """A database of the first schema: two feed rows, the newest sequence belonged to a row that is gone."""
        path = tmp_path / "db"
        upgrade_sqlite(path, to="0001")
        run(
            path,
            "INSERT INTO resources VALUES ('/a', 't', 'e', X'6b657074')",
            "INSERT INTO feeds (sequence, lane, key, body) VALUES (3, 'l', 'b', X'62'), (7, 'l', 'a', X'61')",
            "INSERT INTO feeds (sequence, lane, key, body) VALUES (9, 'l', 'gone', X'')",
            "DELETE FROM feeds WHERE sequence = 9",
        )
        return path

    async def test_documents_and_the_order_of_feeds_are_kept(self, old: Path) -> None:
        store = await open_store(old)
        assert Row("/a", "t", "e", b"kept") == await store.get("/a")
        assert [FeedRow(3, "b", b"b"), FeedRow(7, "a", b"a")] == await store.feed("l", after=0, limit=9)
        await store.commit([PutFeed("l", "b", b"new")])
        assert [FeedRow(10, "b", b"new")] == await store.feed("l", after=7, limit=9)
        await store.close()

    async def test_a_copy_is_put_aside_before_the_change(self, old: Path) -> None:
        store = await open_store(old, clock=lambda: datetime(2026, 11, 25, 12, tzinfo=UTC))
        await store.close()

        copy = old.with_name(f"db.before-{REVISIONS[-1]}-20261125T120000Z")
        assert [("0001",)] == run(copy, "SELECT version_num FROM alembic_version")
        assert [(2,)] == run(copy, "SELECT count(*) FROM feeds")
        assert 0o600 == copy.stat().st_mode & 0o777
        assert [(REVISIONS[-1],)] == run(old, "SELECT version_num FROM alembic_version")

    async def test_a_failed_step_is_told_in_the_stores_words(self, old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(path: Path) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname = "SQLITE_FULL"
            raise MigrationFailed(error)

        monkeypatch.setattr("extensa.store.migrate.upgrade_sqlite", fail)
        with pytest.raises(StoreUnavailable) as caught:
            await open_store(old)
        assert "StoreFull" == caught.value.code

    def test_all_steps_or_none(self, tmp_path: Path) -> None:
        run(tmp_path / "db", "CREATE TABLE feeds (in_the_way)")

        with pytest.raises(MigrationFailed, match="already exists"):
            upgrade_sqlite(tmp_path / "db")
        assert ["CREATE TABLE feeds (in_the_way)"] == dump(tmp_path / "db")

    def test_an_empty_database_is_brought_to_head(self, tmp_path: Path) -> None:
        upgrade_sqlite(tmp_path / "odd %(name)s")
        upgrade_sqlite(tmp_path / "odd %(name)s")

        assert [(REVISIONS[-1],)] == run(tmp_path / "odd %(name)s", "SELECT version_num FROM alembic_version")
