"""The table of states: each has one next act, present or absent, fresh or after a failure; none is without an exit."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensa.helm.causes import Finding, finding
from extensa.helm.health import Health, Level
from extensa.helm.plan import FAILED_FOR, MOST_ACTS, Effort, Step, next_act
from extensa.helm.readiness import Seen
from extensa.helm.release import ObjectRef
from extensa.helm.state import Name, State, Wanted

NOW = datetime(2026, 11, 25, tzinfo=UTC)
EFFORT = Effort(NOW, NOW + timedelta(seconds=600))
LATE = NOW + timedelta(seconds=600)
ONCE = Finding("HelmFailed", "it broke", step="install")
PASSING = Finding("ApiServerUnreachable", "no answer", transient=True)
WAITING = Seen(ObjectRef("apps/v1", "Deployment", "ns", "web"), Health(Level.IN_PROGRESS, "1 of 2 replicas"))
BROKEN = Seen(ObjectRef("batch/v1", "Job", "ns", "j"), Health(Level.FAILED, "too often", "JobFailed"))


def wanted(*, present: bool = True) -> Wanted:
    return Wanted("r", "ns", "uid", "owner", 1, "digest", present)


def state(name: Name, **facts: object) -> State:
    objects = {Name.UNHEALTHY: (BROKEN,), Name.PROGRESSING: (WAITING,), Name.LEFTOVERS: (WAITING,)}.get(name, ())
    return replace(State(name, objects=objects), **facts)  # type: ignore[arg-type]


def step(name: Name, *, present: bool = True, effort: Effort = EFFORT, now: datetime = NOW, **facts: object) -> Step:
    return next_act(state(name, **facts), wanted(present=present), effort, now).step


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        (Name.ABSENT, Step.INSTALL, Step.DONE),
        (Name.UNMANAGED, Step.GIVE_UP, Step.DONE),
        (Name.IN_SYNC, Step.DONE, Step.UNINSTALL),
        (Name.OUT_OF_SYNC, Step.UPGRADE, Step.UNINSTALL),
        (Name.PROGRESSING, Step.WAIT, Step.UNINSTALL),
        (Name.UNHEALTHY, Step.WAIT, Step.UNINSTALL),
        (Name.FAILED_INSTALL, Step.UPGRADE, Step.UNINSTALL),
        (Name.FAILED_UPGRADE, Step.UPGRADE, Step.UNINSTALL),
        (Name.FAILED_ROLLBACK, Step.UPGRADE, Step.UNINSTALL),
        (Name.FAILED_UNINSTALL, Step.UNINSTALL, Step.UNINSTALL),
        (Name.HALF_UNINSTALLED, Step.UNINSTALL, Step.UNINSTALL),
        (Name.DRIFTED, Step.UPGRADE, Step.UNINSTALL),
        (Name.LOCKED, Step.UNINSTALL, Step.UNINSTALL),
        (Name.LOCKED_ELSEWHERE, Step.WAIT, Step.WAIT),
        (Name.UNINSTALLED, Step.UNINSTALL, Step.UNINSTALL),
        (Name.LEFTOVERS, Step.INSTALL, Step.CLEAN),
        (Name.CORRUPT, Step.SET_ASIDE, Step.SET_ASIDE),
        (Name.NEWER, Step.WAIT, Step.WAIT),
        (Name.TERMINATING, Step.WAIT, Step.UNINSTALL),
        (Name.UNREACHABLE, Step.WAIT, Step.WAIT),
    ],
)
def test_every_state_has_one_next_act(name: Name, present: Step, absent: Step) -> None:
    assert (present, absent) == (step(name), step(name, present=False))


def test_the_table_leaves_no_state_out() -> None:
    for name, present in product(Name, (True, False)):
        assert step(name, present=present) in Step


@pytest.mark.parametrize("name", sorted(Name))
@pytest.mark.parametrize("present", [True, False])
def test_no_state_waits_beyond_the_deadline(name: Name, *, present: bool) -> None:
    act = next_act(state(name), wanted(present=present), EFFORT, LATE)

    assert Step.WAIT is not act.step


@given(
    name=st.sampled_from(sorted(Name)),
    present=st.booleans(),
    failures=st.lists(st.sampled_from([None, ONCE, PASSING]), max_size=12),
    steps=st.lists(
        st.sampled_from([Step.INSTALL, Step.UPGRADE, Step.ROLLBACK, Step.UNINSTALL]), min_size=12, max_size=12
    ),
    seconds=st.integers(0, 1200),
    facts=st.fixed_dictionaries(
        {"deployed": st.integers(0, 3), "here": st.booleans(), "install_hooks": st.booleans(), "finding": st.none()}
    ),
)
def test_whatever_happened_the_next_act_is_whole(
    *,
    name: Name,
    present: bool,
    failures: list[Finding | None],
    steps: list[Step],
    seconds: int,
    facts: dict[str, object],
) -> None:
    now = NOW + timedelta(seconds=seconds)
    effort = EFFORT
    for done, failure in zip(steps, failures, strict=False):
        effort = effort.after(done, now, failure)
    act = next_act(state(name, **facts), wanted(present=present), effort, now)

    assert (act.step is Step.GIVE_UP) == (act.failure is not None)
    assert (act.step is Step.WAIT) == (act.until is not None)
    assert (act.step is Step.ROLLBACK) == (act.revision > 0)
    assert act.reason
    if act.until is not None:
        assert act.until > now


def test_a_dead_lock_goes_back_to_the_last_good_revision() -> None:
    act = next_act(state(Name.LOCKED, deployed=4), wanted(), EFFORT, NOW)

    assert (Step.ROLLBACK, 4) == (act.step, act.revision)


def test_a_failed_install_with_install_hooks_begins_from_nothing() -> None:
    assert Step.UNINSTALL is step(Name.FAILED_INSTALL, install_hooks=True)
    assert Step.UPGRADE is step(Name.FAILED_UPGRADE, install_hooks=True)


@pytest.mark.parametrize(
    ("name", "tried"),
    [
        (Name.ABSENT, Step.INSTALL),
        (Name.OUT_OF_SYNC, Step.UPGRADE),
        (Name.FAILED_UPGRADE, Step.UPGRADE),
        (Name.FAILED_INSTALL, Step.INSTALL),
        (Name.LOCKED, Step.UNINSTALL),
    ],
)
def test_what_failed_for_good_is_given_up_with_its_cause(name: Name, tried: Step) -> None:
    act = next_act(state(name), wanted(), EFFORT.after(tried, NOW, ONCE), NOW)

    assert (Step.GIVE_UP, ONCE) == (act.step, act.failure)


@pytest.mark.parametrize(("name", "tried"), [(Name.ABSENT, Step.INSTALL), (Name.FAILED_UPGRADE, Step.UPGRADE)])
def test_what_failed_for_the_moment_is_tried_again_after_a_pause(name: Name, tried: Step) -> None:
    effort = EFFORT.after(tried, NOW, PASSING)
    paused = next_act(state(name), wanted(), effort, NOW)
    again = next_act(state(name), wanted(), effort, NOW + timedelta(seconds=1))

    assert (Step.WAIT, NOW + timedelta(seconds=1)) == (paused.step, paused.until)
    assert again.step in (Step.INSTALL, Step.UPGRADE)


def test_pauses_grow_and_are_bounded() -> None:
    effort, pauses = EFFORT, []
    for _ in range(8):
        effort = effort.after(Step.INSTALL, NOW, PASSING)
        until = next_act(state(Name.ABSENT), wanted(), effort, NOW).until
        assert until is not None
        pauses.append((until - NOW).total_seconds())

    assert [1, 2, 4, 8, 16, 30, 30, 30] == pauses


def test_a_failure_at_a_cluster_that_was_away_is_put_down_to_that() -> None:
    failed = EFFORT.after(Step.UPGRADE, NOW, ONCE)
    excused = failed.excused(PASSING)
    found = excused.done[-1].failure

    assert found is not None
    assert ("ApiServerUnreachable", "upgrade", True) == (found.code, found.step, found.transient)
    assert EFFORT == EFFORT.excused(PASSING)
    assert excused == excused.excused(ONCE)


def test_a_denial_is_believed_after_some_tries() -> None:
    denied = Finding("Forbidden", "no", transient=True)
    effort = EFFORT
    for _ in range(4):
        effort = effort.after(Step.INSTALL, NOW, denied)
    assert Step.WAIT is step(Name.ABSENT, effort=effort)

    assert Step.GIVE_UP is step(Name.ABSENT, effort=effort.after(Step.INSTALL, NOW, denied))


def test_a_passing_failure_is_the_outcome_once_time_is_up() -> None:
    effort = EFFORT.after(Step.INSTALL, NOW, PASSING)

    assert PASSING == next_act(state(Name.ABSENT), wanted(), effort, LATE).failure


def test_a_failure_recorded_for_this_very_generation_is_not_tried_again_after_a_restart() -> None:
    recorded = next_act(state(Name.FAILED_UPGRADE, here=True, finding=ONCE), wanted(), EFFORT, NOW)
    unknown = next_act(state(Name.FAILED_UPGRADE, here=True, detail="as Helm says"), wanted(), EFFORT, NOW)

    assert ONCE == recorded.failure
    assert unknown.failure is not None
    assert "as Helm says" == unknown.failure.message


def test_a_failure_that_may_have_passed_is_tried_again_after_a_restart() -> None:
    seen = state(Name.FAILED_UPGRADE, here=True, finding=PASSING)

    assert Step.UPGRADE is next_act(seen, wanted(), EFFORT, NOW + timedelta(seconds=5)).step


def test_a_rollback_that_failed_is_followed_by_the_upgrade_it_was_for() -> None:
    assert Step.UPGRADE is step(Name.FAILED_UPGRADE, effort=EFFORT.after(Step.ROLLBACK, NOW, ONCE))


def test_a_failed_object_counts_once_its_controller_had_a_moment() -> None:
    effort = EFFORT.after(Step.UPGRADE, NOW)

    assert Step.WAIT is step(Name.UNHEALTHY, effort=effort, now=NOW + timedelta(seconds=4))
    assert Step.GIVE_UP is step(Name.UNHEALTHY, effort=effort, now=NOW + timedelta(seconds=5))


def test_what_never_gets_ready_says_what_it_waited_for() -> None:
    act = next_act(state(Name.PROGRESSING), wanted(), EFFORT, LATE)

    assert act.failure is not None
    assert ("NotReadyInTime", "Deployment ns/web") == (act.failure.code, act.failure.target)
    assert "Deployment web waits for 1 of 2 replicas." == act.failure.message


def test_what_stays_behind_is_named() -> None:
    held = Seen(WAITING.ref, Health(Level.IN_PROGRESS, "x", "FinalizerStuck"))
    act = next_act(state(Name.LEFTOVERS, objects=(held,)), wanted(present=False), EFFORT, LATE)

    assert act.failure is not None
    assert ("FinalizerStuck", "uninstall") == (act.failure.code, act.failure.step)
    assert "Deployment ns/web" in act.failure.message


def test_acts_that_lead_nowhere_come_to_an_end() -> None:
    effort = EFFORT
    for _ in range(MOST_ACTS):
        effort = effort.after(Step.UPGRADE, NOW)

    act = next_act(state(Name.OUT_OF_SYNC), wanted(), effort, NOW)

    assert act.failure is not None
    assert "GaveUp" == act.failure.code
    assert Step.DONE is step(Name.IN_SYNC, effort=effort)


def test_a_refusal_by_the_cluster_is_no_silence() -> None:
    assert Step.GIVE_UP is step(Name.UNREACHABLE, finding=finding("Forbidden"))
    assert Step.WAIT is step(Name.UNREACHABLE, finding=PASSING)


def test_an_unreachable_cluster_is_asked_less_and_less_often() -> None:
    def pause(seconds: int) -> float:
        now = NOW + timedelta(seconds=seconds)
        until = next_act(state(Name.UNREACHABLE), wanted(), EFFORT, now).until
        assert until is not None
        return (until - now).total_seconds()

    assert [1.0, 5.0, 30.0] == [pause(0), pause(20), pause(300)]


def back_to(revision: int = 3) -> Wanted:
    return replace(wanted(), back=revision)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (Name.ABSENT, Step.GIVE_UP),
        (Name.UNMANAGED, Step.GIVE_UP),
        (Name.IN_SYNC, Step.DONE),
        (Name.OUT_OF_SYNC, Step.ROLLBACK),
        (Name.DRIFTED, Step.WAIT),
        (Name.PROGRESSING, Step.WAIT),
        (Name.UNHEALTHY, Step.WAIT),
        (Name.FAILED_INSTALL, Step.ROLLBACK),
        (Name.FAILED_UPGRADE, Step.ROLLBACK),
        (Name.FAILED_ROLLBACK, Step.ROLLBACK),
        (Name.FAILED_UNINSTALL, Step.ROLLBACK),
        (Name.HALF_UNINSTALLED, Step.ROLLBACK),
        (Name.UNINSTALLED, Step.ROLLBACK),
        (Name.LOCKED, Step.ROLLBACK),
        (Name.LOCKED_ELSEWHERE, Step.WAIT),
        (Name.LEFTOVERS, Step.GIVE_UP),
        (Name.CORRUPT, Step.SET_ASIDE),
        (Name.NEWER, Step.GIVE_UP),
        (Name.TERMINATING, Step.GIVE_UP),
        (Name.UNREACHABLE, Step.WAIT),
    ],
)
def test_every_state_has_one_next_act_on_the_way_back(name: Name, expected: Step) -> None:
    act = next_act(state(name), back_to(), EFFORT, NOW)

    assert expected is act.step
    assert (3 if expected is Step.ROLLBACK else 0) == act.revision


def test_a_rollback_that_fails_for_good_is_not_repeated() -> None:
    failed = EFFORT.after(Step.ROLLBACK, NOW, ONCE)

    assert Step.GIVE_UP is next_act(state(Name.FAILED_ROLLBACK), back_to(), failed, NOW).step


MISSING = Seen(WAITING.ref, Health(Level.NOT_FOUND, "it to exist", "ObjectMissing"))
WELL = Seen(WAITING.ref, Health(Level.CURRENT))


def test_what_is_missing_is_applied_again_three_times_with_growing_pauses() -> None:
    seen, effort, now, pauses = state(Name.DRIFTED, objects=(MISSING,)), EFFORT, NOW, []
    while (act := next_act(seen, wanted(), effort, now)).step is Step.UPGRADE:
        assert act.force
        effort = effort.after(Step.UPGRADE, now)
        waiting = next_act(seen, wanted(), effort, now)
        assert waiting.until is not None
        pauses.append((waiting.until - now).total_seconds())
        now = waiting.until

    assert ([1, 2, 4], Step.GIVE_UP) == (pauses[:3], act.step)
    assert act.failure is not None
    assert "ObjectMissing" == act.failure.code


@pytest.mark.parametrize(("seen", "expected"), [(WELL, Step.DONE), (WAITING, Step.WAIT), (BROKEN, Step.WAIT)])
def test_fields_that_were_changed_are_set_once(seen: Seen, expected: Step) -> None:
    drifted = state(Name.DRIFTED, objects=(seen,))

    assert Step.UPGRADE is next_act(drifted, wanted(), EFFORT, NOW).step
    assert expected is next_act(drifted, wanted(), EFFORT.after(Step.UPGRADE, NOW), NOW).step


@pytest.mark.parametrize("code", ["HookFailed", "HookTimedOut", "JobFailed"])
def test_a_hook_in_the_way_of_an_uninstall_is_left_out_when_there_is_no_other_way(code: str) -> None:
    failed = EFFORT.after(Step.UNINSTALL, NOW, finding(code))
    stuck = state(Name.FAILED_UNINSTALL)
    going = wanted(present=False)

    assert next_act(stuck, wanted(), failed, NOW).skip_hooks
    assert next_act(stuck, replace(going, remove_finalizers=True), failed, NOW).skip_hooks
    assert Step.GIVE_UP is next_act(stuck, going, failed, NOW).step


def test_what_is_left_is_deleted_by_name_and_what_is_held_is_waited_for() -> None:
    left = Seen(WAITING.ref, Health(Level.IN_PROGRESS, "its deletion", "ObjectsRemain"))
    held = Seen(BROKEN.ref, Health(Level.IN_PROGRESS, "a finalizer", "FinalizerStuck"))
    both, going = state(Name.LEFTOVERS, objects=(left, held)), wanted(present=False)
    act = next_act(both, going, EFFORT, NOW)
    again = next_act(both, going, EFFORT.after(Step.CLEAN, NOW), NOW)

    assert (Step.CLEAN, (left.ref,)) == (act.step, act.objects)
    assert (Step.WAIT, NOW + timedelta(seconds=1)) == (again.step, again.until)
    assert Step.WAIT is next_act(state(Name.LEFTOVERS, objects=(held,)), going, EFFORT, NOW).step


def test_finalizers_are_taken_off_after_a_moment_when_that_was_asked_for() -> None:
    held = Seen(BROKEN.ref, Health(Level.IN_PROGRESS, "a finalizer", "FinalizerStuck"))
    seen, going = state(Name.LEFTOVERS, objects=(held,)), replace(wanted(present=False), remove_finalizers=True)
    early = next_act(seen, going, EFFORT, NOW)
    late = next_act(seen, going, EFFORT, NOW + FAILED_FOR)

    assert (Step.WAIT, NOW + FAILED_FOR) == (early.step, early.until)
    assert (Step.CLEAN, (held.ref,)) == (late.step, late.objects)


def test_a_release_of_somebody_elses_is_taken_over_only_if_it_may_be() -> None:
    theirs = state(Name.UNMANAGED, detail="somebody else (chart c 1, revision 1)")
    act = next_act(replace(theirs, adoptable=True), wanted(), EFFORT, NOW)
    refused = next_act(theirs, wanted(), EFFORT, NOW).failure

    assert (Step.UPGRADE, True) == (act.step, act.force)
    assert refused is not None
    assert "it belongs to somebody else (chart c 1, revision 1)." in refused.message


def test_what_holds_somebody_elses_objects_is_set_aside_and_never_uninstalled() -> None:
    adopting = replace(wanted(), adopt=True)

    assert Step.SET_ASIDE is next_act(state(Name.LOCKED), adopting, EFFORT, NOW).step
    assert Step.UPGRADE is next_act(state(Name.FAILED_INSTALL, install_hooks=True), adopting, EFFORT, NOW).step


def test_a_record_that_cannot_be_set_aside_is_given_up_with_the_reason() -> None:
    failed = EFFORT.after(Step.SET_ASIDE, NOW, finding("ObjectInvalid"))
    act = next_act(state(Name.CORRUPT), wanted(), failed, NOW)

    assert act.failure is not None
    assert "ObjectInvalid" == act.failure.code
