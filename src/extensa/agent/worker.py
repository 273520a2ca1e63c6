"""One worker per extension: pursues what is wanted, then watches over what is there, for as long as both exist.

After a generation has ended, its outcome is kept; from then on the worker tells how the objects fare, and pursues the
same generation again only when the release itself is no longer what was made (removed or changed by another hand).
A generation that was given up is not begun again before a newer one comes; but should its objects become healthy after
all, that is told, since outcomes follow what is observed.
"""

import asyncio
import random
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from extensa.agent import observed
from extensa.agent.case import Case
from extensa.agent.memory import Outcome, Remembered
from extensa.agent.prepare import Prepared, prepare
from extensa.agent.reconcile import Pursuit, Tools, Verdict
from extensa.agent.reporter import Reporter
from extensa.base.ids import new_id
from extensa.base.log import correlated, get_logger
from extensa.helm.causes import Finding, finding, of_error
from extensa.helm.errors import HelmError, Masker
from extensa.helm.readiness import of_objects
from extensa.helm.state import Name, Sighting, State
from extensa.link.extension import DesiredExtension, ObservedExtension, Phase, Presence

_log = get_logger("agent")

RESYNC = 300.0
"""Seconds after which everything is looked at again although nothing was heard."""
_RECHECK = 15.0
_DEBOUNCE = 0.3
_SILENT_AT_FIRST = timedelta(seconds=0.5)
_BETWEEN_WORDS = timedelta(seconds=1)


class _Next(Enum):
    PURSUE = "pursue"
    END = "end"


