"""Which writes are allowed and what each comes to: draft and facts in, one decision out.

`decide_put`, `decide_patch` and `decide_delete` read nothing and write nothing; time and fresh ids are among the facts.
They collect every reason for refusal before they refuse; the checks of a new extension stand in ``admission``.
"""

from msgspec.structs import replace

from extensa.arm import operations, system_data
from extensa.arm.operations import Operation, Style
from extensa.base.errors import Problems
from extensa.base.ids import named_id
from extensa.clusters.model import Cluster
from extensa.extensions import admission, choice
from extensa.extensions.choice import Choice
from extensa.extensions.decision import (
    Absent,
    Accepted,
    Denied,
    Facts,
    Reasons,
    Removed,
    Unchanged,
    missing,
    missing_cluster,
)
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, Identity, Protected, State
from extensa.extensions.resolution import Resolved, resolve
from extensa.link.extension import Presence


def decide_put(draft: Draft, facts: Facts) -> Accepted | Unchanged | Denied:
    """Decide a PUT: create, replace, join what runs under the same wishes, or refuse."""
    if facts.cluster is None:
        return Denied((missing_cluster(facts.id.scope),), 404)
    if facts.existing is None:
        return _create(draft, facts, facts.cluster)
    reasons = Reasons(Problems([*draft.problems]))
    wanted = choice.replacing(draft, facts.existing, facts.protected, reasons.wrong)
    _check_change(draft, facts.existing, facts.cluster, facts, reasons)
    return _change(wanted, facts, facts.existing, facts.cluster, reasons)


def decide_patch(draft: Draft, facts: Facts) -> Accepted | Unchanged | Denied:
    """Decide a PATCH: change, join, find nothing to do, or refuse."""
    if facts.cluster is None:
        return Denied((missing_cluster(facts.id.scope),), 404)
    if facts.existing is None:
        return Denied((missing(facts.id),), 404)
    reasons = Reasons(Problems([*draft.problems]))
    wanted = choice.merging(draft, facts.existing, facts.protected, reasons.wrong)
    _check_change(draft, facts.existing, facts.cluster, facts, reasons)
    return _change(wanted, facts, facts.existing, facts.cluster, reasons)


def decide_delete(facts: Facts, *, force: bool) -> Accepted | Unchanged | Removed | Absent | Denied:
    """Decide a DELETE: ask the agent for absence, join a deletion that runs, or with ``force`` forget at once."""
    existing = facts.existing
    if existing is None:
        return Denied((missing_cluster(facts.id.scope),), 404) if facts.cluster is None else Absent()
    active = _active(facts)
    if active is not None and active.doing == State.DELETING and not force:
        return Unchanged(existing, active)
    going = _begin(existing, State.DELETING, facts, presence=Presence.ABSENT)
    superseded = active and operations.superseded(active, facts.now)
    if force:
        return Removed(replace(going, operation=None), superseded)
    return Accepted(going, _operation(going, State.DELETING, facts), created=False, superseded=superseded)


def _create(draft: Draft, facts: Facts, cluster: Cluster) -> Accepted | Denied:
    reasons = Reasons(Problems([*draft.problems]))
    wrong = reasons.wrong
    admission.check_name(facts.id.name, wrong)
    admission.check_cluster(cluster, wrong)
    admission.check_identity(cluster, draft, wrong)
    admission.check_type(draft, facts.extension_type, cluster, wrong)
    admission.check_cluster_stays(cluster, reasons.busy)
    wanted = choice.replacing(draft, None, {}, wrong)
    place, resolved = admission.Place(False, ""), Resolved("", None)
    if facts.extension_type is not None:
        place = admission.place(facts.id.name, draft, facts.extension_type, wrong)
        admission.check_room(draft, place, facts.occupant, reasons.busy)
        admission.check_orphan(place, facts.orphan, reasons.busy)
        resolved = resolve(wanted, None, facts.extension_type, cluster.location, wrong)
    if denied := reasons.denied():
        return denied
    extension = Extension(
        uid=facts.fresh_uid,
        id=str(facts.id),
        cluster_uid=cluster.uid,
        agent=cluster.agent,
        extension_type=draft.extension_type or "",
        namespace=place.namespace,
        namespace_scoped=place.namespaced,
        mode=wanted.mode,
        release_train=wanted.release_train,
        pinned=wanted.pinned,
        settings=dict(wanted.settings),
        protected=_unsealed(wanted),
        plan=draft.plan,
        identity=_identity(draft, facts),
        managed_by=draft.managed_by,
        timeout=facts.timeout,
        claim="" if place.namespaced else facts.claim,
        version=resolved.version,
        chart=resolved.chart,
        correlation_id=facts.correlation_id,
        operation_id=facts.fresh_operation,
        operation=facts.fresh_operation,
        state=State.CREATING,
        system_data=system_data.created(facts.caller, facts.now),
    )
    operation = _operation(extension, State.CREATING, facts)
    return Accepted(extension, operation, created=True, protected=wanted.protected or None)


