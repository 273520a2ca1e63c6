"""From the API's own objects to lines of evidence: conditions, events, containers; and the bound on all of it together.

Pure and deterministic: equal objects give equal lines, and what is cut is named. Nothing is judged here; whose fault it
is was found before.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from extensa.base.masking import Masker
from extensa.helm.causes import Finding
from extensa.helm.release import LABEL_ACT, Revision
from extensa.helm.state import Sighting
from extensa.link.evidence import (
    LARGEST_EVIDENCE,
    Cause,
    Condition,
    Container,
    EventLine,
    Evidence,
    ReleaseRecord,
    RevisionLine,
)

MOST_EVENTS = 200
LONGEST_TEXT = 2000
LONGEST_LOG = 16_384
_MOST_CONDITIONS = 20
_MOST_REVISIONS = 10

Object = Mapping[str, Any]


def cause_of(found: Finding, mask: Masker) -> Cause:
    """Return the finding as evidence carries it."""
    shown = found.masked(mask)
    return Cause(
        code=shown.code,
        message=shown.message,
        step=shown.step or "ready",
        target=shown.target,
        next_step=shown.next_step,
        raw=shown.raw,
    )


def record_of(seen: Sighting, release: str, namespace: str, mask: Masker) -> ReleaseRecord | None:
    """Return Helm's record as it was seen, None when there was none."""
    if not seen.revisions:
        return None
    newest = seen.release
    return ReleaseRecord(
        name=release,
        namespace=namespace,
        revisions=[_revision(each) for each in seen.revisions[-_MOST_REVISIONS:]],
        description=_cut(mask(newest.description)) if newest is not None else "",
        chart=newest.chart_name if newest is not None else "",
        chart_version=newest.chart_version if newest is not None else "",
    )


def conditions_of(found: Object | None, mask: Masker) -> list[Condition]:
    """Return the conditions in an object's status."""
    status = (found or {}).get("status")
    listed = status.get("conditions") if isinstance(status, Mapping) else None
    if not isinstance(listed, list):
        return []
    return [
        Condition(
            type=str(each.get("type", "")),
            status=str(each.get("status", "")),
            reason=str(each.get("reason") or ""),
            message=_cut(mask(str(each.get("message") or ""))),
            since=str(each.get("lastTransitionTime") or ""),
        )
        for each in listed[:_MOST_CONDITIONS]
        if isinstance(each, Mapping)
    ]


def family(roots: Iterable[tuple[str, str]], owned: Sequence[tuple[str, Object]]) -> set[tuple[str, str]]:
    """Return ``roots`` (kind and name) and whichever of ``owned`` (kind and object) descend from them."""
    found = set(roots)
    while True:
        fresh = {
            (kind, str(each["metadata"].get("name", "")))
            for kind, each in owned
            if any(
                (str(owner.get("kind")), str(owner.get("name"))) in found
                for owner in each["metadata"].get("ownerReferences") or ()
            )
        } - found
        if not fresh:
            return found
        found |= fresh


def events_of(listed: Iterable[Object], about: set[tuple[str, str]], mask: Masker) -> list[EventLine]:
    """Return the events about these objects (kind and name), the newest last; of too many the oldest are left out."""
    lines = []
    for each in listed:
        concerns = each.get("involvedObject") or each.get("regarding") or {}
        if (str(concerns.get("kind")), str(concerns.get("name"))) not in about:
            continue
        lines.append(
            EventLine(
                time=_event_time(each),
                type=str(each.get("type") or ""),
                reason=str(each.get("reason") or ""),
                object=f"{concerns.get('kind')} {concerns.get('name')}",
                message=_cut(mask(str(each.get("message") or each.get("note") or ""))),
                count=int(each.get("count") or (each.get("series") or {}).get("count") or 1),
            )
        )
    return sorted(lines, key=lambda line: (line.time, line.object, line.reason, line.message))[-MOST_EVENTS:]


def containers_of(pod: Object, mask: Masker) -> list[Container]:
    """Return the containers of a Pod with where each stands; those that prepare come first."""
    status = pod.get("status") or {}
    spec = pod.get("spec") or {}
    known = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    told = {str(each.get("name")) for each in known}
    untold = [
        Container(name=str(each.get("name")), state="unknown", log_note="Nothing was reported of this container.")
        for each in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        if str(each.get("name")) not in told
    ]
    return [_container(each, mask) for each in known] + untold


