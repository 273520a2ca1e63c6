"""Which Kubernetes version a cluster gets."""

import pytest

from extensa.base.errors import Problems
from extensa.clusters import versions

KNOWN = ["1.36.4", "1.37.0", "1.37.1"]


def resolve(asked: str, present: str = "", known: list[str] | None = None) -> tuple[str, list[str]]:
    problems = Problems()
    found = versions.resolve(
        asked, present=present, known=KNOWN if known is None else known, cluster="c", problems=problems
    )
    return found, [problem.code for problem in problems.found]


@pytest.mark.parametrize(
    ("asked", "present", "expected"),
    [
        ("", "", "1.37.1"),
        ("", "1.36.4", "1.36.4"),
        ("1.36", "", "1.36.4"),
        ("1.37", "", "1.37.1"),
        ("1.37", "1.37.0", "1.37.0"),
        ("1", "", "1.37.1"),
        ("1.37.0", "", "1.37.0"),
        ("v1.37.0", "", "1.37.0"),
        (" 1.37.0 ", "", "1.37.0"),
        ("1.37.1", "1.36.4", "1.37.1"),
        ("1.35.2", "1.35.2", "1.35.2"),
    ],
)
def test_versions_that_are_given(asked: str, present: str, expected: str) -> None:
    assert (expected, []) == resolve(asked, present)


@pytest.mark.parametrize(
    ("asked", "present", "code"),
    [
        ("1.3", "", "K8sVersionNotSupported"),
        ("1.38.0", "", "K8sVersionNotSupported"),
        ("latest", "", "K8sVersionNotSupported"),
        ("1.36", "1.37.0", "OperationNotAllowed"),
        ("1.37.0", "1.37.1", "OperationNotAllowed"),
    ],
)
def test_versions_that_are_refused(asked: str, present: str, code: str) -> None:
    assert [code] == resolve(asked, present)[1]


def test_without_a_word_from_the_host_the_client_is_taken_at_its_word() -> None:
    assert ("1.40.1", []) == resolve("1.40.1", known=[])
    assert ("", []) == resolve("", known=[])
    assert ("1.37.1", []) == resolve("", "1.37.1", known=[])


def test_the_refusal_says_what_there_is() -> None:
    problems = Problems()
    versions.resolve("1.9", present="", known=KNOWN, cluster="c", problems=problems)

    assert "1.36.4, 1.37.0, 1.37.1" in problems.found[0].message
    assert "Leave kubernetesVersion out, or set it to 1.37.1." == problems.found[0].next_step


def test_a_prerelease_is_compared_by_its_numbers() -> None:
    assert ["OperationNotAllowed"] == resolve("1.36.0-rc.1", "1.37.0", known=["1.36.0-rc.1"])[1]
