"""Every sighting has exactly one name, and the name follows from Helm's record and the live objects alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from extensa.helm.causes import finding
from extensa.helm.health import CURRENT, Health, Level
from extensa.helm.readiness import Seen
from extensa.helm.release import (
    ACT_MARK,
    LABEL_ACT,
    LABEL_DIGEST,
    LABEL_GENERATION,
    LABEL_OWNER,
    LABEL_UID,
    Inventory,
    ObjectRef,
    Release,
    ReleaseStatus,
    Revision,
)
from extensa.helm.state import LOCK_PATIENCE, Name, Namespace, Sighting, Wanted, judge
from extensa.link.extension import Drift

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LONG_AGO = NOW - LOCK_PATIENCE
S = ReleaseStatus
WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")


def wanted(*, present: bool = True, generation: int = 5) -> Wanted:
    return Wanted("r", "ns", "uid", "owner", generation, "digest", present)


def revision(version: int, status: ReleaseStatus, **labels: str) -> Revision:
    ours = {
        LABEL_UID: "uid",
        LABEL_OWNER: "owner",
        LABEL_GENERATION: "5",
        LABEL_DIGEST: "digest",
        LABEL_ACT: f"act-{version}",
    }
    named = {
        "uid": LABEL_UID,
        "owner": LABEL_OWNER,
        "generation": LABEL_GENERATION,
        "digest": LABEL_DIGEST,
        "act": LABEL_ACT,
    }
    ours |= {named[key]: value for key, value in labels.items()}
    return Revision(f"sh.helm.release.v1.r.v{version}", version, status, ours)


def release(status: ReleaseStatus, *, description: str = "", when: datetime = NOW, hooks: bool = False) -> Release:
    return Release("r", "ns", 1, status, description, "c", "1.0.0", when, hooks, Inventory())


def sighting(*revisions: Revision, objects: tuple[Seen, ...] = (), **record: object) -> Sighting:
    made = release(revisions[-1].status, **record) if revisions else None  # type: ignore[arg-type]
    return Sighting(Namespace.ACTIVE, revisions, made, objects=objects)


def name(seen: Sighting, *, present: bool = True) -> Name:
    return judge(seen, wanted(present=present), NOW).name


def test_nothing_is_absent() -> None:
    assert Name.ABSENT is name(Sighting())
    assert Name.ABSENT is name(Sighting(), present=False)


def test_objects_without_a_record_are_leftovers_of_what_should_be_absent() -> None:
    left = (Seen(WEB, Health(Level.IN_PROGRESS, "its deletion")),)

    assert Name.LEFTOVERS is name(Sighting(leftovers=left), present=False)
    assert Name.ABSENT is name(Sighting(leftovers=left))


def test_an_api_that_does_not_answer_is_a_state() -> None:
    assert Name.UNREACHABLE is name(Sighting(unreachable=finding("ApiServerUnreachable")))


def test_a_namespace_that_goes_stops_an_install_but_no_uninstall() -> None:
    going = Sighting(Namespace.TERMINATING)
    with_release = Sighting(Namespace.TERMINATING, (revision(1, S.DEPLOYED),), release(S.DEPLOYED))

    assert Name.TERMINATING is name(going)
    assert Name.TERMINATING is name(with_release)
    assert Name.ABSENT is name(going, present=False)
    assert Name.IN_SYNC is name(with_release, present=False)


def test_a_release_without_our_label_is_not_ours() -> None:
    bare = Revision("s", 1, S.DEPLOYED, {})

    assert Name.UNMANAGED is name(sighting(bare))
    assert "somebody else (chart c 1.0.0, revision 1)" == judge(sighting(bare), wanted(), NOW).detail
    assert Name.UNMANAGED is name(sighting(revision(1, S.DEPLOYED, uid="other", owner="other")))


def test_a_release_of_an_earlier_incarnation_is_taken_over() -> None:
    assert Name.OUT_OF_SYNC is name(sighting(revision(1, S.DEPLOYED, uid="before", digest="old")))


def test_a_release_for_a_later_generation_is_left_to_it() -> None:
    assert Name.NEWER is name(sighting(revision(1, S.DEPLOYED, generation="6")))


def test_a_record_that_cannot_be_read_is_corrupt() -> None:
    seen = Sighting(Namespace.ACTIVE, (revision(1, S.DEPLOYED),), None, corrupt="no gzip")

    assert Name.CORRUPT is name(seen)
    assert "sh.helm.release.v1.r.v1: no gzip" in judge(seen, wanted(), NOW).detail


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (CURRENT, Name.IN_SYNC),
        (Health(Level.IN_PROGRESS), Name.PROGRESSING),
        (Health(Level.NOT_FOUND), Name.DRIFTED),
        (Health(Level.UNKNOWN), Name.PROGRESSING),
        (Health(Level.FAILED), Name.UNHEALTHY),
    ],
)
def test_what_is_deployed_as_wanted_is_as_well_as_its_objects(health: Health, expected: Name) -> None:
    objects = (Seen(WEB, CURRENT), Seen(WEB, health))

    assert expected is name(sighting(revision(1, S.DEPLOYED), objects=objects))


def test_the_generation_alone_makes_no_difference() -> None:
    assert Name.IN_SYNC is name(sighting(revision(1, S.DEPLOYED, generation="2")))


def test_other_content_is_out_of_sync_whatever_its_objects_say() -> None:
    assert Name.OUT_OF_SYNC is name(sighting(revision(1, S.DEPLOYED, digest="other")))


def test_a_revision_made_by_hand_is_out_of_sync_though_it_inherits_our_labels() -> None:
    assert Name.OUT_OF_SYNC is name(sighting(revision(1, S.SUPERSEDED), revision(2, S.DEPLOYED, act="act-1")))


def test_a_rollback_of_ours_to_the_wanted_content_is_in_sync() -> None:
    back = revision(3, S.DEPLOYED, act="act-1")
    seen = sighting(revision(1, S.SUPERSEDED), revision(2, S.FAILED), back, description=f"{ACT_MARK}x: back to 1")

    assert Name.IN_SYNC is name(seen)


@pytest.mark.parametrize("status", [S.PENDING_INSTALL, S.PENDING_UPGRADE])
def test_a_lock_of_ours_is_dead_since_none_of_our_acts_runs_while_we_look(status: ReleaseStatus) -> None:
    assert Name.LOCKED is name(sighting(revision(1, status)))


def test_a_lock_made_by_hand_is_respected_for_a_while() -> None:
    first, by_hand = revision(1, S.DEPLOYED), revision(2, S.PENDING_UPGRADE, act="act-1")
    fresh = judge(sighting(first, by_hand), wanted(), NOW)

    assert (Name.LOCKED_ELSEWHERE, NOW + LOCK_PATIENCE) == (fresh.name, fresh.lasts_until)
    assert Name.LOCKED is name(sighting(first, by_hand, when=LONG_AGO))


def test_a_lock_without_a_time_is_dead() -> None:
    first, by_hand = revision(1, S.DEPLOYED), revision(2, S.PENDING_UPGRADE, act="act-1")

    assert Name.LOCKED is name(sighting(first, by_hand, when=None))


def test_a_rollback_of_ours_that_was_cut_short_is_told_by_its_description() -> None:
    first, back = revision(1, S.DEPLOYED), revision(3, S.PENDING_ROLLBACK, act="act-1")

    assert Name.LOCKED is name(sighting(first, back, description=f"{ACT_MARK}x"))
    assert Name.LOCKED_ELSEWHERE is name(sighting(first, back, description="Rollback to 1"))


def test_a_lock_knows_the_revision_to_go_back_to() -> None:
    seen = sighting(revision(1, S.SUPERSEDED), revision(2, S.DEPLOYED), revision(3, S.PENDING_UPGRADE))

    assert 2 == judge(seen, wanted(), NOW).deployed
    assert 1 == judge(sighting(revision(1, S.SUPERSEDED), revision(3, S.PENDING_UPGRADE)), wanted(), NOW).deployed
    assert 0 == judge(sighting(revision(1, S.FAILED), revision(2, S.PENDING_UPGRADE)), wanted(), NOW).deployed


def test_a_failure_is_an_install_until_something_was_good() -> None:
    assert Name.FAILED_INSTALL is name(sighting(revision(1, S.FAILED)))
    assert Name.FAILED_UPGRADE is name(sighting(revision(1, S.DEPLOYED), revision(2, S.FAILED)))


@pytest.mark.parametrize(
    ("labels", "here"),
    [({}, True), ({"generation": "4"}, False), ({"digest": "other"}, False), ({"uid": "before"}, True)],
)
def test_a_failure_belongs_to_one_generation(labels: dict[str, str], *, here: bool) -> None:
    assert here is judge(sighting(revision(1, S.FAILED, **labels)), wanted(), NOW).here


@pytest.mark.parametrize(
    ("status", "expected"), [(S.UNINSTALLING, Name.FAILED_UNINSTALL), (S.UNINSTALLED, Name.UNINSTALLED)]
)
def test_a_removal_that_did_not_end_has_a_name(status: ReleaseStatus, expected: Name) -> None:
    assert expected is name(sighting(revision(1, status)))


def test_an_uninstall_that_took_something_away_is_half_done() -> None:
    parts = (Seen(WEB, CURRENT), Seen(WEB, Health(Level.NOT_FOUND)))

    assert Name.HALF_UNINSTALLED is name(sighting(revision(1, S.UNINSTALLING), objects=parts))
    assert Name.FAILED_UNINSTALL is name(sighting(revision(1, S.UNINSTALLING), objects=parts[:1]))


@pytest.mark.parametrize("description", ['Rollback "r" failed: no', f"{ACT_MARK}x: back to revision 1"])
def test_a_rollback_that_failed_has_a_name_of_its_own(description: str) -> None:
    seen = sighting(revision(1, S.SUPERSEDED), revision(2, S.FAILED, act="act-1"), description=description)

    assert Name.FAILED_ROLLBACK is name(seen)


def test_a_release_whose_objects_were_changed_has_drifted() -> None:
    drift = Drift(kind="ConfigMap", name="c", namespace="ns", path="/data/a", wanted='"1"', found='"2"')
    seen = replace(sighting(revision(1, S.DEPLOYED)), drift=(drift,))

    assert Name.DRIFTED is name(seen)
    assert Name.OUT_OF_SYNC is name(replace(seen, revisions=(revision(1, S.DEPLOYED, digest="other"),)))


def test_what_comes_before_a_record_that_was_lost_is_out_of_sync() -> None:
    assert Name.OUT_OF_SYNC is name(sighting(revision(1, S.SUPERSEDED)))


def test_a_status_nobody_knows_is_as_good_as_no_record() -> None:
    assert Name.CORRUPT is name(sighting(revision(1, S.UNKNOWN)))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(S.DEPLOYED, Name.UNMANAGED), (S.FAILED, Name.FAILED_INSTALL), (S.UNINSTALLING, Name.FAILED_UNINSTALL)],
)
def test_a_release_of_somebody_elses_may_be_adopted_in_any_state(status: ReleaseStatus, expected: Name) -> None:
    seen = sighting(Revision("s", 1, status, {}))
    adopting, going = replace(wanted(), adopt=True), replace(wanted(present=False), adopt=True)

    assert expected is judge(seen, adopting, NOW).name
    assert (status is S.DEPLOYED) is judge(seen, adopting, NOW).adoptable
    assert Name.UNMANAGED is judge(seen, going, NOW).name


def test_another_extensions_release_is_never_adopted() -> None:
    seen = sighting(revision(1, S.DEPLOYED, uid="other", owner="other"))
    state = judge(seen, replace(wanted(), adopt=True), NOW)

    assert (Name.UNMANAGED, False) == (state.name, state.adoptable)
    assert state.detail.startswith("another extension")


def test_patience_is_longer_than_helms_own() -> None:
    assert timedelta(minutes=5) < LOCK_PATIENCE
