"""How long steps tell of themselves: a sentence when they begin, one now and then, and one with the seconds at the end.

The sentences are for people; whoever shows them decides how.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

Progress = Callable[[str], None]
"""Receives one sentence."""

_EVERY = 15.0


def silent(sentence: str) -> None:
    """Receive a sentence and show it to nobody."""


@contextlib.asynccontextmanager
async def told(progress: Progress, doing: str, done: str, *, every: float = _EVERY) -> AsyncIterator[None]:
    """Tell ``doing`` now and again every few seconds while the block runs, and ``done`` with the seconds it took.

    A block that fails says nothing more: its error speaks.
    """
    began = time.monotonic()
    progress(doing)

    async def tick() -> None:
        while True:
            await asyncio.sleep(every)
            progress(f"{doing}: {time.monotonic() - began:.0f} s so far")

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
    progress(f"{done} in {time.monotonic() - began:.1f} s")
