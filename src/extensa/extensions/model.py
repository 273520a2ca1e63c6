"""What the control plane keeps of one extension: the caller's wishes, what they resolved to, and what was seen.

One model for all api-versions (``versions/`` holds their differences). It is written by ``rules`` (wishes, generation,
active operation), ``settle`` (observation, outcome) and nobody else. It holds no plaintext of a protected setting.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from extensa.arm.system_data import SystemData
from extensa.link.extension import Chart, DriftPolicy, Failure, FailurePolicy, Phase, Presence, Remedy, Status

TYPE = "Microsoft.KubernetesConfiguration/extensions"
"""The resource type, as spelled in ``type`` on the wire."""


class State(StrEnum):
    """ARM's provisioning words; Succeeded, Failed and Canceled are the terminal ones."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    CREATING = "Creating"
    UPDATING = "Updating"
    DELETING = "Deleting"


class UpgradeMode(StrEnum):
    """Which new versions an extension follows by itself; ``none`` is what ``autoUpgradeMinorVersion: false`` means."""

    NONE = "none"
    PATCH = "patch"
    COMPATIBLE = "compatible"


class Protected(Struct, frozen=True, kw_only=True):
    """Protected settings at rest: a Vault envelope around the JSON map, and the names of its keys, in order."""

    envelope: str
    keys: list[str]


class Plan(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The marketplace plan, in ARM's words."""

    name: str
    publisher: str
    product: str
    promotion_code: str | None = None
    version: str | None = None


class Identity(Struct, frozen=True, kw_only=True):
    """The extension's own identity (connected clusters): its type and the principal that roles are given to."""

    type: str
    principal_id: str


class Policies(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the caller chose of failures, drift and adoption. ``timeout`` is in seconds, None for the server's own."""

    failure: FailurePolicy = FailurePolicy()
    timeout: int | None = None
    drift: DriftPolicy = DriftPolicy()
    adopt: bool = False


class Observation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest report of the agent, without its objects and its drift (kept in rows of their own, which
    `objects_digest` and `drift_digest` name).

    ``observed_at`` is the agent's clock and orders reports of one generation; ``heard_at`` is ours and feeds deadlines.
    """

    generation: int
    phase: Phase
    observed_at: datetime
    heard_at: datetime
    revision: int = 0
    chart_version: str = ""
    object_count: int = 0
    objects_digest: str = ""
    failure: Failure | None = None
    evidence: str = ""
    """The id of what the agent has kept of this failure."""
    drift_count: int = 0
    drift_digest: str = ""
    remedy: Remedy | None = None
    """What was done after this failure."""
    health: str = ""
    """How its objects fare, in one word: Healthy, Unhealthy, Drifted or Unknown."""


class Extension(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One extension. Its identity is ``uid``; ``generation`` grows with every accepted change of what is wanted."""

    # who and where; written once, by rules
    uid: str
    id: str
    cluster_uid: str
    agent: str

    # the caller's wishes; written by rules
    extension_type: str
    namespace: str
    namespace_scoped: bool = False
    mode: UpgradeMode = UpgradeMode.COMPATIBLE
    release_train: str = "Stable"
    pinned: str | None = None
    settings: dict[str, str] = {}
    protected: Protected | None = None
    plan: Plan | None = None
    identity: Identity | None = None
    managed_by: str | None = None
    policies: Policies = Policies()
    timeout: int = 600
    """Seconds that one effort may take: as the caller chose, else as the server had it when the extension was made."""
    claim: str = ""
    """The row that holds the one place which the type has on this cluster; empty when it has many."""

    # what the wishes resolved to; written by rules
    version: str
    chart: Chart | None
    presence: Presence = Presence.PRESENT
    generation: int = 1
    revision: int = 0
    """The number of the newest accepted configuration; what each was stands in the history."""
    hold: bool = False
    """No act is wanted: the work was canceled, or the extension is ``paused``."""
    paused: bool = False
    """Only ``resume`` and DELETE go on from here."""
    delete_crds: bool = False
    remove_finalizers: bool = False
    correlation_id: str
    operation_id: str
    """The operation of the newest accepted write, ended or not."""
    operation: str | None = None
    """The active operation: only this one may be finished, by settle."""

    # what became of them; written by rules when a write begins and by settle afterwards
    state: State
    installed_version: str = ""
    """The version last seen healthy; empty until the first time."""
    statuses: list[Status] = []
    error: dict[str, Any] | None = None
    observed: Observation | None = None

    system_data: SystemData

    @property
    def key(self) -> str:
        """The row key: the case-folded id."""
        return self.id.casefold()

    @property
    def name(self) -> str:
        """The extension's name, as its maker spelled it."""
        return self.id.rpartition("/")[2]

    @property
    def cluster_key(self) -> str:
        """The row key of the cluster that the extension is attached to."""
        return self.key.partition("/providers/microsoft.kubernetesconfiguration/extensions/")[0]

    @property
    def release(self) -> str:
        """The Helm release's name: the extension's, in lower case, for ARM allows capitals and Helm does not."""
        return self.name.lower()

    @property
    def seal(self) -> str:
        """What the envelope of protected settings is bound to: this resource and this identity."""
        return f"{self.key}#{self.uid}"
