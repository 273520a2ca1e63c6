"""Settings maps: what PUT, PATCH, silence, null and blanks leave."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensa.base.errors import Problems
from extensa.extensions import settings

KEYS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=3)
STORED = st.dictionaries(KEYS, st.text(max_size=3), max_size=5)
NAMED = st.none() | st.dictionaries(KEYS, st.none() | st.text(max_size=3), max_size=5)


@given(STORED, NAMED)
def test_a_merge_sets_what_is_named_removes_nulls_and_leaves_the_rest(
    stored: dict[str, str], named: dict[str, str | None] | None
) -> None:
    before = dict(stored)
    result = settings.merged(stored, named)

    for key in {*stored, *(named or {})}:
        assert (named[key] if named and key in named else stored[key]) == result.get(key)
    assert result == settings.merged(result, named), "a merge done twice changes nothing more"
    assert before == stored, "nothing is changed in place"


@given(STORED)
def test_an_empty_map_leaves_both_kinds_alone(stored: dict[str, str]) -> None:
    assert stored == settings.merged(stored, {}) == settings.merged(stored, None)
    assert stored == settings.protected(stored, {}) == settings.protected(stored, None)


@given(STORED, NAMED)
def test_protected_settings_are_replaced_whole_and_never_lost_by_blanks(
    stored: dict[str, str], named: dict[str, str | None] | None
) -> None:
    result = settings.protected(stored, named)

    given_values = {k: v for k, v in (named or {}).items() if v is not None}
    if given_values:
        assert set(given_values) == set(result)
    for key, value in given_values.items():
        assert (value or stored.get(key, "")) == result[key]


@given(STORED)
def test_what_was_read_can_be_sent_back(stored: dict[str, str]) -> None:
    read_back: dict[str, str | None] = dict.fromkeys(stored, "")

    assert stored == settings.protected(stored, read_back)


def test_nulls_alone_remove_protected_keys() -> None:
    assert {"b": "2"} == settings.protected({"a": "1", "b": "2"}, {"a": None})


def test_a_put_leaves_exactly_what_it_names() -> None:
    assert {"a": "1"} == settings.replaced({"a": "1", "b": None})
    assert {} == settings.replaced(None)


def test_numbers_and_booleans_become_text() -> None:
    problems = Problems()
    found = settings.read({"a": True, "b": False, "c": 3, "d": 1.5, "e": "x", "f": None}, "s", problems)

    assert {"a": "true", "b": "false", "c": "3", "d": "1.5", "e": "x", "f": None} == found
    assert [] == problems.found


@pytest.mark.parametrize("value", [["x"], "text", 3])
def test_what_is_no_map_is_a_problem(value: object) -> None:
    problems = Problems()

    assert settings.read(value, "properties.configurationSettings", problems) is None
    assert ["InvalidSetting"] == [p.code for p in problems.found]


def test_every_nested_value_is_told() -> None:
    problems = Problems()
    settings.read({"a": {"b": 1}, "c": [1], "d": "ok"}, "s", problems)

    assert ["s.a", "s.c"] == [p.target for p in problems.found]


def test_sizes_and_names_are_bounded_and_values_never_quoted() -> None:
    problems = Problems()
    secret = "hunter2" * 100_000
    settings.check({"": "x", "a\nb": "y", **{f"k{n}": "" for n in range(3000)}}, {"p": secret}, problems)

    assert ["SettingsTooLarge", "InvalidSetting", "InvalidSetting", "SettingsTooLarge"] == [
        p.code for p in problems.found
    ]
    assert "hunter2" not in str(problems.found)
