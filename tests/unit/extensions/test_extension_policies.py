"""Failure policy, drift policy and adoption: read with every problem at once, laid over what is stored, shown again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensa.base.errors import Problem, Problems
from extensa.extensions.model import Policies
from extensa.extensions.policies import (
    LONGEST,
    MOST_RULES,
    SHORTEST,
    check,
    duration,
    laid_over,
    read,
    rendered,
    seconds_of,
)
from extensa.extensions.versions import KNOWN, shape_of
from extensa.extensions.versions.reader import read as read_body
from extensa.extensions.versions.renderer import render
from extensa.link.extension import DriftMode, DriftPolicy, FailurePolicy, OnFailure
from unit.extensions.extension_facts import extension

CHOSEN = Policies(
    failure=FailurePolicy(on_failure=OnFailure.STAY, retries=2),
    timeout=90,
    drift=DriftPolicy(mode=DriftMode.CORRECT, ignore=["Deployment/web:/spec/replicas"]),
    adopt=True,
)
SHOWN = {
    "failurePolicy": {"onFailure": "Stay", "retries": 2, "timeout": "PT1M30S"},
    "driftPolicy": {"mode": "Correct", "ignore": ["Deployment/web:/spec/replicas"]},
    "adoption": "Adopt",
}


def over(stored: Policies, **properties: Any) -> Policies:
    problems = Problems()
    found = laid_over(stored, read(properties, problems))
    assert [] == problems.found
    return found


def problems_of(**properties: Any) -> list[Problem]:
    problems = Problems()
    read(properties, problems)
    return problems.found


def test_what_is_the_default_is_not_shown_and_the_rest_is_read_back() -> None:
    assert {} == rendered(Policies())
    assert SHOWN == rendered(CHOSEN)
    assert CHOSEN == over(Policies(), **SHOWN)


@pytest.mark.parametrize("version", KNOWN)
def test_they_are_seen_at_every_api_version(version: str) -> None:
    shown = render(extension(policies=CHOSEN), shape_of(version))["properties"]

    assert SHOWN == {name: shown[name] for name in SHOWN}
    assert CHOSEN == laid_over(Policies(), read_body({"properties": SHOWN}, shape_of(version)).policies)


def test_silence_keeps_and_null_puts_the_default_back() -> None:
    assert CHOSEN == over(CHOSEN)
    assert CHOSEN == over(CHOSEN, failurePolicy={}, driftPolicy={})
    assert Policies() == over(CHOSEN, failurePolicy=None, driftPolicy=None, adoption=None)
    some = over(CHOSEN, failurePolicy={"retries": None, "timeout": None}, driftPolicy={"ignore": []})
    assert (FailurePolicy(on_failure=OnFailure.STAY), None) == (some.failure, some.timeout)
    assert (DriftPolicy(mode=DriftMode.CORRECT), True) == (some.drift, some.adopt)


@pytest.mark.parametrize(("word", "mode"), [("rollback", "rollback"), ("UNINSTALL", "uninstall"), ("Stay", "stay")])
def test_words_are_read_in_any_letters(word: str, mode: str) -> None:
    assert mode == over(Policies(), failurePolicy={"onFailure": word}).failure.on_failure


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = problems_of(
        failurePolicy={"onFailure": "Explode", "retries": -1, "timeout": "10", "retrys": 1},
        driftPolicy={"mode": 5, "ignore": ["spec/replicas", "Deployment:/a/~2", 7, "/fine"]},
        adoption="Maybe",
    )

    assert [
        "properties.failurePolicy.retrys",
        "properties.failurePolicy.onFailure",
        "properties.failurePolicy.retries",
        "properties.failurePolicy.timeout",
        "properties.driftPolicy.mode",
        "properties.driftPolicy.ignore[0]",
        "properties.driftPolicy.ignore[1]",
        "properties.driftPolicy.ignore[2]",
        "properties.adoption",
    ] == [each.target for each in found]
    assert {"InvalidFailurePolicy", "InvalidDriftPolicy", "InvalidAdoption"} == {each.code for each in found}
    assert "'Rollback', 'Uninstall', 'Stay', not 'Explode'" in found[1].message
    assert "from 0 to 10, not '-1'" in found[2].message
    assert "PT10S to PT24H, not '10'" in found[3].message


@pytest.mark.parametrize("value", ["Stay", 1, [], True])
@pytest.mark.parametrize("name", ["failurePolicy", "driftPolicy"])
def test_a_policy_is_an_object(name: str, value: Any) -> None:
    assert [f"properties.{name}"] == [each.target for each in problems_of(**{name: value})]


@pytest.mark.parametrize("retries", [True, 11, 1.5, "2", -1])
def test_retries_are_a_small_whole_number(retries: Any) -> None:
    assert 1 == len(problems_of(failurePolicy={"retries": retries}))


@pytest.mark.parametrize(
    "rule", ["/spec", "Deployment:/spec/replicas", "ClusterRole/system:a:/rules", "/a~1b/*", "/", "Secret/a:"]
)
def test_what_is_a_rule(rule: str) -> None:
    assert [rule] == over(Policies(), driftPolicy={"ignore": [rule, rule]}).drift.ignore


@pytest.mark.parametrize(
    "rule", ["", "spec", "Deployment", ":", "/:x~", "Deployment/a/b:/x", "9x:/a", "/~", "/" + "a" * 600, None]
)
def test_what_is_no_rule(rule: Any) -> None:
    assert ["InvalidDriftPolicy"] == [each.code for each in problems_of(driftPolicy={"ignore": [rule]})]


def test_rules_are_few() -> None:
    assert [] == problems_of(driftPolicy={"ignore": [f"/{n}" for n in range(MOST_RULES)]})
    assert 1 == len(problems_of(driftPolicy={"ignore": [f"/{n}" for n in range(MOST_RULES + 1)]}))


@given(st.integers(int(SHORTEST.total_seconds()), int(LONGEST.total_seconds())))
def test_a_duration_reads_as_it_is_written(seconds: int) -> None:
    assert seconds == seconds_of(duration(seconds))
    assert seconds == over(Policies(), failurePolicy={"timeout": duration(seconds)}).timeout


@pytest.mark.parametrize(("text", "seconds"), [("P1D", 86400), ("PT600S", 600), ("P0DT1M", 60), ("PT0S", 0)])
def test_other_spellings_of_a_duration(text: str, seconds: int) -> None:
    assert seconds == seconds_of(text)


@pytest.mark.parametrize("text", ["", "P", "PT", "10", "10m", "P1M", "P1Y", "-PT1M", "PT1M ", "PT1S1M"])
def test_what_is_no_duration(text: str) -> None:
    assert seconds_of(text) is None


@given(st.dictionaries(st.sampled_from(["failurePolicy", "driftPolicy", "adoption"]), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["onFailure", "retries", "timeout", "mode", "ignore", "x"]), inner, max_size=4),
)))  # fmt: skip
def test_nothing_that_is_sent_is_stumbled_over(properties: dict[str, Any]) -> None:
    problems = Problems()
    wishes = read(properties, problems)

    assert over(laid_over(Policies(), wishes)) == laid_over(Policies(), wishes)
    assert all(each.target and each.target.startswith("properties.") for each in problems.found)


def test_all_efforts_together_end_before_an_operation_must() -> None:
    problems = Problems()
    check(Policies(failure=FailurePolicy(retries=1)), 24 * 3600, problems)
    assert [] == problems.found
    check(Policies(failure=FailurePolicy(retries=2)), 24 * 3600, problems)
    assert "3 efforts of PT24H each" in problems.found[0].message
