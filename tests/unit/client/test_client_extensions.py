"""The bodies that create and change an extension: az's words, az's checks."""

from typing import Any

import pytest

from extensa.base.errors import Refused
from extensa.client.extensions import Wishes, create_body, pairs, update_body


def properties(**wishes: Any) -> dict[str, Any]:
    found: dict[str, Any] = create_body(Wishes(extension_type="My.Type", **wishes))["properties"]
    return found


def test_the_smallest_wish_sends_the_type_in_lower_case_and_both_maps() -> None:
    assert {
        "properties": {
            "extensionType": "my.type",
            "configurationSettings": {},
            "configurationProtectedSettings": {},
        }
    } == create_body(Wishes(extension_type="My.Type"))


def test_a_named_version_switches_automatic_upgrades_off() -> None:
    assert {"version": "1.0.0", "autoUpgradeMinorVersion": False}.items() <= properties(version="1.0.0").items()
    assert "autoUpgradeMinorVersion" not in properties(version="1.0.0", auto_upgrade_mode="none")
    assert {"autoUpgradeMinorVersion": True, "releaseTrain": "preview"}.items() <= properties(
        auto_upgrade=True, release_train="preview"
    ).items()


@pytest.mark.parametrize(
    ("wishes", "scope"),
    [
        ({}, None),
        ({"scope": "cluster"}, {"cluster": {}}),
        ({"release_namespace": "r"}, {"cluster": {"releaseNamespace": "r"}}),
        ({"scope": "namespace", "target_namespace": "t"}, {"namespace": {"targetNamespace": "t"}}),
        ({"target_namespace": "t"}, {"namespace": {"targetNamespace": "t"}}),
    ],
)
def test_the_scope_follows_from_the_namespaces(wishes: dict[str, str], scope: dict[str, Any] | None) -> None:
    assert scope == properties(**wishes).get("scope")


@pytest.mark.parametrize(
    ("wishes", "code"),
    [
        ({"version": "1.0.0", "auto_upgrade": True}, "InvalidVersionChoice"),
        ({"auto_upgrade": True, "auto_upgrade_mode": "patch"}, "InvalidVersionChoice"),
        ({"scope": "cluster", "target_namespace": "t"}, "InvalidScope"),
        ({"scope": "namespace", "release_namespace": "r", "target_namespace": "t"}, "InvalidScope"),
        ({"scope": "namespace"}, "InvalidScope"),
        ({"release_namespace": "r", "target_namespace": "t"}, "InvalidScope"),
        ({"plan_name": "p"}, "InvalidPlan"),
    ],
)
def test_contradictions_are_refused_with_what_to_do(wishes: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as told:
        properties(**wishes)
    assert code == told.value.code
    assert told.value.next_step


def test_every_contradiction_is_told_at_once() -> None:
    with pytest.raises(Refused) as told:
        properties(version="1", auto_upgrade=True, scope="cluster", target_namespace="t", plan_product="p")
    assert ["InvalidVersionChoice", "InvalidScope", "InvalidPlan"] == [d.code for d in told.value.details]


def test_plan_and_identity_stand_beside_the_properties() -> None:
    body = create_body(Wishes(extension_type="t", plan_name="n", plan_product="p", plan_publisher="u", identity=True))

    assert {"name": "n", "product": "p", "publisher": "u"} == body["plan"]
    assert {"type": "SystemAssigned"} == body["identity"]


def test_an_update_sends_what_changes_and_always_both_maps() -> None:
    assert {
        "properties": {
            "version": "1.6.0",
            "autoUpgradeMinorVersion": False,
            "configurationSettings": {},
            "configurationProtectedSettings": {"k": "v"},
        }
    } == update_body(Wishes(version="1.6.0", protected={"k": "v"}))
    with pytest.raises(Refused):
        update_body(Wishes(version="1", auto_upgrade=True))


def test_protected_settings_are_not_shown_by_accident() -> None:
    assert "s3cret" not in repr(Wishes(protected={"token": "s3cret"}))


def test_pairs_are_split_at_the_first_equals_sign() -> None:
    assert {"a": "1=2", "b": "", "c": "last"} == pairs(["a=1=2", "b=", "c=first", "c=last"], flag="--config")
    with pytest.raises(Refused) as told:
        pairs(["novalue", "=x"], flag="--config")
    assert 2 == len(told.value.details)
