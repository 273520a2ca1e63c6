"""What a forced delete leaves behind: what is known of it, when to ask for its removal again. Pure.

The record of an extension that was forgotten by force goes at once; its release is the agent's to remove, and until it
was seen gone an *orphan* says so. A removal that has failed is asked for again by the night watch, and at once by
``clean``, which may allow to take finalizers off. An orphan is never brought back: creating the extension anew in its
namespace takes its release over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from extensa.base.clock import arm_time
from extensa.clusters.model import Cluster
from extensa.extensions import failures, statuses
from extensa.extensions.model import Extension, State
from extensa.extensions.settle import observation
from extensa.link.extension import Failure, ObjectHealth, ObservedExtension, Phase

TYPE = "Microsoft.KubernetesConfiguration/orphanedExtensions"
PAUSE = timedelta(minutes=10)
"""How long after a failed removal it is asked for again."""


def seen(orphan: Extension, observed: ObservedExtension, now: datetime) -> Extension | None:
    """Return ``orphan`` with what was seen of it, None when the report has no say.

    A generation that was never given means that the database was put back from an older copy: the next is past it.
    """
    if observed.generation > orphan.generation:
        return replace(orphan, generation=observed.generation + 1)
    if observed.generation < orphan.generation:
        return None
    known = orphan.observed
    if known is not None and known.generation == observed.generation and observed.observed_at <= known.observed_at:
        return None
    found = replace(orphan, observed=observation(observed, now), statuses=[], error=None)
    if observed.phase is Phase.FAILED:
        failure = replace(statuses.failure_of(observed), raw="")  # nobody knows any more which secrets to look for
        return replace(
            found,
            statuses=[statuses.failed(failure, State.DELETING, observed.observed_at)],
            error=failures.error(failure, State.DELETING, observed.remedy),
        )
    return found


def _cause(failure: Failure) -> dict[str, Any]:
    return {
        "code": failure.code,
        "message": failure.message,
        "target": failure.target or None,
        "nextStep": failure.next_step or None,
    }


def due(orphan: Extension, now: datetime) -> bool:
    """Return whether the removal has failed and it is time to ask for it again."""
    found = orphan.observed
    if found is None or found.generation != orphan.generation or found.phase is not Phase.FAILED:
        return False
    return now - found.heard_at >= PAUSE


def again(orphan: Extension, *, remove_finalizers: bool = False, delete_crds: bool = False) -> Extension:
    """Return ``orphan`` with its removal asked for again; what was allowed once stays so."""
    return replace(
        orphan,
        generation=orphan.generation + 1,
        remove_finalizers=orphan.remove_finalizers or remove_finalizers,
        delete_crds=orphan.delete_crds or delete_crds,
        statuses=[],
        error=None,
    )


def render(orphan: Extension, cluster: Cluster, left: Sequence[ObjectHealth]) -> dict[str, Any]:
    """Return the body that tells of ``orphan``; ``left`` are the objects that were last seen of it."""
    found = orphan.observed
    current = found is not None and found.generation == orphan.generation
    failed = current and found is not None and found.phase is Phase.FAILED
    return {
        "id": f"{orphan.id.rpartition('/providers/')[0]}/providers/{TYPE}/{orphan.name}",
        "name": orphan.name,
        "type": TYPE,
        "properties": {
            "extensionId": orphan.id,
            "extensionType": orphan.extension_type,
            "version": orphan.version,
            "releaseName": orphan.release,
            "releaseNamespace": orphan.namespace,
            "state": "Failed" if failed else "Removing" if current else "Waiting",
            "forgottenAt": arm_time(orphan.system_data.modified_at),
            "observedAt": None if found is None else arm_time(found.heard_at),
            "agentLastSeen": None if cluster.agent_last_seen is None else arm_time(cluster.agent_last_seen),
            "deleteCrds": orphan.delete_crds,
            "removeFinalizers": orphan.remove_finalizers,
            "left": [
                {"kind": o.kind, "name": o.name, "namespace": o.namespace, "waitsFor": o.waits_for or None}
                for o in left
            ],
            "leftCount": (found.object_count if found is not None else 0) or None,
            "cause": _cause(found.failure) if failed and found is not None and found.failure is not None else None,
            "errorInfo": orphan.error,
        },
    }
