"""Which version a wish stands for, and how a wish for none is answered."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from extensa.base.errors import Problem
from extensa.catalog.model import ExtensionType, TypeVersion
from extensa.catalog.precedence import newest_first, parse
from extensa.catalog.resolve import choose
from unit.catalog.catalog_samples import extension_type, version

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
DAPR = extension_type(
    version("1.0.0"),
    version("1.2.0"),
    version("1.10.0", "stable", "preview"),
    version("1.11.0-rc.1", "preview"),
    version("2.0.0"),
    version("3.0.0-beta.2", "dev"),
)


def chosen(extension_type: ExtensionType, **wish: str | bool | None) -> str:
    wish = {"train": "stable", "version": None, **wish}
    found = choose(extension_type, **wish)  # type: ignore[arg-type]  # the wish is a table's row
    assert isinstance(found, TypeVersion), found
    return found.version


def refused(extension_type: ExtensionType, **wish: str | None) -> Problem:
    found = choose(extension_type, **{"train": "stable", "version": None, **wish})  # type: ignore[arg-type]  # as above
    assert isinstance(found, Problem)
    return found


@pytest.mark.parametrize(
    ("expected", "wish"),
    [
        pytest.param("2.0.0", {}, id="newest by precedence, not by spelling"),
        pytest.param("2.0.0", {"train": "Stable"}, id="a train in any letters"),
        pytest.param("1.11.0-rc.1", {"train": "preview"}, id="a train that holds pre-releases gives them"),
        pytest.param("1.2.0", {"version": "1.2.0"}, id="exactly the one named"),
        pytest.param("3.0.0-beta.2", {"version": "3.0.0-BETA.2", "train": "DEV"}, id="named in other letters"),
        pytest.param("1.10.0", {"current": "1.0.0"}, id="automatic: minor versions, never the next major"),
        pytest.param("2.0.0", {"current": "2.0.0"}, id="automatic: already newest"),
        pytest.param("1.2.0", {"current": "1.2.0", "patches_only": True}, id="patches only: no newer patch"),
        pytest.param("1.0.0", {"version": "1.0.0", "current": "2.0.0"}, id="a named version may go back"),
        pytest.param("1.11.0-rc.1", {"current": "1.11.0-rc.1"}, id="a quieter train waits until it has caught up"),
        pytest.param("2.0.0", {"train": "stable", "current": "not a version"}, id="nothing comparable runs"),
        pytest.param("3.0.0-beta.2", {"current": "3.0.0-beta.2"}, id="what runs stays when the train has no successor"),
        pytest.param("1.10.0", {"current": "1.12.0"}, id="what was withdrawn is left for the newest there is"),
    ],
)
def test_choice(expected: str, wish: dict[str, str | bool | None]) -> None:
    assert expected == chosen(DAPR, **wish)


def test_patches_are_followed_within_a_minor_version() -> None:
    dapr = extension_type(version("1.2.0"), version("1.2.7"), version("1.3.0"))

    assert "1.2.7" == chosen(dapr, current="1.2.0", patches_only=True)


def test_an_unknown_version_names_those_there_are_and_the_nearest() -> None:
    problem = refused(DAPR, version="1.10")

    assert "ExtensionVersionNotFound" == problem.code
    assert "properties.version" == problem.target
    assert problem.message.startswith("Failed to resolve the extension version from the given values")
    assert "3.0.0-beta.2, 2.0.0, 1.11.0-rc.1, 1.10.0, 1.2.0, 1.0.0" in problem.message
    assert "Did you mean 1.10.0? Leave 'version' out to have the newest, 2.0.0." == problem.next_step


@pytest.mark.parametrize(("wrong", "meant"), [("v1.2.0", "1.2.0"), ("1.2.1", "1.2.0"), ("2", "2.0.0")])
def test_slips_of_the_pen_are_guessed(wrong: str, meant: str) -> None:
    assert (refused(DAPR, version=wrong).next_step or "").startswith(f"Did you mean {meant}?")


def test_what_is_like_nothing_is_not_guessed() -> None:
    assert "Leave 'version' out to have the newest, 2.0.0." == refused(DAPR, version="latest").next_step


def test_a_version_of_another_train_is_refused_with_its_train() -> None:
    problem = refused(DAPR, version="1.11.0-rc.1")

    assert "ExtensionVersionNotOnTrain" == problem.code
    assert "properties.releaseTrain" == problem.target
    assert "Set releaseTrain to 'preview', or choose another version." == problem.next_step


def test_an_unknown_train_names_those_there_are_and_the_nearest() -> None:
    problem = refused(DAPR, train="previw")

    assert "ReleaseTrainNotFound" == problem.code
    assert "dev, preview, stable" in problem.message
    assert "Set releaseTrain to 'preview'." == problem.next_step


def test_a_type_without_versions_says_how_to_publish_one() -> None:
    problem = refused(extension_type(name="my.app"), version="1.0.0")

    assert "ExtensionVersionNotFound" == problem.code
    assert "extensa type publish CHART --type my.app" in (problem.next_step or "")


def test_a_withdrawn_version_of_an_abandoned_major_needs_a_decision() -> None:
    problem = refused(extension_type(version("2.0.0"), version("2.1.0")), current="1.4.0")

    assert "MajorVersionChange" == problem.code
    assert "Set version to '2.1.0' to move there knowingly." == problem.next_step


def test_long_lists_are_cut() -> None:
    many = extension_type(*(version(f"1.{minor}.0") for minor in range(30)))

    assert "1.20.0 and 20 older ones." in refused(many, version="9").message


NUMBERS = some.builds(
    lambda major, minor, patch, pre: f"{major}.{minor}.{patch}{pre}",
    some.integers(0, 3),
    some.integers(0, 12),
    some.integers(0, 3),
    some.sampled_from(["", "-rc.1", "-alpha", "+build.5"]),
)


@CALM
@given(some.lists(NUMBERS, min_size=1, max_size=12, unique=True), NUMBERS)
def test_automatic_upgrades_never_go_back_and_never_change_the_major_version(numbers: list[str], current: str) -> None:
    held = extension_type(*(version(number) for number in {*numbers, current}))

    found = choose(held, train="stable", version=None, current=current)

    assert isinstance(found, TypeVersion)
    before, after = parse(current), parse(found.version)
    assert before is not None
    assert after is not None
    assert before.major == after.major
    assert before <= after


@CALM
@given(some.lists(NUMBERS, max_size=12, unique=True))
def test_order_is_total_and_independent_of_where_it_began(numbers: list[str]) -> None:
    forward = newest_first(version(number) for number in numbers)

    assert forward == newest_first(version(number) for number in reversed(numbers))


def test_what_is_no_semantic_version_is_not_parsed() -> None:
    assert [None, None, None] == [parse("1.0"), parse("v1.0.0"), parse("")]
