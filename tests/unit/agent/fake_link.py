"""A double of the link: the control plane's side, in memory, without a wire."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from extensa.agent.control import LONGEST_POLL, LinkError
from extensa.link.extension import DesiredExtension, ExtensionFeed, ExtensionReports, ObservedExtension
from extensa.link.question import Answer, Question, QuestionFeed

T = TypeVar("T")


class FakeLink:
    """The control plane's side of the link, in memory: feeds with cursors, reports, charts."""

    def __init__(self) -> None:
        self.charts: dict[str, bytes] = {}
        self.current: dict[str, tuple[int, DesiredExtension]] = {}
        self.questions: list[Question] = []
        self.answers: dict[str, Answer] = {}
        self.reports: list[tuple[float, ObservedExtension]] = []
        self.down = False
        self.chart_requests = 0
        self._sequence = itertools.count(1)
        self._changed = asyncio.Event()

    def want(self, desired: DesiredExtension) -> None:
        """Have this told to the agent."""
        self.current[desired.resource_id.lower()] = (next(self._sequence), desired)
        self._stir()

    def ask(self, question: Question) -> None:
        """Ask the agent."""
        self.questions.append(question)
        self._stir()

    async def feed(
        self, path: str, type: type[T], *, after: int, wait: int = LONGEST_POLL, headers: dict[str, str] | None = None
    ) -> T:
        deadline = time.monotonic() + wait
        while True:
            self._check()
            answer = self._extensions(after) if path.endswith("extensions") else self._asked(after)
            if answer is not None or time.monotonic() >= deadline:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
        if answer is None:
            answer = (
                ExtensionFeed(cursor=after, desired=[], whole=after == 0)
                if type is ExtensionFeed
                else QuestionFeed(cursor=after, questions=[])
            )
        assert isinstance(answer, type)
        return answer

    async def report(self, path: str, struct: Struct) -> None:
        self._check()
        if isinstance(struct, ExtensionReports):
            self.reports += [(time.monotonic(), observed) for observed in struct.observed]
        elif isinstance(struct, Answer):
            self.answers[struct.id] = struct
        self._stir()

    async def chart(self, digest: str) -> bytes:
        self._check()
        self.chart_requests += 1
        if digest not in self.charts:
            raise LinkError("NotFound", "no such chart", http=404, transient=False)
        return self.charts[digest]

    async def until(self, found: Callable[[], T | None], *, within: float = 60) -> T:
        """Return what ``found`` finds, tried after every change."""
        deadline = time.monotonic() + within
        while (value := found()) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"waited {within} s; last words: {[r.statuses or r.phase for _, r in self.reports[-3:]]}"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 1.0)):
                    await self._changed.wait()
        return value

    def _extensions(self, after: int) -> ExtensionFeed | None:
        found = sorted((entry for entry in self.current.values() if entry[0] > after), key=lambda entry: entry[0])
        desired = [desired for _, desired in found]
        return ExtensionFeed(cursor=found[-1][0], desired=desired, whole=after == 0) if found else None

    def _asked(self, after: int) -> QuestionFeed | None:
        found = self.questions[after:]
        return QuestionFeed(cursor=len(self.questions), questions=found) if found else None

    def _stir(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _check(self) -> None:
        if self.down:
            raise LinkError("LinkUnreachable", "the line is down")
