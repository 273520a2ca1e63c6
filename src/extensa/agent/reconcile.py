"""Pursue one generation to its end: look, name the state, choose one act, do it, look again.

The room ``helm`` decides and acts; here is the loop around it: what is needed for an act, when to look again, and when
to stop because something newer is wanted. A failure of any kind ends as a state or a finding, so that the loop always
reaches done, given up, or superseded. The remedy after a failure is such a pursuit too, of another goal.
"""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from extensa.agent.case import Case
from extensa.agent.charts import Charts
from extensa.agent.clusters import Cluster, Reach
from extensa.agent.drift import compared
from extensa.agent.evidence import Scene, gather
from extensa.agent.installer import account, prepare_account, remove_account
from extensa.agent.memory import Memory
from extensa.agent.prepare import Prepared
from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.errors import ExtensaError
from extensa.base.log import get_logger
from extensa.helm import remedy
from extensa.helm.actions import Work, perform
from extensa.helm.causes import Finding, finding, of_error
from extensa.helm.cleaning import drop_aside
from extensa.helm.driver import Driver, Place, classify
from extensa.helm.errors import ClusterError, HelmError
from extensa.helm.look import examine, inventories, kept, look, refreshed, search
from extensa.helm.plan import Act, Effort, Step, next_act
from extensa.helm.readiness import of_objects, progress
from extensa.helm.release import Inventory, ObjectRef, ReleaseStatus
from extensa.helm.state import Good, Name, Sighting, State, judge

_log = get_logger("agent")

