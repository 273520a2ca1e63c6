"""What the POST actions that change something come to: cancel, retry, pause, resume, rollback. Pure, like ``rules``.

None of them says what is wanted anew, except a rollback, which says it again; they say whether the agent may act on it.
A *canceled* extension is held until somebody writes to it or retries; a *paused* one until it is resumed, and refuses
every write until then. Each refusal names every reason and the way out.
"""

from typing import Any

from msgspec.structs import replace

from extensa.arm import operations, system_data
from extensa.arm.envelope import error_object
from extensa.base.errors import Problem, Problems
from extensa.clusters.model import Cluster
from extensa.extensions import admission, statuses
from extensa.extensions.decision import (
    Accepted,
    Denied,
    Facts,
    Reasons,
    Recalled,
    Unchanged,
    missing,
    missing_cluster,
)
from extensa.extensions.draft import Draft
from extensa.extensions.generation import active, begin, begun, doing_of
from extensa.extensions.model import Extension, State, UpgradeMode
from extensa.link.extension import Presence

Decision = Accepted | Unchanged | Denied


def read_rollback(body: Any) -> Draft:
    """Return the wish that the body of a rollback holds; what is wrong with it stands in ``problems``."""
    revision = body.get("revision") if isinstance(body, dict) else None
    if isinstance(revision, int) and not isinstance(revision, bool) and revision > 0:
        return Draft(revision=revision)
    problem = Problem(
        "InvalidRequestContent",
        'A rollback says which revision to go back to: {"revision": 3}, a whole number from 1.',
        target="revision",
        next_step="listRevisions (extensa extension history) tells which there are.",
    )
    return Draft(problems=(problem,))


def decide_cancel(facts: Facts) -> Decision:
    """Decide a cancel: the operation that runs ends as Canceled, and the agent stops at the next safe point.

    A canceled removal is one no more: what is left stays, and a retry makes it whole again.
    """
    if facts.existing is None or facts.cluster is None:
        return _nowhere(facts)
    existing, running = facts.existing, active(facts)
    if running is None:
        return _refused(
            "NothingToCancel",
            f"No operation runs on the extension '{existing.name}': it is {existing.state}.",
            existing,
            "Nothing needs to be done; `extensa extension show` tells how it stands.",
        )
    error = error_object(
        "OperationCanceled",
        f"The operation was canceled by a request while it was {running.doing}.",
        target=existing.id,
        next_step="Retry it (extensa extension retry), write to the extension again, or delete it.",
    )
    held = _held(existing, facts)
    held = replace(held, state=State.CANCELED, operation=None, error=error, presence=Presence.PRESENT)
    held = replace(held, delete_crds=False, remove_finalizers=False, statuses=[statuses.held(held, facts.now)])
    return Accepted(held, None, created=False, superseded=operations.canceled(running, facts.now, error))


def decide_pause(facts: Facts) -> Decision:
    """Decide a pause: the agent only looks from now on; what was paused stays so."""
    if facts.existing is None or facts.cluster is None:
        return _nowhere(facts)
    existing, running = facts.existing, active(facts)
    if existing.paused:
        return Unchanged(existing, None)
    if running is not None:
        return _refused(
            "OperationInProgress",
            f"The extension '{existing.name}' cannot be paused now: it is {running.doing}.",
            existing,
            "Cancel the operation (extensa extension cancel) or wait until it has ended, then pause.",
        )
    held = replace(_held(existing, facts), paused=True)
    return Accepted(replace(held, statuses=[statuses.held(held, facts.now)]), None, created=False)


def decide_resume(facts: Facts) -> Decision:
    """Decide a resume: what is wanted is made so; one that is not paused goes on as it does."""
    if facts.existing is None or facts.cluster is None:
        return _nowhere(facts)
    if not facts.existing.paused:
        return Unchanged(facts.existing, active(facts))
    return _again(facts.existing, facts.cluster, facts, Reasons(), "Resume")


def decide_retry(facts: Facts) -> Decision:
    """Decide a retry: the same wishes, a new effort; the caller joins one that runs."""
    if facts.existing is None or facts.cluster is None:
        return _nowhere(facts)
    running = active(facts)
    if running is not None:
        return Unchanged(facts.existing, running)
    reasons = Reasons()
    admission.check_going_on(facts.existing, None, reasons.busy)
    return _again(facts.existing, facts.cluster, facts, reasons, "Retry")


