"""Group commit: one thread that writes, and many waiting commits that share one sync of the disk.

Every job that waits when the thread is free becomes part of one transaction, each inside a savepoint of its own, so
that one refused job leaves the others alone. A job is acknowledged after the COMMIT that carries it has reached the
disk, in the order in which jobs were handed in. The thread keeps slow disks, locks and large charts off the event loop;
``bench/store.py`` shows what sharing gains. It knows no SQL and no database: a `Session` does.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from extensa.base.crash_points import reached
from extensa.base.errors import ExtensaError
from extensa.store.waking import Topics

S = TypeVar("S", bound="Session")
R = TypeVar("R")

LARGEST_GROUP = 256
"""Jobs in one transaction at the most: it bounds how long the first of them waits for the last."""


class Session(Protocol):
    """One database connection, used by the writing thread only."""

    def begin(self) -> None:
        """Start a transaction that may write."""
        ...

    def mark(self) -> None:
        """Set a savepoint."""
        ...

    def keep(self) -> None:
        """Let go of the savepoint and keep what was written since."""
        ...

    def undo(self) -> bool:
        """Go back to the savepoint; False when the database has given up the whole transaction instead."""
        ...

    def commit(self) -> None:
        """Make the transaction durable."""
        ...

    def rollback(self) -> None:
        """Give up the transaction, if one is open; raises nothing."""
        ...

    def told(self, error: Exception) -> Exception:
        """Return ``error`` in the store's own words, or itself when it is not the database's."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(slots=True)
class _Job:
    work: Callable[[Any], Any]
    topics: frozenset[str]
    future: "asyncio.Future[Any]"
    result: Any = None
    failure: Exception | None = field(default=None)


class Committer(Generic[S]):
    """The writing thread of one store and its queue. Make it on the event loop that will use it."""

    def __init__(self, session: S, topics: Topics, *, closed: Callable[[], Exception]) -> None:
        self._session = session
        self._topics = topics
        self._closed_error = closed
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[S], R], topics: frozenset[str] = frozenset()) -> R:
        """Return what ``work`` returned, once it is durable; ``topics`` are told first.

        Raises what ``work`` raised, and the database's errors in the store's words; then nothing of ``work`` is
        written. A caller that is cancelled meanwhile does not learn whether it was written.
        """
        if self.closing:
            raise self._closed_error()
        future: asyncio.Future[R] = self._loop.create_future()
        self._queue.put(_Job(work, topics, future))
        return await future

    async def close(self) -> None:
        """Finish every job handed in so far, end the thread and close its connection."""
        if not self.closing:
            self.closing = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        last = False
        while not last:
            jobs, last = self._next_group()
            if jobs:
                self._perform(jobs)
                with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to be told
                    self._loop.call_soon_threadsafe(self._deliver, jobs)
        self._session.close()

    def _next_group(self) -> tuple[list[_Job], bool]:
        jobs: list[_Job] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == LARGEST_GROUP:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _perform(self, jobs: list[_Job]) -> None:
        session = self._session
        try:
            session.begin()
            for job in jobs:
                self._perform_one(job)
            session.commit()
            reached("server.store-committed")
        except Exception as error:  # noqa: BLE001 - whatever it was, every caller of the group is owed an answer
            session.rollback()
            told = session.told(error)
            for job in jobs:
                job.failure = job.failure or told

    def _perform_one(self, job: _Job) -> None:
        session = self._session
        session.mark()
        try:
            job.result = job.work(session)
        except Exception as error:
            job.failure = error if isinstance(error, ExtensaError) else session.told(error)
            if not session.undo():
                raise
        else:
            session.keep()

    def _deliver(self, jobs: list[_Job]) -> None:
        for job in jobs:
            if job.failure is None:
                self._topics.tell(job.topics)
        for job in jobs:
            if job.future.done():  # its caller was cancelled
                continue
            if job.failure is None:
                job.future.set_result(job.result)
            else:
                job.future.set_exception(job.failure)
