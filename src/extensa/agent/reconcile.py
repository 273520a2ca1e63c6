"""Pursue one generation to its end: look, name the state, choose one act, do it, look again.

The room ``helm`` decides and acts; here is the loop around it: what is needed for an act, when to look again, and when
to stop because something newer is wanted. A failure of any kind ends as a state or a finding, so that the loop always
reaches done, given up, or superseded.
"""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta

import msgspec

from extensa.agent.case import Case
from extensa.agent.charts import Charts
from extensa.agent.clusters import Cluster, Reach
from extensa.agent.evidence import Scene, gather
from extensa.agent.installer import account, prepare_account, remove_account
from extensa.agent.memory import Memory
from extensa.agent.prepare import Prepared
from extensa.base.clock import Clock
from extensa.base.errors import ExtensaError
from extensa.base.log import get_logger
from extensa.helm.actions import Work, perform
from extensa.helm.causes import Finding, finding, of_error
from extensa.helm.driver import Driver, Place, classify
from extensa.helm.errors import ClusterError, HelmError
from extensa.helm.look import examine, kept, look, refreshed
from extensa.helm.plan import Act, Effort, Step, next_act
from extensa.helm.readiness import of_objects, progress
from extensa.helm.release import Inventory, ObjectRef
from extensa.helm.state import Name, Sighting, State, judge

_log = get_logger("agent")

