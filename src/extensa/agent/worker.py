"""One worker per extension: pursues what is wanted, then watches over what is there, for as long as both exist.

After a generation has ended, its outcome is kept; from then on the worker tells how the objects fare, and pursues the
same generation again only when the release itself is no longer what was made (removed or changed by another hand).
A generation that was given up is put right as its failure policy says, begun again as often as that says, and after
that not before a newer one comes; but should its objects become healthy after all, that is told, since outcomes follow
what is observed.
"""

import asyncio
import contextlib
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import Enum

import msgspec

from extensa.agent import observed
from extensa.agent.case import Case
from extensa.agent.memory import Outcome, Remembered
from extensa.agent.prepare import Prepared, prepare
from extensa.agent.reconcile import Pursuit, Tools, Verdict
from extensa.agent.reporter import Reporter
from extensa.base.crash_points import reached
from extensa.base.ids import new_id
from extensa.base.log import correlated, get_logger
from extensa.base.masking import Masker
from extensa.helm import remedy
from extensa.helm.causes import Finding, finding, of_error
from extensa.helm.errors import HelmError
from extensa.helm.health import Level
from extensa.helm.readiness import of_objects
from extensa.helm.release import LABEL_ACT
from extensa.helm.state import Good, Name, Sighting, State
from extensa.link.extension import DesiredExtension, Drift, DriftMode, ObservedExtension, Phase, Presence, Remedy

_log = get_logger("agent")

