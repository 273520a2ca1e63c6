"""Every way in which what was installed does not become ready, or does not go, brought about for real.

No container runs here: what a kubelet would write of one is written into the Pod's status by the test, on a node that
nobody else writes for. What the agent makes of it is the same.
"""

from typing import Any

import pytest

from e2e.cause_stage import Stage, produces
from e2e.charts_made_here import DEPLOYMENT, pack
from e2e.test_causes_api import definition
from e2e.test_causes_helm import meanwhile
from extensa.link.extension import DesiredExtension, Presence

pytestmark = pytest.mark.cluster

STILL = DEPLOYMENT.replace("      containers:", "      nodeName: still\n      containers:")
WEB = pack("web", {"d.yaml": STILL})
NOWHERE = pack(
    "web", {"d.yaml": DEPLOYMENT.replace("      containers:", "      nodeSelector: {no: such}\n      containers:")}
)
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one, finalizers: [FINALIZERS]}\n"
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: no-such-class, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: {{ .Values.within | default 600 }}
  template:
    spec: {restartPolicy: Never, nodeName: still, containers: [{name: main, image: example.invalid/job}]}
"""


def of(wanted: DesiredExtension, kind: str, name: str = "") -> str:
    """Return how a failure names an object of the extension."""
    return f"{kind} {wanted.namespace}/{name or wanted.release}"


async def container(stage: Stage, wanted: DesiredExtension, **state: Any) -> str:
    """Write of the extension's first Pod what a kubelet would, with its container in this state; return its name."""
    path = await stage.pod(wanted)
    conditions = [{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
    told = {"name": "main", "image": "i", "imageID": "", "ready": False, "restartCount": 3, **state}
    await stage.api.patch(
        f"{path}/status", {"status": {"phase": "Pending", "conditions": conditions, "containerStatuses": [told]}}
    )
    return path.rpartition("/")[2]


async def fails_in_pod(stage: Stage, code: str, *says: str, **state: Any) -> None:
    """See a Deployment fail by the state of its container, of which the Pod is told, and get well with it."""
    wanted = stage.wanted(WEB, timeout=7)
    stage.world.link.want(wanted)
    pod = await container(stage, wanted, **state)
    await stage.fails(wanted, code, of(wanted, "Pod", pod), "main", *says)


@produces("ImagePullFailed")
async def test_image_pull_failed(stage: Stage) -> None:
    message = 'Back-off pulling image "example.invalid/main": not found'
    await fails_in_pod(
        stage, "ImagePullFailed", message, state={"waiting": {"reason": "ImagePullBackOff", "message": message}}
    )


@produces("CrashLoop")
async def test_crash_loop(stage: Stage) -> None:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "startedAt": None, "finishedAt": None}}
    await fails_in_pod(stage, "CrashLoop", "exit code 3", "3 times", state={"waiting": waiting}, lastState=ended)


@produces("OutOfMemory")
async def test_out_of_memory(stage: Stage) -> None:
    waiting = {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}
    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": None, "finishedAt": None}}
    await fails_in_pod(stage, "OutOfMemory", "memory", state={"waiting": waiting}, lastState=ended)


@produces("ContainerConfigInvalid")
async def test_container_config_invalid(stage: Stage) -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "db" not found'}
    await fails_in_pod(stage, "ContainerConfigInvalid", 'secret "db" not found', state={"waiting": waiting})


@produces("PodFailed")
async def test_pod_failed(stage: Stage) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: one}\nspec: {nodeName: still, containers: [{name: m, image: m}]}\n"
    )
    wanted = stage.wanted(pack("c", {"p.yaml": pod}), timeout=30)
    stage.world.link.want(wanted)
    path = await stage.pod(wanted)
    told = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    await stage.api.patch(f"{path}/status", {"status": told})

    await stage.fails(wanted, "PodFailed", of(wanted, "Pod", "one"), "low on resource: memory")


@produces("Unschedulable")
async def test_unschedulable(stage: Stage) -> None:
    wanted = stage.wanted(NOWHERE, timeout=6)
    stage.world.link.want(wanted)
    pod = (await stage.pod(wanted)).rpartition("/")[2]

    await stage.fails(wanted, "Unschedulable", of(wanted, "Pod", pod), "didn't match Pod's node affinity/selector")


@produces("NotReadyInTime")
async def test_not_ready_in_time(stage: Stage) -> None:
    wanted = stage.wanted(WEB, timeout=5)

    await stage.fails(wanted, "NotReadyInTime", of(wanted, "Deployment"), "waits for 1 of 1")


@produces("ObjectMissing")
async def test_object_missing(stage: Stage) -> None:
    wanted = stage.wanted(WEB, timeout=12)
    path = f"/apis/apps/v1/namespaces/{wanted.namespace}/deployments/{wanted.release}"

    async with meanwhile(lambda: stage.api.delete(path)):
        await stage.fails(wanted, "ObjectMissing", of(wanted, "Deployment"), "missing", leaves=False)
    await stage.leaves(wanted)


@produces("ProgressDeadlineExceeded")
async def test_progress_deadline_exceeded(stage: Stage) -> None:
    hasty = STILL.replace("spec:\n  replicas", "spec:\n  progressDeadlineSeconds: 1\n  replicas", 1)
    wanted = stage.wanted(pack("hasty", {"d.yaml": hasty}), timeout=30)

    await stage.fails(wanted, "ProgressDeadlineExceeded", of(wanted, "Deployment"), "timed out progressing")


