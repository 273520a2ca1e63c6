"""From a state to exactly one next act: pure, total, and the only place where it is decided.

The table below has one row per state and wish; a state without a row is a bug that a test finds. Transient failures are
tried again with growing pauses until the deadline; anything else stays for inspection until a new generation comes. It
never acts and never waits itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from extensa.helm.causes import Finding, finding
from extensa.helm.readiness import of_objects
from extensa.helm.state import Name, State, Wanted

MOST_ACTS = 8
"""Acts that fail for good or lead nowhere before an effort is given up."""
FAILED_FOR = timedelta(seconds=5)
"""How long an object must be seen failed before that counts: a controller may not have looked at the change yet."""
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
    """The one next act. ``revision`` belongs to a rollback, ``until`` to a wait, ``failure`` to giving up."""

    step: Step
    reason: str
    revision: int = 0
    until: datetime | None = None
    failure: Finding | None = None


def next_act(state: State, wanted: Wanted, effort: Effort, now: datetime) -> Act:
    """Return the one act that follows from ``state``."""
    rows = _PRESENT if wanted.present else _ABSENT
    act = rows[state.name](state, effort, now)
    if act.step in _ACTS and effort.lasting >= MOST_ACTS:
        last = effort.done[-1].failure
        return _give_up(last or finding("GaveUp", f"{MOST_ACTS} acts did not help; the release is {state.name}."))
    return act


def _act(step: Step, reason: str, effort: Effort, now: datetime, *, revision: int = 0) -> Act:
    """Return ``step``, unless the same step failed just now: then a pause if time may cure it, else the end."""
    last = effort.done[-1] if effort.done else None
    if last is None or last.step is not step or last.failure is None:
        return Act(step, reason, revision)
    return _again(Act(step, reason, revision), last.failure, effort, now)


def _again(act: Act, failure: Finding, effort: Effort, now: datetime) -> Act:
    denied = failure.code == "Forbidden" and effort.tries > _MOST_DENIALS
    if not failure.transient or denied or now >= effort.deadline:
        return _give_up(failure)
    due = effort.settled_since + timedelta(seconds=_pause(effort.tries))
    return act if now >= due else _wait(failure.message, min(due, effort.deadline))


def _pause(tries: int) -> float:
    return min(_FIRST_PAUSE * float(2 ** max(tries - 1, 0)), _LONGEST_PAUSE)


def _wait(reason: str, until: datetime) -> Act:
    return Act(Step.WAIT, reason, until=until)


def _give_up(failure: Finding) -> Act:
    return Act(Step.GIVE_UP, failure.message, failure=failure)


def _done(reason: str) -> Act:
    return Act(Step.DONE, reason)


def _wait_or(failure: Finding, effort: Effort, now: datetime, *, until: datetime | None = None) -> Act:
    """Return a wait until the deadline (or sooner), after which ``failure`` is the outcome."""
    if now >= effort.deadline:
        return _give_up(failure)
    return _wait(failure.message, min(until or effort.deadline, effort.deadline))


def _install(_state: State, effort: Effort, now: datetime) -> Act:
    return _act(Step.INSTALL, "there is no release", effort, now)


def _upgrade(_state: State, effort: Effort, now: datetime) -> Act:
    return _act(Step.UPGRADE, "the release is of other content", effort, now)


def _uninstall(state: State, effort: Effort, now: datetime) -> Act:
    return _act(Step.UNINSTALL, f"the release is {state.name}", effort, now)


def _recover(state: State, effort: Effort, now: datetime) -> Act:
    """Clear the lock of a dead owner: back to the last good revision, or away with what was never good."""
    if state.deployed:
        reason = f"its lock is dead; revision {state.deployed} was the last good one"
        return _act(Step.ROLLBACK, reason, effort, now, revision=state.deployed)
    return _act(Step.UNINSTALL, "its lock is dead and no revision was ever good", effort, now)


def _after_failure(state: State, effort: Effort, now: datetime) -> Act:
    """Try a failed revision's content again for a new generation, or when the failure may have passed."""
    fresh = state.name is Name.FAILED_INSTALL and state.install_hooks
    act = Act(
        Step.UNINSTALL if fresh else Step.UPGRADE, f"the last act is recorded as failed (revision {state.revision})"
    )
    last = effort.done[-1] if effort.done else None
    if last is not None and last.failure is not None and last.step is not Step.ROLLBACK:
        return _again(act, last.failure, effort, now)
    if last is None and state.here:
        return _again(act, state.finding or finding("HelmFailed", state.detail), effort, now)
    return act


def _ready(_state: State, _effort: Effort, _now: datetime) -> Act:
    return _done("every object was seen healthy")


