"""Which writes are allowed and what each comes to: draft and facts in, one decision out.

`decide_put`, `decide_patch` and `decide_delete` read nothing and write nothing; time and fresh ids are among the facts.
They collect every reason for refusal before they refuse; the checks of a new extension stand in ``admission``.
"""

from msgspec.structs import replace

from extensa.arm import operations, system_data
from extensa.base.errors import Problems
from extensa.base.ids import named_id
from extensa.clusters.model import Cluster
from extensa.extensions import admission, choice, policies
from extensa.extensions.choice import Choice
from extensa.extensions.decision import (
    Absent,
    Accepted,
    Denied,
    Facts,
    Reasons,
    Removal,
    Removed,
    Unchanged,
    missing,
    missing_cluster,
)
from extensa.extensions.draft import Draft
from extensa.extensions.generation import active, begin, begun, doing_of
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
    return _change(wanted, facts, facts.existing, facts.cluster, reasons, reason="Put")


def decide_patch(draft: Draft, facts: Facts) -> Accepted | Unchanged | Denied:
    """Decide a PATCH: change, join, find nothing to do, or refuse."""
    if facts.cluster is None:
        return Denied((missing_cluster(facts.id.scope),), 404)
    if facts.existing is None:
        return Denied((missing(facts.id),), 404)
    reasons = Reasons(Problems([*draft.problems]))
    wanted = choice.merging(draft, facts.existing, facts.protected, reasons.wrong)
    _check_change(draft, facts.existing, facts.cluster, facts, reasons)
    return _change(wanted, facts, facts.existing, facts.cluster, reasons, reason="Patch")


def decide_delete(facts: Facts, *, flags: Removal) -> Accepted | Unchanged | Removed | Absent | Denied:
    """Decide a DELETE: ask the agent for absence, join a deletion that runs and takes as much with it, or, by force,
    forget at once.
    """
    existing = facts.existing
    if flags.problems:
        return Denied(flags.problems, 400)
    if existing is None:
        return Denied((missing_cluster(facts.id.scope),), 404) if facts.cluster is None else Absent()
    running = active(facts)
    deleting = running is not None and running.doing == State.DELETING
    crds = flags.delete_crds or (deleting and existing.delete_crds)
    finalizers = flags.remove_finalizers or (deleting and existing.remove_finalizers)
    same = (crds, finalizers) == (existing.delete_crds, existing.remove_finalizers)
    if deleting and same and not flags.force:
        return Unchanged(existing, running)
    going = begin(existing, State.DELETING, facts, presence=Presence.ABSENT)
    going = replace(going, delete_crds=crds, remove_finalizers=finalizers)
    superseded = running and operations.superseded(running, facts.now)
    if flags.force:
        return Removed(replace(going, operation=None), superseded)
    return Accepted(going, begun(going, State.DELETING, facts), created=False, superseded=superseded)


def _create(draft: Draft, facts: Facts, cluster: Cluster) -> Accepted | Denied:
    reasons = Reasons(Problems([*draft.problems]))
    wrong = reasons.wrong
    admission.check_name(facts.id.name, wrong)
    admission.check_cluster(cluster, wrong)
    admission.check_identity(cluster, draft, wrong)
    admission.check_type(draft, facts.extension_type, cluster, wrong)
    admission.check_cluster_stays(cluster, reasons.busy)
    wanted = choice.replacing(draft, None, {}, wrong)
    timeout = wanted.policies.timeout or facts.timeout
    policies.check(wanted.policies, timeout, wrong)
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
        policies=wanted.policies,
        timeout=timeout,
        revision=1,
        claim="" if place.namespaced else facts.claim,
        version=resolved.version,
        chart=resolved.chart,
        correlation_id=facts.correlation_id,
        operation_id=facts.fresh_operation,
        operation=facts.fresh_operation,
        state=State.CREATING,
        system_data=system_data.created(facts.caller, facts.now),
    )
    operation = begun(extension, State.CREATING, facts)
    return Accepted(extension, operation, created=True, protected=wanted.protected or None, reason="Put")


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
    admission.check_going_on(existing, active(facts), reasons.busy)


def _change(
    wanted: Choice, facts: Facts, existing: Extension, cluster: Cluster, reasons: Reasons, *, reason: str
) -> Accepted | Unchanged | Denied:
    running = active(facts)
    again = running is None and existing.state is not State.SUCCEEDED
    if not again and not wanted.differs_from(existing, facts.protected):
        return reasons.denied() or Unchanged(existing, running)
    timeout = wanted.policies.timeout or (facts.timeout if existing.policies.timeout else existing.timeout)
    policies.check(wanted.policies, timeout, reasons.wrong)
    resolved = resolve(wanted, existing, facts.extension_type, cluster.location, reasons.wrong)
    if denied := reasons.denied():
        return denied
    doing = doing_of(existing)
    resealed = wanted.protected != facts.protected
    extension = replace(
        begin(existing, doing, facts, presence=Presence.PRESENT),
        agent=cluster.agent,
        mode=wanted.mode,
        release_train=wanted.release_train,
        pinned=wanted.pinned,
        settings=dict(wanted.settings),
        protected=_unsealed(wanted) if resealed else existing.protected,
        policies=wanted.policies,
        timeout=timeout,
        version=resolved.version,
        chart=resolved.chart,
    )
    return Accepted(
        extension,
        begun(extension, doing, facts),
        created=False,
        protected=wanted.protected if resealed else None,
        superseded=running and operations.superseded(running, facts.now),
        reason=reason,
    )


def _check_state(draft: Draft, existing: Extension, wrong: Problems) -> None:
    asked = draft.provisioning_state
    if asked is not None and asked.casefold() != existing.state.casefold():
        wrong.add(
            "InvalidProvisioningState",
            f"provisioningState is read-only: it is '{existing.state}' and the request says '{asked}'.",
            target="properties.provisioningState",
            next_step="Leave it out, or read the extension again and send what it says now.",
        )
