"""Who waits for which topic in this process, and how a commit wakes them.

Topics are names (``feed:LANE``, ``operation:ID``); a listener holds one flag, so any number of commits between two
waits costs nothing. It knows no database and carries no data: a wake-up is a hint to read again. Everything here runs
on one event loop; other threads hand their news over with ``call_soon_threadsafe``.
"""

import asyncio
from collections.abc import Iterable

from extensa.store.port import DeleteFeed, PutFeed, PutOperation, Write


class Topics:
    """The open ears of one store, by topic."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}

    def listen(self, topic: str) -> "Listener":
        """Return an ear that hears everything told under ``topic`` from now on, until its block is left."""
        listener = Listener(self, topic)
        self._listeners.setdefault(topic, set()).add(listener)
        return listener

    def tell(self, topics: Iterable[str]) -> None:
        """Wake everyone who listens to any of ``topics``."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.hear()

    def forget(self, listener: "Listener") -> None:
        """Stop telling ``listener``; forgetting it twice is no error."""
        ears = self._listeners.get(listener.topic)
        if ears is not None:
            ears.discard(listener)
            if not ears:
                del self._listeners[listener.topic]


class Listener:
    """One ear on one topic: the store's `Subscription`. One task at a time may wait on it."""

    def __init__(self, topics: Topics, topic: str) -> None:
        self.topic = topic
        self._topics = topics
        self._heard = False
        self._waiter: asyncio.Future[None] | None = None

    def __enter__(self) -> "Listener":
        return self

    def __exit__(self, *exc: object) -> None:
        self._topics.forget(self)

    def hear(self) -> None:
        """Note that something was committed, and wake the one who waits."""
        self._heard = True
        _end(self._waiter)

    async def wait(self, timeout: float) -> bool:
        """Return True as soon as something was told since the last wait, False after ``timeout`` seconds without."""
        if not self._heard:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = loop.call_later(timeout, _end, self._waiter)
            try:
                await self._waiter
            finally:
                alarm.cancel()
                self._waiter = None
        heard, self._heard = self._heard, False
        return heard


def _end(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def topics_of(writes: Iterable[Write]) -> frozenset[str]:
    """Return the topics that a commit of ``writes`` wakes."""
    topics = set()
    for write in writes:
        if isinstance(write, PutFeed | DeleteFeed):
            topics.add(f"feed:{write.lane}")
        elif isinstance(write, PutOperation):
            topics.add(f"operation:{write.id}")
    return frozenset(topics)
