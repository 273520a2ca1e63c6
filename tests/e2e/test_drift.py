"""Drift on a real API: what people and controllers change by hand is named field by field, and put right when asked."""

import asyncio
import json
import time
from collections.abc import Callable

import msgspec
import pytest

from e2e.agent_fixtures import Begin, agent, begin
from e2e.agent_world import World
from e2e.charts_made_here import DEPLOYMENT, HELLO, SERVICE, SETTINGS, hook, pack
from extensa.link.extension import DesiredExtension, Drift, DriftMode, DriftPolicy, ObservedExtension, Phase

pytestmark = pytest.mark.cluster
__all__ = ["agent", "begin"]

KEPT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}\n"
CLUSTER_WIDE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "{{ .Release.Name }}"}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "{{ .Release.Name }}"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "{{ .Release.Name }}"}
subjects: [{kind: User, name: alice}]
"""
ODD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: odd, annotations: {empty: "", none: null}}
spec:
  replicas: 0
  selector: {matchLabels: {app: odd}}
  template:
    metadata: {labels: {app: odd}, creationTimestamp: null}
    spec:
      nodeSelector: {}
      tolerations: []
      securityContext: {}
      terminationGracePeriodSeconds: 30
      volumes: [{name: v, emptyDir: {}}, {name: c, configMap: {name: nothing, defaultMode: 0644}}]
      containers:
        - name: main
          image: example.invalid/main
          args: ["a", "1"]
          env: [{name: A, value: ""}, {name: B, value: "2"}]
          ports: [{containerPort: 53, protocol: UDP, name: u}, {containerPort: 53, protocol: TCP, name: t}]
          resources: {limits: {cpu: 1000m, memory: 1024Mi}, requests: {cpu: 0.5, memory: "1e3"}}
          livenessProbe: {httpGet: {path: /, port: 8080}}
          volumeMounts: [{name: v, mountPath: /v, readOnly: false}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: odd}
spec: {maxUnavailable: 50%, selector: {matchLabels: {app: odd}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: odd}
spec:
  maxReplicas: 3
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: odd}
  metrics:
    - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 1024Mi}}}
    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: odd}
spec:
  rules:
    - host: odd.example.com
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: odd, port: {number: 80}}}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: odd}
spec: {podSelector: {}, ingress: [{ports: [{port: 80}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: odd, annotations: {at: 2026-01-01}}
data: {date: "2026-01-01", yes: "on", folded: "a\\nb\\n", empty: ""}
binaryData: {b: AAECAw==}
---
apiVersion: v1
kind: Secret
metadata: {name: odd}
type: Opaque
data: {a: eA==}
stringData: {b: "2"}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: odds.drift.example.com}
spec:
  group: drift.example.com
  names: {kind: Odd, plural: odds}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: string, default: s}, n: {type: integer}}}
---
apiVersion: v1
kind: ResourceQuota
metadata: {name: odd}
spec: {hard: {pods: "1000", limits.cpu: 1000000m}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: odd}
spec: {limits: [{type: Container, max: {cpu: 2000m}}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: odd}
spec:
  schedule: "0 0 1 1 *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: example.invalid/m}]}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: odd}
spec:
  replicas: 0
  serviceName: odd
  selector: {matchLabels: {app: odd-set}}
  template:
    metadata: {labels: {app: odd-set}}
    spec: {containers: [{name: m, image: example.invalid/m}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1024Mi}}}
"""


def policy(mode: DriftMode = DriftMode.REPORT, *ignore: str) -> DriftPolicy:
    return DriftPolicy(mode=mode, ignore=list(ignore))


async def installed(agent: World, desired: DesiredExtension) -> DesiredExtension:
    agent.link.want(desired)
    ready = await agent.outcome(desired)
    assert Phase.READY is ready.phase, ready.failure
    return desired


async def word(
    agent: World, desired: DesiredExtension, wanted: Callable[[ObservedExtension], bool], within: float = 60
) -> ObservedExtension:
    """The last word of this generation, once it is as wanted."""
    return await agent.link.until(
        lambda: last if (words := agent.words(desired)) and wanted(last := words[-1]) else None, within=within
    )


async def drifted(agent: World, desired: DesiredExtension, *paths: str, within: float = 30) -> list[Drift]:
    """Wait until exactly these fields are told to have drifted, and return them in the order of their paths."""
    found = await word(agent, desired, lambda told: sorted(paths) == sorted(d.path for d in told.drift), within)
    assert found.phase is Phase.READY
    assert len(paths) == found.drift_count
    return sorted(found.drift, key=lambda each: each.path)