RESYNC = 900.0
"""Seconds after which everything is looked at again although nothing was heard."""
_RECHECK = 15.0
_DEBOUNCE = 0.3
_COUNT_DOWN = 60.0
"""Seconds after which a wait for the next try is told anew."""
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
        self._newest = kept.outcome.at if kept.outcome is not None else datetime.min.replace(tzinfo=UTC)
        self._quiet_until = tools.clock()
        self.case = Case(kept, say=self._say, overtaken=self._overtaken)

    def offer(self, desired: DesiredExtension) -> bool:
        """Take a document that may be newer; return whether it is. One that is not has what was told told again."""
        now = self.case.desired
        if desired.uid == now.uid and desired.generation <= now.generation:
            if desired.generation == now.generation:
                self._refresh(desired)
            elif self._told is not None:
                self._reporter.tell(self._told)
            return False
        self.case.kept = msgspec.structs.replace(self.case.kept, desired=desired, outcome=None, begun=None)
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
        if desired.hold:
            await self._hold(desired)
            return _Next.PURSUE
        try:
            prepared = prepare(desired, private_key=self._key)
        except HelmError as error:
            await self._give_up(Verdict(of_error(error, step="render")))
            self._tell_failure()
            await self.case.newer.wait()
            return _Next.PURSUE
        self._mask = prepared.values.mask
        if self._outcome is None and await self._pursue(prepared) is _Next.END:
            return _Next.END
        return await self._watch_over(prepared)

    @property
    def _outcome(self) -> Outcome | None:
        """How the pursuit of the present generation ended."""
        outcome, desired = self.case.kept.outcome, self.case.desired
        if outcome is None or (outcome.uid, outcome.generation) != (desired.uid, desired.generation):
            return None
        return outcome

    async def _hold(self, desired: DesiredExtension) -> None:
        """Take no act, and tell how the release fares, until something newer is wanted."""
        bare = msgspec.structs.replace(desired, protected=None)  # nothing is rendered
        with contextlib.suppress(HelmError):
            prepared = prepare(bare, private_key=self._key)
            await self._tools.memory.keep(self.case.kept)
            while not self.case.newer.is_set():
                state, heard = await self._look(prepared)
                words = f"No act is done while it is held. {state.name.meaning}"
                seen, now = self.case.sighting, self._tools.clock()
                self._tell(observed.held(desired, seen, now, words=words, mask=self._mask))
                await self._rest(RESYNC if heard else _RECHECK)
            return
        self._tell(observed.held(desired, None, self._tools.clock(), words="No act is done.", mask=self._mask))
        await self.case.newer.wait()

    async def _pursue(self, prepared: Prepared) -> _Next | None:
        """Pursue the generation to its outcome; None when it has one, PURSUE when something newer is wanted."""
        desired, before = self.case.desired, self._outcome
        turn = 1 + (before.tries if before is not None and before.again is not None else 0)
        begun = self._tools.clock()
        self._quiet_until = begun + _SILENT_AT_FIRST
        _log.info("pursuing", release=desired.release, generation=desired.generation, presence=desired.presence)
        verdict = await Pursuit(self.case, prepared, self._tools, turn=turn).run()
        if verdict is None or self.case.newer.is_set():
            return _Next.PURSUE
        seconds = (self._tools.clock() - begun).total_seconds()
        facts = {"release": desired.release, "generation": desired.generation, "seconds": round(seconds, 3)}
        if verdict.failure is None:
            _log.info("done", **facts)
        else:
            _log.warning("given up", code=verdict.failure.code, message=self._mask(verdict.failure.message), **facts)
        return await self._settle(prepared, verdict, turn)

    async def _settle(self, prepared: Prepared, verdict: Verdict, turn: int) -> _Next | None:
        if verdict.failure is not None:
            await self._give_up(verdict, turn)
            return await self._put_right(prepared)
        now = self._tools.clock()
        if not prepared.wanted.present:
            reached("agent.release-gone")
            gone = observed.gone(self.case.desired, now, kept=verdict.kept, note=verdict.note)
            self._reporter.tell(self._dated(gone))
            return _Next.END
        self._tell(observed.ready(self.case.desired, self.case.sighting or Sighting(), now, mask=self._mask))
        await self._keep_ready(now)
        return None

    async def _give_up(self, verdict: Verdict, turn: int = 0) -> None:
        """Keep that it has failed, and the remedy that is due, before anything else: a restart goes on from there."""
        found = verdict.failure or finding("HelmFailed")
        outcome = Outcome(
            uid=self.case.desired.uid,
            generation=self.case.desired.generation,
            phase=Phase.FAILED,
            at=self._tools.clock(),
            failure=observed.as_failure(found, self._mask, self.case.desired),
            evidence=verdict.evidence,
            due=verdict.due,
            tries=turn,
        )
        await self._keep(outcome if verdict.due is not None else self._with_another_try(outcome))

    async def _put_right(self, prepared: Prepared) -> _Next | None:
        """Do the remedy that is due, if one is, and tell how it all ended; PURSUE when something newer is wanted."""
        outcome = self._outcome
        if outcome is not None and outcome.due is not None:
            _log.info("putting right", release=self.case.desired.release, remedy=str(outcome.due))
            goal = remedy.goal(outcome.due, prepared.wanted)
            pursuit = Pursuit(self.case, replace(prepared, wanted=goal), self._tools, remedial=True)
            verdict = await pursuit.run()
            if verdict is None or self.case.newer.is_set():
                return _Next.PURSUE
            done = self._as_remedy(outcome.due, verdict.failure)
            if done.failure is None and done.revision:
                self._note_good()
            await self._keep(self._with_another_try(msgspec.structs.replace(outcome, due=None, remedy=done)))
        self._tell_failure()
        return None

    def _as_remedy(self, due: remedy.Due, failure: Finding | None) -> Remedy:
        told = observed.as_failure(failure, self._mask, self.case.desired) if failure is not None else None
        return observed.as_remedy(due, told, self.case.sighting)

    def _with_another_try(self, outcome: Outcome) -> Outcome:
        policy = self.case.desired.failure_policy
        again = remedy.begin_again(policy, outcome.tries, self._tools.clock()) if outcome.tries else None
        return msgspec.structs.replace(outcome, again=again)

    async def _keep(self, outcome: Outcome) -> None:
        self.case.kept = msgspec.structs.replace(self.case.kept, outcome=outcome, begun=None)
        await self._tools.memory.keep(self.case.kept)
        reached("agent.outcome-kept")

    async def _keep_ready(self, now: datetime) -> None:
        """Keep that it was seen healthy, and which revision that was."""
        desired = self.case.desired
        self._note_good()
        self.case.kept = msgspec.structs.replace(self.case.kept, leaving=None, stale=False)
        await self._keep(Outcome(uid=desired.uid, generation=desired.generation, phase=Phase.READY, at=now))

    def _note_good(self) -> None:
        seen = self.case.sighting
        if seen is not None and seen.revisions:
            newest = seen.revisions[-1]
            good = Good(newest.version, newest.labels.get(LABEL_ACT, ""))
            self.case.kept = msgspec.structs.replace(self.case.kept, good=good)

    async def _watch_over(self, prepared: Prepared) -> _Next:
        """Tell how the release fares until it must be pursued again."""
        if await self._put_right_before(prepared):
            return _Next.PURSUE
        while not self.case.newer.is_set():
            state, heard = await self._look(prepared)
            if await self._tell_state(state):
                if await self._pursue(prepared) is _Next.END:
                    return _Next.END
                continue
            await self._rest(self._until_next(RESYNC if heard else _RECHECK))
        return _Next.PURSUE

    async def _put_right_before(self, prepared: Prepared) -> bool:
        """Go on with a remedy that a restart cut short; return whether something newer is wanted."""
        outcome = self._outcome
        cut = outcome is not None and outcome.due is not None
        return cut and await self._put_right(prepared) is _Next.PURSUE

    def _until_next(self, seconds: float) -> float:
        """Return how long to rest: no longer than until the next try begins."""
        outcome = self._outcome
        if outcome is None or outcome.again is None:
            return seconds
        left = (outcome.again - self._tools.clock()).total_seconds()
        return max(min(seconds, left, _COUNT_DOWN), 0.0)

    async def _look(self, prepared: Prepared) -> tuple[State, bool]:
        """Look, follow what was found, and look again at what may have changed in between.

        Returns the state, and whether its end would be heard of.
        """
        pursuit = Pursuit(self.case, prepared, self._tools)
        cluster = pursuit.reach()
        state = await pursuit.look(cluster)
        if cluster is not None and state.name is not Name.UNREACHABLE and await pursuit.follow(cluster):
            state = await pursuit.look(cluster)
        if (outcome := self._outcome) is not None and outcome.phase is Phase.READY:
            state = await pursuit.compare(cluster, state)
        return state, pursuit.heard_of(cluster, state)

    async def _tell_state(self, state: State) -> bool:
        """Tell what a look at a settled generation has shown; return whether it must be pursued again."""
        case, now, outcome = self.case, self._tools.clock(), self._outcome
        if outcome is None or (state.name in _SEEN_GONE and case.desired.presence is Presence.ABSENT):
            return True
        if state.name is Name.IN_SYNC and case.desired.presence is Presence.PRESENT:
            self._tell(observed.ready(case.desired, case.sighting or Sighting(), now, mask=self._mask))
            if outcome.phase is not Phase.READY:
                await self._keep_ready(now)
            return False
        if outcome.phase is Phase.FAILED:
            if outcome.again is not None and remedy.is_due(outcome.again, now):
                return True
            self._tell_failure()
            return False
        seen = case.sighting or Sighting()
        fought = self._fought(state, seen, now)
        if state.name not in _STILL_THERE or fought is None:
            return True
        trouble = state.finding or (of_objects(state.objects) if _troubled(state) else None)
        self._tell(observed.ready(case.desired, seen, now, mask=self._mask, trouble=trouble, fought=fought))
        return False

    def _fought(self, state: State, seen: Sighting, now: datetime) -> list[Drift] | None:
        """Return the fields that are no longer put right since somebody else changes them again each time; None when
        there are others, which are to be put right now.
        """
        case = self.case
        if case.desired.drift_policy.mode is not DriftMode.CORRECT or state.name is not Name.DRIFTED:
            return []
        fought = case.drift.contested(seen.drift, now)
        if len(fought) == len(seen.drift):
            return fought
        _log.info("putting drift right", release=case.desired.release, fields=len(seen.drift))
        case.drift.note_correction(seen.drift, now)
        return None

    def _tell_failure(self) -> None:
        """Tell how the present generation has failed, or when it is tried again."""
        outcome, case, now = self._outcome, self.case, self._tools.clock()
        if outcome is None:
            return
        failure = outcome.failure or observed.as_failure(finding("HelmFailed"), self._mask, self.case.desired)
        if outcome.again is not None:
            words = observed.next_try(outcome.tries + 1, case.desired.failure_policy, outcome.again, now)
            hint = Finding(failure.code, failure.message)
            document = observed.working(case.desired, case.sighting, now, words=words, mask=self._mask, hint=hint)
            self._tell(msgspec.structs.replace(document, remedy=outcome.remedy, evidence=outcome.evidence))
            return
        told = observed.failed(
            case.desired, case.sighting, now, failure=failure, mask=self._mask,
            evidence=outcome.evidence, remedy=outcome.remedy,
        )  # fmt: skip
        self._tell(told)

    async def _rest(self, seconds: float) -> None:
        """Wait for something to happen, and a moment more so that what happens at once is looked at once."""
        if self.case.newer.is_set():  # it came while we looked, and the look has taken the hint
            return
        due = self.case.drift.waits(self._tools.clock())
        if due is not None and due < seconds and not await self.case.hints.wait(due):
            return
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
            self._told = document = self._dated(document)
            self._reporter.tell(document)

    def _dated(self, document: ObservedExtension) -> ObservedExtension:
        """Return the document with a time that is later than any before it, whatever became of the clock."""
        self._newest = max(document.observed_at, self._newest + timedelta(microseconds=1))
        return msgspec.structs.replace(document, observed_at=self._newest)

    def _overtaken(self, generation: int) -> None:
        """Tell that the release is of a later generation: a control plane put back from an older copy goes past it."""
        later = msgspec.structs.replace(self.case.desired, generation=generation)
        words, now = f"The release is of generation {generation} already.", self._tools.clock()
        self._tell(observed.working(later, self.case.sighting, now, words=words, mask=self._mask))

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
_STILL_THERE = frozenset(
    {Name.DRIFTED, Name.PROGRESSING, Name.UNHEALTHY, Name.UNREACHABLE, Name.NEWER, Name.TERMINATING}
)


def _troubled(state: State) -> bool:
    return any(seen.health.level is not Level.CURRENT for seen in state.objects) or not state.objects
