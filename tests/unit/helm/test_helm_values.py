"""Dotted settings become nested values as ``helm --set`` would make them; what cannot be placed is named."""

import json
from typing import Any

import pytest

from extensa.helm.errors import HelmError
from extensa.helm.values import nest, parse_key


def document(settings: dict[str, str], protected: dict[str, str] | None = None, **injected: Any) -> Any:
    return json.loads(nest(settings, protected or {}, injected).document)


@pytest.mark.parametrize(
    ("key", "steps"),
    [
        ("a", ("a",)),
        ("a.b.c", ("a", "b", "c")),
        (r"a\.b.c", ("a.b", "c")),
        (r"nodeSelector.kubernetes\.io/os", ("nodeSelector", "kubernetes.io/os")),
        ("a[0]", ("a", 0)),
        ("a[0].b[2]", ("a", 0, "b", 2)),
        ("a[1][2].c", ("a", 1, 2, "c")),
        (r"a\[0\]", ("a[0]",)),
        (r"a\\b", ("a\\b",)),
    ],
)
def test_a_key_names_steps(key: str, steps: tuple[str | int, ...]) -> None:
    assert steps == parse_key(key)


@pytest.mark.parametrize(
    "key", ["", "a.", ".a", "a..b", "a[", "a]", "a[x]", "a[-1]", "a[0]b", "a[99999]", "a\\", "[0]"]
)
def test_a_key_that_names_nothing_is_refused_by_name(key: str) -> None:
    with pytest.raises(HelmError) as caught:
        nest({key: "very-secret-value"}, {}, {})

    assert "SettingInvalid" == caught.value.code
    assert repr(key) in caught.value.message
    assert "very-secret-value" not in str(caught.value)


def test_nesting_deeper_than_helm_allows_is_refused() -> None:
    with pytest.raises(HelmError, match="deeper than 30"):
        nest({".".join("a" * 31): "1"}, {}, {})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("x", "x"),
        ("", ""),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("0", 0),
        ("7", 7),
        ("-7", -7),
        ("+7", 7),
        ("007", "007"),
        ("1.5", "1.5"),
        ("1e3", "1e3"),
        ("9223372036854775808", "9223372036854775808"),
        ("{a,b}", "{a,b}"),
        ("a,b", "a,b"),
    ],
)
def test_a_value_is_typed_as_helm_set_types_it(text: str, value: object) -> None:
    assert {"a": value} == document({"a": text})


def test_large_whole_numbers_go_again_as_exact_arguments() -> None:
    made = nest({"a.b[1].c": "10485760", r"x\.y,z": "1000000", "small": "999999"}, {}, {})

    assert ("a.b[1].c=10485760", r"x\.y\,z=1000000") == made.exact


def test_a_large_protected_number_is_text_and_in_no_argument() -> None:
    made = nest({}, {"pin": "12345678"}, {})

    assert () == made.exact
    assert {"pin": "12345678"} == json.loads(made.document)


def test_a_protected_value_over_an_exact_number_takes_its_argument_away() -> None:
    made = nest({"a": "5000000", "b.c": "6000000"}, {"a": "x", "b": "y"}, {})

    assert () == made.exact


def test_lists_are_filled_up_and_share_items() -> None:
    assert {"a": [None, {"b": 1, "c": 2}]} == document({"a[1].b": "1", "a[1].c": "2"})


def test_protected_lies_over_ordinary_over_injected() -> None:
    made = document({"a.x": "1", "a.y": "1"}, {"a.y": "2"}, a={"x": 0, "y": 0, "z": 0})

    assert {"a": {"x": 1, "y": 2, "z": 0}} == made


def test_a_higher_layer_replaces_what_is_in_its_way() -> None:
    assert {"a": {"b": 2}} == document({"a": "1"}, {"a.b": "2"})


def test_the_injected_map_is_left_as_it_was() -> None:
    injected = {"a": {"b": 1}}
    nest({"a.b": "2"}, {}, injected)

    assert {"a": {"b": 1}} == injected


@pytest.mark.parametrize(("one", "other"), [("a", "a.b"), ("a[0]", "a"), ("a[0]", "a.b"), ("a.b", "a.b.c")])
def test_two_keys_for_one_place_are_both_named(one: str, other: str) -> None:
    with pytest.raises(HelmError) as caught:
        nest({one: "1", other: "2"}, {}, {})

    assert repr(one) in caught.value.message
    assert repr(other) in caught.value.message


def test_every_bad_key_is_named_at_once() -> None:
    with pytest.raises(HelmError) as caught:
        nest({"a.": "1", "b[": "1"}, {"c]": "1"}, {})

    assert "a., b[, c]" == caught.value.target


def test_equal_settings_make_equal_documents() -> None:
    one = nest({"b": "1", "a": "2"}, {"d": "3"}, {"z": {"y": 1, "x": 2}})
    other = nest({"a": "2", "b": "1"}, {"d": "3"}, {"z": {"x": 2, "y": 1}})

    assert one.document == other.document