def _unsealed(wanted: Choice) -> Protected | None:
    """The names of protected settings, with the envelope still to be filled by the one who holds the vault."""
    return Protected(envelope="", keys=list(wanted.protected)) if wanted.protected else None


def _identity(draft: Draft, facts: Facts) -> Identity | None:
    if draft.identity_type is None:
        return None
    return Identity(type="SystemAssigned", principal_id=named_id("extension-identity", facts.fresh_uid))


def _check_change(draft: Draft, existing: Extension, cluster: Cluster, facts: Facts, reasons: Reasons) -> None:
    admission.check_unaltered(draft, existing, reasons.wrong)
    admission.check_identity(cluster, draft, reasons.wrong)
    admission.check_cluster_stays(cluster, reasons.busy)
    _check_state(draft, existing, reasons.wrong)
    active = _active(facts)
    if active is not None and active.doing == State.DELETING:
        reasons.busy.add(
            "ExtensionBeingDeleted",
            f"The extension '{existing.name}' is being deleted; another operation is in progress.",
            target=existing.id,
            next_step="Wait until it is gone, then create it anew.",
        )


def _change(
    wanted: Choice, facts: Facts, existing: Extension, cluster: Cluster, reasons: Reasons
) -> Accepted | Unchanged | Denied:
    active = _active(facts)
    again = active is None and existing.state is not State.SUCCEEDED
    if not again and not wanted.differs_from(existing, facts.protected):
        return reasons.denied() or Unchanged(existing, active)
    resolved = resolve(wanted, existing, facts.extension_type, cluster.location, reasons.wrong)
    if denied := reasons.denied():
        return denied
    doing = State.UPDATING if existing.installed_version else State.CREATING
    resealed = wanted.protected != facts.protected
    extension = replace(
        _begin(existing, doing, facts, presence=Presence.PRESENT),
        agent=cluster.agent,
        mode=wanted.mode,
        release_train=wanted.release_train,
        pinned=wanted.pinned,
        settings=dict(wanted.settings),
        protected=_unsealed(wanted) if resealed else existing.protected,
        version=resolved.version,
        chart=resolved.chart,
    )
    return Accepted(
        extension,
        _operation(extension, doing, facts),
        created=False,
        protected=wanted.protected if resealed else None,
        superseded=active and operations.superseded(active, facts.now),
    )


def _begin(existing: Extension, doing: State, facts: Facts, *, presence: Presence) -> Extension:
    """``existing`` at its next generation, with a fresh active operation and a clean slate for what is seen."""
    return replace(
        existing,
        generation=existing.generation + 1,
        presence=presence,
        state=doing,
        correlation_id=facts.correlation_id,
        operation_id=facts.fresh_operation,
        operation=facts.fresh_operation,
        statuses=[],
        error=None,
        system_data=system_data.modified(existing.system_data, facts.caller, facts.now),
    )


def _operation(extension: Extension, doing: State, facts: Facts) -> Operation:
    return operations.begun(
        operation_id=facts.fresh_operation,
        resource_id=extension.id,
        resource_uid=extension.uid,
        style=Style.EXTENSIONS,
        doing=doing,
        now=facts.now,
        correlation_id=facts.correlation_id,
        generation=extension.generation,
    )


def _active(facts: Facts) -> Operation | None:
    operation, existing = facts.operation, facts.existing
    if operation is None or existing is None or operation.terminal or operation.id != existing.operation:
        return None
    return operation


def _check_state(draft: Draft, existing: Extension, wrong: Problems) -> None:
    asked = draft.provisioning_state
    if asked is not None and asked.casefold() != existing.state.casefold():
        wrong.add(
            "InvalidProvisioningState",
            f"provisioningState is read-only: it is '{existing.state}' and the request says '{asked}'.",
            target="properties.provisioningState",
            next_step="Leave it out, or read the extension again and send what it says now.",
        )
