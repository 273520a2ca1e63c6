"""Whether one live object is what its owner asked for, and what it still waits for, in plain words.

The rules are kstatus' (observed generation, then the kind's own arithmetic, then standard conditions), stricter where
"Succeeded" would otherwise be untrue: a Job must have completed and a load balancer must have an address. Pure: an
object as the API gives it goes in, a verdict comes out; nothing is asked of anybody.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from extensa.helm.containers import ending, troubles

Object = Mapping[str, Any]

_WORDS = 200
_UNSEEN_YET = "its controller to see it"
_UNSEEN = "its controller to see the change"
_CHOSEN_NODE = "volume.kubernetes.io/selected-node"
_BUILT_IN = frozenset(
    {
        "v1", "apps/v1", "batch/v1", "autoscaling/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1",
        "rbac.authorization.k8s.io/v1", "storage.k8s.io/v1", "scheduling.k8s.io/v1", "node.k8s.io/v1",
        "coordination.k8s.io/v1", "discovery.k8s.io/v1", "admissionregistration.k8s.io/v1", "events.k8s.io/v1",
    }
)  # fmt: skip


class Level(StrEnum):
    """kstatus' words."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    NOT_FOUND = "NotFound"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict: ``waits_for`` completes the sentence "x waits for …", or says why when it has failed; of one that is
    current it says what is no matter of readiness and yet worth knowing.

    ``code`` is the cause (of ``causes.py``) this would be if nothing changed any more.
    """

    level: Level
    waits_for: str = ""
    code: str = ""


CURRENT = Health(Level.CURRENT)
NOT_FOUND = Health(Level.NOT_FOUND, "it to exist", "ObjectMissing")


def judge(found: Object | None) -> Health:
    """Return the verdict on one object; None is an object that is not there."""
    if found is None:
        return NOT_FOUND
    metadata, status = found.get("metadata") or {}, found.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return _waits(_deletion(metadata), "FinalizerStuck")
    observed = status.get("observedGeneration")
    if observed is not None and observed != metadata.get("generation", observed):
        return _waits(_UNSEEN)
    rule = _RULES.get((_group(found), str(found.get("kind", ""))))
    return rule(found) if rule is not None else _by_conditions(found)


def storage_class(claim: Object) -> str | None:
    """Return the StorageClass on which depends what a pending claim waits for, None when it does not depend on any."""
    spec, metadata = _spec(claim), claim.get("metadata") or {}
    pending = _status(claim).get("phase", "Pending") == "Pending" and not metadata.get("deletionTimestamp")
    if not pending or spec.get("volumeName") or (metadata.get("annotations") or {}).get(_CHOSEN_NODE):
        return None
    return str(spec.get("storageClassName") or "") or None


def judge_claim(claim: Object, name: str, found: Object | None) -> Health:
    """Return the verdict on a pending claim of the StorageClass ``name``, which is ``found``, or is not there.

    A volume that is only made once a Pod uses it is not missing before that: such a claim is what it should be. The
    Pod that comes to use it will say what it lacks.
    """
    if found is None:
        return _waits(f"a volume: there is no StorageClass {name}", "VolumePending")
    return CURRENT if found.get("volumeBindingMode") == "WaitForFirstConsumer" else judge(claim)


def settles(api_version: str, kind: str) -> bool:
    """Say whether objects of this kind take time to become what they should be, and are worth watching."""
    group = api_version.rpartition("/")[0]
    return (group, kind) in _RULES or api_version not in _BUILT_IN


def sentence(kind: str, name: str, health: Health) -> str:
    """Return the verdict as one sentence for people."""
    if health.level is Level.NOT_FOUND:
        return f"{kind} {name} is missing"
    if health.level is Level.FAILED:
        return f"{kind} {name} failed: {health.waits_for}"
    if health.level is Level.CURRENT:
        return f"{kind} {name} is ready"
    return f"{kind} {name} waits for {health.waits_for}"


def _waits(words: str, code: str = "NotReadyInTime") -> Health:
    return Health(Level.IN_PROGRESS, words, code)


def _failed(words: str, code: str) -> Health:
    return Health(Level.FAILED, words, code)


def _group(found: Object) -> str:
    return str(found.get("apiVersion", "v1")).rpartition("/")[0]


def _deletion(metadata: Object) -> str:
    finalizers = metadata.get("finalizers") or ()
    return f"its deletion, held by finalizer {', '.join(finalizers)}" if finalizers else "its deletion to end"


def _spec(found: Object) -> Object:
    return found.get("spec") or {}


def _status(found: Object) -> Object:
    return found.get("status") or {}


def _number(source: Object, key: str, default: int = 0) -> int:
    value = source.get(key)
    return value if isinstance(value, int) else default


def _condition(found: Object, kind: str) -> Object | None:
    conditions = _status(found).get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if isinstance(condition, Mapping) and condition.get("type") == kind:
            return condition
    return None


def _stale(found: Object, condition: Object | None) -> bool:
    """Say whether a condition speaks of an earlier generation of the object."""
    told = condition.get("observedGeneration") if condition is not None else None
    generation = (found.get("metadata") or {}).get("generation")
    return isinstance(told, int) and isinstance(generation, int) and told < generation


def _is(condition: Object | None, value: str) -> bool:
    return condition is not None and condition.get("status") == value


def _reason(condition: Object | None) -> str:
    if condition is None:
        return ""
    return _short(str(condition.get("message") or condition.get("reason") or ""))


def _short(text: str) -> str:
    """Return the words as part of a sentence of ours, bounded."""
    words = text.strip().partition(" preemption: ")[0].removesuffix(".")
    return words if len(words) <= _WORDS else words[:_WORDS] + "…"


def _count(have: int, want: int, what: str) -> str:
    """Return "1 of 2 replicas": how many are still missing of how many."""
    return f"{want - have} of {want} {what}"


def _seen(found: Object) -> bool:
    """Say whether the kind's controller has looked at the object at all."""
    return "observedGeneration" in _status(found)