_SUPERSEDE_GRACE = 5.0
_TICK = 1.0
_BLIND = 0.5
_EXAMINE_EVERY = timedelta(seconds=10)
_SHORTEST_ACT = 10.0
_NAMES = {
    Step.INSTALL: "Installing with Helm",
    Step.UPGRADE: "Upgrading with Helm",
    Step.ROLLBACK: "Going back to the last good revision with Helm",
    Step.UNINSTALL: "Uninstalling with Helm",
    Step.SET_ASIDE: "Setting Helm's record aside",
    Step.CLEAN: "Removing what Helm has left",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a pursuit ended: given up with a ``failure``, or done; ``kept`` is what an absent release left by rule.

    ``evidence`` is the id of what was taken down of the failure, "" when that could not be kept; ``due`` is the remedy
    that must follow.
    """

    failure: Finding | None = None
    evidence: str = ""
    due: remedy.Due | None = None
    kept: tuple[ObjectRef, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a pursuit works with."""

    driver: Driver
    clusters: Reach
    charts: Charts
    memory: Memory
    slots: asyncio.Semaphore
    clock: Clock
    steady: Clock | None = None
    """Measures how long an effort has taken, whatever jumps the clock makes; None: the clock does."""


class Pursuit:
    """The pursuit of one generation of one extension, or with ``remedial`` of what must follow its failure."""

    def __init__(self, case: Case, prepared: Prepared, tools: Tools, *, turn: int = 1, remedial: bool = False) -> None:
        """Nothing is done yet; ``turn`` counts the efforts for this generation."""
        self._case = case
        self._desired = case.desired
        self._prepared = prepared
        self._tools = tools
        self._turn = turn
        self._remedial = remedial
        self._time = tools.steady or tools.clock
        now = self._time()
        timeout = self._desired.timeout
        self._effort = Effort(now, now + (remedy.patience(timeout) if remedial else timedelta(seconds=timeout)))
        self._before = case.kept.begun
        """The edition of a record from before this effort: what it tells of a failure is told already."""
        self._from_before = case.sighting is not None
        """Whether all that is known was seen before this effort: what nobody watches may have changed since."""
        self._examined = now
        self._hint: Finding | None = None
        self._taken = ""
        self._remembered = False
        self._changed: set[tuple[str, str]] = set()

    async def run(self) -> Verdict | None:
        """Return how it ended, None when something newer is wanted."""
        while not self._case.newer.is_set():
            cluster = self.reach()
            if cluster is None and not self._prepared.wanted.present:
                return Verdict(note="There is no such cluster any more, and nothing in it.")
            if cluster is not None and self._case.sighting is None:
                await self.follow(cluster)
            state = await self._begin(await self.look(cluster))
            if not self._effort.done and not self._remedial:
                state = await self.compare(cluster, state, at_once=True)
            if state.finding is not None and state.finding.transient and state.name is Name.UNREACHABLE:
                self._effort = self._effort.excused(state.finding)
            act = next_act(state, self._prepared.wanted, self._effort, self._time())
            match act.step:
                case Step.DONE if self._from_before:
                    self._from_before = False
                    self._case.hints.wake(None)
                case Step.DONE:
                    return await self._done(cluster, state, act)
                case Step.GIVE_UP:
                    return await self._given_up(cluster, state, act)
                case Step.WAIT:
                    await self._wait(cluster, state, act)
                case _ if cluster is not None:
                    await self._before_remedy(cluster, act)
                    failed = await self._do(cluster, act)
                    self._from_before = False
                    self._effort = self._effort.after(act.step, self._time(), failed)
        return None

    async def look(self, cluster: Cluster | None) -> State:
        """Return the state as it is now: everything looked at anew, or only what has changed when nothing else can."""
        case, place = self._case, self._desired
        changed = case.hints.take()
        self._changed |= {(ref.kind, ref.name) for ref in changed.objects}
        leaving, crds = case.kept.leaving, place.delete_crds
        if cluster is None:
            case.sighting = Sighting(unreachable=finding("ClusterNotFound"))
        elif case.sighting is None or changed.everything or case.sighting.unreachable is not None:
            case.sighting = await look(
                cluster.kube, place.release, place.namespace, known=case.sighting, leaving=leaving, crds=crds
            )
        elif changed.records or changed.objects:
            records = (place.release, place.namespace) if changed.records else None
            case.sighting = await refreshed(
                cluster.kube, case.sighting, changed.objects, records=records, leaving=leaving, crds=crds
            )
        return self._judged(case.sighting)

    async def compare(self, cluster: Cluster | None, state: State, *, at_once: bool = False) -> State:
        """Return the state with what has drifted in it: a release that is as wanted is held against its objects."""
        case, seen = self._case, self._case.sighting
        if cluster is None or seen is None or state.name not in _AS_WANTED or not self._prepared.wanted.present:
            return state
        case.sighting = await compared(
            cluster.kube, seen, case.drift, self._desired, self._tools.clock(),
            mask=self._prepared.values.mask, changed=self._changed, at_once=at_once,
            turn=cluster.turn,
        )  # fmt: skip
        return self._judged(case.sighting)

    def _judged(self, seen: Sighting) -> State:
        state = judge(seen, self._prepared.wanted, self._tools.clock(), good=self._case.kept.good)
        if state.name not in _FAILED or not state.here:
            return state
        if remedy.edition(seen) == self._before:
            return replace(state, here=False)
        return replace(state, finding=replace(classify(state.detail), step=state.name.removeprefix("failed-")))

    async def _begin(self, state: State) -> State:
        """Remember what there was when this effort began, before anything is done; return the state seen so."""
        kept = self._case.kept
        if self._remedial or kept.begun is not None:
            return state
        if state.name is not Name.UNREACHABLE and self._case.sighting is not None:
            begun = remedy.edition(self._case.sighting)
            self._case.kept = msgspec.structs.replace(kept, begun=begun)
            self._before = begun if self._turn > 1 else None
            state = self._judged(self._case.sighting)
        elif self._remembered:
            return state
        self._remembered = True
        await self._tools.memory.keep(self._case.kept)
        reached("agent.document-kept")
        return state

    async def follow(self, cluster: Cluster) -> bool:
        """Follow what the case is about; True when that has changed, so that a look from before may be stale."""
        case = self._case
        topics = case.topics()
        if topics == case.followed and cluster.watches.sees(topics):
            return False
        await cluster.watches.follow(case.key, topics, case.hints.wake, case.listed)
        fresh = topics - case.followed
        case.followed = topics
        for topic, namespace, name in fresh:
            case.hints.wake(ObjectRef(topic.api_version, topic.kind, namespace, name))
        return bool(fresh)

    def watched(self, cluster: Cluster | None, state: State) -> bool:
        """Say whether whatever may change next would be heard of."""
        return cluster is not None and state.name not in UNWATCHED and cluster.watches.sees(self._case.followed)

    def heard_of(self, cluster: Cluster | None, state: State) -> bool:
        """Say whether whatever may change next would be heard of within a minute."""
        return cluster is not None and state.name not in UNWATCHED and cluster.watches.covers(self._case.followed)

    def reach(self) -> Cluster | None:
        """Return the extension's cluster, None when it cannot be reached."""
        try:
            return self._tools.clusters.reach(self._desired.cluster_uid)
        except ClusterError as error:
            _log.warning("cluster out of reach", cluster=self._desired.cluster_uid, message=error.message)
            return None

    async def _wait(self, cluster: Cluster | None, state: State, act: Act) -> None:
        if cluster is not None and state.name is not Name.UNREACHABLE and await self.follow(cluster):
            return
        await self._look_deeper(cluster, state)
        if state.name is Name.NEWER:
            self._case.overtaken(int(state.detail))
        else:
            self._case.say(progress(state.objects) if state.name in _SETTLING else act.reason, self._hint)
        pause = (act.until - self._time()).total_seconds() if act.until is not None else _TICK
        if state.name is Name.UNREACHABLE:
            await self._case.hints.wait(pause)
            return
        blind = not self.watched(cluster, state)
        heard = await self._case.hints.wait(min(pause, _BLIND if blind else _TICK))
        if not heard and blind:
            self._case.hints.wake(None)

    async def _look_deeper(self, cluster: Cluster | None, state: State) -> None:
        """Now and then ask the Pods beneath a release that is not getting ready, to say what seems to hold it up."""
        now = self._time()
        if cluster is None or state.name is not Name.PROGRESSING or now - self._examined < _EXAMINE_EVERY:
            return
        self._examined = now
        with contextlib.suppress(ClusterError):
            found = of_objects(state.objects, await examine(cluster.kube, state.objects))
            self._hint = found if found.code not in ("NotReadyInTime", "JobUnfinished") else None

    async def _given_up(self, cluster: Cluster | None, state: State, act: Act) -> Verdict:
        failure = await self._explained(cluster, state, act)
        if self._remedial:
            return Verdict(failure=failure)
        seen, begun = self._case.sighting or Sighting(), self._case.kept.begun or ""
        due = remedy.due(self._desired.failure_policy, state, self._prepared.wanted, seen, begun=begun)
        evidence = await self._take_down(cluster, failure, followed_by=str(due) if due is not None else "")
        return Verdict(failure=failure, evidence=evidence, due=due)

    async def _explained(self, cluster: Cluster | None, state: State, act: Act) -> Finding:
        failure = act.failure or finding("HelmFailed")
        if cluster is not None and state.name in _SETTLING:
            with contextlib.suppress(ClusterError):
                failure = of_objects(state.objects, await examine(cluster.kube, state.objects))
        return failure

    async def _before_remedy(self, cluster: Cluster, act: Act) -> None:
        """Take down what a failed act has left before something else clears it away; once in an effort."""
        last = self._effort.done[-1].failure if self._effort.done else None
        if act.step is Step.SET_ASIDE:
            last = finding("ReleaseRecordCorrupt", act.reason)
        elif act.step not in _REMEDIES or self._remedial or not self._prepared.wanted.present:
            return
        if last is not None and not self._taken:
            reached("agent.remedy-due")
            self._taken = await self._take_down(cluster, last, followed_by=f"{act.step.value}: {act.reason}")

    async def _take_down(self, cluster: Cluster | None, failure: Finding, *, followed_by: str = "") -> str:
        """Keep what is to be seen of ``failure`` now; return its id, "" when it cannot be kept."""
        seen = self._case.sighting or Sighting()
        scene = Scene(
            self._desired, failure, seen, self._tools.clock(), self._prepared.values.mask, followed_by=followed_by
        )
        evidence = await gather(cluster.kube if cluster is not None else None, scene)
        try:
            await self._tools.memory.keep_evidence(self._desired.resource_id, evidence)
        except ExtensaError as error:
            _log.warning("evidence could not be kept", code=error.code, message=error.message)
            return ""
        reached("agent.evidence-kept")
        return evidence.id

    async def _done(self, cluster: Cluster | None, state: State, act: Act) -> Verdict:
        if self._prepared.wanted.present or cluster is None:
            return Verdict()
        left: tuple[ObjectRef, ...] = ()
        with contextlib.suppress(ClusterError):
            left = await kept(cluster.kube, self._case.kept.leaving or Inventory())
            if self._case.kept.aside:
                await drop_aside(cluster.kube, self._desired.namespace, self._prepared.wanted.owner)
            if self._desired.namespace_scoped:
                await remove_account(cluster.kube, self._desired)
        return Verdict(kept=left, note=act.reason if state.name is Name.UNMANAGED else "")

    async def _do(self, cluster: Cluster, act: Act) -> Finding | None:
        """Do one act of Helm's, and return why it failed; whatever came of it, everything is looked at anew."""
        try:
            work = await self._gather(cluster, act)
            async with self._tools.slots:
                return None if self._case.newer.is_set() else await self._perform(cluster, act, work)
        except (HelmError, ClusterError) as error:
            return of_error(error, step=act.step.value)
        finally:
            self._case.hints.wake(None)

    async def _gather(self, cluster: Cluster, act: Act) -> Work:
        """Return what the act needs, having kept what must be known after it."""
        desired, wanted = self._desired, self._prepared.wanted
        place = Place(cluster.kubeconfig, cluster.cache, desired.namespace, desired.release, account(desired))
        if desired.namespace_scoped:
            await prepare_account(cluster.kube, desired)
            wanted = replace(wanted, create_namespace=False)
        if act.step is Step.UNINSTALL:
            await self._remember_what_leaves(cluster)
        if act.step is Step.SET_ASIDE:
            found = await search(cluster.kube, desired.release, desired.namespace)
            leaving = (self._case.kept.leaving or Inventory()) | found
            self._case.kept = msgspec.structs.replace(self._case.kept, aside=True, leaving=leaving)
            await self._tools.memory.keep(self._case.kept)
            reached("agent.aside-kept")
        if act.step not in (Step.INSTALL, Step.UPGRADE):
            revisions = self._case.sighting.revisions if self._case.sighting is not None else ()
            return Work(place, wanted, hands=cluster.kube, record=revisions[-1].secret if revisions else "")
        if act.step is Step.INSTALL:
            self._case.kept = msgspec.structs.replace(self._case.kept, good=Good(0))
        chart = await self._tools.charts.obtain(desired.chart)
        return Work(place, wanted, chart.path, self._prepared.values, wait=chart.facts.post_hooks)

    async def _remember_what_leaves(self, cluster: Cluster) -> None:
        """Keep what the release consists of: of a failed act's, what any of its revisions has brought."""
        seen, kept = self._case.sighting, self._case.kept
        if seen is None or seen.release is None:
            return
        leaving = (kept.leaving or Inventory()) | seen.release.inventory
        if seen.release.status is not ReleaseStatus.DEPLOYED:
            leaving |= await inventories(cluster.kube, self._desired.namespace, seen.revisions[:-1])
        self._case.kept = msgspec.structs.replace(kept, leaving=leaving)
        await self._tools.memory.keep(self._case.kept)
        reached("agent.leaving-kept")

    async def _perform(self, cluster: Cluster, act: Act, work: Work) -> Finding | None:
        """Run the act to its end; something newer that is wanted ends it after a moment of grace."""
        left = (self._effort.deadline - self._time()).total_seconds()
        reached("agent.act-due")
        task = asyncio.create_task(perform(self._tools.driver, act, work, timeout=max(left, _SHORTEST_ACT)))
        newer = asyncio.create_task(self._case.newer.wait())
        try:
            while not newer.done():
                await asyncio.wait((task, newer), timeout=_TICK, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    reached("agent.act-ended")
                    return task.result()
                words = await self._glimpse(cluster) if work.wait else ""
                self._case.say(words or f"{_NAMES[act.step]}: {act.reason}", None)
            await asyncio.wait((task,), timeout=_SUPERSEDE_GRACE)
            return task.result() if task.done() else finding("HelmKilled", "Something newer is wanted.")
        finally:
            newer.cancel()
            await _ended(task)

    async def _glimpse(self, cluster: Cluster) -> str:
        """Return how far a release is that Helm itself waits for, "" when that cannot be told."""
        seen = await look(cluster.kube, self._desired.release, self._desired.namespace)
        return progress(seen.objects) if seen.objects else ""


async def _ended(task: asyncio.Task[Finding | None]) -> None:
    """Cancel what still runs and return when it has ended: Helm was told to stop, and has stopped."""
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


_REMEDIES = frozenset({Step.ROLLBACK, Step.UNINSTALL})
_SETTLING = frozenset({Name.PROGRESSING, Name.UNHEALTHY, Name.DRIFTED})
_FAILED = frozenset({Name.FAILED_INSTALL, Name.FAILED_UPGRADE, Name.FAILED_ROLLBACK})
_AS_WANTED = frozenset({Name.IN_SYNC, Name.PROGRESSING, Name.UNHEALTHY, Name.DRIFTED})
UNWATCHED = frozenset({Name.LEFTOVERS, Name.TERMINATING, Name.UNREACHABLE})
"""States whose end no watch of ours would show."""
