"""Drift, field by field: what the cheap look passes, what the exact one names, what rules leave out, what is hidden."""

import base64
from typing import Any

import pytest

from extensa.helm import drift
from extensa.helm.drift import MISSING, Field, Ignore, as_applied, as_drift, changes, kept_fields, read_rules, unmatched
from extensa.helm.release import ObjectRef
from extensa.link.extension import Drift

WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")
KEY = ObjectRef("v1", "Secret", "ns", "key")


def deployment(**pod: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": {"spec": pod}}}


def config(**data: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "data": data}


def secret(part: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", part: data}


def custom(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "spec": spec}


def paths(fields: list[Field]) -> list[str]:
    return [field.path for field in fields]


MAIN, SIDE = {"name": "main", "image": "a"}, {"name": "side", "image": "b"}
WELL: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "defaults are filled in": (
        deployment(containers=[MAIN]),
        deployment(containers=[{**MAIN, "imagePullPolicy": "Always"}], restartPolicy="Always"),
    ),
    "containers in another order, and one injected": (
        deployment(containers=[MAIN, SIDE]),
        deployment(containers=[{"name": "proxy"}, SIDE, MAIN]),
    ),
    "a variable added by somebody": (
        deployment(containers=[{**MAIN, "env": [{"name": "A", "value": "1"}]}]),
        deployment(containers=[{**MAIN, "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]}]),
    ),
    "ports are named by number and protocol": (
        deployment(containers=[{**MAIN, "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]}]),
        deployment(
            containers=[
                {**MAIN, "ports": [{"containerPort": 53, "protocol": p, "name": p} for p in ("TCP", "UDP")]},
            ]
        ),
    ),
    "a service's ports": (
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}},
    ),
    "quantities": (
        deployment(containers=[{**MAIN, "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}]),
        deployment(containers=[{**MAIN, "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]),
    ),
    "a quantity written as a number": (
        deployment(containers=[{**MAIN, "resources": {"requests": {"cpu": 0.5}}}]),
        deployment(containers=[{**MAIN, "resources": {"requests": {"cpu": "500m"}}}]),
    ),
    "a number or a text": (
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": "8080"}]}},
        {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "targetPort": 8080}]}},
    ),
    "null and empty things are dropped": (
        deployment(nodeSelector={}, tolerations=[], affinity=None, containers=[{**MAIN, "resources": {}}]),
        deployment(containers=[MAIN]),
    ),
    "status is not compared": (
        {"apiVersion": "v1", "kind": "Service", "status": {"loadBalancer": {"ingress": [1]}}},
        {"apiVersion": "v1", "kind": "Service", "status": {}},
    ),
    "plain text in a Secret": (
        secret("stringData", a="x"),
        secret("data", a=base64.b64encode(b"x").decode(), more="eA=="),
    ),
    "keys added to a ConfigMap": (config(a="1"), config(a="1", b="2")),
    "whole numbers and broken ones": (custom(ratio=1), custom(ratio=1.0)),
}


@pytest.mark.parametrize("case", WELL)
def test_what_the_api_or_others_add_is_no_drift(case: str) -> None:
    wanted, live = WELL[case]
    assert [] == unmatched(wanted, live)


DOUBTFUL: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "a value": (config(a="1"), config(a="2"), ["/data/a"]),
    "a value that is gone": (config(a="1", b="2"), config(b="2"), ["/data/a"]),
    "an empty value that is gone": (config(a=""), config(), ["/data/a"]),
    "content is compared letter by letter": (
        config(cpu="1000m", n="1"),
        config(cpu="1", n=1),
        ["/data/cpu", "/data/n"],
    ),
    "an image": (
        deployment(containers=[MAIN, SIDE]),
        deployment(containers=[SIDE, {**MAIN, "image": "c"}]),
        ["/spec/template/spec/containers/0/image"],
    ),
    "a container that is gone": (
        deployment(containers=[MAIN, SIDE]),
        deployment(containers=[MAIN]),
        ["/spec/template/spec/containers/1"],
    ),
    "a list that is one value": (
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "subjects": [{"kind": "User", "name": "a"}],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "subjects": [{"kind": "User", "name": "a"}, {"kind": "User", "name": "b"}],
        },
        ["/subjects"],
    ),
    "a custom resource's lists are not ours to match": (
        custom(containers=[MAIN]),
        custom(containers=[MAIN, SIDE]),
        ["/spec/containers"],
    ),
    "names that are not unique": (
        deployment(containers=[{**MAIN, "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}]),
        deployment(containers=[{**MAIN, "env": [{"name": "A", "value": "2"}]}]),
        ["/spec/template/spec/containers/0/env"],
    ),
    "a map that is something else now": (custom(a={"b": 1}), custom(a="b"), ["/spec/a"]),
    "true is not 1": (custom(on=True), custom(on=1), ["/spec/on"]),
    "another quantity": (
        deployment(containers=[{**MAIN, "resources": {"limits": {"cpu": "1"}}}]),
        deployment(containers=[{**MAIN, "resources": {"limits": {"cpu": "2"}}}]),
        ["/spec/template/spec/containers/0/resources/limits/cpu"],
    ),
    "a Secret's key": (secret("stringData", a="x"), secret("data", a="eQ=="), ["/data/a"]),
    "letters that a pointer must escape": (config(**{"a/b~c": "1"}), config(), ["/data/a~1b~0c"]),
}


@pytest.mark.parametrize("case", DOUBTFUL)
def test_a_field_that_is_not_plainly_there_is_looked_at_closely(case: str) -> None:
    wanted, live, expected = DOUBTFUL[case]
    assert expected == paths(unmatched(wanted, live))


def test_an_apply_that_would_change_nothing_shows_no_field() -> None:
    metadata = {"name": "w", "labels": {"a": "b"}}
    after = {
        "metadata": {**metadata, "managedFields": [1], "resourceVersion": "2"},
        "spec": {"a": 1},
        "status": {"x": 1},
    }
    live = {"kind": "Widget", "metadata": {**metadata, "resourceVersion": "1", "generation": 4}, "spec": {"a": 1}}

    assert [] == changes(after, live)


def test_fields_are_named_with_what_would_be_there_and_what_is() -> None:
    after = {"metadata": {"labels": {"a": "1"}}, "spec": {"replicas": 1, "paused": False}}
    live = {"metadata": {"labels": {"a": "2"}}, "spec": {"replicas": 3, "extra": {"x": [1]}}}

    found = {field.path: (field.wanted, field.found) for field in changes(after, live)}

    assert {
        "/metadata/labels/a": ("1", "2"),
        "/spec/replicas": (1, 3),
        "/spec/extra/x": (MISSING, [1]),
        "/spec/paused": (False, MISSING),
    } == found


def test_an_item_is_named_by_its_place_in_the_live_list() -> None:
    after = deployment(containers=[{**MAIN, "image": "new"}, SIDE, {"name": "lost"}])
    live = deployment(containers=[{"name": "proxy"}, MAIN, SIDE])

    assert ["/0", "/1/image", "/3"] == [
        path.removeprefix("/spec/template/spec/containers") for path in paths(changes(after, live))
    ]


def test_lists_of_another_length_are_one_field() -> None:
    assert ["/spec/args"] == paths(changes(custom(args=["a"]), custom(args=["a", "b"])))
    assert ["/spec/args/1"] == paths(changes(custom(args=["a", "b"]), custom(args=["a", "c"])))


def test_helm_puts_its_marks_on_what_it_applies() -> None:
    made = as_applied({"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}}, "web", "ns")

    assert {"x": "y", "app.kubernetes.io/managed-by": "Helm"} == made["metadata"]["labels"]
    marks = {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "ns"}
    assert marks == made["metadata"]["annotations"]
    assert ["/metadata/labels", "/metadata/annotations"] == paths(unmatched(made, {"metadata": {"name": "a"}}))


@pytest.mark.parametrize(
    ("rule", "path", "covered"),
    [
        ("/spec/replicas", "/spec/replicas", True),
        ("/spec", "/spec/replicas", True),
        ("/spec/replicas", "/spec", False),
        ("Deployment:/spec/replicas", "/spec/replicas", True),
        ("deployment/web:/spec/replicas", "/spec/replicas", True),
        ("Deployment/other:/spec/replicas", "/spec/replicas", False),
        ("ConfigMap:/spec/replicas", "/spec/replicas", False),
        ("/spec/*/spec/containers/*/image", "/spec/template/spec/containers/3/image", True),
        ("/spec/*/image", "/spec/template/spec/image", False),
        ("/metadata/annotations/a~1b", "/metadata/annotations/a~1b", True),
        ("Deployment/web:", "/anything", True),
        ("Deployment/web:", "", True),
        ("/metadata", "", False),
        ("spec/replicas", "/spec/replicas", False),
        ("", "/spec/replicas", False),
    ],
)
def test_rules_leave_out_a_field_and_what_lies_beneath(rule: str, path: str, covered: bool) -> None:
    steps = tuple(step.replace("~1", "/") for step in path.split("/")[1:])
    left = kept_fields([Field(steps)], WEB, read_rules([rule]))
    assert ([] if covered else [Field(steps)]) == left


def test_a_role_s_name_may_hold_colons() -> None:
    assert (Ignore("ClusterRole", "system:x", ("rules",)),) == read_rules(["ClusterRole/system:x:/rules"])


def test_a_secret_s_values_never_come_out() -> None:
    told = [
        as_drift(KEY, Field(("data", "a"), "c2VjcmV0", "b3RoZXI="), str),
        as_drift(KEY, Field(("data", "a"), "c2VjcmV0", MISSING), str),
        as_drift(KEY, Field(("data",), {"a": "c2VjcmV0"}, {"b": "b3RoZXI="}), str),
        as_drift(KEY, Field(("data", "new"), MISSING, "b3RoZXI="), str),
    ]

    assert ['"********"', '"********"', '"********"', ""] == [each.wanted for each in told]
    assert ['"changed"', "", '"changed"', '"changed"'] == [each.found for each in told]
    assert '"y"' == as_drift(KEY, Field(("metadata", "labels", "x"), "y"), str).wanted


def test_a_protected_value_is_hidden_wherever_it_stands() -> None:
    def mask(text: str) -> str:
        return text.replace('pa"ss', "***")

    told = as_drift(WEB, Field(("spec",), {"a": ['say pa"ss', 1]}, 'pa"ss'), mask)

    assert ('{"a":["say ***",1]}', '"***"') == (told.wanted, told.found)


def test_what_is_told_is_bounded() -> None:
    told = as_drift(WEB, Field(("spec",), "x" * 300, MISSING), str)

    assert (200, "…", "") == (len(told.wanted), told.wanted[-1], told.found)


def test_a_missing_object_is_one_field() -> None:
    expected = Drift(kind="Deployment", name="web", namespace="ns", path="", wanted='"present"', found="")
    assert expected == drift.missing(WEB)
