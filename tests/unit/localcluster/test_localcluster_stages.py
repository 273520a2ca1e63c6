"""KWOK's stages as edited: AKS's storage classes, load balancers, bare hook pods."""

from typing import Any

import pytest
import yaml

from extensa.localcluster.stages import STORAGE_CLASSES, Document, StagesError, edited

KWOK = """
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-complete}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.phase, operator: In, values: [Running]}
    - {key: '.metadata.ownerReferences.[].kind', operator: In, values: [Job]}
  next: {statusTemplate: "phase: Succeeded"}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pv-bind}
spec:
  resourceRef: {apiGroup: v1, kind: PersistentVolume}
  selector:
    matchExpressions:
    - cel: {expression: "self.spec.storageClassName == 'kwok-volume'"}
    - cel: {expression: "!has(self.metadata.deletionTimestamp)"}
  steps: [{delete: true}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: kwok-volume}
"""


def stages(text: str = KWOK) -> dict[str, Document]:
    return {each["metadata"]["name"]: each for each in edited(yaml.safe_load_all(text))}


def expressions(stage: Document) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stage["spec"]["selector"]["matchExpressions"]
    return found


def test_only_stages_are_kept() -> None:
    assert {"pod-complete", "pv-bind", "pod-complete-hook", "service-load-balancer"} == set(stages())


def test_volume_stages_know_aks_storage_classes_and_ask_the_rest_as_before() -> None:
    first, second = expressions(stages()["pv-bind"])
    known = first["cel"]["expression"]
    assert all(f"'{name}'" in known for name in ("kwok-volume", *STORAGE_CLASSES))
    assert known.startswith("self.spec.storageClassName in [")
    assert {"cel": {"expression": "!has(self.metadata.deletionTimestamp)"}} == second


def test_a_bare_hook_pod_ends_as_a_job_s_pod_does() -> None:
    found = stages()
    hook = found["pod-complete-hook"]
    assert found["pod-complete"]["spec"]["next"] == hook["spec"]["next"]
    keys = [each["key"] for each in expressions(hook)]
    assert [
        ".metadata.deletionTimestamp",
        ".status.phase",
        '.metadata.annotations["helm.sh/hook"]',
        ".metadata.ownerReferences",
    ] == keys


def test_a_load_balancer_s_address_is_derived_from_its_cluster_address() -> None:
    stage = stages()["service-load-balancer"]
    template = stage["spec"]["steps"][0]["patch"]["template"]
    assert '198.18.{{ trimPrefix "10.0." .spec.clusterIP }}' in template
    assert "ipMode: VIP" in template
    asked = [each["cel"]["expression"] for each in expressions(stage)]
    assert ["!has(self.spec.loadBalancerClass)", "self.spec.type == 'LoadBalancer'"] == asked[:2]


def test_what_was_given_is_not_changed() -> None:
    documents = list(yaml.safe_load_all(KWOK))
    edited(documents)
    assert list(yaml.safe_load_all(KWOK)) == documents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: StorageClass", "no stage was found"),
        (KWOK.replace("kwok-volume'", "other'"), "no volume would ever be bound"),
        (KWOK.replace("pod-complete", "pod-finish"), "pod-complete was not found"),
    ],
)
def test_another_kwok_is_noticed(text: str, expected: str) -> None:
    with pytest.raises(StagesError, match=expected):
        edited(yaml.safe_load_all(text))


def test_the_class_names_are_those_of_aks() -> None:
    assert {"default", "managed-csi", "managed-csi-premium", "azurefile-csi"} <= set(STORAGE_CLASSES)
