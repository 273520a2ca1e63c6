"""Bringing an older database to head: the one file of the product that loads SQLAlchemy and Alembic.

It is imported only when there is something to migrate, so that a server at head pays neither their memory nor their
start. All steps share one transaction: a crash or an error in the middle leaves the database as it was. It makes no
copies and decides nothing about newer databases; ``sqlite.py`` has done both before it calls.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool


class MigrationFailed(Exception):
    """A step failed and nothing was changed; ``cause`` is the driver's own error."""

    def __init__(self, cause: BaseException | None) -> None:
        super().__init__(str(cause))
        self.cause = cause


def upgrade_sqlite(path: Path, *, to: str = "head") -> None:
    """Bring the SQLite database at ``path`` to revision ``to``; raises `MigrationFailed`."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    # The driver's own transaction handling does not cover CREATE and ALTER; we begin by hand, before anything else.
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, to)
    except DBAPIError as error:
        raise MigrationFailed(error.orig) from error
    finally:
        engine.dispose()


def _leave_transactions_to_us(driver_connection: object, _record: object) -> None:
    driver_connection.isolation_level = None  # type: ignore[attr-defined] # the DBAPI connection has no common type


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
