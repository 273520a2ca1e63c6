"""Requests that are held open until there is something to say, and let go at once when the server stops.

A held request waits in a room below; on the way down every wait is broken off and the same question is asked again
without waiting, so that a client hears an orderly "nothing new" and not a broken connection.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Holds:
    """All waits of one server."""

    def __init__(self) -> None:
        self._waits: set[asyncio.Future[Any]] = set()
        self._ended = False

    def ended(self) -> bool:
        """Return whether `end` was called."""
        return self._ended

    def __len__(self) -> int:
        """Return how many requests are being held."""
        return len(self._waits)

    async def hold(self, ask: Callable[[float], Awaitable[T]], wait: float) -> T:
        """Return what ``ask(wait)`` gives; once the server stops, what ``ask(0)`` gives."""
        if wait <= 0 or self.ended():
            return await ask(0)
        waiting = asyncio.ensure_future(ask(wait))
        self._waits.add(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            mine = asyncio.current_task()
            if not self.ended() or (mine is not None and mine.cancelling()):
                raise
            return await ask(0)
        finally:
            self._waits.discard(waiting)

    def end(self) -> None:
        """Let every held request go, and hold none from now on."""
        self._ended = True
        for waiting in list(self._waits):
            waiting.cancel()
