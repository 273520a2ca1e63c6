"""The same door to Helm, faster: one long-lived process on Helm's own SDK does every act (``tools/kube/helm-engine``).

We write a request a line on its standard input and read an answer a line; several acts are under way at once. It is
started at the first act and again after its death, the sooner the longer it lived. Its death costs the acts under way,
which fail as a killed ``helm`` fails and are found locked by the next look. It refuses to let an act outlive its end
here: one that does not end when it is cancelled ends with the whole process.
"""

import asyncio
import contextlib
import itertools
from pathlib import Path
from typing import Any

import msgspec

from extensa.base import processes
from extensa.base.log import get_logger
from extensa.helm.causes import finding
from extensa.helm.driver import GRACE, HISTORY, SPARE, Order, Place, classify, error_of, killed, masked
from extensa.helm.errors import HelmError
from extensa.helm.values import Values

_log = get_logger("helm")

_LONGEST_LINE = 64 * 1024 * 1024
_FAREWELL = 15.0
_LAST_WORDS = 1.0
_SHORT_LIFE = 30.0
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0


class _Answer(msgspec.Struct):
    """A line of the engine's: the error in Helm's words, or what the act returned."""

    id: int
    error: str = ""
    result: Any = None


class Revision(msgspec.Struct, frozen=True):
    """One revision in a release's history, as Helm tells it."""

    revision: int
    status: str
    updated: str
    chart: str
    description: str


class _Talk:
    """One life of the engine."""

    def __init__(self, engine: processes.Conversation) -> None:
        self.began = asyncio.get_running_loop().time()
        self._engine, self._child = engine, engine.child
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[_Answer | None]] = {}
        self._listener = asyncio.create_task(self._listen(), name="helm-engine")

    @property
    def pid(self) -> int:
        """The process, a child of ours that leads a group of its own."""
        return self._child.pid

    @property
    def over(self) -> bool:
        """Say whether it has ended."""
        return self._listener.done() or self._child.returncode is not None

    async def ask(self, act: str, fields: dict[str, Any], *, limit: float) -> Any:
        """Return what the act returned; raises `HelmError`. Cancelled, it returns when the act has ended."""
        number = next(self._numbers)
        heard: asyncio.Future[_Answer | None] = asyncio.get_running_loop().create_future()
        self._waiting[number] = heard
        try:
            self._say({"id": number, "act": act, **fields})
            await asyncio.wait({heard}, timeout=limit)
            if not heard.done():
                await self._cancel(number, heard)
                raise error_of(finding("HelmTimedOut"))
        except asyncio.CancelledError:
            await self._cancel(number, heard)
            raise
        finally:
            del self._waiting[number]
        answer = heard.result()
        if answer is None:
            raise killed(self._child.returncode or 0)
        if answer.error:
            raise error_of(classify(answer.error))
        return answer.result

    async def close(self) -> None:
        """End it in order: it cancels what is under way and has Helm record that; return when it is gone."""
        self._engine.hears.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._child.wait(), _FAREWELL)
        await processes.stop(self._child)
        await asyncio.wait({self._listener})

    async def _cancel(self, number: int, heard: asyncio.Future[_Answer | None]) -> None:
        self._say({"act": "cancel", "target": number})
        await asyncio.wait({heard}, timeout=GRACE)
        if not heard.done():
            _log.error("an act does not end: the engine is ended with all that is under way")
            await processes.stop(self._child, grace=0.0)

    def _say(self, request: dict[str, Any]) -> None:
        """Hand over a line without waiting until it is read: an engine that stands still must not hold up its end.

        One that is dead hears nothing, which the listener notices.
        """
        self._engine.hears.write(msgspec.json.encode(request) + b"\n")

    async def _listen(self) -> None:
        try:
            while line := await self._engine.says.readline():
                answer = msgspec.json.decode(line, type=_Answer)
                heard = self._waiting.get(answer.id)
                if heard is not None and not heard.done():
                    heard.set_result(answer)
        except (ValueError, msgspec.DecodeError):  # what it said is not told: it may hold values
            _log.error("the engine said what is no answer: it is ended")
        finally:
            await processes.stop(self._child, grace=0.0)
            await asyncio.wait({self._engine.keeping}, timeout=_LAST_WORDS)
            self._engine.keeping.cancel()
            for heard in self._waiting.values():
                if not heard.done():
                    heard.set_result(None)


