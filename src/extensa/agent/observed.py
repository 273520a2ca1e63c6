"""From what was seen to the document that says so: pure, bounded, and with every text masked.

One function per phase. Which phase it is was decided elsewhere; here it is only put into words.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from extensa.agent.ledger import MOST_CORRECTIONS, WITHIN
from extensa.base.masking import Masker
from extensa.helm.causes import TABLE, Fault, Finding
from extensa.helm.drift import MOST_FIELDS
from extensa.helm.health import Level as Health
from extensa.helm.readiness import Seen
from extensa.helm.release import ObjectRef
from extensa.helm.remedy import Due
from extensa.helm.state import Sighting
from extensa.link.extension import (
    DesiredExtension,
    Drift,
    Failure,
    FailurePolicy,
    Level,
    ObjectHealth,
    ObservedExtension,
    Phase,
    Remedy,
    Status,
)

MOST_OBJECTS = 200
_CLUSTER = re.compile(r"/(?:managed|connected)Clusters/([^/]+)/", re.IGNORECASE)


def working(
    desired: DesiredExtension,
    seen: Sighting | None,
    now: datetime,
    *,
    words: str,
    mask: Masker,
    hint: Finding | None = None,
) -> ObservedExtension:
    """Return the document of work in progress; ``hint`` is what seems to hold it up."""
    statuses = [Status(code="Progress", message=mask(words), time=now)]
    if hint is not None:
        statuses.append(Status(code=hint.code, message=mask(hint.message), level=Level.WARNING, time=now))
    return _document(desired, seen, now, phase=Phase.WORKING, statuses=statuses, mask=mask)


def ready(
    desired: DesiredExtension,
    seen: Sighting,
    now: datetime,
    *,
    mask: Masker,
    trouble: Finding | None = None,
    fought: Sequence[Drift] = (),
) -> ObservedExtension:
    """Return the document of a generation that was seen healthy; ``trouble`` is what has gone wrong since, ``fought``
    are fields that somebody else has changed again each time they were put right.
    """
    statuses = []
    if trouble is not None:
        message = f"{mask(trouble.message)} {trouble.next_step}".strip()
        statuses.append(Status(code=trouble.code, message=message, level=Level.WARNING, time=now))
    if fought:
        statuses.append(Status(code="DriftContested", message=_fought(fought), level=Level.WARNING, time=now))
    return _document(desired, seen, now, phase=Phase.READY, statuses=statuses, mask=mask)


def _fought(fields: Sequence[Drift]) -> str:
    named = "; ".join(
        f"{each.kind} {each.name} {each.path}" + (f", by {each.manager}" if each.manager else "") for each in fields[:3]
    )
    more = f"; and {len(fields) - 3} more" if len(fields) > 3 else ""
    return (
        f"Put right {MOST_CORRECTIONS} times within {WITHIN.seconds // 60} minutes, and changed again each time: "
        f"{named}{more}. It is left alone for as long as it stays so: name it in driftPolicy.ignore, or end what "
        "changes it."
    )


def held(
    desired: DesiredExtension, seen: Sighting | None, now: datetime, *, words: str, mask: Masker
) -> ObservedExtension:
    """Return the document of an extension in which no act is done."""
    statuses = [Status(code="Held", message=mask(words), time=now)]
    return _document(desired, seen, now, phase=Phase.HELD, statuses=statuses, mask=mask)


def failed(
    desired: DesiredExtension,
    seen: Sighting | None,
    now: datetime,
    *,
    failure: Failure,
    mask: Masker,
    evidence: str = "",
    remedy: Remedy | None = None,
) -> ObservedExtension:
    """Return the document of a generation that was given up; ``evidence`` names what was kept of it, ``remedy`` what
    was done then.
    """
    at_fault = f"{failure.target}: " if failure.target.rpartition("/")[2] not in failure.message else ""
    message = f"{at_fault}{failure.message} {failure.next_step}".strip()
    statuses = [Status(code=failure.code, message=message, level=Level.ERROR, time=now)]
    if remedy is not None:
        level = Level.WARNING if remedy.failure is not None else Level.INFORMATION
        statuses.append(Status(code="Remedy", message=_remedied(remedy), level=level, time=now))
    told = _document(desired, seen, now, phase=Phase.FAILED, statuses=statuses, mask=mask, failure=failure)
    return msgspec.structs.replace(told, evidence=evidence, remedy=remedy)


def gone(desired: DesiredExtension, now: datetime, *, kept: Sequence[ObjectRef], note: str = "") -> ObservedExtension:
    """Return the document of a release that was seen absent; ``kept`` stays behind by rule and is named."""
    statuses = [Status(code="Gone", message=note, time=now)] if note else []
    if kept:
        names = ", ".join(str(ref) for ref in kept[:20]) + (f" and {len(kept) - 20} more" if len(kept) > 20 else "")
        statuses.append(Status(code="Kept", message=f"Kept by rule: {names}.", time=now))
    return _document(desired, None, now, phase=Phase.GONE, statuses=statuses, mask=str)


def as_failure(found: Finding, mask: Masker, of: DesiredExtension) -> Failure:
    """Return a finding as the link carries it."""
    hidden = pinned(found, of).masked(mask)
    return Failure(
        code=hidden.code,
        message=hidden.message,
        step=hidden.step or "ready",
        target=hidden.target,
        next_step=hidden.next_step,
        raw=hidden.raw,
    )


def as_remedy(due: Due, failure: Failure | None, seen: Sighting | None) -> Remedy:
    """Return a remedy that was done, or failed with ``failure``, as the link carries it."""
    release = seen.release if seen is not None and due.revision else None
    return Remedy(
        step=due.step,
        revision=due.revision,
        chart_version=release.chart_version if release is not None and failure is None else "",
        failure=failure,
    )


def next_try(number: int, policy: FailurePolicy, again: datetime, now: datetime) -> str:
    """Return when the next try begins, in words: "Try 2 of 3 in 30 s"."""
    seconds = max(round((again - now).total_seconds()), 0)
    left = f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} min"
    return f"Try {number} of {policy.retries + 1} in {left}"


def pinned(found: Finding, of: DesiredExtension) -> Finding:
    """Return the finding with the object at fault: where it names none itself, the thing that its cause is about."""
    return found if found.target else replace(found, target=_about(TABLE[found.code].fault, of))


def _about(fault: Fault, of: DesiredExtension) -> str:
    chart = f"Chart {of.chart.name} {of.chart.version}" if of.chart is not None else "Chart"
    named = _CLUSTER.search(of.resource_id)
    known = {
        Fault.CHART: chart,
        Fault.TEMPLATE: chart,
        Fault.SETTING: "configurationSettings",
        Fault.SECRETS: "configurationProtectedSettings",
        Fault.NAMESPACE: f"Namespace {of.namespace}",
        Fault.CLUSTER: f"Cluster {named[1] if named is not None else of.cluster_uid}",
        Fault.AGENT: "Agent",
    }
    return known.get(fault, f"Release {of.namespace}/{of.release}")


def same(one: ObservedExtension | None, other: ObservedExtension) -> bool:
    """Say whether two documents say the same, the time left out."""
    return one is not None and _timeless(one) == _timeless(other)


def object_healths(objects: Sequence[Seen], mask: Masker) -> list[ObjectHealth]:
    """Return the objects as the link carries them: the troubled first, at most 200."""
    ordered = sorted(objects, key=lambda seen: seen.health.level is Health.CURRENT)
    return [
        ObjectHealth(
            kind=seen.ref.kind,
            name=seen.ref.name,
            namespace=seen.ref.namespace,
            health=seen.health.level.value,
            waits_for=mask(seen.health.waits_for),
        )
        for seen in ordered[:MOST_OBJECTS]
    ]


def _remedied(remedy: Remedy) -> str:
    chart = f" (chart {remedy.chart_version})" if remedy.chart_version else ""
    done = f"It went back to revision {remedy.revision}{chart}." if remedy.revision else "It was uninstalled."
    if remedy.failure is None:
        return done
    tried = f"Going back to revision {remedy.revision}" if remedy.revision else "Uninstalling it"
    return f"{tried} failed too: {remedy.failure.message} {remedy.failure.next_step}".strip()


def _timeless(document: ObservedExtension) -> ObservedExtension:
    moment = datetime.min  # noqa: DTZ901 - compared with itself only
    statuses = [msgspec.structs.replace(status, time=None) for status in document.statuses]
    return msgspec.structs.replace(document, observed_at=moment, statuses=statuses)


def _document(
    desired: DesiredExtension,
    seen: Sighting | None,
    now: datetime,
    *,
    phase: Phase,
    statuses: list[Status],
    mask: Masker,
    failure: Failure | None = None,
) -> ObservedExtension:
    release = seen.release if seen is not None else None
    objects = seen.objects if seen is not None else ()
    return ObservedExtension(
        uid=desired.uid,
        generation=desired.generation,
        phase=phase,
        observed_at=now,
        statuses=statuses,
        revision=release.version if release is not None else 0,
        chart_version=release.chart_version if release is not None else "",
        objects=object_healths(objects, mask),
        object_count=len(objects),
        failure=failure,
        correlation_id=desired.correlation_id,
        drift=list(seen.drift[:MOST_FIELDS]) if seen is not None else [],
        drift_count=len(seen.drift) if seen is not None else 0,
    )
