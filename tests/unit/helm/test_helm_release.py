"""Helm's record of a release is read at the door, and read only as far as it is needed."""

import base64
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from extensa.helm.release import (
    ObjectRef,
    RecordCorrupt,
    ReleaseStatus,
    decode,
    read_manifest,
    read_revision,
)

MANIFEST = """---
# Source: c/templates/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    metadata: {name: inner}
---
# Source: c/templates/b.yaml
kind: ConfigMap
apiVersion: v1
metadata: {name: b, namespace: elsewhere, annotations: {"helm.sh/resource-policy": keep}}
data:
  text: |
    kind: not this
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  volumeClaimTemplates: [{metadata: {name: data}}, {metadata: {name: log}}]
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: s}}
---
# nothing here
"""


def record(**more: Any) -> dict[str, Any]:
    return {
        "name": "r",
        "namespace": "ns",
        "version": 3,
        "info": {"status": "deployed", "description": "Upgrade complete", "last_deployed": "2026-11-25T03:18:21.5Z"},
        "chart": {
            "metadata": {"name": "c", "version": "1.2.3"},
            "templates": [{"name": "x", "data": "!"}],
            "files": None,
        },
        "config": {"password": "never decoded"},
        "manifest": MANIFEST,
        **more,
    }


def encoded(record: dict[str, Any], *, pack: bool = True) -> str:
    text = json.dumps(record).encode()
    return base64.b64encode(base64.b64encode(gzip.compress(text) if pack else text)).decode()


def test_a_record_is_decoded() -> None:
    found = decode(encoded(record()))

    assert ("r", "ns", 3, ReleaseStatus.DEPLOYED) == (found.name, found.namespace, found.version, found.status)
    assert ("c", "1.2.3", "Upgrade complete") == (found.chart_name, found.chart_version, found.description)
    assert datetime(2026, 11, 25, 3, 18, 21, 500_000, UTC) == found.last_deployed
    assert "never decoded" not in repr(found)


def test_an_old_record_that_was_not_packed_is_decoded_too() -> None:
    assert "r" == decode(encoded(record(), pack=False)).name


@pytest.mark.parametrize(
    ("events", "expected"),
    [(["pre-install", "pre-upgrade"], True), (["post-install"], True), (["pre-delete"], False), ([], False)],
)
def test_install_hooks_are_known(events: list[str], *, expected: bool) -> None:
    assert expected is decode(encoded(record(hooks=[{"events": events}]))).install_hooks


def test_crds_of_the_chart_stay_behind() -> None:
    crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: w.example.com}\n"
    chart = {
        "metadata": {"name": "c", "version": "1"},
        "files": [
            {"name": "crds/w.yaml", "data": base64.b64encode(crd.encode()).decode()},
            {"name": "README.md", "data": "IyBoaQ=="},
        ],
    }

    kept = decode(encoded(record(chart=chart))).inventory.kept

    assert ObjectRef("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "w.example.com") in kept


def test_a_manifest_lists_its_objects_in_their_namespaces() -> None:
    found = read_manifest(MANIFEST, "ns")

    assert (
        ObjectRef("apps/v1", "Deployment", "ns", "web"),
        ObjectRef("v1", "ConfigMap", "elsewhere", "b"),
        ObjectRef("apps/v1", "StatefulSet", "ns", "db"),
        ObjectRef("v1", "Secret", "ns", "s"),
    ) == found.objects
    assert (ObjectRef("v1", "ConfigMap", "elsewhere", "b"),) == found.kept
    assert ["data-db", "log-db"] == [claim.name for claim in found.claims]


@pytest.mark.parametrize(
    "text",
    [
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}',
        "metadata:\n  name: a\nkind: ConfigMap\napiVersion: v1\n",
        "x: &x\n  name: a\nmetadata: *x\nkind: ConfigMap\napiVersion: v1\n",
        "apiVersion: v1\nkind: ConfigMap\n# a comment\nmetadata:\n\n  # another\n  name: a\ndata: {}\n",
    ],
)
def test_any_layout_of_a_document_is_understood(text: str) -> None:
    assert (ObjectRef("v1", "ConfigMap", "ns", "a"),) == read_manifest(text, "ns").objects


@pytest.mark.parametrize(
    "data",
    [
        "",
        "%%%",
        base64.b64encode(b"%%%").decode(),
        base64.b64encode(base64.b64encode(b"\x1f\x8bnot gzip")).decode(),
        base64.b64encode(base64.b64encode(gzip.compress(b"{}")[:-4])).decode(),
        encoded({"version": 1}),
        encoded(record(manifest="a: b: c")),
    ],
)
def test_a_broken_record_is_told_from_a_missing_one(data: str) -> None:
    with pytest.raises(RecordCorrupt):
        decode(data)


def test_a_record_that_unpacks_without_end_is_refused() -> None:
    bomb = base64.b64encode(base64.b64encode(gzip.compress(b" " * (65 * 1024 * 1024)))).decode()

    with pytest.raises(RecordCorrupt, match="64 MiB"):
        decode(bomb)


def test_a_revision_is_read_from_labels_alone() -> None:
    found = read_revision(
        {
            "name": "sh.helm.release.v1.r.v3",
            "resourceVersion": "77",
            "labels": {
                "owner": "helm",
                "version": "3",
                "status": "failed",
                "modifiedAt": "0",
                "extensa.dev/generation": "9",
            },
        }
    )

    assert found is not None
    assert (3, ReleaseStatus.FAILED, 9, "77") == (found.version, found.status, found.generation, found.edition)
    assert datetime(1970, 1, 1, tzinfo=UTC) == found.modified


@pytest.mark.parametrize("labels", [{}, {"owner": "someone", "version": "1"}, {"owner": "helm", "version": "x"}])
def test_other_secrets_are_no_revisions(labels: dict[str, str]) -> None:
    assert read_revision({"name": "s", "labels": labels}) is None


def test_a_status_that_helm_does_not_know_yet_is_unknown() -> None:
    found = read_revision({"name": "s", "labels": {"owner": "helm", "version": "1", "status": "dreaming"}})

    assert found is not None
    assert ReleaseStatus.UNKNOWN is found.status
    assert 0 == found.generation
