"""The agent: hears what should be, keeps one worker per extension, and sees clusters come and go.

At the start it hears everything that is current; what a whole answer no longer names is forgotten, not removed. When
the line was down it hears everything again. Until the line stands it works from memory. Workers never share a release:
there is one per resource id.
"""

import asyncio
import contextlib
from typing import Protocol, TypeVar

from msgspec import Struct

from extensa.agent.case import case_key
from extensa.agent.control import LONGEST_POLL, Backoff, LinkError
from extensa.agent.memory import Remembered
from extensa.agent.questions import Questions
from extensa.agent.reconcile import Tools
from extensa.agent.reporter import Reporter
from extensa.agent.worker import Worker
from extensa.base.crash_points import reached
from extensa.base.errors import ExtensaError
from extensa.base.log import get_logger
from extensa.base.tasks import Periodic, TaskGroup
from extensa.link.extension import DesiredExtension, ExtensionFeed
from extensa.link.sealing import public_key

_log = get_logger("agent")

T = TypeVar("T")

_FEED = "/link/v1/extensions"
_KEY_HEADER = "Extensa-Agent-Key"
_SCAN_EVERY = 1.0
_AFTER_A_FALL = 5.0


class Link(Protocol):
    """The line to the control plane (`control.LinkClient`); methods raise `LinkError`."""

    async def feed(
        self, path: str, type: type[T], *, after: int, wait: int = LONGEST_POLL, headers: dict[str, str] | None = None
    ) -> T:
        """Return the next answer of a feed."""
        ...

    async def report(self, path: str, struct: Struct) -> None:
        """Send a document."""
        ...

    async def chart(self, digest: str) -> bytes:
        """Return a chart archive."""
        ...


class Agent:
    """The whole agent of one machine."""

    def __init__(self, link: Link, tools: Tools, *, private_key: str) -> None:
        """Nothing happens before `run`."""
        self._link = link
        self._tools = tools
        self._key = private_key
        self._reporter = Reporter(link)
        self._workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        self._tasks = TaskGroup()
        self._questions = Questions(link, tools.clusters, self._find, memory=tools.memory, clock=tools.clock)
        self._remembered: list[Remembered] = []

    async def run(self) -> None:
        """Work until cancelled; every act of Helm's has ended when this returns, and what was seen has been told."""
        self._remembered = await self._tools.memory.load()
        scan = Periodic("clusters", self._scan, interval=_SCAN_EVERY)
        telling = asyncio.create_task(self._reporter.run(), name="reporter")
        try:
            self._tasks.start(self._questions.run(), name="questions")
            self._tasks.start(scan.run(), name="clusters")
            await self._hear()
        finally:
            await self._tasks.close()
            with contextlib.suppress(TimeoutError):
                await self._reporter.drained(within=1.0)
            telling.cancel()
            await self._tools.clusters.close()

    async def _hear(self) -> None:
        """Hear desired documents until cancelled."""
        cursor, wait, pace = 0, 0, Backoff()
        while True:
            try:
                cursor = await self._hear_once(cursor, wait)
                wait = LONGEST_POLL
            except LinkError as error:
                _log.warning("the control plane is not heard", code=error.code, message=error.message)
            except Exception:  # noqa: BLE001 - a defect of ours must not make the agent deaf
                _log.error("hearing failed", exc_info=True)
            else:
                pace.succeeded()
                continue
            await self._from_memory()
            cursor, wait = 0, 0
            await asyncio.sleep(pace.failed())

    async def _hear_once(self, cursor: int, wait: int) -> int:
        """Hear what came after ``cursor`` and act upon it; return the cursor to go on with."""
        headers = {_KEY_HEADER: public_key(self._key)}
        heard = await self._link.feed(_FEED, ExtensionFeed, after=cursor, wait=wait, headers=headers)
        if heard.desired:
            reached("agent.document-heard")
        for desired in heard.desired:
            self._take(desired)
        if heard.whole:
            await self._forget_all_but({case_key(desired) for desired in heard.desired})
        elif cursor == 0:  # something was left out: what is remembered of it goes on
            await self._from_memory()
        return heard.cursor

    def _take(self, desired: DesiredExtension) -> None:
        key = case_key(desired)
        if (known := self._workers.get(key)) is not None:
            known[0].offer(desired)
            return
        kept = next((old for old in self._remembered if case_key(old.desired) == key), None)
        self._employ(kept if kept is not None else Remembered(desired=desired))
        if kept is not None:
            self._workers[key][0].offer(desired)

    def _employ(self, kept: Remembered) -> None:
        worker = Worker(kept, self._tools, self._reporter, private_key=self._key)
        key = worker.case.key
        task = self._tasks.start(self._employed(key, worker), name=f"worker {kept.desired.release}")
        self._workers[key] = (worker, task)
        self._remembered = [old for old in self._remembered if case_key(old.desired) != key]

    async def _employed(self, key: str, worker: Worker) -> None:
        """See a worker through its life; one that falls over a defect of ours gets up again."""
        while True:
            try:
                await worker.run()
            except ExtensaError as error:
                _log.error("a worker stumbled", extension=key, code=error.code, message=error.message)
            except Exception:  # noqa: BLE001 - one extension's trouble must not be the end of its care
                _log.error("a worker fell", extension=key, exc_info=True)
            else:
                break
            await asyncio.sleep(_AFTER_A_FALL)
            worker.case.start_over()
        self._release(worker)
        del self._workers[key]
        await self._forget(worker.case.desired)

    async def _from_memory(self) -> None:
        """Begin with what was kept, since the control plane does not answer."""
        for kept in list(self._remembered):
            self._employ(kept)

    async def _forget_all_but(self, named: set[str]) -> None:
        for kept in [old for old in self._remembered if case_key(old.desired) not in named]:
            await self._forget(kept.desired)
        self._remembered = []
        for key in [key for key in self._workers if key not in named]:
            await self._dismiss(key)
        needed = [worker.case.desired.chart for worker, _ in self._workers.values()]
        await self._tools.memory.drop_charts({chart.digest for chart in needed if chart is not None})

    async def _dismiss(self, key: str) -> None:
        worker, task = self._workers.pop(key)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._release(worker)
        await self._forget(worker.case.desired)

    async def _forget(self, desired: DesiredExtension) -> None:
        _log.info("forgotten", release=desired.release, cluster=desired.cluster_uid)
        await self._tools.memory.forget(desired.resource_id)
        reached("agent.memory-forgotten")

    def _release(self, worker: Worker) -> None:
        with contextlib.suppress(ExtensaError):
            cluster = self._tools.clusters.reach(worker.case.desired.cluster_uid)
            if cluster is not None:
                cluster.watches.unfollow(worker.case.key)

    async def _scan(self) -> None:
        """See which clusters have come, changed or gone."""
        changed, gone = await self._tools.clusters.scan()
        for key, (worker, _) in list(self._workers.items()):
            uid = worker.case.desired.cluster_uid
            if uid in gone and worker.case.kept.outcome is not None:
                await self._dismiss(key)
            elif uid in changed or uid in gone:
                worker.case.start_over()

    def _find(self, uid: str) -> DesiredExtension | None:
        for worker, _ in self._workers.values():
            if worker.case.desired.uid == uid:
                return worker.case.desired
        return None
