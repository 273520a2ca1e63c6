"""What the manual says of types and samples is so."""

import re
from pathlib import Path

import pytest
import yaml

from extensa.catalog import archive, intake, metadata, publishing, wire
from extensa.client import chart
from extensa.client.type_list import ListedType, read_types, samples_folder

ROOT = Path(__file__).resolve().parents[3]
MANUAL = (ROOT / "docs" / "types.md").read_text(encoding="utf-8")
SAMPLES = read_types(samples_folder())


def page(sample: ListedType) -> str:
    return (samples_folder() / sample.name.removeprefix("extensa.") / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda each: each.name)
def test_every_setting_of_a_sample_is_told_with_its_default(sample: ListedType) -> None:
    _, _, section = MANUAL.partition(f"\n### {sample.name}\n")
    section = section.partition("\n### ")[0]
    for version in sample.versions:
        for setting, default in yaml.safe_load((version.chart / "values.yaml").read_text(encoding="utf-8")).items():
            for text in (section, page(sample)):
                assert re.search(rf"^\| `{setting}[.`]", text, re.MULTILINE), setting
                if default and setting != "message":
                    assert f"`{default}`" in text
    namespace = sample.properties["supportedScopes"]["clusterScopeSettings"]["defaultReleaseNamespace"]
    assert f"`{namespace}`" in section


def test_every_way_to_fail_is_told() -> None:
    (fails,) = [each for each in SAMPLES if each.name == "extensa.fails"]
    template = (fails.versions[0].chart / "templates" / "_mode.tpl").read_text(encoding="utf-8")
    known = re.findall(r'"([a-z-]+)"', template.partition("list ")[2].partition("-}}")[0])
    told = re.findall(r"^\| `([a-z-]+)` \|", page(fails).partition("| `mode` | what happens")[2], re.MULTILINE)

    assert sorted(known) == sorted(told)
    assert f"lists the {len(known)} modes" in MANUAL


def test_the_limits_are_those_of_the_code() -> None:
    assert (16, 64, 5, 256) == (
        archive.LARGEST_ARCHIVE >> 20,
        archive.LARGEST_CONTENT >> 20,
        archive.LARGEST_FILE >> 20,
        metadata.LARGEST >> 10,
    )
    assert "16 MB; unpacked 64 MiB, 10,000 entries, 5 MiB a file, `Chart.yaml` 256 KiB" in MANUAL
    assert f"{archive.MOST_ENTRIES:,} entries" in MANUAL
    assert f"| versions of a type | {publishing.MOST_VERSIONS:,} |" in MANUAL
    assert f"| name of a type | {intake.LONGEST_NAME} characters |" in MANUAL


def test_both_sides_of_the_wire_have_the_same_limits() -> None:
    assert (archive.LARGEST_ARCHIVE, archive.LARGEST_FILE) == (chart.LARGEST_ARCHIVE, chart.LARGEST_FILE)


def test_every_api_version_is_told() -> None:
    assert [] == [version for version in wire.API_VERSIONS if version not in MANUAL]
