"""A manifest's objects, read whole and as Helm reads them."""

import pytest
import yaml

from extensa.helm.release import ObjectRef
from extensa.helm.rendered import read_objects

MANIFEST = """---
# Source: a/templates/a.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: plain}
data: {at: 2001-12-14, ratio: 1:30, mode: 0644, n: y, i: 12, f: 1.5, yes: "on", none: ~}
---
apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: Secret, metadata: {name: listed, namespace: other}}
  - nothing
---
apiVersion: v1
kind: ConfigMap
metadata: {name: unasked}
data: {broken: [}
---
"""
PLAIN = ObjectRef("v1", "ConfigMap", "ns", "plain")
LISTED = ObjectRef("v1", "Secret", "other", "listed")


def test_only_what_is_wanted_is_read() -> None:
    found = read_objects(MANIFEST, "ns", {PLAIN, LISTED, ObjectRef("v1", "ConfigMap", "ns", "absent")})

    assert {PLAIN, LISTED} == set(found)
    assert "other" == found[LISTED]["metadata"]["namespace"]


def test_dates_and_times_are_texts_as_they_are_for_helm() -> None:
    data = read_objects(MANIFEST, "ns", {PLAIN})[PLAIN]["data"]

    assert {
        "at": "2001-12-14",
        "ratio": "1:30",
        "mode": 420,
        "false": True,
        "i": 12,
        "f": 1.5,
        "true": "on",
        "none": None,
    } == data


def test_a_document_that_is_wanted_and_cannot_be_read_is_told() -> None:
    with pytest.raises(yaml.YAMLError):
        read_objects(MANIFEST, "ns", {ObjectRef("v1", "ConfigMap", "ns", "unasked")})