@produces("PodsRefused")
async def test_pods_refused(stage: Stage) -> None:
    quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none}\nspec: {hard: {pods: '0'}}\n"
    await stage.api.apply(quota, namespace=await stage.api.namespace(f"ns-{stage.name}"))
    wanted = stage.wanted(pack("web", {"d.yaml": DEPLOYMENT}), timeout=6)

    await stage.fails(wanted, "PodsRefused", of(wanted, "Deployment"), "exceeded quota: none")


@produces("VolumePending")
async def test_volume_pending(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"p.yaml": CLAIM}), timeout=4)

    await stage.fails(wanted, "VolumePending", of(wanted, "PersistentVolumeClaim", "data"), "no-such-class")


@produces("VolumeLost")
async def test_volume_lost(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"p.yaml": CLAIM}), timeout=30)
    stage.world.link.want(wanted)
    path = f"/api/v1/namespaces/{wanted.namespace}/persistentvolumeclaims/data"
    await stage.api.until(path, lambda found: found)
    await stage.api.patch(f"{path}/status", {"status": {"phase": "Lost"}})

    await stage.fails(wanted, "VolumeLost", of(wanted, "PersistentVolumeClaim", "data"))


@produces("JobFailed")
async def test_job_failed(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"j.yaml": JOB}), settings={"within": "1"}, timeout=30)

    await stage.fails(wanted, "JobFailed", of(wanted, "Job", "migrate"), "longer than specified deadline")


@produces("JobUnfinished")
async def test_job_unfinished(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"j.yaml": JOB}), timeout=4)

    await stage.fails(wanted, "JobUnfinished", of(wanted, "Job", "migrate"), "1 of 1 completions")


@produces("NoLoadBalancerAddress")
async def test_no_load_balancer_address(stage: Stage) -> None:
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: front}\n"
    service += "spec: {type: LoadBalancer, loadBalancerClass: example.com/none, ports: [{port: 80}]}\n"
    wanted = stage.wanted(pack("c", {"s.yaml": service}), timeout=4)

    await stage.fails(wanted, "NoLoadBalancerAddress", of(wanted, "Service", "front"), "address")


@produces("ApiServiceUnavailable")
async def test_api_service_unavailable(stage: Stage) -> None:
    service = """
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.gone.example.com}
spec:
  group: gone.example.com
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: nobody, namespace: default}
"""
    wanted = stage.wanted(pack("c", {"a.yaml": service}), timeout=4)

    await stage.fails(wanted, "ApiServiceUnavailable", "APIService v1.gone.example.com", "nobody")


@produces("CustomResourceStalled")
async def test_custom_resource_stalled(stage: Stage) -> None:
    await stage.api.apply(definition("stalled.example.com"))
    await stage.api.until("/apis/stalled.example.com/v1", lambda found: found)
    thing = "apiVersion: stalled.example.com/v1\nkind: Widget\nmetadata: {name: one}\n"
    wanted = stage.wanted(pack("c", {"w.yaml": thing, "p.yaml": CLAIM}), timeout=30)
    stage.world.link.want(wanted)
    path = f"/apis/stalled.example.com/v1/namespaces/{wanted.namespace}/widgets/one"
    await stage.api.until(path, lambda found: found)
    stalled = {"type": "Stalled", "status": "True", "reason": "BadRegion", "message": "there is no region mars"}
    await stage.api.patch(f"{path}/status", {"status": {"conditions": [stalled]}})

    await stage.fails(wanted, "CustomResourceStalled", of(wanted, "Widget", "one"), "there is no region mars")


@produces("FinalizerStuck")
async def test_finalizer_stuck(stage: Stage) -> None:
    held = pack("c", {"c.yaml": CONFIG.replace("FINALIZERS", "example.com/never")})
    first = await stage.recovers(stage.wanted(held))
    gone = stage.next(first, presence=Presence.ABSENT, timeout=4)

    await stage.fails(
        gone, "FinalizerStuck", of(gone, "ConfigMap", "one"), "1 object is", "example.com/never", leaves=False
    )
    path = f"/api/v1/namespaces/{gone.namespace}/configmaps/one"
    await stage.api.patch(path, {"metadata": {"finalizers": None}})
    await stage.leaves(gone)


@produces("ObjectsRemain")
async def test_objects_remain(stage: Stage) -> None:
    first = await stage.recovers(stage.wanted(pack("c", {"c.yaml": CONFIG.replace("FINALIZERS", "")})))
    path = f"/api/v1/namespaces/{first.namespace}/configmaps"
    made = await stage.api.get(f"{path}/one")
    marks = {name: made["metadata"][name] for name in ("annotations", "labels")}
    again = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one", **marks}}
    gone = stage.next(first, presence=Presence.ABSENT, timeout=5)

    async def make_again() -> None:
        await stage.api.ask("POST", path, again)

    async with meanwhile(make_again):
        await stage.fails(gone, "ObjectsRemain", of(gone, "ConfigMap", "one"), "1 object is", leaves=False)
    await stage.leaves(gone)