class Worker:
    """The one who works on one extension; `offer` tells it what is wanted, `run` is its life."""

    def __init__(self, kept: Remembered, tools: Tools, reporter: Reporter, *, private_key: str) -> None:
        """Nothing is done before `run`."""
        self._tools = tools
        self._reporter = reporter
        self._key = private_key
        self._mask: Masker = str
        self._told: ObservedExtension | None = None
        self._quiet_until = tools.clock()
        self.case = Case(kept, say=self._say)

    def offer(self, desired: DesiredExtension) -> bool:
        """Take a document that may be newer; return whether it is."""
        now = self.case.desired
        if desired.uid == now.uid and desired.generation <= now.generation:
            if desired.generation == now.generation:
                self._refresh(desired)
            return False
        leaving = self.case.kept.leaving
        self.case.kept = Remembered(desired=desired, leaving=leaving)
        self.case.newer.set()
        self.case.hints.stir()
        return True

    async def run(self) -> bool:
        """Work until the extension is gone, True; a cancellation ends Helm first."""
        while True:
            case = self.case
            case.newer.clear()
            with correlated(case.desired.correlation_id or new_id()):
                if await self._generation(case.desired) is _Next.END:
                    return True

    async def _generation(self, desired: DesiredExtension) -> _Next:
        try:
            prepared = prepare(desired, private_key=self._key)
        except HelmError as error:
            await self._give_up(of_error(error, step="render"))
            await self.case.newer.wait()
            return _Next.PURSUE
        self._mask = prepared.values.mask
        outcome = self.case.kept.outcome
        if outcome is None or (outcome.uid, outcome.generation) != (desired.uid, desired.generation):
            await self._tools.memory.keep(self.case.kept)
            if await self._pursue(prepared) is _Next.END:
                return _Next.END
        return await self._watch_over(prepared)

    async def _pursue(self, prepared: Prepared) -> _Next | None:
        """Pursue the generation to its outcome; None when it has one, PURSUE when something newer is wanted."""
        desired = self.case.desired
        begun = self._tools.clock()
        self._quiet_until = begun + _SILENT_AT_FIRST
        _log.info("pursuing", release=desired.release, generation=desired.generation, presence=desired.presence)
        verdict = await Pursuit(self.case, prepared, self._tools).run()
        if verdict is None or self.case.newer.is_set():
            return _Next.PURSUE
        seconds = (self._tools.clock() - begun).total_seconds()
        facts = {"release": desired.release, "generation": desired.generation, "seconds": round(seconds, 3)}
        if verdict.failure is None:
            _log.info("done", **facts)
        else:
            _log.warning("given up", code=verdict.failure.code, message=self._mask(verdict.failure.message), **facts)
        return await self._settle(prepared, verdict)

    async def _settle(self, prepared: Prepared, verdict: Verdict) -> _Next | None:
        now = self._tools.clock()
        if verdict.failure is not None:
            await self._give_up(verdict.failure, verdict.evidence)
            return None
        if not prepared.wanted.present:
            self._reporter.tell(observed.gone(self.case.desired, now, kept=verdict.kept, note=verdict.note))
            return _Next.END
        self._tell(observed.ready(self.case.desired, self.case.sighting or Sighting(), now, mask=self._mask))
        await self._keep_outcome(Phase.READY, now)
        return None

    async def _give_up(self, found: Finding, evidence: str = "") -> None:
        now = self._tools.clock()
        failure = observed.as_failure(found, self._mask, self.case.desired)
        await self._keep_outcome(
            Phase.FAILED, now, found, evidence
        )  # before it is told: a restart must not begin again
        case, mask = self.case, self._mask
        self._tell(observed.failed(case.desired, case.sighting, now, failure=failure, mask=mask, evidence=evidence))

    async def _keep_outcome(
        self, phase: Phase, now: datetime, found: Finding | None = None, evidence: str = ""
    ) -> None:
        desired = self.case.desired
        failure = observed.as_failure(found, self._mask, self.case.desired) if found is not None else None
        outcome = Outcome(
            uid=desired.uid, generation=desired.generation, phase=phase, at=now, failure=failure, evidence=evidence
        )
        self.case.kept = msgspec.structs.replace(self.case.kept, outcome=outcome)
        await self._tools.memory.keep(self.case.kept)

    async def _watch_over(self, prepared: Prepared) -> _Next:
        """Tell how the release fares until it must be pursued again."""
        while not self.case.newer.is_set():
            state, heard = await self._look(prepared)
            if await self._tell_state(state):
                if await self._pursue(prepared) is _Next.END:
                    return _Next.END
                continue
            await self._rest(RESYNC if heard else _RECHECK)
        return _Next.PURSUE

    async def _look(self, prepared: Prepared) -> tuple[State, bool]:
        """Look, follow what was found, and look again at what may have changed in between.

        Returns the state, and whether its end would be heard of.
        """
        pursuit = Pursuit(self.case, prepared, self._tools)
        cluster = pursuit.reach()
        state = await pursuit.look(cluster)
        if cluster is not None and state.name is not Name.UNREACHABLE and await pursuit.follow(cluster):
            state = await pursuit.look(cluster)
        return state, pursuit.watched(cluster, state)

    async def _tell_state(self, state: State) -> bool:
        """Tell what a look at a settled generation has shown; return whether it must be pursued again."""
        case, now = self.case, self._tools.clock()
        outcome = case.kept.outcome
        if outcome is None or (state.name in _SEEN_GONE and case.desired.presence is Presence.ABSENT):
            return True
        if state.name is Name.IN_SYNC and case.desired.presence is Presence.PRESENT:
            self._tell(observed.ready(case.desired, case.sighting or Sighting(), now, mask=self._mask))
            if outcome.phase is not Phase.READY:
                await self._keep_outcome(Phase.READY, now)
            return False
        if outcome.phase is Phase.FAILED:
            failure = outcome.failure or observed.as_failure(finding("HelmFailed"), self._mask, case.desired)
            told, mask = outcome.evidence, self._mask
            self._tell(observed.failed(case.desired, case.sighting, now, failure=failure, mask=mask, evidence=told))
            return False
        if state.name not in _STILL_THERE:
            return True
        trouble = state.finding or of_objects(state.objects)
        self._tell(observed.ready(case.desired, case.sighting or Sighting(), now, mask=self._mask, trouble=trouble))
        return False

    async def _rest(self, seconds: float) -> None:
        """Wait for something to happen, and a moment more so that what happens at once is looked at once."""
        heard = await self.case.hints.wait(seconds * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
        if not heard:
            self.case.hints.wake(None)
        elif not self.case.newer.is_set():
            await asyncio.sleep(_DEBOUNCE)

    def _refresh(self, desired: DesiredExtension) -> None:
        """Keep the same generation's document as it was sealed last, and tell again what was told of it."""
        outcome = self.case.kept.outcome
        if outcome is not None and outcome.failure is not None and outcome.failure.code == "SettingsSealBroken":
            self.case.kept = msgspec.structs.replace(self.case.kept, desired=desired, outcome=None)
            self.case.newer.set()
            return
        self.case.kept = msgspec.structs.replace(self.case.kept, desired=desired)
        if self._told is not None:
            self._reporter.tell(self._told)

    def _tell(self, document: ObservedExtension) -> None:
        if not observed.same(self._told, document):
            self._told = document
            self._reporter.tell(document)

    def _say(self, words: str, hint: Finding | None) -> None:
        """Tell how far the work is, not at once and not too often: a quick install is told once, when it is done."""
        now = self._tools.clock()
        if now < self._quiet_until:
            return
        document = observed.working(self.case.desired, self.case.sighting, now, words=words, mask=self._mask, hint=hint)
        if not observed.same(self._told, document):
            self._quiet_until = now + _BETWEEN_WORDS
            self._tell(document)


_SEEN_GONE = frozenset({Name.ABSENT, Name.UNMANAGED})
_STILL_THERE = frozenset({Name.PROGRESSING, Name.UNHEALTHY, Name.UNREACHABLE, Name.NEWER, Name.TERMINATING})
