"""What each kind of write does: guards, etags and the statements, within a transaction that somebody else has begun.

It knows the port's writes and the statements, and no driver: a session runs them.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from extensa.base.ids import new_id
from extensa.store import statements as sql
from extensa.store.port import (
    DeleteFeed,
    DeleteResource,
    Expect,
    PutFeed,
    PutOperation,
    PutResource,
    Require,
    StaleWrite,
    Write,
)


class Statements(Protocol):
    """A connection inside a transaction."""

    def run(self, statement: str, values: Sequence[Any]) -> int:
        """Run one statement; return how many rows it changed."""
        ...

    def one(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """Return the first row that ``statement`` finds."""
        ...


def write_all(session: Statements, writes: Sequence[Write]) -> dict[str, str]:
    """Carry out ``writes`` in order; return the new etag of every document put, by key. Raises `StaleWrite`."""
    etags: dict[str, str] = {}
    for write in writes:
        match write:
            case PutResource():
                etags[write.key] = _put_resource(session, write)
            case PutOperation():
                ended = sql.as_number(write.ended)
                session.run(sql.PUT_OPERATION, (write.id, write.resource_key, ended, write.body))
            case PutFeed():
                session.run(sql.NEXT_SEQUENCE, ())
                session.run(sql.PUT_FEED, (write.lane, write.key, write.body))
            case DeleteFeed():
                session.run(sql.DELETE_FEED, (write.lane, write.key))
            case DeleteResource():
                _delete_resource(session, write)
                etags.pop(write.key, None)
            case Require():
                _require(session, write.key, write.expect)
    return etags


def _put_resource(session: Statements, write: PutResource) -> str:
    etag = new_id()
    if write.expect is Expect.ANYTHING:
        written = session.run(sql.UPSERT_SAME_TYPE, (etag, write.body, write.key, write.type)) or session.run(
            sql.UPSERT, (write.key, write.type, etag, write.body)
        )
    elif write.expect is Expect.ABSENT:
        written = session.run(sql.INSERT, (write.key, write.type, etag, write.body))
    else:
        written = session.run(
            sql.UPDATE_SAME_TYPE, (etag, write.body, write.key, write.type, write.expect)
        ) or session.run(sql.UPDATE, (write.type, etag, write.body, write.key, write.expect))
    if not written:
        raise StaleWrite(write.key, _etag(session, write.key))
    return etag


def _delete_resource(session: Statements, write: DeleteResource) -> None:
    if write.expect is Expect.ANYTHING:
        session.run(sql.DELETE, (write.key,))
    elif write.expect is Expect.ABSENT:
        _require(session, write.key, write.expect)
    elif not session.run(sql.DELETE_GUARDED, (write.key, write.expect)):
        raise StaleWrite(write.key, _etag(session, write.key))


def _require(session: Statements, key: str, expect: str | Expect) -> None:
    found = _etag(session, key)
    wanted = None if expect is Expect.ABSENT else expect
    if expect is not Expect.ANYTHING and found != wanted:
        raise StaleWrite(key, found)


def _etag(session: Statements, key: str) -> str | None:
    found = session.one(sql.ETAG, (key,))
    return None if found is None else str(found[0])
