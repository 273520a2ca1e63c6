"""A desired document made ready for Helm: the digest says "the same" exactly when the release would be the same."""

import json
from typing import Any

import msgspec
import pytest

from extensa.agent.prepare import owner_mark, prepare
from extensa.helm.errors import HelmError
from extensa.link.extension import Chart, DesiredExtension, Presence
from extensa.link.sealing import new_private_key, public_key, seal

KEY = new_private_key()
CHART = Chart(name="c", version="1", digest="sha256:1", size=1)
DESIRED = DesiredExtension(
    uid="u",
    generation=3,
    resource_id="/Sub/X",
    cluster_uid="c",
    presence=Presence.PRESENT,
    release="r",
    namespace="ns",
    create_namespace=True,
    extension_type="t",
    extension_version="1",
    chart=CHART,
    settings={"a": "1"},
    protected=None,
    injected={"i": 1},
    correlation_id="c",
    operation_id="o",
)


def sealed(secrets: dict[str, str], *, purpose: str = "u", key: str = KEY) -> DesiredExtension:
    box = seal(json.dumps(secrets).encode(), recipient=public_key(key), purpose=purpose)
    return msgspec.structs.replace(DESIRED, protected=box)


def digest(**changes: Any) -> str:
    return prepare(msgspec.structs.replace(DESIRED, **changes), private_key=KEY).wanted.digest


def test_what_should_be_is_put_in_helms_words() -> None:
    wanted = prepare(DESIRED, private_key=KEY).wanted

    assert ("r", "ns", "u", 3, True, True) == (
        wanted.release,
        wanted.namespace,
        wanted.uid,
        wanted.generation,
        wanted.present,
        wanted.create_namespace,
    )
    assert owner_mark("/SUB/x") == wanted.owner


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": {"a": "2"}},
        {"settings": {"a": "5000000"}},
        {"injected": {"i": 2}},
        {"namespace": "other"},
        {"release": "other"},
        {"namespace_scoped": True},
        {"chart": Chart(name="c", version="1", digest="sha256:2", size=1)},
    ],
)
def test_what_shapes_the_release_changes_the_digest(changes: dict[str, Any]) -> None:
    assert digest() != digest(**changes)


@pytest.mark.parametrize(
    "changes", [{"generation": 4}, {"correlation_id": "d"}, {"operation_id": "p"}, {"uid": "v"}, {"timeout": 5}]
)
def test_what_does_not_shape_it_leaves_the_digest(changes: dict[str, Any]) -> None:
    assert digest() == digest(**changes)


def test_a_label_holds_digest_and_owner() -> None:
    wanted = prepare(DESIRED, private_key=KEY).wanted

    assert len(wanted.digest) <= 63
    assert len(wanted.owner) <= 63


def test_protected_settings_are_opened_and_masked() -> None:
    prepared = prepare(sealed({"p.q": "hunter2-long"}), private_key=KEY)

    assert {"a": 1, "i": 1, "p": {"q": "hunter2-long"}} == json.loads(prepared.values.document)
    assert "a ******** b" == prepared.values.mask("a hunter2-long b")
    assert "hunter2" not in repr(prepared)


def test_a_protected_setting_changes_the_digest() -> None:
    one = prepare(sealed({"p": "1"}), private_key=KEY).wanted.digest

    assert one == prepare(sealed({"p": "1"}), private_key=KEY).wanted.digest
    assert one != prepare(sealed({"p": "2"}), private_key=KEY).wanted.digest


@pytest.mark.parametrize("desired", [sealed({}, purpose="another"), sealed({}, key=new_private_key())])
def test_a_box_for_another_is_not_opened(desired: DesiredExtension) -> None:
    with pytest.raises(HelmError) as caught:
        prepare(desired, private_key=KEY)

    assert "SettingsSealBroken" == caught.value.code


def test_what_should_be_absent_needs_no_secret() -> None:
    desired = msgspec.structs.replace(
        sealed({}, key=new_private_key()), presence=Presence.ABSENT, settings={"a..b": "1"}
    )

    assert not prepare(desired, private_key=KEY).wanted.present
