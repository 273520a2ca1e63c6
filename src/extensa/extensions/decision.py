"""The words in which ``rules`` is asked and answers: facts in, one decision out.

They stand apart from the rules so that a caller, and a test, can name every possible answer without reading how it is
come by. A decision is `Accepted`, `Unchanged` (the caller joins what runs, or nothing runs), `Removed` (a forced
delete), `Absent`, or `Denied` with every reason at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from extensa.arm.binding import Caller
from extensa.arm.operations import Operation
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import Conflict, ExtensaError, NotFound, Problem, Problems, Refused
from extensa.catalog.model import ExtensionType
from extensa.clusters.model import Cluster
from extensa.extensions.model import Extension, Protected
from extensa.link.extension import Chart


@dataclass(frozen=True, slots=True)
class Recalled:
    """An earlier configuration, opened: what a rollback goes back to."""

    revision: int
    version: str
    chart: Chart | None
    release_train: str
    settings: Mapping[str, str]
    protected: Protected | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a decision may know. ``protected`` are the stored protected settings, opened; ``claim`` is the row
    that holds the only place which the type has on this cluster, and ``occupant`` the id of who is in it; ``orphan`` is
    an earlier extension of this id, forgotten by force, whose release may still be there. ``recalled`` is the revision
    that was asked for, if it is among ``revisions``, the numbers of those that are kept.
    """

    id: ResourceId
    caller: Caller
    correlation_id: str
    now: datetime
    fresh_uid: str
    fresh_operation: str
    cluster: Cluster | None
    existing: Extension | None = None
    operation: Operation | None = None
    extension_type: ExtensionType | None = None
    protected: Mapping[str, str] = field(default_factory=dict)
    claim: str = ""
    occupant: str | None = None
    orphan: Extension | None = None
    timeout: int = 600
    recalled: Recalled | None = None
    revisions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Removal:
    """What a DELETE asks for beside the removal; ``problems`` are its words that could not be read."""

    force: bool = False
    delete_crds: bool = False
    remove_finalizers: bool = False
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """Write ``extension`` with its active ``operation`` (None: nothing is begun); ``protected`` is to be sealed into
    its envelope first (None: the envelope is as it should be); ``superseded`` is the operation that this write ended.
    ``reason`` names what has led to a new revision, and is empty where there is none.
    """

    extension: Extension
    operation: Operation | None
    created: bool
    protected: Mapping[str, str] | None = None
    superseded: Operation | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Write nothing: what was asked for is so, or is on its way under ``operation``."""

    extension: Extension
    operation: Operation | None


@dataclass(frozen=True, slots=True)
class Removed:
    """Remove the record at once and leave the agent ``orphan``, a record whose release is to be absent."""

    orphan: Extension
    superseded: Operation | None


@dataclass(frozen=True, slots=True)
class Absent:
    """There is nothing to remove."""


@dataclass(frozen=True, slots=True)
class Denied:
    """Every reason why not, and the HTTP status that fits the gravest."""

    problems: tuple[Problem, ...]
    status: int

    def error(self) -> ExtensaError:
        """Return the error to raise."""
        family = {404: NotFound, 409: Conflict}.get(self.status, Refused)
        refusal = Refused.because(self.problems, status=self.status)
        return family(
            refusal.code,
            refusal.message,
            target=refusal.target,
            next_step=refusal.next_step,
            details=refusal.details,
            status=self.status,
        )


@dataclass(slots=True)
class Reasons:
    """Why not, in two baskets: ``wrong`` is for the caller to change, ``busy`` for time to change."""

    wrong: Problems = field(default_factory=Problems)
    busy: Problems = field(default_factory=Problems)

    def denied(self) -> Denied | None:
        """Return one refusal for all reasons, or None when there is none; what is wrong outweighs what is busy."""
        if not self.wrong.found and not self.busy.found:
            return None
        return Denied((*self.wrong.found, *self.busy.found), 400 if self.wrong.found else 409)


def missing(extension: ResourceId) -> Problem:
    """Return the provider's own words for an extension that is not there."""
    cluster = extension.scope
    kind = cluster.type.rpartition("/")[2]
    return Problem(
        "ResourceNotFound",
        f"Extension instance with name '{extension.name}' not found.",
        target=extension.path,
        next_step=f"az k8s-extension list --resource-group {cluster.resource_group} --cluster-name {cluster.name} "
        f"--cluster-type {kind} lists those there are.",
    )


def missing_cluster(cluster: ResourceId) -> Problem:
    """Return ARM's words for a cluster that is not there."""
    return Problem(
        "ResourceNotFound",
        f"The Resource '{cluster.type}/{cluster.name}' under resource group '{cluster.resource_group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        target=cluster.path,
        next_step=f"az resource list --resource-group {cluster.resource_group} --resource-type {cluster.type} lists "
        "those there are.",
    )
