"""The hot statements, as text for the driver, and the small arithmetic around them.

They are written out because they run on every request; schema and migrations are SQLAlchemy's (``schema.py``). The
tests compare what they need with what the schema has. Nothing here runs anything.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

GET = "SELECT key, type, etag, body FROM resources WHERE key = ?"
ETAG = "SELECT etag FROM resources WHERE key = ?"
INSERT = "INSERT INTO resources (key, type, etag, body) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO NOTHING"
UPSERT = (
    "INSERT INTO resources (key, type, etag, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET type = excluded.type, etag = excluded.etag, body = excluded.body"
)
UPDATE = "UPDATE resources SET type = ?, etag = ?, body = ? WHERE key = ? AND etag = ?"
# A type never changes in practice, and a statement that does not name it leaves the index by type alone: half the cost.
UPSERT_SAME_TYPE = "UPDATE resources SET etag = ?, body = ? WHERE key = ? AND type = ?"
UPDATE_SAME_TYPE = "UPDATE resources SET etag = ?, body = ? WHERE key = ? AND type = ? AND etag = ?"
DELETE = "DELETE FROM resources WHERE key = ?"
DELETE_GUARDED = "DELETE FROM resources WHERE key = ? AND etag = ?"

PUT_OPERATION = (
    "INSERT INTO operations (id, resource_key, ended, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET resource_key = excluded.resource_key, ended = excluded.ended, body = excluded.body"
)
OPERATION = "SELECT id, resource_key, ended, body FROM operations WHERE id = ?"
OPEN_OPERATIONS = "SELECT id, resource_key, ended, body FROM operations WHERE ended IS NULL ORDER BY number LIMIT ?"
COUNT_OPEN = "SELECT count(*) FROM operations WHERE ended IS NULL"
FORGET_OPERATIONS = "DELETE FROM operations WHERE ended < ?"

NEXT_SEQUENCE = "UPDATE feed_sequence SET value = value + 1 WHERE number = 1"
PUT_FEED = (
    "INSERT INTO feeds (lane, key, sequence, body) SELECT ?, ?, value, ? FROM feed_sequence WHERE number = 1 "
    "ON CONFLICT (lane, key) DO UPDATE SET sequence = excluded.sequence, body = excluded.body"
)
DELETE_FEED = "DELETE FROM feeds WHERE lane = ? AND key = ?"
# A cursor beyond the newest sequence was given by a database that was put back from an older copy: it counts as none.
FEED = (
    "SELECT sequence, key, body FROM feeds WHERE lane = ?1 AND sequence > "
    "CASE WHEN ?2 > (SELECT value FROM feed_sequence WHERE number = 1) THEN 0 ELSE ?2 END ORDER BY sequence LIMIT ?3"
)
FEED_ROW = "SELECT sequence, key, body FROM feeds WHERE lane = ? AND key = ?"

PUT_BLOB = "INSERT INTO blobs (digest, content) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
GET_BLOB = "SELECT content FROM blobs WHERE digest = ?"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def select_resources(
    prefix: str, type: str | None, after: str | None, limit: int | None
) -> tuple[str, Sequence[str | int]]:
    """Return the statement and its values that list resources; without ``limit`` the one that counts them."""
    clauses: list[str] = []
    values: list[str | int] = []
    if type is not None:
        clauses.append("type = ?")
        values.append(type)
    if after is not None and after >= prefix:
        clauses.append("key > ?")
        values.append(after)
    elif prefix:
        clauses.append("key >= ?")
        values.append(prefix)
    if (end := end_of(prefix)) is not None:
        clauses.append("key < ?")
        values.append(end)
    where = f" WHERE {' AND '.join(clauses)}" if clauses else ""
    if limit is None:
        return f"SELECT count(*) FROM resources{where}", values  # noqa: S608 - the clauses are the ones above
    values.append(limit)
    return f"SELECT key, type, etag, body FROM resources{where} ORDER BY key LIMIT ?", values  # noqa: S608


def tally_resources(type: str, fields: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the statement and its values that count documents of a type by the text in ``fields``."""
    columns = ", ".join("coalesce(json_extract(told, ?), '')" for _ in fields)
    numbers = ", ".join(str(number) for number in range(1, len(fields) + 1))
    told = "SELECT CAST(body AS TEXT) AS told FROM resources WHERE type = ?"
    statement = f"SELECT {columns}, count(*) FROM ({told}) WHERE json_valid(told) GROUP BY {numbers}"  # noqa: S608
    return statement, [*(f"$.{name}" for name in fields), type]


def end_of(prefix: str) -> str | None:
    """Return the first text, in the order of code points, after everything that starts with ``prefix``.

    None when there is no such text. (No LIKE: ``%`` and ``_`` are letters like any other.)
    """
    while prefix:
        last = ord(prefix[-1]) + 1
        if last in _SURROGATES:
            last = _SURROGATES.stop
        if last <= _LAST:
            return prefix[:-1] + chr(last)
        prefix = prefix[:-1]
    return None


def as_number(moment: datetime | None) -> int | None:
    """Return ``moment`` in microseconds since 1970, the form in which it is kept; `TypeError` without a timezone."""
    return None if moment is None else (moment - _EPOCH) // _MICROSECOND


def as_moment(number: int | None) -> datetime | None:
    """Return the moment, in UTC, that `as_number` made ``number`` of."""
    return None if number is None else _EPOCH + number * _MICROSECOND
