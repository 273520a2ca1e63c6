"""Cancel, retry, pause, resume and rollback: what each comes to, and what it is refused with."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from extensa.extensions.commands import (
    Decision,
    decide_cancel,
    decide_pause,
    decide_resume,
    decide_retry,
    decide_rollback,
    read_rollback,
)
from extensa.extensions.decision import Accepted, Denied, Facts, Recalled, Removal, Unchanged
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, Protected, State, UpgradeMode
from extensa.extensions.project import project
from extensa.extensions.rules import decide_delete, decide_patch, decide_put
from extensa.link.extension import Presence
from unit.extensions.extension_facts import HELLO, chart, cluster, extension, facts, running

BACK = Recalled(2, "1.0.0", chart("1.0.0"), "stable", {"old": "1"}, Protected(envelope="e", keys=["k"]))
PAUSED = extension(hold=True, paused=True, generation=3)
CANCELED = extension(hold=True, state=State.CANCELED, generation=3, error={"code": "OperationCanceled"})


def accept(decision: Any) -> Accepted:
    assert isinstance(decision, Accepted), decision
    return decision


def refuse(decision: Any) -> tuple[int, list[str]]:
    assert isinstance(decision, Denied), decision
    assert all(each.next_step for each in decision.problems)
    return decision.status, [each.code for each in decision.problems]


def rollback(to: int | None = 2, **given: Any) -> Decision:
    return decide_rollback(Draft(revision=to), facts(**{"recalled": BACK, "revisions": (3, 2), **given}))


COMMANDS: list[Callable[[Facts], Decision]] = [
    decide_cancel,
    decide_pause,
    decide_resume,
    decide_retry,
    lambda given: decide_rollback(Draft(revision=1), given),
]


@pytest.mark.parametrize("decide", COMMANDS)
def test_nothing_is_done_to_what_is_not_there(decide: Callable[[Facts], Decision]) -> None:
    for given in (facts(), facts(extension(), cluster=None)):
        assert (404, ["ResourceNotFound"]) == refuse(decide(given))


def test_a_cancel_ends_the_operation_and_holds_the_agent() -> None:
    existing, operation = running(State.UPDATING)
    decision = accept(decide_cancel(facts(existing, operation=operation)))

    made = decision.extension
    assert (State.CANCELED, True, False, 2, None) == (
        made.state,
        made.hold,
        made.paused,
        made.generation,
        made.operation,
    )
    assert decision.superseded is not None
    assert ("Canceled", "OperationCanceled") == (
        decision.superseded.status,
        (decision.superseded.error or {}).get("code"),
    )
    assert (None, "", "OperationCanceled") == (decision.operation, decision.reason, (made.error or {})["code"])
    assert ["Canceled"] == [each.code for each in made.statuses]
    assert project(made).desired.hold


def test_a_canceled_removal_is_one_no_more() -> None:
    existing, operation = running(State.DELETING, presence=Presence.ABSENT, delete_crds=True)
    made = accept(decide_cancel(facts(existing, operation=operation))).extension

    assert (Presence.PRESENT, False, State.CANCELED) == (made.presence, made.delete_crds, made.state)


@pytest.mark.parametrize("existing", [extension(), PAUSED, CANCELED])
def test_there_may_be_nothing_to_cancel(existing: Extension) -> None:
    assert (409, ["NothingToCancel"]) == refuse(decide_cancel(facts(existing)))


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELED])
def test_a_pause_begins_nothing_and_keeps_the_state(state: State) -> None:
    existing = extension(state=state)
    decision = accept(decide_pause(facts(existing)))

    made = decision.extension
    assert (state, True, True, 2) == (made.state, made.hold, made.paused, made.generation)
    assert (None, existing.revision) == (decision.operation, made.revision)
    assert Unchanged(made, None) == decide_pause(facts(made))


def test_what_runs_is_not_paused() -> None:
    existing, operation = running(State.CREATING)

    assert (409, ["OperationInProgress"]) == refuse(decide_pause(facts(existing, operation=operation)))


def test_a_paused_one_refuses_all_but_resume_and_delete() -> None:
    given = facts(PAUSED, recalled=BACK, revisions=(2,))
    for decision in (
        decide_put(Draft(), given),
        decide_patch(Draft(settings={"a": "b"}), given),
        decide_retry(given),
        decide_rollback(Draft(revision=2), given),
    ):
        assert (409, ["ExtensionPaused"]) == refuse(decision)
    gone = accept(decide_delete(given, flags=Removal())).extension
    assert (False, False, Presence.ABSENT) == (gone.hold, gone.paused, gone.presence)


def test_a_resume_makes_what_is_wanted_so() -> None:
    decision = accept(decide_resume(facts(PAUSED)))

    made = decision.extension
    assert (False, False, 4, State.UPDATING) == (made.hold, made.paused, made.generation, made.state)
    assert ("Resume", "operation-fresh") == (decision.reason, made.operation)
    assert Unchanged(made, decision.operation) == decide_resume(facts(made, operation=decision.operation))


@pytest.mark.parametrize("existing", [extension(), extension(state=State.FAILED, installed_version=""), CANCELED])
def test_a_retry_is_a_new_effort_for_the_same_wishes(existing: Extension) -> None:
    decision = accept(decide_retry(facts(existing)))

    made = decision.extension
    doing = State.UPDATING if existing.installed_version else State.CREATING
    assert (existing.generation + 1, existing.revision + 1, doing) == (made.generation, made.revision, made.state)
    assert (False, existing.settings, existing.chart, "Retry") == (
        made.hold,
        made.settings,
        made.chart,
        decision.reason,
    )


def test_a_retry_joins_what_runs() -> None:
    existing, operation = running(State.UPDATING)

    assert Unchanged(existing, operation) == decide_retry(facts(existing, operation=operation))


def test_a_retry_of_a_failed_removal_removes() -> None:
    existing = extension(presence=Presence.ABSENT, state=State.FAILED, remove_finalizers=True)
    decision = accept(decide_retry(facts(existing)))

    assert (State.DELETING, Presence.ABSENT, True) == (
        decision.extension.state,
        decision.extension.presence,
        decision.extension.remove_finalizers,
    )
    assert (existing.revision, "") == (decision.extension.revision, decision.reason)


def test_a_write_goes_on_from_what_was_canceled() -> None:
    made = accept(decide_patch(Draft(), facts(CANCELED))).extension

    assert (False, State.UPDATING) == (made.hold, made.state)


def test_a_rollback_wants_an_earlier_configuration_again() -> None:
    existing = extension(revision=3, settings={"new": "1"})
    decision = accept(rollback(existing=existing))

    made = decision.extension
    assert (4, 2, State.UPDATING, "Rollback") == (made.revision, made.generation, made.state, decision.reason)
    assert ("1.0.0", chart("1.0.0"), {"old": "1"}, BACK.protected) == (
        made.version,
        made.chart,
        made.settings,
        made.protected,
    )
    assert (UpgradeMode.NONE, "1.0.0") == (made.mode, made.pinned), "or the next write would follow the train again"
    assert decision.protected is None, "the envelope is as it was"


def test_a_rollback_to_the_same_version_keeps_following_the_train() -> None:
    recalled = Recalled(2, "1.1.0", chart("1.1.0"), "stable", {"old": "1"}, None)
    made = accept(rollback(existing=extension(revision=3), recalled=recalled)).extension

    assert (UpgradeMode.COMPATIBLE, None, None) == (made.mode, made.pinned, made.protected)


def test_a_rollback_supersedes_what_runs() -> None:
    existing, operation = running(State.UPDATING, revision=3)
    decision = accept(rollback(existing=existing, operation=operation))

    assert decision.superseded is not None
    assert "OperationSuperseded" == (decision.superseded.error or {})["code"]


@pytest.mark.parametrize(
    ("kept", "words"), [((9, 5, 7), "5 to 9 are"), ((7,), "7 is"), ((), "none is")], ids=["many", "one", "none"]
)
def test_a_rollback_to_what_is_not_kept_names_what_is(kept: tuple[int, ...], words: str) -> None:
    decision = rollback(existing=extension(revision=9), recalled=None, revisions=kept)

    assert (400, ["RevisionNotKept"]) == refuse(decision)
    assert isinstance(decision, Denied)
    assert f"is not kept; {words}" in decision.problems[0].message


OTHER = replace(HELLO.versions[2], chart=chart("other"))


@pytest.mark.parametrize("withdrawn", [None, replace(HELLO, versions=[]), replace(HELLO, versions=[OTHER])])
def test_a_rollback_to_a_withdrawn_chart_names_it(withdrawn: Any) -> None:
    decision = rollback(existing=extension(revision=3), extension_type=withdrawn)

    assert (400, ["ChartWithdrawn"]) == refuse(decision)
    assert isinstance(decision, Denied)
    assert "sha256:1.0.0" in decision.problems[0].message
    same = Recalled(2, "1.1.0", chart("1.1.0"), "stable", {}, None)
    accept(rollback(existing=extension(revision=3), extension_type=withdrawn, recalled=same))


def test_a_rollback_tells_every_reason_at_once() -> None:
    decision = decide_rollback(
        Draft(revision=1), facts(PAUSED, recalled=None, revisions=(2,), cluster=cluster(provisioning_state="Deleting"))
    )

    assert (400, ["RevisionNotKept", "ExtensionPaused", "ClusterBeingDeleted"]) == refuse(decision)


@pytest.mark.parametrize("body", [None, {}, {"revision": 0}, {"revision": "2"}, {"revision": True}, [2]])
def test_a_rollback_says_where_to(body: Any) -> None:
    draft = read_rollback(body)

    assert (None, ["revision"]) == (draft.revision, [each.target for each in draft.problems])
    assert (400, ["InvalidRequestContent"]) == refuse(decide_rollback(draft, facts(extension())))
    assert 2 == read_rollback({"revision": 2}).revision


def test_a_removal_that_takes_more_along_is_another() -> None:
    existing, operation = running(State.DELETING, presence=Presence.ABSENT, delete_crds=True)
    given = facts(existing, operation=operation)

    assert Unchanged(existing, operation) == decide_delete(given, flags=Removal())
    assert Unchanged(existing, operation) == decide_delete(given, flags=Removal(delete_crds=True))
    made = accept(decide_delete(given, flags=Removal(remove_finalizers=True))).extension
    assert (True, True) == (made.delete_crds, made.remove_finalizers)
    desired = project(made).desired
    assert (True, True) == (desired.delete_crds, desired.remove_finalizers)
