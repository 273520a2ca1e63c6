"""The store as the rooms above see it: documents, operations, feeds and blobs, written together or not at all.

    resources    key → document, guarded by an etag      what exists
    operations   id → document                           what is being done, kept after the resource is gone
    feeds        (lane, key) → document, in order         what an agent or host should know; newest per key only
    blobs        digest → bytes                          charts

`Store.commit` takes any mixture of writes and makes them one durable transaction: when it returns, they survive a power
cut; when it raises, nothing was written. `Store.wait` is a hint that something under a topic was committed by this or
another process; readers compare and never trust it (design §4, "Waking").
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import Protocol

from msgspec import Struct

from extensa.base.errors import Conflict, ExtensaError, Unavailable


class Expect(Enum):
    """What a write expects to find when it names no etag."""

    ABSENT = "absent"
    ANYTHING = "anything"


class Row(Struct, frozen=True):
    """One kept document. ``key`` is a case-folded resource id, ``type`` a case-folded resource type."""

    key: str
    type: str
    etag: str
    body: bytes


class FeedRow(Struct, frozen=True):
    """One document of a feed: ``sequence`` is its place in the order of commits."""

    sequence: int
    key: str
    body: bytes


class OperationRow(Struct, frozen=True):
    """One operation record; ``ended`` is None while it runs."""

    id: str
    resource_key: str
    ended: datetime | None
    body: bytes


class PutResource(Struct, frozen=True):
    """Write a document; ``expect`` is the etag it must have now, or an `Expect`."""

    key: str
    type: str
    body: bytes
    expect: str | Expect


class DeleteResource(Struct, frozen=True):
    """Remove a document; with an etag it must have that one now. Removing what is absent is no error without one."""

    key: str
    expect: str | Expect = Expect.ANYTHING


class Require(Struct, frozen=True):
    """Write nothing, but insist that the document is as expected when the rest is written: with an etag it must have
    that one (a cluster insists on its group), with `Expect.ABSENT` there must be none.
    """

    key: str
    expect: str | Expect


class PutOperation(Struct, frozen=True):
    """Write an operation record, new or not. ``ended`` makes it final and starts its retention."""

    id: str
    resource_key: str
    body: bytes
    ended: datetime | None = None


class PutFeed(Struct, frozen=True):
    """Write a feed document; it takes a new, highest sequence, and replaces the one of the same lane and key."""

    lane: str
    key: str
    body: bytes


class DeleteFeed(Struct, frozen=True):
    """Remove a feed document; removing what is absent is no error."""

    lane: str
    key: str


Write = PutResource | DeleteResource | Require | PutOperation | PutFeed | DeleteFeed


class StoreError(ExtensaError):
    """The door to the database."""


class StaleWrite(Conflict, StoreError):
    """A guarded write found another etag than it expected; nothing of the transaction was written. Read again."""

    def __init__(self, key: str, found: str | None) -> None:
        super().__init__("StaleWrite", f"'{key}' was changed by another request at the same time.", target=key)
        self.key = key
        self.found = found


class StoreUnavailable(Unavailable, StoreError):
    """The database does not answer, is full or read-only; the message says which and what to do."""


class Store(Protocol):
    """One database. All methods may raise `StoreUnavailable`."""

    async def get(self, key: str) -> Row | None:
        """Return the document with exactly this key, or None."""
        ...

    async def list(
        self, *, prefix: str = "", type: str | None = None, after: str | None = None, limit: int
    ) -> Sequence[Row]:
        """Return up to ``limit`` documents in key order whose key starts with ``prefix``, is of ``type`` (if given)
        and sorts after ``after`` (if given).
        """
        ...

    async def count(self, *, prefix: str = "", type: str | None = None) -> int:
        """Return how many documents `list` would give without a limit."""
        ...

    async def tally(self, *, type: str, fields: Sequence[str]) -> dict[tuple[str, ...], int]:
        """Return how many documents of ``type`` there are of each combination of what stands in ``fields``.

        A field is a dotted path in a JSON document (``observed.phase``); where it leads nowhere "" stands for it. A
        document that is not JSON is not counted. It reads every document of the type: not for a request's path.
        """
        ...

    async def commit(self, writes: Sequence[Write]) -> dict[str, str]:
        """Write all of ``writes`` in one durable transaction; return the new etag of every `PutResource` by key.

        Raises `StaleWrite` when any guard fails; then nothing was written.
        """
        ...

    async def operation(self, operation_id: str) -> OperationRow | None:
        """Return an operation record, or None when it was never written or has been forgotten."""
        ...

    async def open_operations(self, *, limit: int) -> Sequence[OperationRow]:
        """Return operations that have not ended, oldest first."""
        ...

    async def count_open_operations(self) -> int:
        """Return how many operations have not ended."""
        ...

    async def forget_operations(self, *, ended_before: datetime) -> int:
        """Remove operation records that ended before that moment; return how many."""
        ...

    async def feed(self, lane: str, *, after: int, limit: int) -> Sequence[FeedRow]:
        """Return up to ``limit`` documents of ``lane`` with a sequence above ``after``, in order.

        An ``after`` that this database never gave (it was put back from an older copy) counts as 0.
        """
        ...

    async def feed_row(self, lane: str, key: str) -> FeedRow | None:
        """Return one document of a feed, or None."""
        ...

    async def put_blob(self, digest: str, content: bytes) -> None:
        """Keep ``content`` under ``digest``, durably; keeping the same one again changes nothing."""
        ...

    async def get_blob(self, digest: str) -> bytes | None:
        """Return the content kept under ``digest``, or None."""
        ...

    def topic_changed(self, topic: str) -> "Subscription":
        """Start listening for commits under ``topic``: ``feed:LANE`` or ``operation:ID``.

        Subscribe, then read, then wait: a commit after the subscription is never missed. Use it as a context manager.
        """
        ...

    async def close(self) -> None:
        """Finish writes in progress and release the database."""
        ...


class Subscription(Protocol):
    """An open ear on one topic."""

    def __enter__(self) -> "Subscription":
        """Return itself."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Stop listening."""
        ...

    async def wait(self, timeout: float) -> bool:
        """Return True as soon as something was committed since the last `wait` (or the subscription), False after
        ``timeout`` seconds without.
        """
        ...
