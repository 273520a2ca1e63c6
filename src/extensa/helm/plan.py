"""From a state to exactly one next act: pure, total, and the only place where it is decided.

The table at the end has one row per state and a column per wish; a state without a row is a bug that a test finds.
Transient failures are tried again with growing pauses until the deadline; anything else ends the effort, and
``remedy.py`` says what follows then. It never acts and never waits itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from extensa.helm.causes import Finding, finding
from extensa.helm.health import Level, sentence
from extensa.helm.readiness import Seen, of_objects
from extensa.helm.release import ObjectRef
from extensa.helm.state import Name, State, Wanted

MOST_ACTS = 8
"""Acts that fail for good or lead nowhere before an effort is given up."""
FAILED_FOR = timedelta(seconds=5)
"""How long an object must be seen failed before that counts: a controller may not have looked at the change yet."""
_MOST_REAPPLIED = 3
_MOST_DENIALS = 4
"""A denial may pass while an API server starts, but not for long."""
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0


class Step(StrEnum):
    """What can be done next."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    ROLLBACK = "rollback"
    UNINSTALL = "uninstall"
    SET_ASIDE = "set aside"
    CLEAN = "clean up"
    WAIT = "wait"
    DONE = "done"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Done:
    """One step already taken in this effort, and what came of it."""

    step: Step
    at: datetime
    failure: Finding | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """What was tried for one generation since ``started``; it must come to an end by ``deadline``."""

    started: datetime
    deadline: datetime
    done: tuple[Done, ...] = ()

    def after(self, step: Step, at: datetime, failure: Finding | None = None) -> "Effort":
        """Return the effort with one more step in it."""
        return replace(self, done=(*self.done, Done(step, at, failure)))

    def excused(self, cause: Finding) -> "Effort":
        """Return the effort with its last failure put down to ``cause``, which was seen right after it and may pass."""
        if not self.done or self.done[-1].failure is None or self.done[-1].failure.transient:
            return self
        last = replace(self.done[-1], failure=replace(cause, step=self.done[-1].step.value))
        return replace(self, done=(*self.done[:-1], last))

    @property
    def settled_since(self) -> datetime:
        """When the last act ended."""
        return self.done[-1].at if self.done else self.started

    @property
    def tries(self) -> int:
        """How many transient failures came in a row until now."""
        count = 0
        for done in reversed(self.done):
            if done.failure is None or not done.failure.transient:
                break
            count += 1
        return count

    @property
    def lasting(self) -> int:
        """How many acts were taken, those that failed only for the moment left out."""
        return sum(1 for done in self.done if done.failure is None or not done.failure.transient)


@dataclass(frozen=True, slots=True)
class Act:
    """The one next act. ``revision`` belongs to a rollback, ``until`` to a wait, ``failure`` to giving up, ``objects``
    to a cleaning. ``force`` takes fields over from whoever set them, ``skip_hooks`` leaves a chart's hooks out.
    """

    step: Step
    reason: str
    revision: int = 0
    until: datetime | None = None
    failure: Finding | None = None
    objects: tuple[ObjectRef, ...] = ()
    force: bool = False
    skip_hooks: bool = False


def next_act(state: State, wanted: Wanted, effort: Effort, now: datetime) -> Act:
    """Return the one act that follows from ``state``."""
    row = TABLE[state.name]
    choose = row.back if wanted.back else row.present if wanted.present else row.absent
    act = choose(At(state, wanted, effort, now))
    if act.step in ACTS and effort.lasting >= MOST_ACTS:
        last = effort.done[-1].failure
        return _give_up(last or finding("GaveUp", f"{MOST_ACTS} acts did not help; the release is {state.name}."))
    return act


@dataclass(frozen=True, slots=True)
class At:
    """All that the next act follows from."""

    state: State
    wanted: Wanted
    effort: Effort
    now: datetime

    @property
    def last(self) -> Done | None:
        """The act that was done last."""
        return self.effort.done[-1] if self.effort.done else None


