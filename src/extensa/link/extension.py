"""The first pair: what an extension should be in a cluster, and what the agent has seen there.

A desired document is whole: the agent needs nothing else to act but the chart, which it fetches by digest. An observed
document speaks of one generation; reports are idempotent and the newest wins.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from extensa.link.sealing import Sealed


class Presence(StrEnum):
    """Whether the release should be there."""

    PRESENT = "present"
    ABSENT = "absent"


class Chart(Struct, frozen=True, kw_only=True):
    """The chart archive to install, by content: ``digest`` is ``sha256:…``, ``size`` in bytes.

    ``asks`` names the values the chart wants from the platform (``protectedKeys``); a chart that asks for nothing is
    given nothing, for its schema may refuse what it does not know.
    """

    name: str
    version: str
    digest: str
    size: int
    asks: list[str] = []


class OnFailure(StrEnum):
    """What to do with a release whose generation was given up, once the evidence is kept."""

    ROLLBACK = "rollback"
    """Azure's way (contract §2.5, "atomic"): a failed upgrade goes back to the last good revision, a failed install is
    uninstalled.
    """
    UNINSTALL = "uninstall"
    """Whatever failed is uninstalled."""
    STAY = "stay"
    """It stays as it is, for inspection."""


class FailurePolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What follows a failure. ``retries`` is how often the generation is begun again by itself, with growing pauses,
    after a failure that time alone does not cure.
    """

    on_failure: OnFailure = OnFailure.ROLLBACK
    retries: int = 0


class DriftMode(StrEnum):
    """What to do about live objects that are no longer what the release says."""

    OFF = "off"
    REPORT = "report"
    CORRECT = "correct"


class DriftPolicy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is drift and what follows from it.

    Each of ``ignore`` is ``[kind[/name]:]json-pointer``; ``*`` stands for one whole step of the pointer, and a pointer
    covers what lies beneath it (``Deployment/web:/spec/replicas``, ``/metadata/annotations``).
    """

    mode: DriftMode = DriftMode.REPORT
    ignore: list[str] = []


class DesiredExtension(Struct, frozen=True, kw_only=True):
    """What one extension should be.

    ``uid`` is the extension resource's identity (a re-created one has another); ``generation`` grows with every change.
    ``settings`` are the caller's dotted keys; ``protected`` the sealed ones (a JSON map of dotted keys inside, sealed
    to the agent's key on the link). ``injected`` are values the platform sets, as a ready nested map.
    ``timeout`` is in seconds.

    ``hold`` asks for no act at all: what there is, is only looked at and told (`Phase.HELD`). ``adopt`` allows to take
    over a release or objects of these names that somebody else has made. For an absent one, ``delete_crds`` takes the
    chart's own CustomResourceDefinitions too, and ``remove_finalizers`` takes the finalizers off what is held by them.
    """

    uid: str
    generation: int
    resource_id: str
    cluster_uid: str
    presence: Presence
    release: str
    namespace: str
    create_namespace: bool
    extension_type: str
    extension_version: str
    chart: Chart | None
    settings: dict[str, str]
    protected: Sealed | None
    injected: dict[str, Any]
    correlation_id: str
    operation_id: str
    namespace_scoped: bool = False
    timeout: int = 600
    failure_policy: FailurePolicy = FailurePolicy()
    drift_policy: DriftPolicy = DriftPolicy()
    hold: bool = False
    adopt: bool = False
    delete_crds: bool = False
    remove_finalizers: bool = False


class Phase(StrEnum):
    """Where the agent stands with a generation."""

    WORKING = "working"
    """An act is under way or readiness is awaited; not an outcome."""
    READY = "ready"
    """The release is this generation and every object was seen healthy."""
    FAILED = "failed"
    """The agent has given up on this generation; ``failure`` says why."""
    GONE = "gone"
    """The release was asked to be absent and was seen absent."""
    HELD = "held"
    """No act was asked for; what is seen is told, and is no outcome."""


class Level(StrEnum):
    """How serious a status line is, in ARM's words."""

    ERROR = "Error"
    WARNING = "Warning"
    INFORMATION = "Information"


class Status(Struct, frozen=True, kw_only=True):
    """One line of ``statuses`` on the resource."""

    code: str
    message: str
    level: Level = Level.INFORMATION
    time: datetime | None = None


class ObjectHealth(Struct, frozen=True, kw_only=True):
    """One object of the release as the agent saw it: ``health`` is Current, InProgress, Failed, NotFound or Unknown
    (kstatus' words), ``waits_for`` says what is missing, in plain words.
    """

    kind: str
    name: str
    namespace: str
    health: str
    waits_for: str = ""


class Failure(Struct, frozen=True, kw_only=True):
    """Why a generation failed: a typed cause, the object at fault, what to do, and Helm's own words, secrets masked.

    ``step`` is install, upgrade, rollback, uninstall, render or ready.
    """

    code: str
    message: str
    step: str
    target: str = ""
    next_step: str = ""
    raw: str = ""


class Drift(Struct, frozen=True, kw_only=True):
    """One field of a live object that is not what the release says: ``path`` is a JSON pointer, ``wanted`` and
    ``found`` are JSON texts of at most 200 characters, secrets masked ("" is: not there). ``manager`` is who has set it
    so, as the API names it, "" where that is not known.
    """

    kind: str
    name: str
    namespace: str
    path: str
    wanted: str = ""
    found: str = ""
    manager: str = ""


class Remedy(Struct, frozen=True, kw_only=True):
    """What was done with a failed release: ``step`` is rollback or uninstall, ``revision`` where it went back to, and
    ``failure`` why that failed in its turn.
    """

    step: str
    revision: int = 0
    chart_version: str = ""
    failure: Failure | None = None


class ObservedExtension(Struct, frozen=True, kw_only=True):
    """What the agent has seen of one extension, for one generation.

    ``revision`` and ``chart_version`` are of the release as Helm records it (0 and "" when there is none). ``objects``
    is bounded to 200; ``object_count`` is the true number. ``evidence`` is the id of what was kept of the failure;
    a question asks for it. ``drift`` is bounded to 100, ``drift_count`` is the true number. ``remedy`` is what was done
    after the failure.
    """

    uid: str
    generation: int
    phase: Phase
    observed_at: datetime
    statuses: list[Status]
    revision: int = 0
    chart_version: str = ""
    objects: list[ObjectHealth] = []
    object_count: int = 0
    failure: Failure | None = None
    evidence: str = ""
    correlation_id: str = ""
    drift: list[Drift] = []
    drift_count: int = 0
    remedy: Remedy | None = None


class ExtensionFeed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One answer to an agent's long poll: desired documents in order, and the cursor to ask with next time.

    ``whole`` says that every extension of the agent's that there is stands in it: whatever is not named is no more.
    """

    cursor: int
    desired: list[DesiredExtension]
    whole: bool = False


class ExtensionReports(Struct, frozen=True, kw_only=True):
    """What an agent sends: observed documents, in any order, any number of times."""

    observed: list[ObservedExtension]