def decide_rollback(draft: Draft, facts: Facts) -> Decision:
    """Decide a rollback: an earlier configuration is wanted again, as a new revision.

    Going back to another version pins it, or the next write would follow the train to where it was.
    """
    if facts.existing is None or facts.cluster is None:
        return _nowhere(facts)
    existing, running, back = facts.existing, active(facts), facts.recalled
    reasons = Reasons(Problems([*draft.problems]))
    admission.check_going_on(existing, running, reasons.busy)
    admission.check_cluster_stays(facts.cluster, reasons.busy)
    if draft.revision is not None and back is None:
        reasons.wrong.found.append(_unkept(draft.revision, existing, facts.revisions))
    if back is not None and not _to_be_had(back, existing, facts):
        reasons.wrong.found.append(_withdrawn(back, existing))
    denied = reasons.denied()
    if denied is not None or back is None:
        return denied or _nowhere(facts)
    going = begin(existing, doing_of(existing), facts, presence=Presence.PRESENT)
    same = back.version == existing.version
    going = replace(
        going,
        agent=facts.cluster.agent,
        version=back.version,
        chart=back.chart,
        release_train=back.release_train,
        mode=existing.mode if same else UpgradeMode.NONE,
        pinned=existing.pinned if same else back.version,
        settings=dict(back.settings),
        protected=back.protected,
    )
    superseded = running and operations.superseded(running, facts.now)
    operation = begun(going, going.state, facts)
    return Accepted(going, operation, created=False, superseded=superseded, reason="Rollback")


def _again(existing: Extension, cluster: Cluster, facts: Facts, reasons: Reasons, reason: str) -> Decision:
    """``existing`` with the same wishes at its next generation; a removal that has failed is a removal again."""
    admission.check_cluster_stays(cluster, reasons.busy)
    if denied := reasons.denied():
        return denied
    absent = existing.presence is Presence.ABSENT
    doing = State.DELETING if absent else doing_of(existing)
    going = replace(begin(existing, doing, facts, presence=existing.presence), agent=cluster.agent)
    if absent:
        flags = (existing.delete_crds, existing.remove_finalizers)
        going = replace(going, delete_crds=flags[0], remove_finalizers=flags[1])
    return Accepted(going, begun(going, doing, facts), created=False, reason="" if absent else reason)


def _held(existing: Extension, facts: Facts) -> Extension:
    """``existing`` at a next generation in which no act is wanted."""
    return replace(
        existing,
        generation=existing.generation + 1,
        hold=True,
        correlation_id=facts.correlation_id,
        system_data=system_data.modified(existing.system_data, facts.caller, facts.now),
    )


def _to_be_had(back: Recalled, existing: Extension, facts: Facts) -> bool:
    """Whether the catalog still has the very chart of ``back``; the one in use is asked of nobody."""
    if back.chart is None or back.chart == existing.chart:
        return back.chart is not None
    versions = facts.extension_type.versions if facts.extension_type is not None else ()
    return any(each.version == back.version and each.chart.digest == back.chart.digest for each in versions)


def _unkept(revision: int, existing: Extension, kept: tuple[int, ...]) -> Problem:
    there = f"{min(kept)} to {max(kept)} are" if len(kept) > 1 else f"{kept[0]} is" if kept else "none is"
    return Problem(
        "RevisionNotKept",
        f"Revision {revision} of the extension '{existing.name}' is not kept; {there}.",
        target="revision",
        next_step="listRevisions (extensa extension history) tells what each was.",
    )


def _withdrawn(back: Recalled, existing: Extension) -> Problem:
    digest = back.chart.digest if back.chart is not None else "none"
    return Problem(
        "ChartWithdrawn",
        f"Revision {back.revision} is of version {back.version} of {existing.extension_type}, whose chart ({digest}) "
        "is not published any more.",
        target="revision",
        next_step="Go back to another revision, or publish that version again (extensa type publish).",
    )


def _refused(code: str, message: str, existing: Extension, next_step: str) -> Denied:
    return Denied((Problem(code, message, target=existing.id, next_step=next_step),), 409)


def _nowhere(facts: Facts) -> Denied:
    problem = missing_cluster(facts.id.scope) if facts.cluster is None else missing(facts.id)
    return Denied((problem,), 404)