def _act(at: At, step: Step, reason: str, **facts: Any) -> Act:
    """Return ``step``, unless the same step failed just now: then a pause if time may cure it, else the end."""
    act = Act(step, reason, **facts)
    if at.last is None or at.last.step is not step or at.last.failure is None:
        return act
    return _again(at, act, at.last.failure)


def _again(at: At, act: Act, failure: Finding) -> Act:
    denied = failure.code == "Forbidden" and at.effort.tries > _MOST_DENIALS
    if not failure.transient or denied or at.now >= at.effort.deadline:
        return _give_up(failure)
    due = at.effort.settled_since + timedelta(seconds=_pause(at.effort.tries))
    return act if at.now >= due else _wait(failure.message, min(due, at.effort.deadline))


def _pause(tries: int) -> float:
    return min(_FIRST_PAUSE * float(2 ** max(tries - 1, 0)), _LONGEST_PAUSE)


def _wait(reason: str, until: datetime) -> Act:
    return Act(Step.WAIT, reason, until=until)


def _give_up(failure: Finding) -> Act:
    return Act(Step.GIVE_UP, failure.message, failure=failure)


def _wait_or(at: At, failure: Finding, *, until: datetime | None = None) -> Act:
    """Return a wait until the deadline (or sooner), after which ``failure`` is the outcome."""
    if at.now >= at.effort.deadline:
        return _give_up(failure)
    return _wait(failure.message, min(until or at.effort.deadline, at.effort.deadline))


def _install(at: At) -> Act:
    """Install it."""
    return _act(at, Step.INSTALL, "there is no release")


def _upgrade(at: At) -> Act:
    """Upgrade to what is wanted."""
    return _act(at, Step.UPGRADE, "the release is of other content")


def _uninstall(at: At) -> Act:
    """Uninstall it; a hook that keeps failing is left out when there is no other way on."""
    reason = f"the release is {at.state.name}"
    failure = at.last.failure if at.last is not None and at.last.step is Step.UNINSTALL else None
    if failure is not None and failure.code in _HOOKS and (at.wanted.present or at.wanted.remove_finalizers):
        return Act(Step.UNINSTALL, f"{reason}, and a hook stands in the way", skip_hooks=True)
    return _act(at, Step.UNINSTALL, reason)


def _recover(at: At) -> Act:
    """Clear the lock: go back to the last good revision, or uninstall what was never good."""
    good = at.state.deployed
    if good:
        reason = f"its lock is dead; revision {good} was the last good one"
        return _act(at, Step.ROLLBACK, reason, revision=good)
    if at.wanted.adopt:
        return _act(at, Step.SET_ASIDE, "its lock is dead, and what it holds was somebody else's before")
    return _act(at, Step.UNINSTALL, "its lock is dead and no revision was ever good")


def _after_failure(at: At) -> Act:
    """Try again for a new generation or when the failure may have passed: upgrade, or begin anew if an install hook
    must run again. Else give up.
    """
    state, last = at.state, at.last
    fresh = state.name is Name.FAILED_INSTALL and state.install_hooks and not at.wanted.adopt
    reason = f"the last act is recorded as failed (revision {state.revision})"
    act = Act(Step.UNINSTALL if fresh else Step.UPGRADE, reason)
    if last is not None and last.failure is not None and last.step is not Step.ROLLBACK:
        if fresh and last.step is Step.UNINSTALL:
            return _uninstall(at)
        return _again(at, act, last.failure)
    if last is None and state.here:
        return _again(at, act, state.finding or finding("HelmFailed", state.detail))
    return act


def _ready(_at: At) -> Act:
    """Nothing: it is done."""
    return Act(Step.DONE, "every object was seen healthy")


def _progress(at: At) -> Act:
    """Wait for it until the time is up."""
    return _wait_or(at, of_objects(at.state.objects))


