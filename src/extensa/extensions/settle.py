"""What an agent's report, or its silence, means: pure judgements from record, report and time to a new record.

The fences stand here (design §3): a report counts only for the uid and the generation it speaks of, only the operation
the record names may be finished, and an outcome is what was *seen*. A truth that comes after the deadline still
corrects the record; the operation stays ended as it ended.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from extensa.arm import operations
from extensa.arm.operations import Operation
from extensa.clusters.model import Cluster
from extensa.extensions import failures, statuses
from extensa.extensions.model import Extension, Observation, State
from extensa.link.extension import Drift, Failure, Level, ObjectHealth, ObservedExtension, Phase, Presence

MARGIN = timedelta(minutes=5)
"""How much longer than the release's own timeout we wait for an agent to say anything."""
LONGEST = timedelta(hours=48)
"""How long an operation may run at the most, whatever the agent says (contract §3.4)."""
_GOOD = frozenset({Phase.READY, Phase.GONE})
_AHEAD = timedelta(minutes=1)
"""How far an agent's clock may run ahead of ours."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What to write: the new record (None: it goes, the release was seen absent), the operation if it ended now, and
    the objects and the drift if they are others than before.
    """

    extension: Extension | None
    operation: Operation | None = None
    objects: list[ObjectHealth] | None = None
    drift: list[Drift] | None = None


def settle(
    extension: Extension, operation: Operation | None, observed: ObservedExtension, now: datetime
) -> Settled | None:
    """Return what ``observed`` changes, or None when it changes nothing: another identity, another generation, a
    report older than the newest one, or nothing new.

    ``operation`` is the record of the extension's active operation, if it has one.
    """
    active = _active(extension, operation)
    if _fenced(extension, observed, now, awaited=active is not None):
        return None
    if observed.phase is Phase.GONE:
        return Settled(None, active and operations.succeeded(active, now))
    report = observation(observed, now)
    fresh = replace(extension, observed=report)
    ended: Operation | None = None
    doing = State(active.doing) if active is not None else _attempt(extension)
    if extension.hold:
        pass  # whatever is seen is no outcome: nothing was asked for
    elif observed.phase is Phase.READY:
        fresh = replace(
            fresh, state=State.SUCCEEDED, operation=None, error=None, installed_version=extension.version, statuses=[]
        )
        ended = active and operations.succeeded(active, now)
    elif observed.phase is Phase.FAILED and (active is not None or extension.state is State.FAILED):
        error = failures.error(statuses.failure_of(observed), doing, observed.remedy)
        fresh = replace(fresh, state=State.FAILED, operation=None, error=error)
        ended = active and operations.failed(active, now, error)
    lines = statuses.lines(fresh, observed, doing)
    fresh = replace(fresh, statuses=statuses.since(extension.statuses, lines))
    if extension.operation is None and _same(fresh, extension):
        return None
    known = extension.observed
    others = report.objects_digest != ("" if known is None else known.objects_digest)
    drifted = report.drift_digest != ("" if known is None else known.drift_digest)
    return Settled(fresh, ended, observed.objects if others else None, observed.drift if drifted else None)


def overtaken(extension: Extension, observed: ObservedExtension) -> Settled | None:
    """Return the record past the generation that ``observed`` speaks of, when this database never gave it: it was put
    back from an older copy, and an agent takes nothing that is not newer than what it has. None for any other report.
    """
    if observed.uid != extension.uid or observed.generation <= extension.generation:
        return None
    return Settled(replace(extension, generation=observed.generation + 1))


def _fenced(extension: Extension, observed: ObservedExtension, now: datetime, *, awaited: bool) -> bool:
    """Whether a report has no say: of another identity or generation, told before, older than the newest one, or an
    outcome that cannot be one of what was asked for. A newest one that lies in the future was told by a clock that has
    been set back since, and is older than anything. A good outcome that is still ``awaited`` is never too old: it was
    seen, whenever that was, and only a clock that was set back a little makes it look overtaken.
    """
    if observed.uid != extension.uid or observed.generation != extension.generation:
        return True
    seen = extension.observed
    longed_for = awaited and observed.phase in _GOOD
    if seen is not None and seen.generation == observed.generation and not longed_for:
        told = observed.observed_at == seen.observed_at and observed.phase is seen.phase
        if told or observed.observed_at < seen.observed_at <= now + _AHEAD:
            return True
    if observed.phase is Phase.HELD:
        return not extension.hold
    return observed.phase is (Phase.READY if extension.presence is Presence.ABSENT else Phase.GONE)


def patience(extension: Extension) -> timedelta:
    """Return for how long an agent may say nothing: the release's timeout and a margin."""
    return timedelta(seconds=extension.timeout) + MARGIN