def _replicated(found: Object) -> Health | None:
    """Return what Deployments, StatefulSets and their kin have in common, or None when that is in order."""
    want = _number(_spec(found), "replicas", 1)
    status = _status(found)
    if not _seen(found):
        return _waits(_UNSEEN_YET)
    if (have := _number(status, "updatedReplicas")) < want:
        if _spec(found).get("paused"):
            return _waits(f"{_count(have, want, 'updated replicas')}: it is paused")
        return _lacks_pods(found, _count(have, want, "updated replicas"))
    return None


def _deployment(found: Object) -> Health:
    if _is(_condition(found, "ReplicaFailure"), "True") and (lacking := _replicated(found)) is not None:
        return lacking
    progressing = _condition(found, "Progressing")
    if progressing is not None and progressing.get("reason") == "ProgressDeadlineExceeded":
        return _failed(_reason(progressing), "ProgressDeadlineExceeded")
    if (waiting := _replicated(found)) is not None:
        return waiting
    want, status = _number(_spec(found), "replicas", 1), _status(found)
    if (extra := _number(status, "replicas") - _number(status, "updatedReplicas")) > 0:
        return _waits(f"{extra} old replica{'' if extra == 1 else 's'} to go")
    if (have := _number(status, "availableReplicas")) < want:
        return _lacks_pods(found, _count(have, want, "replicas"))
    return CURRENT


def _lacks_pods(found: Object, words: str) -> Health:
    """Return the verdict on a set whose Pods are missing: not yet there, or refused by the API."""
    refusal = _condition(found, "ReplicaFailure")
    return _waits(f"{words}: {_reason(refusal)}", "PodsRefused") if _is(refusal, "True") else _waits(words)


def _stateful_set(found: Object) -> Health:
    spec, status = _spec(found), _status(found)
    strategy = spec.get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return CURRENT
    want = _number(spec, "replicas", 1)
    if not _seen(found):
        return _waits(_UNSEEN_YET)
    lasting = "availableReplicas" if spec.get("minReadySeconds") else "readyReplicas"
    if (have := _number(status, lasting)) < want:
        return _waits(_count(have, want, "replicas"))
    partition = _number(strategy.get("rollingUpdate") or {}, "partition")
    if (updated := _number(status, "updatedReplicas")) < want - partition:
        return _waits(_count(updated, want - partition, "updated replicas"))
    if not partition and status.get("currentRevision") != status.get("updateRevision"):
        return _waits("its new revision to be rolled out")
    return CURRENT


def _daemon_set(found: Object) -> Health:
    status = _status(found)
    if not _seen(found):
        return _waits(_UNSEEN_YET)
    want = _number(status, "desiredNumberScheduled")
    on_delete = (_spec(found).get("updateStrategy") or {}).get("type") == "OnDelete"
    if not on_delete and (have := _number(status, "updatedNumberScheduled")) < want:
        return _waits(_count(have, want, "nodes to run the new version"))
    lasting = "numberAvailable" if _spec(found).get("minReadySeconds") else "numberReady"
    if (have := _number(status, lasting)) < want:
        return _waits(_count(have, want, "nodes"))
    return CURRENT


def _replica_set(found: Object) -> Health:
    want = _number(_spec(found), "replicas", 1)
    if not _seen(found):
        return _waits(_UNSEEN_YET)
    if (have := _number(_status(found), "availableReplicas")) < want:
        return _lacks_pods(found, _count(have, want, "replicas"))
    return CURRENT


def _job(found: Object) -> Health:
    for verdict in ("Failed", "FailureTarget"):  # the second comes first: the Job has failed, its Pods still end
        if _is(failed := _condition(found, verdict), "True"):
            return _failed(_reason(failed), "JobFailed")
    if _is(_condition(found, "Complete"), "True") or _is(_condition(found, "Suspended"), "True"):
        return CURRENT
    want = _number(_spec(found), "completions", 1)
    return _waits(_count(_number(_status(found), "succeeded"), want, "completions"), "JobUnfinished")