_SUPERSEDE_GRACE = 5.0
_TICK = 1.0
_BLIND = 0.5
_EXAMINE_EVERY = timedelta(seconds=10)
_SHORTEST_ACT = 10.0
_NAMES = {
    Step.INSTALL: "Installing",
    Step.UPGRADE: "Upgrading",
    Step.ROLLBACK: "Going back to the last good revision",
    Step.UNINSTALL: "Uninstalling",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a pursuit ended: given up with a ``failure``, or done; ``kept`` is what an absent release left by rule.

    ``evidence`` is the id of what was taken down of the failure, "" when that could not be kept.
    """

    failure: Finding | None = None
    evidence: str = ""
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


class Pursuit:
    """The pursuit of one generation of one extension."""

    def __init__(self, case: Case, prepared: Prepared, tools: Tools) -> None:
        """Nothing is done yet."""
        self._case = case
        self._desired = case.desired
        self._prepared = prepared
        self._tools = tools
        now = tools.clock()
        self._effort = Effort(now, now + timedelta(seconds=self._desired.timeout))
        self._examined = now
        self._hint: Finding | None = None
        self._taken = ""

    async def run(self) -> Verdict | None:
        """Return how it ended, None when something newer is wanted."""
        while not self._case.newer.is_set():
            cluster = self.reach()
            if cluster is None and not self._prepared.wanted.present:
                return Verdict(note="There is no such cluster any more, and nothing in it.")
            if cluster is not None and self._case.sighting is None:
                await self.follow(cluster)
            state = await self.look(cluster)
            if state.finding is not None and state.finding.transient and state.name is Name.UNREACHABLE:
                self._effort = self._effort.excused(state.finding)
            act = next_act(state, self._prepared.wanted, self._effort, self._tools.clock())
            match act.step:
                case Step.DONE:
                    return await self._done(cluster, state, act)
                case Step.GIVE_UP:
                    failure = await self._explained(cluster, state, act)
                    return Verdict(failure=failure, evidence=await self._take_down(cluster, failure))
                case Step.WAIT:
                    await self._wait(cluster, state, act)
                case _ if cluster is not None:
                    await self._before_remedy(cluster, act)
                    failed = await self._do(cluster, act)
                    self._effort = self._effort.after(act.step, self._tools.clock(), failed)
        return None

    async def look(self, cluster: Cluster | None) -> State:
        """Return the state as it is now: everything looked at anew, or only what has changed when nothing else can."""
        case, place = self._case, self._desired
        changed = case.hints.take()
        if cluster is None:
            case.sighting = Sighting(unreachable=finding("ClusterNotFound"))
        elif case.sighting is None or changed.everything or case.sighting.unreachable is not None:
            case.sighting = await look(
                cluster.kube, place.release, place.namespace, known=case.sighting, leaving=case.kept.leaving
            )
        elif changed.records or changed.objects:
            records = (place.release, place.namespace) if changed.records else None
            case.sighting = await refreshed(cluster.kube, case.sighting, changed.objects, records=records)
        state = judge(case.sighting, self._prepared.wanted, self._tools.clock())
        if state.name in (Name.FAILED_INSTALL, Name.FAILED_UPGRADE) and state.here:
            return replace(state, finding=replace(classify(state.detail), step=state.name.removeprefix("failed-")))
        return state

    async def follow(self, cluster: Cluster) -> bool:
        """Follow what the case is about; True when that has changed, so that a look from before may be stale."""
        case = self._case
        topics = case.topics()
        if topics == case.followed and cluster.watches.sees(topics):
            return False
        await cluster.watches.follow(case.key, topics, case.hints.wake)
        fresh = topics - case.followed
        case.followed = topics
        for topic, namespace, name in fresh:
            case.hints.wake(ObjectRef(topic.api_version, topic.kind, namespace, name))
        return bool(fresh)

    def watched(self, cluster: Cluster | None, state: State) -> bool:
        """Say whether whatever may change next would be heard of."""
        return cluster is not None and state.name not in UNWATCHED and cluster.watches.sees(self._case.followed)

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
        self._case.say(progress(state.objects) if state.name in _SETTLING else act.reason, self._hint)
        pause = (act.until - self._tools.clock()).total_seconds() if act.until is not None else _TICK
        if state.name is Name.UNREACHABLE:
            await self._case.hints.wait(pause)
            return
        blind = not self.watched(cluster, state)
        heard = await self._case.hints.wait(min(pause, _BLIND if blind else _TICK))
        if not heard and blind:
            self._case.hints.wake(None)

    async def _look_deeper(self, cluster: Cluster | None, state: State) -> None:
        """Now and then ask the Pods beneath a release that is not getting ready, to say what seems to hold it up."""
        now = self._tools.clock()
        if cluster is None or state.name is not Name.PROGRESSING or now - self._examined < _EXAMINE_EVERY:
            return
        self._examined = now
        with contextlib.suppress(ClusterError):
            found = of_objects(state.objects, await examine(cluster.kube, state.objects))
            self._hint = found if found.code not in ("NotReadyInTime", "JobUnfinished") else None

    async def _explained(self, cluster: Cluster | None, state: State, act: Act) -> Finding:
        failure = act.failure or finding("HelmFailed")
        if cluster is not None and state.name in _SETTLING:
            with contextlib.suppress(ClusterError):
                failure = of_objects(state.objects, await examine(cluster.kube, state.objects))
        return failure

    async def _before_remedy(self, cluster: Cluster, act: Act) -> None:
        """Take down what a failed act has left before something else clears it away; once in an effort."""
        last = self._effort.done[-1].failure if self._effort.done else None
        if act.step in _REMEDIES and last is not None and self._prepared.wanted.present and not self._taken:
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
        return evidence.id

    async def _done(self, cluster: Cluster | None, state: State, act: Act) -> Verdict:
        if self._prepared.wanted.present or cluster is None:
            return Verdict()
        left: tuple[ObjectRef, ...] = ()
        with contextlib.suppress(ClusterError):
            left = await kept(cluster.kube, self._case.kept.leaving or Inventory())
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
            await self._remember_what_leaves()
        if act.step not in (Step.INSTALL, Step.UPGRADE):
            return Work(place, wanted)
        chart = await self._tools.charts.obtain(desired.chart)
        return Work(place, wanted, chart.path, self._prepared.values, wait=chart.facts.post_hooks)

    async def _remember_what_leaves(self) -> None:
        sighting = self._case.sighting
        if sighting is not None and sighting.release is not None:
            leaving = sighting.release.inventory
            self._case.kept = msgspec.structs.replace(self._case.kept, leaving=leaving)
            await self._tools.memory.keep(self._case.kept)

    async def _perform(self, cluster: Cluster, act: Act, work: Work) -> Finding | None:
        """Run the act to its end; something newer that is wanted ends it after a moment of grace."""
        left = (self._effort.deadline - self._tools.clock()).total_seconds()
        task = asyncio.create_task(perform(self._tools.driver, act, work, timeout=max(left, _SHORTEST_ACT)))
        newer = asyncio.create_task(self._case.newer.wait())
        try:
            while not newer.done():
                await asyncio.wait((task, newer), timeout=_TICK, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    return task.result()
                words = await self._glimpse(cluster) if work.wait else ""
                self._case.say(words or f"{_NAMES[act.step]} with Helm: {act.reason}", None)
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
_SETTLING = frozenset({Name.PROGRESSING, Name.UNHEALTHY})
UNWATCHED = frozenset({Name.LEFTOVERS, Name.TERMINATING, Name.UNREACHABLE})
"""States whose end no watch of ours would show."""