async def test_what_is_changed_by_hand_is_named_field_by_field(agent: World) -> None:
    archive = pack("hello", {**HELLO, "hook.yaml": hook("post-install"), "kept.yaml": KEPT, "role.yaml": CLUSTER_WIDE})
    desired = await installed(agent, agent.desired("hand", archive=archive, secrets={"secret": "hunter2-long"}))
    space = f"-n{desired.namespace}"

    await agent.run_kubectl("scale", "deployment", "hand", "--replicas=2", space)
    (scaled,) = await drifted(agent, desired, "/spec/replicas")
    await agent.run_kubectl("patch", "cm", "hand-settings", space, "-p", '{"data": {"plain": "by hand"}}')
    (edited, _) = await drifted(agent, desired, "/spec/replicas", "/data/plain")
    await agent.run_kubectl("patch", "secret", "hand-secret", space, "-p", '{"data": {"seen": "c3RvbGVu"}}')
    await drifted(agent, desired, "/spec/replicas", "/data/plain", "/data/seen")
    await agent.run_kubectl("label", "svc", "hand", space, "app.kubernetes.io/managed-by-")
    label = "/metadata/labels/app.kubernetes.io~1managed-by"
    await drifted(agent, desired, "/spec/replicas", "/data/plain", "/data/seen", label)
    await agent.run_kubectl("delete", "serviceaccount", "hand", space)
    await drifted(agent, desired, "/spec/replicas", "/data/plain", "/data/seen", label, "")
    await agent.run_kubectl(
        "patch", "clusterrolebinding", "hand", "--type=json",
        '-p=[{"op": "add", "path": "/subjects/-", "value": {"kind": "User", "name": "mallory"}}]',
    )  # fmt: skip
    found = await drifted(agent, desired, "/spec/replicas", "/data/plain", "/data/seen", label, "", "/subjects")

    assert ("Deployment", "1", "2") == (scaled.kind, scaled.wanted, scaled.found)
    assert ("kubectl", True) == (scaled.manager, edited.manager.startswith("kubectl"))
    assert ('""', '"by hand"') == (edited.wanted, edited.found)
    gone, _, secret, *_ = found
    assert ("ServiceAccount", "hand", '"present"', "") == (gone.kind, gone.name, gone.wanted, gone.found)
    assert ('"********"', '"changed"') == (secret.wanted, secret.found)
    assert "c3RvbGVu" not in msgspec.json.encode(agent.words(desired)).decode()
    assert "mallory" in next(each for each in found if each.path == "/subjects").found
    assert 1 == len(await agent.history(desired)), "a report changes nothing"

    await agent.run_kubectl("scale", "deployment", "hand", "--replicas=1", space)
    await drifted(agent, desired, "/data/plain", "/data/seen", label, "", "/subjects")


async def test_hooks_kept_objects_and_what_others_add_are_no_drift(agent: World) -> None:
    archive = pack("hello", {**HELLO, "hook.yaml": hook("post-install"), "kept.yaml": KEPT})
    desired = await installed(agent, agent.desired("added", archive=archive))
    space = f"-n{desired.namespace}"

    await agent.run_kubectl("delete", "job", "added-hook", space)
    await agent.run_kubectl("patch", "cm", "kept", space, "-p", '{"data": {"x": "y"}}')
    await agent.run_kubectl("patch", "cm", "added-settings", space, "-p", '{"data": {"more": "of it"}}')
    await agent.run_kubectl("label", "deployment", "added", space, "team=blue")
    await agent.run_kubectl("set", "env", "deployment/added", space, "EXTRA=1")
    await agent.run_kubectl("annotate", "svc", "added", space, "seen=yes")
    await agent.run_kubectl("patch", "cm", "added-settings", space, "-p", '{"data": {"plain": "by hand"}}')

    (found,) = await drifted(agent, desired, "/data/plain")
    assert "added-settings" == found.name


async def test_defaults_and_normal_forms_of_the_api_are_no_drift(agent: World) -> None:
    desired = await installed(agent, agent.desired("odd", archive=pack("hello", {"odd.yaml": ODD}), timeout=90))
    space = f"-n{desired.namespace}"

    assert agent.agent is not None
    ledger = next(worker for worker, _ in agent.agent._workers.values()).case.drift
    async with asyncio.timeout(40):
        while len(ledger.compared) < 12:
            await asyncio.sleep(0.2)
    assert [] == [each for one in ledger.compared.values() for each in one.drift]

    await agent.run_kubectl("patch", "deployment", "odd", space, "-p", json.dumps(_limits("cpu", "2")))
    (found,) = await drifted(agent, desired, "/spec/template/spec/containers/0/resources/limits/cpu")
    assert ('"1"', '"2"') == (found.wanted, found.found)


def _limits(name: str, value: str) -> object:
    container = {"name": "main", "resources": {"limits": {name: value}}}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


