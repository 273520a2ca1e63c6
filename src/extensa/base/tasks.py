"""Background work inside one process: periodic tasks that survive their own failures, and a clean end.

Level-triggered loops are built on `Periodic`: a wake-up is a hint, the interval is the guarantee.
Nothing here survives the process; what must outlive a crash belongs in the store.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from extensa.base.log import get_logger

_log = get_logger("tasks")


class Periodic:
    """Run ``work`` every ``interval`` seconds and whenever `wake` is called, never twice at once.

    A failure is logged and the next turn comes after ``interval`` with up to 20 % of jitter.
    """

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], *, interval: float) -> None:
        self._name = name
        self._work = work
        self._interval = interval
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Ask for a turn as soon as the present one, if any, has ended."""
        self._wake.set()

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self._work()
            except Exception:  # noqa: BLE001 - a loop that keeps the product honest must outlive any one failure
                _log.error("periodic task failed", task=self._name, exc_info=True)
            pause = self._interval * random.uniform(1.0, 1.2)  # noqa: S311 - jitter, not a secret
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):  # wait_for may swallow a cancellation (3.11)
                    await self._wake.wait()


class TaskGroup:
    """Own a set of background tasks: `start` adds one, `close` cancels all and waits for their end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run ``work`` in the background until it ends or the group is closed; a failure is logged by name."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("background task failed", task=task.get_name(), exc_info=failure)

    async def close(self) -> None:
        """Cancel every task still running and return when all have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
