"""The lines of ``statuses``: what a person reads first of how an extension is doing. Pure.

None stands on a healthy extension. While work runs they are its progress; after a failure the cause and what was done
about it; on a held one that it is held. What the agent says stands below what we say of the outcome.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from extensa.extensions import failures
from extensa.extensions.model import Extension, State
from extensa.link.extension import (
    Drift,
    DriftMode,
    Failure,
    Level,
    ObservedExtension,
    Phase,
    Remedy,
    Status,
)

MOST_STATUSES = 20
"""Lines at the most."""
LONGEST_STATUS = 6000
"""Characters of one line at the most."""
HEALTHY = "Current"
"""kstatus' word for an object that is what it should be."""
DRIFTED = "Drifted"
_REMEDY = "Remedy"
"""What the agent says of a remedy; ours says the same and names what was tried."""
_LONGEST_WORDS = 1000
_MOST_FIELDS = 3


def lines(extension: Extension, observed: ObservedExtension, doing: State) -> list[Status]:
    """Return what ``observed`` has ``extension`` say, whose outcome is judged already."""
    ours: list[Status] = []
    told = observed.statuses
    at = observed.observed_at
    if extension.hold:
        ours.append(held(extension, at))
    elif observed.phase is Phase.FAILED:
        failure = failure_of(observed)
        if extension.state is State.FAILED:
            ours.append(failed(failure, doing, at))
            if observed.remedy is not None:
                ours.append(_remedied(observed.remedy, doing, at))
                told = [s for s in told if s.code != _REMEDY]
        else:
            ours.append(_unhealthy(failure, at))
    elif observed.phase is Phase.WORKING:
        progress = _progress(observed)
        if progress is not None and not any(s.code == progress.code for s in told):
            ours.append(progress)
    if observed.phase is not Phase.WORKING:
        told = [s for s in told if s.level is not Level.INFORMATION or observed.phase is Phase.HELD]
        if observed.drift and not any(s.code == DRIFTED for s in told):
            ours.append(_drifted(extension, observed))
    return [replace(s, message=s.message[:LONGEST_STATUS]) for s in (*ours, *told)[:MOST_STATUSES]]


def since(before: Sequence[Status], now: Sequence[Status]) -> list[Status]:
    """Return ``now``, in which a line that said the same ``before`` keeps its time: it is no news."""
    known = {(each.code, each.level, each.message): each for each in before}
    return [known.get((each.code, each.level, each.message), each) for each in now]


def held(extension: Extension, at: datetime) -> Status:
    """Return the line that says why nothing is done."""
    if extension.paused:
        code, message = "Paused", "Paused: nothing is changed in the cluster until the extension is resumed."
    else:
        code = "Canceled"
        message = "Canceled: nothing more is changed in the cluster until it is retried or written to again."
    return Status(code=code, message=message, time=at)


def failed(failure: Failure, doing: State, at: datetime) -> Status:
    """Return the line that says, in Azure's grammar, that the operation failed."""
    message = failures.sentence(failure, doing)
    return Status(code=failures.status_code(doing), message=message, level=Level.ERROR, time=at)


def failure_of(observed: ObservedExtension) -> Failure:
    """Return the failure that was told, in bounded words."""
    told = observed.failure or failures.found("ReasonUnknown")
    return replace(told, message=told.message[:_LONGEST_WORDS], next_step=told.next_step[:_LONGEST_WORDS])


def _remedied(remedy: Remedy, doing: State, at: datetime) -> Status:
    done = remedy.failure is None
    code = {"rollback": "RolledBack", "uninstall": "Uninstalled"}.get(remedy.step, "Remedied")
    message = failures.remedied(remedy, doing)[:_LONGEST_WORDS]
    return Status(
        code=code if done else "RemedyFailed", message=message, level=Level.WARNING if done else Level.ERROR, time=at
    )


def _unhealthy(failure: Failure, at: datetime) -> Status:
    """What broke after the operation had succeeded; the provisioning state stays the outcome of the operation."""
    message = " ".join(part for part in (failure.message, failure.next_step) if part)
    return Status(code="Unhealthy", message=message, level=Level.ERROR, time=at)


def _progress(observed: ObservedExtension) -> Status | None:
    """``3 of 5 ready: Deployment x waits for …``, from the objects as the agent saw them."""
    if not observed.objects:
        return None
    count = max(observed.object_count, len(observed.objects))
    waiting = [o for o in observed.objects if o.health != HEALTHY]
    message = f"{count - len(waiting)} of {count} ready"
    if waiting:
        first = waiting[0]
        message += f": {first.kind} {first.name} waits for {first.waits_for or 'a status'}"
    return Status(code="Progress", message=message, time=observed.observed_at)


def _drifted(extension: Extension, observed: ObservedExtension) -> Status:
    """Which fields are not what the release says, the first of them by name."""
    count = max(observed.drift_count, len(observed.drift))
    named = "; ".join(_field(each) for each in observed.drift[:_MOST_FIELDS])
    more = f"; and {count - _MOST_FIELDS} more" if count > _MOST_FIELDS else ""
    what = "1 field is" if count == 1 else f"{count} fields are"
    follows = (
        "It is put right." if extension.policies.drift.mode is DriftMode.CORRECT else "A retry puts it right, once."
    )
    message = f"{what} not what the release says: {named}{more}. {follows}"
    return Status(code=DRIFTED, message=message, level=Level.WARNING, time=observed.observed_at)


def _field(drift: Drift) -> str:
    found = f"is {drift.found}" if drift.found else "is not there"
    found += f" (set by {drift.manager})" if drift.manager else ""
    wanted = f"wanted {drift.wanted}" if drift.wanted else "wanted not at all"
    return f"{drift.kind} {drift.name} {drift.path} {found}, {wanted}"