async def test_rules_leave_out_what_others_are_to_own(agent: World) -> None:
    rules = ("Deployment/mine:/spec/replicas", "ConfigMap:/data/*", "ServiceAccount:")
    desired = await installed(agent, agent.desired("mine", drift_policy=policy(DriftMode.CORRECT, *rules)))
    space = f"-n{desired.namespace}"

    await agent.run_kubectl("scale", "deployment", "mine", "--replicas=3", space)
    await agent.run_kubectl("patch", "cm", "mine-settings", space, "-p", '{"data": {"plain": "by hand"}}')
    await agent.run_kubectl("delete", "serviceaccount", "mine", space)
    await asyncio.sleep(4)

    assert [] == agent.words(desired)[-1].drift
    assert 1 == len(await agent.history(desired))
    assert 3 == (await agent.get("deployment", "mine", space))["spec"]["replicas"]


async def test_drift_that_is_not_looked_for_is_not_told(agent: World) -> None:
    desired = await installed(agent, agent.desired("unseen", drift_policy=policy(DriftMode.OFF)))
    space = f"-n{desired.namespace}"
    await agent.run_kubectl("scale", "deployment", "unseen", "--replicas=2", space)
    await word(agent, desired, lambda told: any("2" in each.waits_for for each in told.objects) or True)
    await asyncio.sleep(3)

    assert [] == [each for told in agent.words(desired) for each in told.drift]


async def test_drift_is_put_right_by_one_act_when_asked(agent: World) -> None:
    desired = await installed(agent, agent.desired("right", drift_policy=policy(DriftMode.CORRECT)))
    space = f"-n{desired.namespace}"

    await agent.run_kubectl("scale", "deployment", "right", "--replicas=2", space)
    await agent.run_kubectl("patch", "secret", "right-secret", space, "-p", '{"data": {"seen": "c3RvbGVu"}}')
    await agent.run_kubectl("delete", "svc", "right", space)
    began = time.monotonic()
    async with asyncio.timeout(20):
        while (
            1 != (await agent.get("deployment", "right", space))["spec"]["replicas"]
            or "" != (await agent.get("secret", "right-secret", space))["data"].get("seen", "")
            or not await agent.run_kubectl("get", "svc", "right", space, ok=False)
        ):
            await asyncio.sleep(0.3)
    assert time.monotonic() - began < 15

    last = await word(agent, desired, lambda told: told.phase is Phase.READY and not told.drift and told.revision > 1)
    assert last.revision <= 4
    await asyncio.sleep(2)
    assert last.revision == len(await agent.history(desired)), "what is right again is left alone"


async def test_an_agent_fights_nobody(begin: Begin) -> None:
    agent = await begin()
    desired = await installed(agent, agent.desired("fight", drift_policy=policy(DriftMode.CORRECT)))
    space = f"-n{desired.namespace}"
    stop = asyncio.Event()

    async def stubborn() -> None:
        while not stop.is_set():
            if 1 == (await agent.get("deployment", "fight", space))["spec"]["replicas"]:
                patch = '{"spec": {"replicas": 2}}'
                await agent.run_kubectl("patch", "deployment", "fight", space, "-p", patch, "--field-manager=stubborn")
            await asyncio.sleep(0.2)

    other = asyncio.create_task(stubborn())
    try:
        told = await word(agent, desired, lambda told: any(s.code == "DriftContested" for s in told.statuses), 90)
        acts = len(await agent.history(desired))
        await asyncio.sleep(5)
        assert acts == len(await agent.history(desired)) == 4, "one install and three corrections"
    finally:
        stop.set()
        await other
    (line,) = (s for s in told.statuses if s.code == "DriftContested")
    assert "Deployment fight /spec/replicas, by stubborn" in line.message
    assert ["/spec/replicas"] == [each.path for each in told.drift]


async def test_a_change_while_the_agent_was_away_is_found(begin: Begin) -> None:
    agent = await begin()
    desired = await installed(agent, agent.desired("away", archive=pack("hello", {"s.yaml": SETTINGS})))
    await asyncio.sleep(1)  # until it is kept that this generation is done
    await agent.stop()
    await agent.run_kubectl("patch", "cm", "away-settings", f"-n{desired.namespace}", "-p", '{"data": {"plain": "x"}}')
    before = len(agent.link.reports)
    await agent.start()

    await word(agent, desired, lambda told: len(agent.link.reports) > before and bool(told.drift), 60)


async def test_a_retry_puts_right_what_was_only_reported(agent: World) -> None:
    archive = pack("hello", {"d.yaml": DEPLOYMENT, "s.yaml": SERVICE})
    desired = await installed(agent, agent.desired("again", archive=archive))
    space = f"-n{desired.namespace}"
    await agent.run_kubectl("scale", "deployment", "again", "--replicas=2", space)
    await drifted(agent, desired, "/spec/replicas")

    again = await installed(agent, msgspec.structs.replace(desired, generation=2))

    assert 1 == (await agent.get("deployment", "again", space))["spec"]["replicas"]
    await word(agent, again, lambda told: not told.drift)