def _pod(found: Object) -> Health:
    status = _status(found)
    phase = status.get("phase")
    if phase == "Succeeded" or (phase == "Running" and _is(_condition(found, "Ready"), "True")):
        return CURRENT
    if phase == "Failed":
        return _failed(_short(ending(status)), "PodFailed")
    scheduled = _condition(found, "PodScheduled")
    if _is(scheduled, "False"):
        return _waits(f"a node: {_reason(scheduled)}", "Unschedulable")
    for code, words in troubles(status):
        return _waits(_short(words), code)
    return _waits("its containers to be ready")


def _claim(found: Object) -> Health:
    phase = _status(found).get("phase")
    if phase == "Bound":
        return CURRENT
    if phase == "Lost":
        return _failed("its volume is lost", "VolumeLost")
    if node := ((found.get("metadata") or {}).get("annotations") or {}).get(_CHOSEN_NODE):
        return _waits(f"a volume for node {node}", "VolumePending")
    if volume := _spec(found).get("volumeName"):
        return _waits(f"volume {volume} to be bound to it", "VolumePending")
    wanted = _spec(found).get("storageClassName")
    if wanted is None:
        return _waits("a volume: it names no StorageClass and there is no default one", "VolumePending")
    return _waits(f"a volume of StorageClass {wanted}" if wanted else "a volume", "VolumePending")


def _service(found: Object) -> Health:
    if _spec(found).get("type") != "LoadBalancer":
        return CURRENT
    if (_status(found).get("loadBalancer") or {}).get("ingress") or _spec(found).get("externalIPs"):
        return CURRENT
    wanted = _spec(found).get("loadBalancerClass")
    return _waits(f"an address from a load balancer{f' of class {wanted}' if wanted else ''}", "NoLoadBalancerAddress")


def _crd(found: Object) -> Health:
    if _is(names := _condition(found, "NamesAccepted"), "False"):
        return _failed(_reason(names), "CustomResourceConflict")
    if _is(_condition(found, "Established"), "True"):
        return CURRENT
    if _is(going := _condition(found, "Terminating"), "True"):
        return _waits(f"its deletion to end: {_reason(going)}".rstrip(": "))
    return _waits("its kind to be served")


def _api_service(found: Object) -> Health:
    if "service" not in _spec(found) or _is(_condition(found, "Available"), "True"):
        return CURRENT
    return _waits(
        f"its server to answer: {_reason(_condition(found, 'Available'))}".rstrip(": "), "ApiServiceUnavailable"
    )


def _namespace(found: Object) -> Health:
    return CURRENT if _status(found).get("phase", "Active") == "Active" else _waits("its deletion to end")


def _autoscaler(found: Object) -> Health:
    """Only a target that cannot be scaled counts: metrics come late, and where nobody measures they never come, yet
    the workload runs as well as without an autoscaler.
    """
    able, active = _condition(found, "AbleToScale"), _condition(found, "ScalingActive")
    if _is(able, "False"):
        return _waits(f"its target: {_reason(able)}".rstrip(": "))
    if active is not None and _is(active, "False") and active.get("reason") != "ScalingDisabled":
        return Health(Level.CURRENT, f"metrics: {_reason(active)}".rstrip(": "))
    return CURRENT


def _budget(found: Object) -> Health:
    """Its controller must have seen it. One that cannot be computed keeps Pods from being evicted, not from running: it
    is said, and is no matter of readiness.
    """
    allowed = _condition(found, "DisruptionAllowed")
    if allowed is not None and allowed.get("reason") == "SyncFailed":
        return Health(Level.CURRENT, f"its Pods to be counted: {_reason(allowed)}".rstrip(": "))
    return CURRENT if _seen(found) else _waits(_UNSEEN_YET)


def _by_conditions(found: Object) -> Health:
    """Return the verdict for kinds without arithmetic of their own: the standard conditions, else all is well."""
    stalled, reconciling, ready = (_condition(found, kind) for kind in ("Stalled", "Reconciling", "Ready"))
    if any(_stale(found, condition) for condition in (stalled, reconciling, ready)):
        return _waits(_UNSEEN)
    if _is(stalled, "True"):
        return _failed(_reason(stalled), "CustomResourceStalled")
    if _is(reconciling, "True"):
        return _waits(f"its controller: {_reason(reconciling)}".rstrip(": "))
    if ready is not None and not _is(ready, "True"):
        return _waits(f"its controller: {_reason(ready)}".rstrip(": "))
    return CURRENT


_RULES: dict[tuple[str, str], Callable[[Object], Health]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "ReplicationController"): _replica_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _claim,
    ("", "Service"): _service,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
    ("apiregistration.k8s.io", "APIService"): _api_service,
    ("", "Namespace"): _namespace,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("policy", "PodDisruptionBudget"): _budget,
}
