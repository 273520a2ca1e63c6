"""Lists of types to publish, and the one that comes with the product."""

from pathlib import Path

import pytest
import yaml

from extensa.base.errors import Refused
from extensa.client.chart import load_chart
from extensa.client.type_list import ListedType, read_types, samples_folder

LIST = """
types:
- name: my.app
  properties: {description: mine}
  versions:
  - {version: 1.0.0, chart: app}
  - {version: 1.1.0, chart: app-1.1.0.tgz, trains: [preview]}
"""


def listed(folder: Path, text: str) -> list[ListedType]:
    (folder / "types.yaml").write_text(text)
    (folder / "app").mkdir()
    (folder / "app-1.1.0.tgz").touch()
    return read_types(folder)


def test_a_list_names_types_versions_and_charts(tmp_path: Path) -> None:
    (found,) = listed(tmp_path, LIST)

    assert ("my.app", {"description": "mine"}) == (found.name, found.properties)
    assert [("1.0.0", tmp_path / "app", ["stable"]), ("1.1.0", tmp_path / "app-1.1.0.tgz", ["preview"])] == [
        (each.version, each.chart, each.trains) for each in found.versions
    ]


@pytest.mark.parametrize(
    "text",
    ["", "types: {}", "types: [", LIST.replace("name: my.app", "nome: my.app"), LIST + "more: 1\n"],
    ids=["empty", "no list", "no YAML", "misspelled", "unknown"],
)
def test_a_list_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(Refused) as refused:
        listed(tmp_path, text)

    assert ("TypeListInvalid", str(tmp_path / "types.yaml")) == (refused.value.code, refused.value.target)


def test_a_missing_list(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read_types(tmp_path)


def test_every_missing_chart_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        listed(tmp_path, LIST.replace("chart: app", "chart: gone"))

    assert 2 == len(refused.value.details)
    assert "my.app 1.0.0 names the chart 'gone', which is not there." == refused.value.details[0].message


SAMPLES = read_types(samples_folder())


def test_the_samples_are_those_the_manual_names() -> None:
    assert ["extensa.hello", "extensa.crds", "extensa.fails"] == [each.name for each in SAMPLES]
    for each in SAMPLES:
        assert ["1.0.0", "1.1.0"] == [version.version for version in each.versions]
        assert all("stable" in version.trains for version in each.versions)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: each.name)
def test_a_samples_charts_carry_its_name_and_versions(sample: ListedType) -> None:
    charts = [load_chart(version.chart) for version in sample.versions]

    assert {sample.name.replace(".", "-")} == {chart.name for chart in charts}
    assert [version.version for version in sample.versions] == [chart.version for chart in charts]


DIFFERENT = {
    "extensa.hello": {"Chart.yaml", "values.yaml", "templates/budget.yaml"},
    "extensa.crds": {"Chart.yaml", "values.yaml", "templates/widget.yaml", "templates/role.yaml", "crds/widgets.yaml"},
    "extensa.fails": {"Chart.yaml", "values.yaml", "templates/account.yaml"},
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: each.name)
def test_two_versions_of_a_sample_differ_where_they_should_and_nowhere_else(sample: ListedType) -> None:
    older, newer = (
        {
            path.relative_to(version.chart).as_posix(): path.read_bytes()
            for path in version.chart.rglob("*")
            if path.is_file()
        }
        for version in sample.versions
    )

    assert DIFFERENT[sample.name] == {name for name in older | newer if older.get(name) != newer.get(name)}
    assert yaml.safe_load(older["values.yaml"]) != yaml.safe_load(newer["values.yaml"])
