"""How answers are printed."""

import json

import pytest
import yaml

from extensa.cli.output import cell, emit, tab_separated, table

COLUMNS = (("Name", "name"), ("State", "properties.state|properties.status"))
ITEMS = [{"name": "a", "properties": {"state": "On"}}, {"name": "longer", "properties": {"status": "O\tff"}}]


def printed(capsys: pytest.CaptureFixture[str], format: str, value: object = ITEMS) -> str:
    emit(value, format=format, columns=COLUMNS)
    return capsys.readouterr().out


def test_a_table_has_underlined_headings_and_no_trailing_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    assert [
        "Name    State",
        "------  -----",
        "a       On",
        "longer  O\tff",
    ] == printed(capsys, "table").splitlines()


def test_tab_separated_values_have_no_heading_and_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a\tOn\nlonger\tO ff\n" == printed(capsys, "tsv")


def test_json_and_yaml_show_the_resource_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert ITEMS == json.loads(printed(capsys, "json"))
    assert ITEMS == yaml.safe_load(printed(capsys, "yaml"))
    assert {"é": 1} == json.loads(printed(capsys, "json", {"é": 1}))


def test_one_resource_is_a_table_of_one_row_and_nothing_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert "a\tOn\n" == printed(capsys, "tsv", ITEMS[0])
    assert "" == printed(capsys, "table", [])
    assert "[]\n" == printed(capsys, "json", [])
    assert "" == printed(capsys, "json", None)
    assert "true\n" == printed(capsys, "table", True)


def test_a_cell_takes_the_first_alternative_with_a_value() -> None:
    item = {"a": {"b": None}, "c": False, "d": ["x", 1]}

    assert ["False", "x, 1", "", ""] == [cell(item, w) for w in ("a.b|c", "a.b.c|d", "a.b", "missing.deep")]


def test_empty_cells_keep_their_place() -> None:
    assert "\tb\t" == tab_separated([["", "b", "  "]])
    assert "A  B\n-  -\n   x" == table(["A", "B"], [["", "x"]])