def _unhealthy(at: At) -> Act:
    """Wait a moment, for its controller may not have seen the change yet; then give up."""
    known = at.effort.settled_since + FAILED_FOR
    failure = of_objects(at.state.objects)
    return _give_up(failure) if at.now >= known else _wait_or(at, failure, until=known)


def _drifted(at: At) -> Act:
    """Apply it again: fields once, missing objects three times with growing pauses."""
    done = [each for each in at.effort.done if each.step in _APPLYING and each.failure is None]
    levels = {seen.health.level for seen in at.state.objects}
    missing = Level.NOT_FOUND in levels
    if not done:
        return _act(at, Step.UPGRADE, "objects are not as the release says", force=True)
    if missing and len(done) <= _MOST_REAPPLIED:
        due = at.effort.settled_since + timedelta(seconds=_pause(len(done)))
        if at.now >= due:
            return _act(at, Step.UPGRADE, "objects of it are missing", force=True)
        return _wait_or(at, of_objects(at.state.objects), until=due)
    if Level.FAILED in levels:
        return _unhealthy(at)
    return _progress(at) if levels - {Level.CURRENT} else _ready(at)


def _not_ours(at: At) -> Act:
    """Give up and name it; when adoption is allowed, upgrade it and make it ours."""
    if at.state.adoptable:
        return _act(at, Step.UPGRADE, f"a release of {at.state.detail} is taken over", force=True)
    message = f"A release of this name exists already; it belongs to {at.state.detail}."
    return _give_up(finding("ReleaseNotOurs", message))


def _leave_alone(at: At) -> Act:
    """Nothing: it is left alone."""
    return Act(Step.DONE, f"a release of this name belongs to {at.state.detail} and was left alone")


def _locked_elsewhere(at: At) -> Act:
    """Wait until whoever holds it must be dead, or the time is up."""
    return _wait_or(at, finding("ReleaseLocked"), until=at.state.lasts_until)


def _newer(at: At) -> Act:
    """Tell the control plane which generation it is and wait for a newer one; give up when none comes."""
    message = f"The release is of generation {at.state.detail}, newer than {at.wanted.generation}."
    return _wait_or(at, finding("ReleaseNewer", message))


def _set_aside(at: At) -> Act:
    """Set the record aside under another name; an earlier revision or a fresh install is used."""
    message = f"Helm's record of the release cannot be read: {at.state.detail}."
    if at.last is not None and at.last.step is Step.SET_ASIDE and at.last.failure is not None:
        return _act(at, Step.SET_ASIDE, message)
    return Act(Step.SET_ASIDE, message)


def _terminating(at: At) -> Act:
    """Wait until the namespace is gone, or the time is up."""
    return _wait_or(at, finding("NamespaceTerminating"))


def _unreachable(at: At) -> Act:
    """Ask again, less and less often, until the time is up; a refusal is given up at once."""
    failure = at.state.finding or finding("ApiServerUnreachable")
    if not failure.transient or at.now >= at.effort.deadline:
        return _give_up(failure)
    waited = (at.now - at.effort.settled_since).total_seconds()
    pause = min(max(_FIRST_PAUSE, waited / 4), _LONGEST_PAUSE)
    return _wait(failure.message, min(at.now + timedelta(seconds=pause), at.effort.deadline))


def _gone(_at: At) -> Act:
    """Nothing: it was seen absent."""
    return Act(Step.DONE, "the release was seen absent")


def _leftovers(at: At) -> Act:
    """Delete what Helm left, finalizers only when asked; wait for what is going, and name it when the time is up."""
    objects = at.state.objects
    message = _still_there(objects)
    held = [seen.ref for seen in objects if seen.health.code == _HELD]
    failure = finding(_HELD if held else "ObjectsRemain", message, target=str(objects[0].ref), step="uninstall")
    clean = [seen.ref for seen in objects if seen.health.code != _HELD]
    if at.wanted.remove_finalizers and at.now >= at.effort.settled_since + FAILED_FOR:
        clean = [seen.ref for seen in objects]
    if not clean:
        soon = at.effort.settled_since + FAILED_FOR if at.wanted.remove_finalizers else None
        return _wait_or(at, failure, until=soon)
    cleaned = sum(1 for each in at.effort.done if each.step is Step.CLEAN)
    due = at.effort.settled_since + timedelta(seconds=_pause(cleaned) if cleaned else 0)
    if at.now < due:
        return _wait_or(at, failure, until=due)
    return _act(at, Step.CLEAN, message, objects=tuple(clean))


