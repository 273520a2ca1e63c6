"""From the verdicts on single objects to one on the whole: how far a release is, and why it gets no further.

Pure. Which verdict leads is decided here; what a verdict says is ``health.py``'s, what it means ``causes.py``'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from extensa.helm.causes import TABLE, Finding, finding
from extensa.helm.health import Health, Level, sentence
from extensa.helm.release import ObjectRef


@dataclass(frozen=True, slots=True)
class Seen:
    """One object of a release and the verdict on it."""

    ref: ObjectRef
    health: Health
    edition: str = field(default="", compare=False)
    """The object's resource version, "" when it is not there."""
    mark: str = field(default="", compare=False)
    """What is another when anything but the object's status is."""


def of_objects(objects: Sequence[Seen], details: Sequence[Seen] = ()) -> Finding:
    """Return why a release is not ready: the gravest verdict among ``objects`` and, beneath them, their Pods.

    ``details`` are Pods and claims of the objects; they tell more than the sets that own them.
    """
    bad = [seen for seen in objects if seen.health.level is not Level.CURRENT]
    deeper = [seen for seen in details if seen.health.level is not Level.CURRENT and seen.health.code in _TELLING]
    if not bad and not deeper:
        return finding("NotReadyInTime", step="ready")
    failed = [
        seen for seen in bad if seen.health.level is Level.FAILED and seen.health.code != "ProgressDeadlineExceeded"
    ]
    first = (failed or deeper or bad)[0]
    code = first.health.code if first.health.code in TABLE else "NotReadyInTime"
    message = _sentence(first)
    if bad and first not in bad:
        message = f"{_sentence(bad[0])}. {message}"
    if len(bad) > 1:
        message += f" ({len(bad) - 1} more not ready)"
    return finding(code, message + ".", target=str(first.ref), step="ready")


def progress(objects: Sequence[Seen]) -> str:
    """Return how far a release is, in one sentence: "3 of 5 ready: Deployment x waits for 1 of 2 replicas"."""
    waiting = [seen for seen in objects if seen.health.level is not Level.CURRENT]
    ready = f"{len(objects) - len(waiting)} of {len(objects)} ready"
    if not waiting:
        return ready
    more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    return f"{ready}: {_sentence(waiting[0])}{more}"


def _sentence(seen: Seen) -> str:
    return sentence(seen.ref.kind, seen.ref.name, seen.health)


_TELLING = frozenset(
    {
        "ImagePullFailed",
        "CrashLoop",
        "OutOfMemory",
        "ContainerConfigInvalid",
        "Unschedulable",
        "VolumePending",
        "VolumeLost",
        "PodFailed",
    }
)
