"""KWOK's stages, edited for a cluster that should look like AKS to real charts: pure, documents in, documents out.

KWOK's own stages make nodes ready, run pods, complete Jobs and bind volumes of one storage class. Real charts also need
AKS's storage classes, load balancers that get an address, and bare hook pods that end. No container ever runs: what is
written into a status is the simulation, and it stands here.
"""

import copy
from collections.abc import Iterable
from typing import Any

Document = dict[str, Any]

STAGE_FOLDERS = ("node/fast", "node/heartbeat-with-lease", "pod/fast", "volume/fast")
"""Where the stages lie under ``kustomize/stage`` in KWOK's module."""

STORAGE_CLASSES = (
    "default",
    "managed",
    "managed-csi",
    "managed-csi-premium",
    "managed-premium",
    "azurefile",
    "azurefile-csi",
    "azurefile-csi-premium",
    "azurefile-premium",
)
"""The storage classes of an AKS cluster; ``default`` is the default one."""

PROVISIONER = "kwok.x-k8s.io/volume"

_KWOK_CLASS = "self.spec.storageClassName == 'kwok-volume'"
_NO_ADDRESS = "!has(self.status.loadBalancer) || !has(self.status.loadBalancer.ingress)"
_ADDRESS = '198.18.{{ trimPrefix "10.0." .spec.clusterIP }}'


class StagesError(ValueError):
    """KWOK's stages are not as this file knows them: another version of KWOK, or a damaged folder."""


def edited(documents: Iterable[Document]) -> list[Document]:
    """Return the stages to run, from the documents in KWOK's stage files.

    Documents that are no stages are left out. Raises `StagesError` when none is there or the volume stages do not name
    the class that is to be widened.
    """
    stages = [copy.deepcopy(each) for each in documents if each.get("kind") == "Stage"]
    if not stages:
        raise StagesError("no stage was found among KWOK's files")
    widened = sum(_widen(stage) for stage in stages)
    if not widened:
        raise StagesError("no stage speaks of the storage class kwok-volume, so no volume would ever be bound")
    return [*stages, hook_pod_stage(stages), load_balancer_stage()]


def _widen(stage: Document) -> int:
    """Let a volume stage match AKS's storage classes too; return how many expressions were changed."""
    names = ", ".join(f"'{name}'" for name in ("kwok-volume", *STORAGE_CLASSES))
    changed = 0
    for expression in stage["spec"]["selector"]["matchExpressions"]:
        cel = expression.get("cel")
        if cel and cel["expression"].strip() == _KWOK_CLASS:
            cel["expression"] = f"self.spec.storageClassName in [{names}]"
            changed += 1
    return changed


def hook_pod_stage(stages: Iterable[Document]) -> Document:
    """Return the stage that ends a bare hook pod (``helm test``) as KWOK's own ends a Job's pod.

    Raises `StagesError` when KWOK's own is not among ``stages``.
    """
    for stage in stages:
        if stage["metadata"]["name"] == "pod-complete":
            made = copy.deepcopy(stage)
            made["metadata"]["name"] = "pod-complete-hook"
            kept = [each for each in made["spec"]["selector"]["matchExpressions"] if "ownerRef" not in str(each)]
            hook = {"key": '.metadata.annotations["helm.sh/hook"]', "operator": "Exists"}
            bare = {"key": ".metadata.ownerReferences", "operator": "DoesNotExist"}
            made["spec"]["selector"]["matchExpressions"] = [*kept, hook, bare]
            return made
    raise StagesError("the stage pod-complete was not found among KWOK's files")


def load_balancer_stage() -> Document:
    """Return the stage that gives a LoadBalancer Service an address: the last two octets of its cluster address in
    198.18.0.0/15, which is reserved for tests (RFC 2544) and routed nowhere. A Service of a class is for another load
    balancer, as on AKS.
    """
    expressions = (
        "!has(self.spec.loadBalancerClass)",
        "self.spec.type == 'LoadBalancer'",
        "!has(self.metadata.deletionTimestamp)",
        _NO_ADDRESS,
    )
    template = f"loadBalancer:\n  ingress:\n  - ip: {_ADDRESS}\n    ipMode: VIP\n"
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": "service-load-balancer"},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Service"},
            "selector": {"matchExpressions": [{"cel": {"expression": each}} for each in expressions]},
            "steps": [{"patch": {"root": "status", "subresource": "status", "template": template}}],
        },
    }
