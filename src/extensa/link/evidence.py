"""What was to be seen when an extension failed for good: taken by the agent before anything is put right.

It rides on the third pair (``Kind.EVIDENCE``). The names on the wire are ARM's way of writing them, for people read the
same document from the public API. It is free of secrets as far as they can be recognised, and bounded: what had to be
left out is said in `Evidence.notes`.
"""

from datetime import datetime

from msgspec import Struct

from extensa.link.question import LARGEST_ANSWER

MOST_KEPT = 5
"""Failures of one extension that are kept, on either side; the oldest goes first."""
LARGEST_EVIDENCE = LARGEST_ANSWER - 4096
"""Bytes of one failure's encoded JSON at the most; the rest is the answer around it."""


class Cause(Struct, frozen=True, kw_only=True, rename="camel"):
    """Why it failed, as the failure said; ``raw`` is Helm's own words."""

    code: str
    message: str
    step: str
    target: str = ""
    next_step: str = ""
    raw: str = ""


class RevisionLine(Struct, frozen=True, kw_only=True, rename="camel"):
    """One revision of the release as Helm records it."""

    revision: int
    status: str
    modified: datetime | None = None
    generation: int = 0
    act: str = ""


class ReleaseRecord(Struct, frozen=True, kw_only=True, rename="camel"):
    """Helm's record of the release, without its values: those hold the secrets."""

    name: str
    namespace: str
    revisions: list[RevisionLine] = []
    description: str = ""
    chart: str = ""
    chart_version: str = ""
    values: str = "not shown: they hold the protected settings"


class Condition(Struct, frozen=True, kw_only=True, rename="camel"):
    """One condition that an object carries."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: str = ""


class ObjectState(Struct, frozen=True, kw_only=True, rename="camel"):
    """One object of the release: the verdict on it, and its own conditions."""

    kind: str
    name: str
    namespace: str
    health: str
    waits_for: str = ""
    conditions: list[Condition] = []


class EventLine(Struct, frozen=True, kw_only=True, rename="camel"):
    """One event about an object of the release, or about what such an object owns."""

    time: str
    type: str
    reason: str
    object: str
    message: str
    count: int = 1


class Container(Struct, frozen=True, kw_only=True, rename="camel"):
    """One container: where it stands and why, and the last lines it wrote, or in words why there are none."""

    name: str
    state: str
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    restarts: int = 0
    log: list[str] = []
    log_note: str = ""


class PodState(Struct, frozen=True, kw_only=True, rename="camel"):
    """One Pod beneath the release."""

    name: str
    namespace: str
    phase: str
    node: str = ""
    conditions: list[Condition] = []
    containers: list[Container] = []


class Evidence(Struct, frozen=True, kw_only=True, rename="camel"):
    """One failure. ``followed_by`` says what was done next: nothing (it stays for inspection), or which act."""

    id: str
    uid: str
    generation: int
    time: datetime
    cause: Cause
    followed_by: str = ""
    operation_id: str = ""
    correlation_id: str = ""
    extension_type: str = ""
    extension_version: str = ""
    release: ReleaseRecord | None = None
    objects: list[ObjectState] = []
    object_count: int = 0
    events: list[EventLine] = []
    pods: list[PodState] = []
    manifests: str = ""
    notes: list[str] = []