class EngineDriver:
    """The `Driver` that has one engine do every act. Close it at the end."""

    def __init__(self, program: Path, folder: Path) -> None:
        """Nothing is started yet; ``folder`` is Helm's own home, where the engine's last words are kept."""
        self._program = program
        self._folder = folder
        self._talk: _Talk | None = None
        self._starting = asyncio.Lock()
        self._pause = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The engine's process id; None while there is none: before the first act, and after a death until the next."""
        return self._talk.pid if self._talk is not None and not self._talk.over else None

    async def install(self, order: Order) -> None:
        """See `Driver.install`."""
        await self._ask("install", order.place, _ordered(order), timeout=order.timeout, values=order.values)

    async def upgrade(self, order: Order) -> None:
        """See `Driver.upgrade`."""
        fields = {**_ordered(order), "history_max": HISTORY}
        await self._ask("upgrade", order.place, fields, timeout=order.timeout, values=order.values)

    async def rollback(self, place: Place, *, revision: int, description: str, timeout: float) -> None:
        """See `Driver.rollback`."""
        fields = {"revision": revision, "description": description, "history_max": HISTORY}
        await self._ask("rollback", place, fields, timeout=timeout)

    async def uninstall(self, place: Place, *, timeout: float, skip_hooks: bool = False) -> None:
        """See `Driver.uninstall`."""
        await self._ask("uninstall", place, {"skip_hooks": skip_hooks}, timeout=timeout)

    async def render(self, order: Order) -> str:
        """Return the manifests that an install would apply, hooks last; nothing is written. Raises `HelmError`."""
        found = await self._ask("render", order.place, _ordered(order), timeout=order.timeout, values=order.values)
        return str(found)

    async def history(self, place: Place, *, timeout: float) -> list[Revision]:
        """Return the release's revisions, oldest first, none for a release that is not there. Raises `HelmError`."""
        found = await self._ask("history", place, {}, timeout=timeout)
        revisions = msgspec.convert(found or [], list[Revision])
        return sorted(revisions, key=lambda each: each.revision)

    async def close(self) -> None:
        """End the engine for good; whatever is under way is cancelled first, whatever comes later is refused."""
        self._closed = True
        async with self._starting:
            if self._talk is not None:
                await self._talk.close()

    async def _ask(
        self, act: str, place: Place, fields: dict[str, Any], *, timeout: float, values: Values | None = None
    ) -> Any:
        limit = max(int(timeout), 1)
        where = {
            "kubeconfig": str(place.kubeconfig),
            "as_user": place.as_user,
            "namespace": place.namespace,
            "release": place.release,
            "timeout": limit,
        }
        _log.debug("engine act", verb=act, release=place.release, namespace=place.namespace)
        talk = await self._running()
        try:
            return await talk.ask(act, {**where, **fields}, limit=limit + SPARE)
        except HelmError as error:
            raise error if values is None else masked(error, values) from None

    async def _running(self) -> _Talk:
        """Return the engine's present life, beginning one if there is none.

        Raises `HelmError`: ``HelmMissing`` when it cannot be begun, ``HelmKilled`` once closed.
        """
        async with self._starting:
            if self._talk is not None and not self._talk.over:
                return self._talk
            if self._talk is not None and not self._closed:
                await self._rest(self._talk)
            if self._closed:
                raise error_of(finding("HelmKilled", "The Helm engine is being ended, and begins nothing more."))
            try:
                engine = await processes.converse(
                    [str(self._program), str(self._folder)],  # so that a list of processes tells whose it is
                    env={"PATH": "/usr/bin:/bin", "HOME": str(self._folder)},
                    log=self._folder / "engine.log",
                    longest_line=_LONGEST_LINE,
                )
            except OSError as error:
                raise HelmError(
                    "HelmMissing",
                    f"The Helm engine cannot be run at {self._program}: {error.strerror}.",
                    transient=True,
                ) from error
            self._talk = _Talk(engine)
            _log.info("the engine has begun", pid=self._talk.pid)
            return self._talk

    async def _rest(self, ended: _Talk) -> None:
        """Wait before another life, twice as long after each short one."""
        lived = asyncio.get_running_loop().time() - ended.began
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE) if lived < _SHORT_LIFE else 0.0
        _log.warning("the engine has ended: beginning another", lived=round(lived, 1), pause=self._pause)
        await asyncio.sleep(self._pause)


def _ordered(order: Order) -> dict[str, Any]:
    return {
        "chart": str(order.chart),
        "values": msgspec.Raw(order.values.document),
        "exact": order.values.exact,
        "labels": dict(order.labels),
        "wait": order.wait,
        "create_namespace": order.create_namespace,
        "take_over": order.take_over,
        "force": order.force,
    }