def overdue(extension: Extension, operation: Operation, now: datetime) -> bool:
    """Return whether the agent has had its time: the release's timeout and a margin since it last spoke of this
    generation (or since the start), and never more than `LONGEST` in all.
    """
    seen = extension.observed
    heard = seen.heard_at if seen is not None and seen.generation == extension.generation else operation.started
    return now - max(heard, operation.started) > patience(extension) or now - operation.started > LONGEST


def expire(extension: Extension, operation: Operation, cluster: Cluster, now: datetime) -> Settled | None:
    """Return the end of an operation whose time is up, with what is known of the reason; None while there is time."""
    active = _active(extension, operation)
    if active is None or not overdue(extension, active, now):
        return None
    progress = "; ".join(s.message for s in extension.statuses)
    failure = failures.unanswered(cluster, progress, now)
    error = failures.error(failure, State(active.doing))
    line = statuses.failed(failure, State(active.doing), now)
    ended = operations.failed(active, now, error)
    kept = [s for s in extension.statuses if s.level is not Level.INFORMATION]
    return Settled(
        replace(
            extension,
            state=State.FAILED,
            operation=None,
            error=error,
            statuses=[line, *kept][: statuses.MOST_STATUSES],
        ),
        ended,
    )


def unserved(extension: Extension, operation: Operation | None, failure: Failure, now: datetime) -> Settled | None:
    """Return the end of an operation whose desired document can never reach the agent; None when none runs."""
    active = _active(extension, operation)
    if active is None:
        return None
    doing = State(active.doing)
    error = failures.error(failure, doing)
    line = statuses.failed(failure, doing, now)
    fresh = replace(extension, state=State.FAILED, operation=None, error=error, statuses=[line])
    return Settled(fresh, operations.failed(active, now, error))


def orphaned(extension: Extension, operation: Operation | None, now: datetime) -> Settled:
    """Return the end of an extension whose cluster is gone: the record goes, a deletion has had its way, and any other
    operation failed.
    """
    active = _active(extension, operation)
    if active is None:
        return Settled(None)
    if active.doing == State.DELETING:
        return Settled(None, operations.succeeded(active, now))
    failure = failures.found("ClusterGone", target=extension.id[: len(extension.cluster_key)])
    return Settled(None, operations.failed(active, now, failures.error(failure, State(active.doing))))


def abandoned(operation: Operation, extension: Extension | None, now: datetime) -> Operation:
    """Return the end of an operation that no record names any more, so that none would ever finish it; ``extension`` is
    who has its resource's id now.
    """
    if extension is not None and extension.uid == operation.resource_uid:
        return operations.superseded(operation, now)
    doing = State(operation.doing)
    if doing is State.DELETING:
        return operations.succeeded(operation, now)
    return operations.failed(operation, now, failures.error(failures.found("ExtensionGone"), doing))


def _active(extension: Extension, operation: Operation | None) -> Operation | None:
    if operation is None or operation.terminal or operation.id != extension.operation:
        return None
    return operation


def _attempt(extension: Extension) -> State:
    if extension.presence is Presence.ABSENT:
        return State.DELETING
    return State.UPDATING if extension.installed_version else State.CREATING


def observation(observed: ObservedExtension, now: datetime) -> Observation:
    """Return what is kept of a report in the record itself."""
    return Observation(
        generation=observed.generation,
        phase=observed.phase,
        observed_at=observed.observed_at,
        heard_at=now,
        revision=observed.revision,
        chart_version=observed.chart_version,
        object_count=max(observed.object_count, len(observed.objects)),
        objects_digest=_digest(observed.objects),
        failure=_bare(observed.failure),
        evidence=observed.evidence,
        drift_count=max(observed.drift_count, len(observed.drift)),
        drift_digest=_digest(observed.drift) if observed.drift else "",
        remedy=observed.remedy and replace(observed.remedy, failure=_bare(observed.remedy.failure)),
        health=health(observed),
    )


def health(observed: ObservedExtension) -> str:
    """Return how the objects fare in one word; it says nothing of how the operation ended."""
    if any(seen.health != statuses.HEALTHY for seen in observed.objects):
        return "Unhealthy"
    if observed.drift:
        return "Drifted"
    return "Healthy" if observed.objects or observed.phase is Phase.READY else "Unknown"


def _digest(value: object) -> str:
    return hashlib.blake2b(msgspec.json.encode(value), digest_size=8).hexdigest()


def _bare(failure: Failure | None) -> Failure | None:
    return failure and replace(failure, raw="")


def _same(one: Extension, other: Extension) -> bool:
    """Whether two records differ in nothing but the time of the newest report."""
    if one.observed is None or other.observed is None:
        return one == other
    at, heard = other.observed.observed_at, other.observed.heard_at
    return replace(one, observed=replace(one.observed, observed_at=at, heard_at=heard)) == other
