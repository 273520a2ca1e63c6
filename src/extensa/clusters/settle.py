"""What a report of the host settles, and what time settles when no report comes. Pure.

The outcome is read off what was observed, never off what was attempted. A report for an older generation settles
nothing; only the active operation may be finished; a report that comes late still tells the truth about the cluster.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from extensa.arm import operations
from extensa.arm.envelope import error_object
from extensa.arm.operations import Operation
from extensa.clusters.model import FAILED, SUCCEEDED, Record
from extensa.link.cluster import ClusterPhase, ObservedCluster, Power

DEADLINE = timedelta(minutes=10)
"""How long an operation on a cluster may take before it ends by itself."""
SILENT = timedelta(seconds=90)
"""After how long without a word a host is called silent; it speaks at least once a minute."""
_DRIFT = timedelta(minutes=1)
"""How far a host's clock may run ahead of ours."""

_WANTED = {
    Power.RUNNING: ClusterPhase.RUNNING,
    Power.STOPPED: ClusterPhase.STOPPED,
    Power.ABSENT: ClusterPhase.GONE,
}


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be written. ``record`` is None when the cluster is gone; ``operation`` is the one that ended."""

    record: Record | None
    operation: Operation | None = None


def settle(
    record: Record, operation: Operation | None, seen: ObservedCluster, kubeconfigs: dict[str, str], now: datetime
) -> Settled | None:
    """Return what the report ``seen`` changes, or None when nothing.

    ``operation`` is the record's active one, if any; ``kubeconfigs`` are fresh envelopes of those that differ.
    """
    if seen.uid != record.uid or _outdated(record, seen, now):
        return None
    settles = seen.generation == record.generation
    if settles and seen.phase is ClusterPhase.GONE and record.power is Power.ABSENT:
        return Settled(None, operations.succeeded(operation, now) if operation else None)
    changed = replace(
        record,
        observed=replace(seen, admin_kubeconfig=None, user_kubeconfig=None),
        kubeconfigs={**record.kubeconfigs, **kubeconfigs},
        kubernetes_version=record.kubernetes_version or seen.kubernetes_version,
    )
    if not settles:
        return _if_new(record, changed)
    if seen.phase is _WANTED[record.power]:
        ended = operations.succeeded(operation, now) if operation else None
        return _if_new(record, replace(changed, provisioning_state=SUCCEEDED, active=False, deadline=None), ended)
    if seen.phase is ClusterPhase.FAILED:
        ended = operations.failed(operation, now, _error(record, seen)) if operation else None
        return _if_new(record, replace(changed, provisioning_state=FAILED, active=False, deadline=None), ended)
    return _if_new(record, changed)


def overtaken(record: Record, seen: ObservedCluster) -> Settled | None:
    """Return the record past the generation that ``seen`` speaks of, when this database never gave it: it was put back
    from an older copy, and a host takes nothing that is not newer than what it has. None for any other report.
    """
    if seen.uid != record.uid or seen.generation <= record.generation:
        return None
    return Settled(replace(record, generation=seen.generation + 1))


def expire(record: Record, operation: Operation | None, host_seen: datetime | None, now: datetime) -> Settled | None:
    """Return what time alone settles: the active operation beyond its deadline fails, with what is known of why.

    The wish stays: when the host comes back, its report still turns the cluster into what it is.
    """
    if not record.active or record.deadline is None or now < record.deadline:
        return None
    ended = operations.failed(operation, now, _overdue(record, host_seen, now)) if operation else None
    return Settled(replace(record, provisioning_state=FAILED, active=False, deadline=None), ended)


def _outdated(record: Record, seen: ObservedCluster, now: datetime) -> bool:
    """Whether something newer is known already, or the report speaks of a generation that does not exist.

    What was seen in the future was told by a clock that has been set back since: it is older than anything.
    """
    if seen.generation > record.generation:
        return True
    known = record.observed
    if known is None:
        return False
    if seen.generation != known.generation:
        return seen.generation < known.generation
    return seen.observed_at < known.observed_at <= now + _DRIFT


def _if_new(before: Record, after: Record, ended: Operation | None = None) -> Settled | None:
    """Return the change, or None when only the time of observation differs: heartbeats are not worth a write."""
    if ended is None and before.observed is not None and after.observed is not None:
        told_again = replace(after, observed=replace(after.observed, observed_at=before.observed.observed_at))
        if told_again == before:
            return None
    return Settled(after, ended)


def _error(record: Record, seen: ObservedCluster) -> dict[str, Any]:
    failure = seen.failure
    if failure is None:
        return error_object(
            "ClusterOperationFailed",
            f"The host of managed cluster '{record.name}' gave up on it"
            + (f"; the last it said: {seen.progress}" if seen.progress else "."),
            target=record.id,
            next_step="Look at the host's log ('extensa logs host'), then send the request again.",
        )
    return error_object(failure.code, failure.message, target=record.id, next_step=failure.next_step or None)


def _overdue(record: Record, host_seen: datetime | None, now: datetime) -> dict[str, Any]:
    """Return why there is no outcome: what can be known from this side of the link."""
    if host_seen is None:
        return error_object(
            "HostNeverConnected",
            f"Host '{record.host}', which runs managed cluster '{record.name}', has never connected.",
            target=record.id,
            next_step="Start it ('extensa up'); it then goes on with the cluster without a new request.",
        )
    if now - host_seen > SILENT:
        return error_object(
            "HostSilent",
            f"Host '{record.host}', which runs managed cluster '{record.name}', has been silent since "
            f"{host_seen:%Y-%m-%dT%H:%M:%SZ}.",
            target=record.id,
            next_step="Start it ('extensa up', 'extensa doctor' says what is wrong); it then goes on with the cluster "
            "without a new request.",
        )
    told = record.observed.progress if record.observed else ""
    return error_object(
        "HostWithoutOutcome",
        f"Host '{record.host}' is connected but did not report managed cluster '{record.name}' as {record.power.value} "
        f"within {int(DEADLINE.total_seconds() // 60)} minutes" + (f"; the last it said: {told}" if told else "."),
        target=record.id,
        next_step="Look at the host's log ('extensa logs host') for this correlation id, then send the request again.",
    )
