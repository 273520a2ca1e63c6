"""Verdicts on real objects of a real API, as their own controllers leave them; health that changes after success."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import yaml

from e2e.agent_fixtures import agent, begin
from e2e.agent_world import World
from e2e.charts_made_here import pack
from e2e.real_cluster import RealCluster
from extensa.agent.kube import KubeClient
from extensa.agent.kubeconfig import read_kubeconfig
from extensa.helm.health import Health, Level
from extensa.helm.look import look_at
from extensa.helm.release import ObjectRef
from extensa.link.extension import Phase

pytestmark = pytest.mark.cluster
__all__ = ["agent", "begin"]

NOW, WAITS, BAD, NOWHERE = Level.CURRENT, Level.IN_PROGRESS, Level.FAILED, Level.NOT_FOUND
SPACE = "readiness"
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gauges.ready.example.com}
spec:
  group: ready.example.com
  names: {kind: Gauge, plural: gauges}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
WORKLOAD = """
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec: {containers: [{name: main, image: example.invalid/main}]}
"""
CLAIM = "  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Mi}}\n"


def made(api_version: str, kind: str, name: str, spec: str, *, wide: bool = False) -> str:
    place = "" if wide else f", namespace: {SPACE}"
    return f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}{place}}}\n{spec}"


def workload(kind: str, name: str, more: str = "") -> str:
    return made("apps/v1", kind, name, f"spec:\n{more}{WORKLOAD.replace('NAME', name)}")


def claim(name: str, more: str) -> str:
    return made("v1", "PersistentVolumeClaim", name, f"spec:\n{CLAIM}{more}")


def scaler(name: str, target: str) -> str:
    spec = f"spec:\n  maxReplicas: 2\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {target}}}\n"
    return made("autoscaling/v2", "HorizontalPodAutoscaler", name, spec)


def budget(name: str) -> str:
    spec = f"spec: {{maxUnavailable: 1, selector: {{matchLabels: {{app: {name}}}}}}}\n"
    return made("policy/v1", "PodDisruptionBudget", name, spec)


LATE = """
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: readiness-late}
provisioner: example.com/nobody
volumeBindingMode: WaitForFirstConsumer
"""
CASES: dict[str, tuple[str, Level, str]] = {
    "a Deployment": (workload("Deployment", "well"), NOW, ""),
    "one that is paused": (workload("Deployment", "paused", "  paused: true\n"), WAITS, "it is paused"),
    "a StatefulSet": (workload("StatefulSet", "well", "  serviceName: well\n"), NOW, ""),
    "a DaemonSet": (workload("DaemonSet", "well"), NOW, ""),
    "a claim that is bound": (claim("bound", ""), NOW, ""),
    "a claim that nobody uses yet": (claim("unused", "  storageClassName: readiness-late\n"), NOW, ""),
    "a claim of a class that is not there": (
        claim("classless", "  storageClassName: nowhere\n"),
        WAITS,
        "a volume: there is no StorageClass nowhere",
    ),
    "a claim of a volume that is not there": (
        claim("volumeless", "  storageClassName: ''\n  volumeName: nowhere\n"),
        WAITS,
        "volume nowhere to be bound to it",
    ),
    "a budget": (budget("paused"), NOW, ""),
    "a budget that cannot be computed": (budget("well"), NOW, "its Pods to be counted: "),
    "an autoscaler that nobody gives metrics": (scaler("well", "well"), NOW, "metrics: "),
    "an autoscaler of nothing": (scaler("targetless", "nowhere"), WAITS, "its target: "),
    "a Service": (made("v1", "Service", "well", "spec: {ports: [{port: 80}]}\n"), NOW, ""),
    "a definition": (CRD, NOW, ""),
    "an API that nobody serves": (
        made(
            "apiregistration.k8s.io/v1", "APIService", "v1.unserved.example.com",
            "spec: {group: unserved.example.com, version: v1, groupPriorityMinimum: 1, versionPriority: 1,"
            f" service: {{name: nobody, namespace: {SPACE}}}}}\n", wide=True,
        ),
        WAITS, "its server to answer: ",
    ),
    "a Job": (
        made(
            "batch/v1", "Job", "well",
            "spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: example.invalid/m}]}}}\n",
        ),
        NOW, "",
    ),
}  # fmt: skip
TAKEN = CRD.replace("gauges", "gages")


@pytest.fixture
async def kube(real_cluster: RealCluster) -> AsyncIterator[KubeClient]:
    path = real_cluster.kubeconfig
    client = KubeClient(read_kubeconfig(path.read_text(), path.parent))
    yield client
    await client.close()


def ref(manifest: str) -> ObjectRef:
    found = yaml.safe_load(manifest)
    metadata = found["metadata"]
    return ObjectRef(found["apiVersion"], found["kind"], metadata.get("namespace", ""), metadata["name"])


async def verdict(kube: KubeClient, found: ObjectRef, level: Level, words: str, *, within: float = 60) -> Health:
    """The verdict on a real object, once it is as expected."""
    health = Health(NOWHERE)
    try:
        async with asyncio.timeout(within):
            while True:
                (seen,) = await look_at(kube, [found])
                health = seen.health
                if health.level is level and words in health.waits_for:
                    return health
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{found} came to {health}") from None


async def test_the_verdicts_on_real_objects(real_cluster: RealCluster, kube: KubeClient) -> None:
    manifests = [manifest for manifest, _, _ in CASES.values()]
    space = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {SPACE}}}\n"
    await real_cluster.apply("\n---\n".join([space, LATE, *manifests]))
    try:
        async with asyncio.TaskGroup() as group:
            for manifest, level, words in CASES.values():
                group.create_task(verdict(kube, ref(manifest), level, words))
        await real_cluster.apply(TAKEN)
        await verdict(kube, ref(TAKEN), BAD, "already in use")
    finally:
        real_cluster.run_kubectl("delete", "apiservice", "v1.unserved.example.com", check=False)
        real_cluster.run_kubectl("delete", "crd", "gages.ready.example.com", "gauges.ready.example.com", check=False)
        real_cluster.run_kubectl("delete", "namespace", SPACE, "--wait=false", check=False)


SERVED = CRD.replace("ready.example.com", "later.example.com")
GAUGE = """
apiVersion: later.example.com/v1
kind: Gauge
metadata: {name: g}
spec: {size: {{ .Values.size | default 1 }}}
"""


def status(generation: int, value: str, **more: Any) -> str:
    ready = {"type": "Ready", "status": value, "reason": "R", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    return json.dumps({"status": {"conditions": [{**ready, "observedGeneration": generation, **more}]}})


async def test_a_custom_resource_that_breaks_after_success_is_told_and_the_outcome_stays(agent: World) -> None:
    archive = pack("hello", {"gauge.yaml": GAUGE}, crds={"gauges.yaml": SERVED})
    desired = agent.desired("gauge", archive=archive, timeout=60)
    space = f"-n{desired.namespace}"

    async def set_status(words: str) -> None:
        await agent.run_kubectl("patch", "gauge", "g", space, "--subresource=status", "--type=merge", "-p", words)

    async def told(health: str, waits_for: str, *codes: str) -> None:
        def found() -> bool | None:
            last = agent.words(desired)[-1]
            right = [(health, waits_for)] == [(each.health, each.waits_for) for each in last.objects]
            return (right and list(codes) == [s.code for s in last.statuses] and last.phase is Phase.READY) or None

        await agent.link.until(found, within=10)

    agent.link.want(desired)
    assert Phase.READY is (await agent.outcome(desired)).phase

    await set_status(status(1, "False", message="out of ink"))
    await told("InProgress", "its controller: out of ink", "NotReadyInTime")
    await set_status(status(1, "Unknown", message=""))
    await told("InProgress", "its controller: R", "NotReadyInTime")
    await set_status(status(1, "True"))
    await told("Current", "")
    await agent.run_kubectl("patch", "gauge", "g", space, "--type=merge", "-p", '{"metadata": {"labels": {"x": "y"}}}')
    await agent.run_kubectl("patch", "gauge", "g", space, "--type=merge", "-p", '{"spec": {"more": 1}}')
    await told("InProgress", "its controller to see the change", "NotReadyInTime")
    await set_status(status(2, "True"))
    await told("Current", "")


async def test_success_waits_for_the_generation_that_was_asked_for(agent: World) -> None:
    """A controller that has not seen the new spec yet says Ready of the old one."""
    archive = pack("hello", {"gauge.yaml": GAUGE}, crds={"gauges.yaml": SERVED})
    desired = agent.desired("stale", archive=archive, timeout=60)
    space = f"-n{desired.namespace}"
    agent.link.want(desired)
    await agent.outcome(desired)
    words = status(1, "True")
    await agent.run_kubectl("patch", "gauge", "g", space, "--subresource=status", "--type=merge", "-p", words)

    changed = agent.desired("stale", archive=archive, timeout=60, generation=2, settings={"size": "2"})
    agent.link.want(changed)
    await agent.link.until(
        lambda: next((w for w in agent.words(changed) if any("see the change" in o.waits_for for o in w.objects)), None)
    )
    assert Phase.READY not in {told.phase for told in agent.words(changed)}
    words = status(2, "True")
    await agent.run_kubectl("patch", "gauge", "g", space, "--subresource=status", "--type=merge", "-p", words)

    assert Phase.READY is (await agent.outcome(changed)).phase