def _still_there(objects: Sequence[Seen]) -> str:
    """Return which objects are still there, and what holds each."""
    count = len(objects)
    named = [(seen, *str(seen.ref).partition(" ")) for seen in objects[:5]]
    said = "; ".join(sentence(kind, name, seen.health) for seen, kind, _, name in named)
    more = f"; and {count - 5} more" if count > 5 else ""
    there = "1 object is" if count == 1 else f"{count} objects are"
    return f"{there} still there after the release was uninstalled: {said}{more}."


def _go_back(at: At) -> Act:
    """Go back to the last good revision."""
    reason = f"revision {at.wanted.back} was the last good one"
    return _act(at, Step.ROLLBACK, reason, revision=at.wanted.back)


def _no_way_back(at: At) -> Act:
    """Give up: there is nothing to go back in."""
    return _give_up(finding("GaveUp", f"There is no way back: the release is {at.state.name}.", step="rollback"))


_HELD = "FinalizerStuck"
_HOOKS = frozenset({"HookFailed", "HookTimedOut", "JobFailed", "JobUnfinished", "PodFailed", "NotReadyInTime"})
"""What an uninstall fails of when a hook does: Helm waits for nothing else in one."""
_APPLYING = frozenset({Step.INSTALL, Step.UPGRADE})
ACTS = frozenset({Step.INSTALL, Step.UPGRADE, Step.ROLLBACK, Step.UNINSTALL, Step.SET_ASIDE, Step.CLEAN})

Choose = Callable[[At], Act]


@dataclass(frozen=True, slots=True)
class Row:
    """What follows from one state: when the release should be there, when it should not, and on the way back after a
    failure. The manual quotes the choosers' docstrings.
    """

    present: Choose
    absent: Choose
    back: Choose


TABLE: dict[Name, Row] = {
    Name.ABSENT: Row(_install, _gone, _no_way_back),
    Name.UNMANAGED: Row(_not_ours, _leave_alone, _no_way_back),
    Name.IN_SYNC: Row(_ready, _uninstall, _ready),
    Name.OUT_OF_SYNC: Row(_upgrade, _uninstall, _go_back),
    Name.DRIFTED: Row(_drifted, _uninstall, _progress),
    Name.PROGRESSING: Row(_progress, _uninstall, _progress),
    Name.UNHEALTHY: Row(_unhealthy, _uninstall, _unhealthy),
    Name.FAILED_INSTALL: Row(_after_failure, _uninstall, _go_back),
    Name.FAILED_UPGRADE: Row(_after_failure, _uninstall, _go_back),
    Name.FAILED_ROLLBACK: Row(_after_failure, _uninstall, _go_back),
    Name.FAILED_UNINSTALL: Row(_uninstall, _uninstall, _go_back),
    Name.HALF_UNINSTALLED: Row(_uninstall, _uninstall, _go_back),
    Name.UNINSTALLED: Row(_uninstall, _uninstall, _go_back),
    Name.LOCKED: Row(_recover, _uninstall, _go_back),
    Name.LOCKED_ELSEWHERE: Row(_locked_elsewhere, _locked_elsewhere, _locked_elsewhere),
    Name.LEFTOVERS: Row(_install, _leftovers, _no_way_back),
    Name.CORRUPT: Row(_set_aside, _set_aside, _set_aside),
    Name.NEWER: Row(_newer, _newer, _no_way_back),
    Name.TERMINATING: Row(_terminating, _uninstall, _no_way_back),
    Name.UNREACHABLE: Row(_unreachable, _unreachable, _unreachable),
}