def log_of(text: str, mask: Masker) -> list[str]:
    """Return the last lines of a log, without secrets."""
    return mask(text[-LONGEST_LOG:]).splitlines()


def bounded(evidence: Evidence, limit: int = LARGEST_EVIDENCE) -> Evidence:
    """Return ``evidence`` within ``limit`` bytes of JSON: logs give way first, then manifests, events, objects.

    Raises `ValueError` for a limit that nothing fits.
    """
    notes = list(evidence.notes)
    for cut in (_without_logs, _shorter_manifests, _fewer_events, _fewer_objects, _bare):
        while _size(evidence, notes) > limit:
            shorter = cut(evidence)
            if shorter is None:
                break
            evidence, note = shorter
            notes = [*(each for each in notes if each.split(":")[0] != note.split(":")[0]), note]
    if _size(evidence, notes) > limit:
        raise ValueError(f"nothing fits {limit} bytes")
    return replace(evidence, notes=notes)


_Shorter = tuple[Evidence, str] | None


def _without_logs(evidence: Evidence) -> _Shorter:
    if not any(each.log for pod in evidence.pods for each in pod.containers):
        return None
    pods = [
        replace(pod, containers=[replace(each, log=[], log_note="Cut for size.") for each in pod.containers])
        for pod in evidence.pods
    ]
    return replace(evidence, pods=pods), "Container logs: left out, the whole was larger than 1 MiB."


def _shorter_manifests(evidence: Evidence) -> _Shorter:
    if not evidence.manifests:
        return None
    kept = evidence.manifests[: len(evidence.manifests) * 3 // 4]
    kept = kept[: kept.rfind("\n") + 1]
    return replace(evidence, manifests=kept), f"Manifests: only the first {len(kept)} characters are kept."


def _fewer_events(evidence: Evidence) -> _Shorter:
    if not evidence.events:
        return None
    kept = evidence.events[len(evidence.events) // 2 + 1 :]
    return replace(evidence, events=kept), f"Events: only the newest {len(kept)} are kept."


def _fewer_objects(evidence: Evidence) -> _Shorter:
    if not evidence.objects and not evidence.pods:
        return None
    objects, pods = evidence.objects[: len(evidence.objects) // 2], evidence.pods[: len(evidence.pods) // 2]
    note = f"Objects: only the first {len(objects)} and {len(pods)} Pods are kept."
    return replace(evidence, objects=objects, pods=pods), note


def _bare(evidence: Evidence) -> _Shorter:
    if not evidence.cause.raw and evidence.release is None:
        return None
    cause = replace(evidence.cause, raw="")
    return replace(evidence, cause=cause, release=None), "Helm's words and record: left out for size."


def _size(evidence: Evidence, notes: list[str]) -> int:
    return len(msgspec.json.encode(replace(evidence, notes=notes)))


def _revision(each: Revision) -> RevisionLine:
    return RevisionLine(
        revision=each.version,
        status=each.status.value,
        modified=each.modified,
        generation=each.generation,
        act=each.labels.get(LABEL_ACT, ""),
    )


def _container(each: Object, mask: Masker) -> Container:
    state: Object = each.get("state") or {}
    now = next((word for word in ("waiting", "terminated", "running") if word in state), "unknown")
    detail: Object = state.get(now) or {}
    before: Object = (each.get("lastState") or {}).get("terminated") or {}
    code = detail.get("exitCode", before.get("exitCode"))
    return Container(
        name=str(each.get("name")),
        state=now,
        reason=str(detail.get("reason") or before.get("reason") or ""),
        message=_cut(mask(str(detail.get("message") or before.get("message") or ""))),
        exit_code=int(code) if code is not None else None,
        restarts=int(each.get("restartCount") or 0),
    )


def _event_time(each: Object) -> str:
    found = each.get("lastTimestamp") or each.get("eventTime") or each.get("firstTimestamp")
    return str(found or each["metadata"].get("creationTimestamp") or "")[:19]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + " …"


def stamp(moment: datetime) -> str:
    """Return a moment as it begins the name of a file, so that names sort by time."""
    return moment.strftime("%Y%m%dT%H%M%S%f")
