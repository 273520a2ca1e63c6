"""Which remedy follows a failure: back to what was seen healthy, away with what never was, and nothing unasked."""

from dataclasses import replace
from datetime import timedelta

import pytest

from extensa.helm import remedy
from extensa.helm.plan import Step
from extensa.helm.release import ReleaseStatus, Revision
from extensa.helm.remedy import Due
from extensa.helm.state import Good, Name, State, judge, last_good
from extensa.link.extension import FailurePolicy, OnFailure
from unit.helm.test_helm_state import NOW, S, revision, sighting, wanted

ROLLBACK = FailurePolicy()
UNINSTALL = FailurePolicy(on_failure=OnFailure.UNINSTALL)
STAY = FailurePolicy(on_failure=OnFailure.STAY)
NOTHING_BEFORE = "edition of a record that is no more"


def old(version: int, status: ReleaseStatus) -> Revision:
    """A revision of an earlier generation."""
    return revision(version, status, generation="4", digest="old")


def due(
    *revisions: Revision, policy: FailurePolicy = ROLLBACK, good: Good | None = None, begun: str = NOTHING_BEFORE
) -> Due | None:
    seen = sighting(*revisions)
    return remedy.due(policy, judge(seen, wanted(), NOW, good=good), wanted(), seen, begun=begun)


@pytest.mark.parametrize("newest", [S.FAILED, S.DEPLOYED, S.PENDING_UPGRADE, S.UNINSTALLING])
def test_a_failed_upgrade_goes_back(newest: ReleaseStatus) -> None:
    assert Due(step="rollback", revision=1, digest="old") == due(old(1, S.SUPERSEDED), revision(2, newest))


@pytest.mark.parametrize("newest", [S.FAILED, S.DEPLOYED, S.PENDING_INSTALL, S.UNINSTALLING])
def test_a_failed_install_goes_away(newest: ReleaseStatus) -> None:
    assert Due(step="uninstall") == due(revision(1, newest))


def test_the_last_good_revision_is_the_one_that_was_seen_healthy() -> None:
    history = (old(1, S.SUPERSEDED), old(2, S.SUPERSEDED), revision(3, S.DEPLOYED))

    assert 1 == last_good(history, wanted(), Good(1, "act-1"))
    assert 2 == last_good(history, wanted(), None)
    assert 2 == last_good(history, wanted(), Good(1, "another act"))
    assert 0 == last_good(history, wanted(), Good(0))


def test_tries_of_the_same_generation_are_no_good_revision_while_there_is_another() -> None:
    assert 1 == last_good((old(1, S.SUPERSEDED), revision(2, S.SUPERSEDED), revision(3, S.FAILED)), wanted(), None)
    assert 2 == last_good((revision(2, S.SUPERSEDED), revision(3, S.FAILED)), wanted(), None)


def test_what_was_never_seen_healthy_since_it_was_begun_anew_goes_away() -> None:
    assert Due(step="uninstall") == due(old(1, S.SUPERSEDED), revision(2, S.FAILED), good=Good(0))


def test_what_was_good_once_and_is_kept_no_more_stays() -> None:
    assert due(revision(5, S.FAILED), revision(6, S.FAILED), good=Good(3, "act-3")) is None


def test_what_was_not_touched_needs_nothing() -> None:
    seen = sighting(old(1, S.SUPERSEDED), revision(2, S.FAILED))

    assert due(*seen.revisions, begun=remedy.edition(seen)) is None
    assert "" == remedy.edition(None)


def test_what_was_seen_healthy_and_is_the_newest_needs_nothing() -> None:
    assert due(old(1, S.SUPERSEDED), revision(2, S.DEPLOYED), good=Good(2, "act-2")) is None


def test_the_policy_is_followed() -> None:
    history = (old(1, S.SUPERSEDED), revision(2, S.FAILED))

    assert due(*history, policy=STAY) is None
    assert Due(step="uninstall") == due(*history, policy=UNINSTALL)


