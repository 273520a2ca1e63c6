"""What follows when an effort was given up: the remedy that the failure policy asks for, and when to begin again. Pure.

A remedy is due only where something was changed: a failure that made no revision leaves nothing to put right. It never
touches what is not ours, and it never uninstalls what was good once, unless just that was asked for.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from msgspec import Struct

from extensa.helm.plan import Step
from extensa.helm.release import LABEL_DIGEST
from extensa.helm.state import Name, Sighting, State, Wanted
from extensa.link.extension import FailurePolicy, OnFailure

FIRST_PAUSE = 30.0
LONGEST_PAUSE = 300.0
LONGEST = timedelta(minutes=10)
"""How long a remedy may take."""
_SHORTEST = timedelta(minutes=1)


class Due(Struct, frozen=True, kw_only=True):
    """A remedy that must be done: ``step`` is uninstall or rollback, to ``revision`` with this ``digest``."""

    step: str
    revision: int = 0
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.step} to revision {self.revision}" if self.revision else self.step


def edition(seen: Sighting | None) -> str:
    """Return what tells one newest record from another, "" when there is none."""
    return seen.revisions[-1].edition if seen is not None and seen.revisions else ""


def due(policy: FailurePolicy, state: State, wanted: Wanted, seen: Sighting, *, begun: str) -> Due | None:
    """Return the remedy for an effort that was given up in ``state``, None when there is nothing to put right.

    ``begun`` is the `edition` of the newest record when the effort began.
    """
    touched = edition(seen) != begun
    if policy.on_failure is OnFailure.STAY or not wanted.present or not touched or state.name in _BEYOND:
        return None
    if state.proved:  # what was good once and is the newest again needs no way back
        return None
    if policy.on_failure is OnFailure.UNINSTALL:
        return Due(step=Step.UNINSTALL)
    if state.deployed:
        target = next(each for each in seen.revisions if each.version == state.deployed)
        return Due(step=Step.ROLLBACK, revision=target.version, digest=target.labels.get(LABEL_DIGEST, ""))
    if state.first and not wanted.adopt:  # with it would go what was somebody else's before
        return Due(step=Step.UNINSTALL)
    return None


def goal(remedy: Due, wanted: Wanted) -> Wanted:
    """Return what should be for the remedy to be done."""
    if remedy.step == Step.ROLLBACK:
        return replace(wanted, back=remedy.revision, digest=remedy.digest, adopt=False)
    return replace(wanted, present=False, adopt=False)


def patience(timeout: int) -> timedelta:
    """Return how long the remedy of an effort with this timeout (in seconds) may take."""
    return min(max(timedelta(seconds=timeout), _SHORTEST), LONGEST)


def begin_again(policy: FailurePolicy, tries: int, now: datetime) -> datetime | None:
    """Return when to begin the effort again after ``tries`` have failed, None when those were all."""
    if tries > policy.retries:
        return None
    return now + timedelta(seconds=min(FIRST_PAUSE * 2.0 ** (tries - 1), LONGEST_PAUSE))


def is_due(again: datetime, now: datetime) -> bool:
    """Say whether the next try is due: its time has come, or lies so far ahead that the clock was set back since."""
    return now >= again or again - now > timedelta(seconds=2 * LONGEST_PAUSE)


_BEYOND = frozenset({Name.ABSENT, Name.UNMANAGED, Name.LEFTOVERS, Name.CORRUPT, Name.NEWER, Name.TERMINATING,
                     Name.UNREACHABLE, Name.LOCKED_ELSEWHERE})  # fmt: skip
"""States in which there is nothing of ours to put right, or no way to do it."""
