"""Whether a chart may become a version, and what the type is then."""

from datetime import timedelta

import pytest

from extensa.base.errors import Conflict, Problems
from extensa.catalog import publishing
from extensa.catalog.archive import ChartFacts, inspect
from extensa.catalog.model import ExtensionType, Unsupported
from extensa.catalog.publishing import check_names, published, read_trains
from unit.catalog.catalog_samples import NOW, archive, extension_type


def facts(**fields: object) -> ChartFacts:
    found = inspect(archive(**fields))
    assert isinstance(found, ChartFacts)
    return found


EMPTY = extension_type(name="contoso.app")
ONE = facts()
OTHER = facts(description="changed")


def with_versions(*numbers: str) -> ExtensionType:
    made = EMPTY
    for number in numbers:
        made = published(made, number, ["stable"], ONE, NOW)
    return made


def test_a_first_version_carries_its_chart() -> None:
    annotations = {
        "extensa.dev/asks": "protectedKeys",
        "extensa.dev/unsupported-kubernetes": "appliances: [{unsupportedVersions: ['<1.27']}]",
    }
    chart = facts(name="app", version="v4.2.0", appVersion="9", kubeVersion=">=1.25", annotations=annotations)
    (found,) = published(EMPTY, "1.0.0", ["stable", "preview"], chart, NOW).versions

    assert ("1.0.0", ["preview", "stable"], NOW) == (found.version, found.trains, found.published_at)
    assert ("app", "v4.2.0", chart.digest, chart.size, ["protectedKeys"]) == (
        found.chart.name,
        found.chart.version,
        found.chart.digest,
        found.chart.size,
        found.chart.asks,
    )
    assert ("9", ">=1.25", {"appliances": [Unsupported(versions=["<1.27"])]}) == (
        found.app_version,
        found.kube_version,
        found.unsupported,
    )


def test_versions_stand_newest_first_however_they_came() -> None:
    made = with_versions("1.9.0", "1.10.0", "1.10.0-rc.1", "0.1.0")

    assert ["1.10.0", "1.10.0-rc.1", "1.9.0", "0.1.0"] == [each.version for each in made.versions]


def test_the_same_chart_again_changes_nothing() -> None:
    made = with_versions("1.0.0")

    assert made is published(made, "1.0.0", ["stable"], ONE, NOW + timedelta(days=1))


def test_the_same_chart_again_may_be_put_on_more_trains_and_is_taken_off_none() -> None:
    again = published(with_versions("1.0.0", "1.1.0"), "1.0.0", ["preview"], ONE, NOW + timedelta(days=1))

    assert {"1.1.0": ["stable"], "1.0.0": ["preview", "stable"]} == {v.version: v.trains for v in again.versions}
    assert NOW == again.version("1.0.0").published_at


def test_a_version_never_changes_its_chart() -> None:
    with pytest.raises(Conflict) as conflict:
        published(with_versions("1.0.0", "1.2.3"), "1.0.0", ["stable"], OTHER, NOW)

    assert (409, "ExtensionTypeVersionExists") == (conflict.value.status, conflict.value.code)
    assert ONE.digest[:19] in conflict.value.message
    assert "Publish the changed chart under a new version, such as 1.2.4." == conflict.value.next_step


def test_versions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "MOST_VERSIONS", 2)
    full = with_versions("1.0.0", "1.1.0")

    assert full is published(full, "1.1.0", ["stable"], ONE, NOW)
    with pytest.raises(Conflict, match="has 2 versions already"):
        published(full, "1.2.0", ["stable"], ONE, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, ["stable"]),
        ("", ["stable"]),
        (" , ", ["stable"]),
        ("Preview", ["preview"]),
        ("stable, preview,Stable", ["stable", "preview"]),
    ],
)
def test_trains_of_a_query(text: str | None, expected: list[str]) -> None:
    assert expected == read_trains(text)


@pytest.mark.parametrize(
    ("version", "trains", "expected"),
    [
        ("1.0.0", ["stable"], []),
        ("2.0.0-rc.1+7", ["r.1_x-y"], []),
        ("v1.0.0", ["stable"], [("InvalidVersion", "Publish it as 1.0.0.")]),
        ("latest", ["stable"], [("InvalidVersion", "Publish it as 1.0.0.")]),
        ("1.0", ["a b", "-"], ["InvalidVersion", "InvalidReleaseTrain", "InvalidReleaseTrain"]),
    ],
    ids=str,
)
def test_names(version: str, trains: list[str], expected: list[object]) -> None:
    problems = Problems()
    check_names(version, trains, problems)

    found = [
        (problem.code, problem.next_step) if isinstance(wanted, tuple) else problem.code
        for problem, wanted in zip(problems.found, expected, strict=True)
    ]
    assert expected == found
