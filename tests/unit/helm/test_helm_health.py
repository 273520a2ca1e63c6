"""Every kind's verdict, with what it waits for in plain words."""

from typing import Any

import pytest

from extensa.helm.health import Health, Level, judge, judge_claim, sentence, settles, storage_class


def thing(api_version: str, kind: str, *, spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": "x", **metadata},
        "spec": spec or {},
        "status": status or {},
    }


def condition(kind: str, status: str, message: str = "", reason: str = "") -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": status, "message": message, "reason": reason}]}


WAITS = Level.IN_PROGRESS
NOW = Level.CURRENT
BAD = Level.FAILED
D = ("apps/v1", "Deployment")
S = ("apps/v1", "StatefulSet")
N = ("apps/v1", "DaemonSet")
FULL = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
CASES: list[tuple[str, dict[str, Any], Level, str]] = [
    ("new deployment", thing(*D), WAITS, "its controller to see it"),
    ("ready deployment", thing(*D, spec={"replicas": 2}, status=FULL), NOW, ""),
    ("deployment of one by default", thing(*D, status={"observedGeneration": 1}), WAITS, "1 of 1 updated replicas"),
    ("deployment of none", thing(*D, spec={"replicas": 0}, status={"observedGeneration": 1}), NOW, ""),
    (
        "some available",
        thing(*D, spec={"replicas": 2}, status={**FULL, "availableReplicas": 1}),
        WAITS,
        "1 of 2 replicas",
    ),
    ("some old", thing(*D, spec={"replicas": 2}, status={**FULL, "replicas": 3}), WAITS, "1 old replica to go"),
    (
        "changed meanwhile",
        thing(*D, spec={"replicas": 2}, status=FULL, generation=2),
        WAITS,
        "its controller to see the change",
    ),
    (
        "no progress",
        thing(
            *D,
            status={
                "observedGeneration": 1,
                **condition("Progressing", "False", "it hangs", "ProgressDeadlineExceeded"),
            },
        ),
        BAD,
        "it hangs",
    ),
    (
        "pods refused",
        thing(*D, status={**FULL, "availableReplicas": 0, **condition("ReplicaFailure", "True", "exceeded quota")}),
        WAITS,
        "1 of 1 replicas: exceeded quota",
    ),
    (
        "not one pod let in",
        thing(*D, status={**FULL, "updatedReplicas": 0, **condition("ReplicaFailure", "True", "exceeded quota")}),
        WAITS,
        "1 of 1 updated replicas: exceeded quota",
    ),
    ("new set", thing(*S), WAITS, "its controller to see it"),
    ("set lacks one", thing(*S, spec={"replicas": 3}, status=FULL), WAITS, "1 of 3 replicas"),
    (
        "set ready",
        thing(*S, spec={"replicas": 2}, status={**FULL, "currentRevision": "a", "updateRevision": "a"}),
        NOW,
        "",
    ),
    (
        "set rolls",
        thing(*S, spec={"replicas": 2}, status={**FULL, "currentRevision": "a", "updateRevision": "b"}),
        WAITS,
        "its new revision to be rolled out",
    ),
    (
        "set updates",
        thing(*S, spec={"replicas": 2}, status={**FULL, "updatedReplicas": 1}),
        WAITS,
        "1 of 2 updated replicas",
    ),
    (
        "set in part",
        thing(
            *S,
            spec={"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            status={**FULL, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"},
        ),
        NOW,
        "",
    ),
    ("set on delete", thing(*S, spec={"updateStrategy": {"type": "OnDelete"}}), NOW, ""),
    ("new daemons", thing(*N), WAITS, "its controller to see it"),
    ("daemons nowhere", thing(*N, status={"observedGeneration": 1, "desiredNumberScheduled": 0}), NOW, ""),
    (
        "daemons old",
        thing(*N, status={"observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 1}),
        WAITS,
        "2 of 3 nodes to run the new version",
    ),
    (
        "daemons start",
        thing(
            *N,
            status={
                "observedGeneration": 1,
                "desiredNumberScheduled": 3,
                "updatedNumberScheduled": 3,
                "numberReady": 2,
            },
        ),
        WAITS,
        "1 of 3 nodes",
    ),
    ("replica set", thing("apps/v1", "ReplicaSet", spec={"replicas": 1}, status={**FULL}), NOW, ""),
    (
        "controller",
        thing("v1", "ReplicationController", spec={"replicas": 3}, status={**FULL}),
        WAITS,
        "1 of 3 replicas",
    ),
    ("new job", thing("batch/v1", "Job"), WAITS, "1 of 1 completions"),
    (
        "job runs",
        thing("batch/v1", "Job", spec={"completions": 3}, status={"succeeded": 1}),
        WAITS,
        "2 of 3 completions",
    ),
    ("job done", thing("batch/v1", "Job", status=condition("Complete", "True")), NOW, ""),
    ("job rests", thing("batch/v1", "Job", status=condition("Suspended", "True")), NOW, ""),
    ("job failed", thing("batch/v1", "Job", status=condition("Failed", "True", "too often")), BAD, "too often"),
    ("new pod", thing("v1", "Pod", status={"phase": "Pending"}), WAITS, "its containers to be ready"),
    ("pod done", thing("v1", "Pod", status={"phase": "Succeeded"}), NOW, ""),
    ("pod ready", thing("v1", "Pod", status={"phase": "Running", **condition("Ready", "True")}), NOW, ""),
    ("pod failed", thing("v1", "Pod", status={"phase": "Failed", "reason": "Evicted"}), BAD, "Evicted"),
    (
        "pod nowhere",
        thing("v1", "Pod", status={"phase": "Pending", **condition("PodScheduled", "False", "0/3 nodes")}),
        WAITS,
        "a node: 0/3 nodes",
    ),
    (
        "no image",
        thing(
            "v1",
            "Pod",
            status={
                "phase": "Pending",
                "containerStatuses": [
                    {"name": "m", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
                ],
            },
        ),
        WAITS,
        "container m: not found",
    ),
    ("claim bound", thing("v1", "PersistentVolumeClaim", status={"phase": "Bound"}), NOW, ""),
    (
        "claim waits",
        thing("v1", "PersistentVolumeClaim", spec={"storageClassName": "c"}, status={"phase": "Pending"}),
        WAITS,
        "a volume of StorageClass c",
    ),
    (
        "claim of no class",
        thing("v1", "PersistentVolumeClaim"),
        WAITS,
        "a volume: it names no StorageClass and there is no default one",
    ),
    (
        "claim of one volume",
        thing("v1", "PersistentVolumeClaim", spec={"volumeName": "v"}),
        WAITS,
        "volume v to be bound to it",
    ),
    (
        "claim that is used",
        thing("v1", "PersistentVolumeClaim", annotations={"volume.kubernetes.io/selected-node": "n1"}),
        WAITS,
        "a volume for node n1",
    ),
    ("claim lost", thing("v1", "PersistentVolumeClaim", status={"phase": "Lost"}), BAD, "its volume is lost"),
    ("plain service", thing("v1", "Service", spec={"type": "ClusterIP"}), NOW, ""),
    ("balanced", thing("v1", "Service", spec={"type": "LoadBalancer"}), WAITS, "an address from a load balancer"),
    (
        "has address",
        thing(
            "v1", "Service", spec={"type": "LoadBalancer"}, status={"loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}}
        ),
        NOW,
        "",
    ),
    ("new crd", thing("apiextensions.k8s.io/v1", "CustomResourceDefinition"), WAITS, "its kind to be served"),
    (
        "crd served",
        thing("apiextensions.k8s.io/v1", "CustomResourceDefinition", status=condition("Established", "True")),
        NOW,
        "",
    ),
    (
        "crd collides",
        thing(
            "apiextensions.k8s.io/v1", "CustomResourceDefinition", status=condition("NamesAccepted", "False", "taken")
        ),
        BAD,
        "taken",
    ),
    ("local api", thing("apiregistration.k8s.io/v1", "APIService"), NOW, ""),
    (
        "api silent",
        thing(
            "apiregistration.k8s.io/v1",
            "APIService",
            spec={"service": {}},
            status=condition("Available", "False", "no"),
        ),
        WAITS,
        "its server to answer: no",
    ),
    ("namespace", thing("v1", "Namespace", status={"phase": "Active"}), NOW, ""),
    ("namespace goes", thing("v1", "Namespace", status={"phase": "Terminating"}), WAITS, "its deletion to end"),
    (
        "scaler at rest",
        thing(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            status=condition("ScalingActive", "False", reason="ScalingDisabled"),
        ),
        NOW,
        "",
    ),
    (
        "scaler without metrics",
        thing("autoscaling/v2", "HorizontalPodAutoscaler", status=condition("ScalingActive", "False", "no metrics")),
        NOW,
        "metrics: no metrics",
    ),
    (
        "scaler lost",
        thing("autoscaling/v2", "HorizontalPodAutoscaler", status=condition("AbleToScale", "False", "no target")),
        WAITS,
        "its target: no target",
    ),
    (
        "scaler unmeasured",
        thing("autoscaling/v2", "HorizontalPodAutoscaler", status=condition("AbleToScale", "True")),
        NOW,
        "",
    ),
    ("new budget", thing("policy/v1", "PodDisruptionBudget"), WAITS, "its controller to see it"),
    ("budget", thing("policy/v1", "PodDisruptionBudget", status={"observedGeneration": 1}), NOW, ""),
    (
        "budget used up",
        thing(
            "policy/v1",
            "PodDisruptionBudget",
            status={"observedGeneration": 1, **condition("DisruptionAllowed", "False", reason="InsufficientPods")},
        ),
        NOW,
        "",
    ),
    (
        "budget that cannot count",
        thing(
            "policy/v1",
            "PodDisruptionBudget",
            status=condition("DisruptionAllowed", "False", "no scale", "SyncFailed"),
        ),
        NOW,
        "its Pods to be counted: no scale",
    ),
    (
        "crd goes",
        thing(
            "apiextensions.k8s.io/v1", "CustomResourceDefinition", status=condition("Terminating", "True", "emptying")
        ),
        WAITS,
        "its deletion to end: emptying",
    ),
    (
        "paused deployment",
        thing(*D, spec={"paused": True}, status={"observedGeneration": 1}),
        WAITS,
        "1 of 1 updated replicas: it is paused",
    ),
    (
        "set must last",
        thing(*S, spec={"replicas": 2, "minReadySeconds": 5}, status={**FULL, "availableReplicas": 1}),
        WAITS,
        "1 of 2 replicas",
    ),
    (
        "daemons must last",
        thing(
            *N,
            spec={"minReadySeconds": 5},
            status={
                "observedGeneration": 1,
                "desiredNumberScheduled": 1,
                "updatedNumberScheduled": 1,
                "numberReady": 1,
            },
        ),
        WAITS,
        "1 of 1 nodes",
    ),
    (
        "custom ready before the change",
        thing(
            "example.com/v1",
            "Widget",
            status={"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]},
            generation=2,
        ),
        WAITS,
        "its controller to see the change",
    ),
    (
        "custom ready after the change",
        thing(
            "example.com/v1",
            "Widget",
            status={"conditions": [{"type": "Ready", "status": "True", "observedGeneration": 2}]},
            generation=2,
        ),
        NOW,
        "",
    ),
    (
        "custom unseen",
        thing("example.com/v1", "Widget", status={"observedGeneration": 1, **condition("Ready", "True")}, generation=2),
        WAITS,
        "its controller to see the change",
    ),
    ("settings", thing("v1", "ConfigMap"), NOW, ""),
    ("custom without words", thing("example.com/v1", "Widget"), NOW, ""),
    ("custom ready", thing("example.com/v1", "Widget", status=condition("Ready", "True")), NOW, ""),
    (
        "custom waits",
        thing("example.com/v1", "Widget", status=condition("Ready", "False", "dialing")),
        WAITS,
        "its controller: dialing",
    ),
    (
        "custom unknown",
        thing("example.com/v1", "Widget", status=condition("Ready", "Unknown")),
        WAITS,
        "its controller",
    ),
    (
        "custom works",
        thing("example.com/v1", "Widget", status=condition("Reconciling", "True", "step 2")),
        WAITS,
        "its controller: step 2",
    ),
    ("custom stalled", thing("example.com/v1", "Widget", status=condition("Stalled", "True", "cannot")), BAD, "cannot"),
    ("custom odd", thing("example.com/v1", "Widget", status={"conditions": "none"}), NOW, ""),
    ("going", thing("v1", "ConfigMap", deletionTimestamp="now"), WAITS, "its deletion to end"),
    (
        "held",
        thing("v1", "ConfigMap", deletionTimestamp="now", finalizers=["a/b"]),
        WAITS,
        "its deletion, held by finalizer a/b",
    ),
]


@pytest.mark.parametrize(("found", "level", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_verdict_on(found: dict[str, Any], level: Level, words: str) -> None:
    assert (level, words) == (judge(found).level, judge(found).waits_for)


VOLUME = "a volume of StorageClass slow"
CLAIM = thing("v1", "PersistentVolumeClaim", spec={"storageClassName": "slow"}, status={"phase": "Pending"})


@pytest.mark.parametrize(
    ("mode", "level", "words"),
    [("WaitForFirstConsumer", NOW, ""), ("Immediate", WAITS, VOLUME), (None, WAITS, VOLUME)],
)
def test_a_claim_that_nobody_uses_yet_is_what_it_should_be(mode: str | None, level: Level, words: str) -> None:
    assert "slow" == storage_class(CLAIM)

    found = judge_claim(CLAIM, "slow", {"volumeBindingMode": mode})

    assert (level, words) == (found.level, found.waits_for)


def test_a_claim_of_a_class_that_is_not_there_says_so() -> None:
    assert "a volume: there is no StorageClass slow" == judge_claim(CLAIM, "slow", None).waits_for


@pytest.mark.parametrize(
    "claim",
    [
        {**CLAIM, "status": {"phase": "Bound"}},
        {**CLAIM, "spec": {}},
        {**CLAIM, "spec": {"storageClassName": "slow", "volumeName": "v"}},
        {**CLAIM, "metadata": {"deletionTimestamp": "now"}},
        {**CLAIM, "metadata": {"annotations": {"volume.kubernetes.io/selected-node": "n"}}},
    ],
)
def test_most_claims_do_not_depend_on_their_class(claim: dict[str, Any]) -> None:
    assert storage_class(claim) is None


def test_what_is_not_there_is_not_found() -> None:
    assert Level.NOT_FOUND is judge(None).level


def test_long_words_of_a_controller_are_cut() -> None:
    found = thing("example.com/v1", "Widget", status=condition("Ready", "False", "x" * 1000))

    assert len(judge(found).waits_for) < 250


def pod(container: dict[str, Any], **status: Any) -> dict[str, Any]:
    return thing("v1", "Pod", status={"containerStatuses": [{"name": "m", **container}], **status})


CRASH = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}}


@pytest.mark.parametrize(
    ("found", "code", "words"),
    [
        (pod({"state": CRASH}), "CrashLoop", "container m: back-off 40s restarting"),
        (
            pod({"state": CRASH, "restartCount": 1, "lastState": {"terminated": {"exitCode": 3, "reason": "Error"}}}),
            "CrashLoop",
            "container m: it ends with exit code 3, restarted 1 time",
        ),
        (
            pod({"state": CRASH, "restartCount": 2, "lastState": {"terminated": {"reason": "OOMKilled"}}}),
            "OutOfMemory",
            "container m: it was ended for want of memory, restarted 2 times",
        ),
        (
            pod({"state": {"waiting": {"reason": "ErrImagePull", "message": "not found."}}}),
            "ImagePullFailed",
            "container m: not found",
        ),
        (pod({"state": {"waiting": {"reason": "PodInitializing"}}}), "NotReadyInTime", "its containers to be ready"),
        (
            pod({"state": {"terminated": {"exitCode": 2}}}, phase="Failed"),
            "PodFailed",
            "container m ended with exit code 2",
        ),
        (pod({}, phase="Failed", reason="Evicted"), "PodFailed", "Evicted"),
        (pod({}, phase="Failed"), "PodFailed", "its containers ended badly"),
        (
            pod({}, conditions=[{"type": "PodScheduled", "status": "False", "message": "0/1. preemption: no."}]),
            "Unschedulable",
            "a node: 0/1",
        ),
        (
            thing("v1", "PersistentVolumeClaim", spec={"storageClassName": "fast"}, status={"phase": "Pending"}),
            "VolumePending",
            "a volume of StorageClass fast",
        ),
        (
            thing("v1", "Service", spec={"type": "LoadBalancer", "loadBalancerClass": "e.com/x"}),
            "NoLoadBalancerAddress",
            "an address from a load balancer of class e.com/x",
        ),
        (
            thing("batch/v1", "Job", status=condition("FailureTarget", "True", "longer than specified deadline")),
            "JobFailed",
            "longer than specified deadline",
        ),
        (
            thing(
                *D,
                spec={"replicas": 1},
                status={
                    "observedGeneration": 1,
                    "conditions": [
                        {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: q"},
                        {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"},
                    ],
                },
            ),
            "PodsRefused",
            "1 of 1 updated replicas: exceeded quota: q",
        ),
    ],
)
def test_a_verdict_names_its_cause(found: dict[str, Any], code: str, words: str) -> None:
    assert (code, words) == (judge(found).code, judge(found).waits_for)


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("apps/v1", "Deployment", True),
        ("v1", "Service", True),
        ("example.com/v1", "Widget", True),
        ("v1", "ConfigMap", False),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", False),
        ("networking.k8s.io/v1", "Ingress", False),
    ],
)
def test_only_what_takes_time_is_worth_watching(api_version: str, kind: str, *, expected: bool) -> None:
    assert expected is settles(api_version, kind)


@pytest.mark.parametrize(
    ("health", "words"),
    [
        (Health(Level.IN_PROGRESS, "1 of 2 replicas"), "Deployment x waits for 1 of 2 replicas"),
        (Health(Level.FAILED, "it hangs"), "Deployment x failed: it hangs"),
        (Health(Level.NOT_FOUND), "Deployment x is missing"),
        (Health(Level.CURRENT), "Deployment x is ready"),
    ],
)
def test_a_verdict_is_a_sentence(health: Health, words: str) -> None:
    assert words == sentence("Deployment", "x", health)