@pytest.mark.parametrize(
    "name",
    [Name.ABSENT, Name.UNMANAGED, Name.NEWER, Name.TERMINATING, Name.UNREACHABLE, Name.CORRUPT, Name.LOCKED_ELSEWHERE],
)
def test_where_there_is_nothing_of_ours_to_put_right_nothing_is_done(name: Name) -> None:
    seen = sighting(old(1, S.SUPERSEDED), revision(2, S.FAILED))

    assert remedy.due(UNINSTALL, State(name, deployed=1), wanted(), seen, begun=NOTHING_BEFORE) is None


def test_what_should_be_absent_has_no_remedy() -> None:
    seen = sighting(revision(1, S.FAILED))
    gone = wanted(present=False)

    assert remedy.due(UNINSTALL, judge(seen, gone, NOW), gone, seen, begun=NOTHING_BEFORE) is None


def test_what_was_adopted_is_uninstalled_only_on_request() -> None:
    adopting = replace(wanted(), adopt=True)
    seen = sighting(revision(1, S.FAILED))
    state = judge(seen, adopting, NOW)

    assert remedy.due(ROLLBACK, state, adopting, seen, begun=NOTHING_BEFORE) is None
    assert Due(step="uninstall") == remedy.due(UNINSTALL, state, adopting, seen, begun=NOTHING_BEFORE)


def test_the_goal_of_a_remedy() -> None:
    back = remedy.goal(Due(step="rollback", revision=3, digest="old"), wanted())
    away = remedy.goal(Due(step="uninstall"), wanted())

    assert (3, "old", True) == (back.back, back.digest, back.present)
    assert (0, False) == (away.back, away.present)


def test_a_release_that_went_back_is_judged_by_where_it_went() -> None:
    back = remedy.goal(Due(step=Step.ROLLBACK, revision=1, digest="old"), wanted())
    returned = revision(3, S.DEPLOYED, generation="4", digest="old", act="act-1")
    history = (old(1, S.SUPERSEDED), revision(2, S.FAILED), returned)
    by_us = sighting(*history, description="extensa act x: back to revision 1")
    by_hand = sighting(*history, description="Rollback to 1")

    assert Name.IN_SYNC is judge(by_us, back, NOW).name
    assert Name.OUT_OF_SYNC is judge(by_us, wanted(), NOW).name
    assert Name.OUT_OF_SYNC is judge(by_hand, back, NOW).name
    assert Name.FAILED_UPGRADE is judge(sighting(*history[:2]), back, NOW).name


def test_a_release_that_went_back_to_what_was_somebody_elses_is_there_and_not_ours() -> None:
    back = remedy.goal(Due(step=Step.ROLLBACK, revision=1), wanted())
    theirs = Revision("s1", 1, S.SUPERSEDED, {})
    seen = sighting(theirs, revision(2, S.FAILED), Revision("s3", 3, S.DEPLOYED, {}), description="extensa act x")

    assert Name.IN_SYNC is judge(seen, back, NOW).name
    assert Name.UNMANAGED is judge(seen, wanted(), NOW).name


@pytest.mark.parametrize(("timeout", "minutes"), [(10, 1), (300, 5), (86400, 10)])
def test_a_remedy_has_its_own_time(timeout: int, minutes: int) -> None:
    assert timedelta(minutes=minutes) == remedy.patience(timeout)


def test_a_remedy_says_what_it_is() -> None:
    assert "rollback to revision 2" == str(Due(step="rollback", revision=2))
    assert "uninstall" == str(Due(step="uninstall"))


def test_the_next_try_is_due_in_its_time_and_at_once_when_the_clock_was_set_back() -> None:
    again = NOW + timedelta(seconds=remedy.LONGEST_PAUSE)

    assert not remedy.is_due(again, NOW)
    assert remedy.is_due(again, again)
    assert remedy.is_due(again, NOW - timedelta(hours=5))