def _progress(state: State, effort: Effort, now: datetime) -> Act:
    return _wait_or(of_objects(state.objects), effort, now)


def _unhealthy(state: State, effort: Effort, now: datetime) -> Act:
    known = effort.settled_since + FAILED_FOR
    failure = of_objects(state.objects)
    return _give_up(failure) if now >= known else _wait_or(failure, effort, now, until=known)


def _not_ours(state: State, _effort: Effort, _now: datetime) -> Act:
    return _give_up(finding("ReleaseNotOurs", f"A release of this name exists already; it belongs to {state.detail}."))


def _leave_alone(state: State, _effort: Effort, _now: datetime) -> Act:
    return _done(f"a release of this name belongs to {state.detail} and was left alone")


def _locked_elsewhere(state: State, effort: Effort, now: datetime) -> Act:
    return _wait_or(finding("ReleaseLocked"), effort, now, until=state.lasts_until)


def _newer(state: State, _effort: Effort, now: datetime) -> Act:
    reason = f"the release is of generation {state.detail}, newer than asked for"
    return _wait(reason, now + timedelta(seconds=_LONGEST_PAUSE))


def _corrupt(state: State, _effort: Effort, _now: datetime) -> Act:
    message = f"Helm's record of the release cannot be read: {state.detail}."
    return _give_up(finding("ReleaseRecordCorrupt", message, target=state.detail.partition(": ")[0]))


def _terminating(_state: State, effort: Effort, now: datetime) -> Act:
    return _wait_or(finding("NamespaceTerminating"), effort, now)


def _unreachable(state: State, effort: Effort, now: datetime) -> Act:
    failure = state.finding or finding("ApiServerUnreachable")
    if not failure.transient or now >= effort.deadline:
        return _give_up(failure)
    waited = (now - effort.settled_since).total_seconds()
    pause = min(max(_FIRST_PAUSE, waited / 4), _LONGEST_PAUSE)
    return _wait(failure.message, min(now + timedelta(seconds=pause), effort.deadline))


def _gone(_state: State, _effort: Effort, _now: datetime) -> Act:
    return _done("the release was seen absent")


def _leftovers(state: State, effort: Effort, now: datetime) -> Act:
    names = ", ".join(str(seen.ref) for seen in state.objects[:5])
    message = f"{len(state.objects)} objects are still there after the release was uninstalled: {names}."
    stuck = any(seen.health.code == "FinalizerStuck" for seen in state.objects)
    failure = finding("FinalizerStuck" if stuck else "ObjectsRemain", message, target=str(state.objects[0].ref))
    return _wait_or(replace(failure, step="uninstall"), effort, now)


_ACTS = frozenset({Step.INSTALL, Step.UPGRADE, Step.ROLLBACK, Step.UNINSTALL})

_Row = Callable[[State, Effort, datetime], Act]

_PRESENT: dict[Name, _Row] = {
    Name.ABSENT: _install,
    Name.UNMANAGED: _not_ours,
    Name.IN_SYNC: _ready,
    Name.OUT_OF_SYNC: _upgrade,
    Name.PROGRESSING: _progress,
    Name.UNHEALTHY: _unhealthy,
    Name.FAILED_INSTALL: _after_failure,
    Name.FAILED_UPGRADE: _after_failure,
    Name.LOCKED: _recover,
    Name.LOCKED_ELSEWHERE: _locked_elsewhere,
    Name.UNINSTALLING: _uninstall,
    Name.UNINSTALLED: _uninstall,
    Name.LEFTOVERS: _install,
    Name.CORRUPT: _corrupt,
    Name.NEWER: _newer,
    Name.TERMINATING: _terminating,
    Name.UNREACHABLE: _unreachable,
}

_ABSENT: dict[Name, _Row] = {
    Name.ABSENT: _gone,
    Name.UNMANAGED: _leave_alone,
    Name.IN_SYNC: _uninstall,
    Name.OUT_OF_SYNC: _uninstall,
    Name.PROGRESSING: _uninstall,
    Name.UNHEALTHY: _uninstall,
    Name.FAILED_INSTALL: _uninstall,
    Name.FAILED_UPGRADE: _uninstall,
    Name.LOCKED: _uninstall,
    Name.LOCKED_ELSEWHERE: _locked_elsewhere,
    Name.UNINSTALLING: _uninstall,
    Name.UNINSTALLED: _uninstall,
    Name.LEFTOVERS: _leftovers,
    Name.CORRUPT: _corrupt,
    Name.NEWER: _newer,
    Name.TERMINATING: _uninstall,
    Name.UNREACHABLE: _unreachable,
}
