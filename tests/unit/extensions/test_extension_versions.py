"""Each api-version's JSON, to the letter: what is shown, what is read, and what is not seen."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from extensa.extensions.draft import Scope
from extensa.extensions.model import Extension, Identity, Plan, Protected, State, UpgradeMode
from extensa.extensions.settle import settle
from extensa.extensions.versions import KNOWN, shape_of
from extensa.extensions.versions.reader import read
from extensa.extensions.versions.renderer import render
from extensa.link.extension import Level, Phase, Status
from unit.extensions.extension_facts import ARC, NOW, extension, extension_id, observed

GOLDEN = Path(__file__).parent / "golden"
FOLLOWING = extension(
    id=str(extension_id("demo", ARC)),
    namespace="apps-ns",
    release_train="stable",
    state=State.CREATING,
    settings={"appsNamespace": "apps-ns"},
    protected=Protected(envelope="sealed", keys=["log.sharedKey"]),
    identity=Identity(type="SystemAssigned", principal_id="11111111-1111-1111-1111-111111111111"),
    plan=Plan(name="basic", publisher="contoso", product="greeter"),
    managed_by=ARC,
)


@pytest.mark.parametrize("version", KNOWN)
def test_the_body_is_as_recorded(version: str) -> None:
    """Key order and nulls count, so the text is compared."""
    expected = (GOLDEN / f"{version}.json").read_text(encoding="utf-8")

    assert expected == json.dumps(render(FOLLOWING, shape_of(version)), indent=2) + "\n"


@pytest.mark.parametrize(
    ("version", "pinned", "shown", "current"),
    [
        ("2022-03-01", None, "1.1.0", "absent"),
        ("2022-11-01", None, "1.1.0", "1.1.0"),
        ("2023-05-01", None, None, "1.1.0"),
        ("2023-05-01", "1.1.0", "1.1.0", "1.1.0"),
        ("2025-03-01", None, None, "1.1.0"),
    ],
)
def test_version_and_current_version(version: str, pinned: str | None, shown: str | None, current: str) -> None:
    properties = render(extension(pinned=pinned), shape_of(version))["properties"]

    assert shown == properties["version"]
    assert current == properties.get("currentVersion", "absent")


def test_a_failure_shows_in_statuses_and_error_info() -> None:
    line = Status(code="InstallationFailed", message="no", level=Level.ERROR, time=NOW)
    failed = extension(state=State.FAILED, statuses=[line], error={"code": "ExtensionOperationFailed", "message": "no"})
    properties = render(failed, shape_of("2023-05-01"))["properties"]

    assert [
        {
            "code": "InstallationFailed",
            "displayStatus": None,
            "level": "Error",
            "message": "no",
            "time": "2026-11-25T12:00:00.0000000+00:00",
        }
    ] == properties["statuses"]
    assert {"code": "ExtensionOperationFailed", "message": "no"} == properties["errorInfo"]


def test_a_healthy_extension_has_no_error_info_and_no_statuses() -> None:
    properties = render(extension(), shape_of("2023-05-01"))["properties"]

    assert [] == properties["statuses"]
    assert "errorInfo" not in properties


def test_namespace_scope_is_shown_as_asked() -> None:
    properties = render(extension(namespace_scoped=True, namespace="shop"), shape_of("2023-05-01"))["properties"]

    assert {"namespace": {"targetNamespace": "shop"}} == properties["scope"]


def test_the_state_of_a_generation_not_yet_seen_is_unknown() -> None:
    seen = settle(extension(), None, observed(Phase.READY), NOW)
    assert seen is not None
    assert seen.extension is not None
    newer = replace(seen.extension, generation=2)

    assert "Ready" == render(seen.extension, shape_of("2025-03-01"))["properties"]["extensionState"]
    assert render(newer, shape_of("2025-03-01"))["properties"]["extensionState"] is None


def test_everything_a_body_says_is_read() -> None:
    draft = read(
        {
            "identity": {"type": "SystemAssigned"},
            "plan": {"name": "n", "publisher": "p", "product": "q", "promotionCode": "c", "version": "1"},
            "managedBy": "/x",
            "location": "ignored",
            "properties": {
                "extensionType": "Extensa.Hello",
                "autoUpgradeMode": "Patch",
                "releaseTrain": "preview",
                "scope": {"namespace": {"targetNamespace": "shop"}},
                "configurationSettings": {"a": 1},
                "configurationProtectedSettings": None,
                "provisioningState": "Succeeded",
                "statuses": ["ignored"],
            },
        },
        shape_of("2025-03-01"),
    )

    assert () == draft.problems
    assert "Extensa.Hello" == draft.extension_type
    assert UpgradeMode.PATCH is draft.auto_upgrade_mode
    assert ("preview", Scope(namespaced=True, namespace="shop")) == (draft.release_train, draft.scope)
    assert {"a": "1"} == draft.settings
    assert draft.protected is None
    assert Plan(name="n", publisher="p", product="q", promotion_code="c", version="1") == draft.plan
    assert ("SystemAssigned", "/x", "Succeeded") == (draft.identity_type, draft.managed_by, draft.provisioning_state)


def test_an_older_version_neither_sees_nor_reads_newer_fields() -> None:
    draft = read(
        {"managedBy": "/x", "plan": {"name": "n"}, "properties": {"autoUpgradeMode": "none"}}, shape_of("2022-03-01")
    )

    assert (None, None, None, False) == (draft.managed_by, draft.plan, draft.auto_upgrade_mode, draft.sees_mode)
    assert () == draft.problems


@pytest.mark.parametrize(("version", "flag"), [("2022-11-01", False), ("2023-05-01", True)])
def test_a_pin_silently_wins_only_before_2023(version: str, flag: bool) -> None:
    draft = read({"properties": {"version": "1.0.0", "autoUpgradeMinorVersion": True}}, shape_of(version))

    assert flag is draft.auto_upgrade_minor_version


def test_a_null_version_is_told_from_none_at_all() -> None:
    shape = shape_of("2023-05-01")

    assert read({"properties": {"version": None}}, shape).names_version
    assert read({"properties": {"version": ""}}, shape).version is None
    assert not read({"properties": {}}, shape).names_version


@pytest.mark.parametrize(
    ("body", "targets"),
    [
        (None, [None]),
        ([], [None]),
        ({"properties": []}, ["properties"]),
        (
            {"properties": {"extensionType": 1, "version": {}, "autoUpgradeMinorVersion": "yes", "scope": "cluster"}},
            [
                "properties.autoUpgradeMinorVersion",
                "properties.version",
                "properties.extensionType",
                "properties.scope",
            ],
        ),
        (
            {"properties": {"scope": {"cluster": {"releaseNamespace": 1}}}},
            ["properties.scope.cluster.releaseNamespace"],
        ),
        ({"properties": {"scope": {"cluster": {}, "namespace": {}}}}, ["properties.scope"]),
        ({"properties": {"autoUpgradeMode": "weekly"}}, ["properties.autoUpgradeMode"]),
        ({"plan": {"name": "n"}}, ["plan.publisher", "plan.product"]),
        ({"identity": {"type": 1}}, ["identity.type"]),
    ],
)
def test_what_cannot_be_read_is_told_all_at_once(body: object, targets: list[str | None]) -> None:
    draft = read(body, shape_of("2025-03-01"))

    assert targets == [p.target for p in draft.problems]


def test_an_identity_of_none_is_none() -> None:
    assert read({"identity": {"type": "None"}}, shape_of("2025-03-01")).identity_type is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["extensionType", "version", "scope", "configurationSettings", "configurationProtectedSettings", "releaseTrain"]


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.sampled_from(KNOWN), JSON)
def test_reading_never_raises(properties: dict[str, Any], version: str, other: object) -> None:
    read({"properties": properties, "identity": other, "plan": other}, shape_of(version))
    read(other, shape_of(version))


EXTENSIONS = st.builds(
    extension,
    pinned=st.none() | st.just("1.1.0"),
    mode=st.sampled_from(UpgradeMode),
    state=st.sampled_from(State),
    namespace_scoped=st.booleans(),
    settings=st.dictionaries(st.text(min_size=1, max_size=4), st.text(max_size=4), max_size=3),
    protected=st.none() | st.just(Protected(envelope="e", keys=["k"])),
)


@given(EXTENSIONS, st.sampled_from(KNOWN))
def test_what_is_shown_reads_back_without_a_problem_and_shows_no_envelope(found: Extension, version: str) -> None:
    body = render(found, shape_of(version))
    draft = read(json.loads(json.dumps(body)), shape_of(version))

    assert () == draft.problems
    assert found.settings == draft.settings
    assert "envelope" not in json.dumps(body)
