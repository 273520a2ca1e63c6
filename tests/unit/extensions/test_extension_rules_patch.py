"""PATCH and DELETE: what merges, what releases a pin, what is joined, what goes at once."""

import pytest

from extensa.extensions.decision import Absent, Accepted, Denied, Removal, Removed, Unchanged
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, State, UpgradeMode
from extensa.extensions.rules import decide_delete, decide_patch
from extensa.link.extension import Presence
from unit.extensions.extension_facts import cluster, extension, facts, running


def accept(draft: Draft, existing: Extension | None = None) -> Accepted:
    decision = decide_patch(draft, facts(existing or extension()))
    assert isinstance(decision, Accepted), decision
    return decision


def test_a_patch_of_nothing_there_is_not_found() -> None:
    denied = decide_patch(Draft(), facts())

    assert isinstance(denied, Denied)
    assert (404, "Extension instance with name 'greeter' not found.") == (denied.status, denied.problems[0].message)


def test_settings_merge_and_null_removes() -> None:
    made = accept(Draft(settings={"new": "1", "greeting": None})).extension

    assert {"new": "1"} == made.settings
    assert (State.UPDATING, 2) == (made.state, made.generation)


@pytest.mark.parametrize("draft", [Draft(), Draft(settings={}, protected={}), Draft(settings={"greeting": "hi"})])
def test_nothing_to_do(draft: Draft) -> None:
    existing = extension()

    assert Unchanged(existing, None) == decide_patch(draft, facts(existing))


def test_nothing_to_do_joins_what_runs() -> None:
    existing, operation = running(State.UPDATING)

    assert Unchanged(existing, operation) == decide_patch(Draft(), facts(existing, operation=operation))


PINNED = extension(pinned="1.0.0", version="1.0.0", installed_version="1.0.0", mode=UpgradeMode.NONE)


@pytest.mark.parametrize(
    ("draft", "pinned", "mode", "version"),
    [
        (Draft(version="1.0.0", names_version=True), "1.0.0", UpgradeMode.NONE, "1.0.0"),
        (Draft(auto_upgrade_minor_version=False), None, UpgradeMode.NONE, "1.1.0"),
        (Draft(auto_upgrade_mode=UpgradeMode.PATCH), None, UpgradeMode.PATCH, "1.1.0"),
        (Draft(release_train="preview", version="2.0.0", names_version=True), "2.0.0", UpgradeMode.NONE, "2.0.0"),
    ],
)
def test_how_a_following_extension_is_changed(
    draft: Draft, pinned: str | None, mode: UpgradeMode, version: str
) -> None:
    made = accept(draft).extension

    assert (pinned, mode, version) == (made.pinned, made.mode, made.version)


@pytest.mark.parametrize(
    ("draft", "pinned", "mode", "version"),
    [
        (Draft(auto_upgrade_minor_version=True), None, UpgradeMode.COMPATIBLE, "1.1.0"),
        (Draft(auto_upgrade_mode=UpgradeMode.COMPATIBLE), None, UpgradeMode.COMPATIBLE, "1.1.0"),
        (Draft(settings={"a": "b"}), "1.0.0", UpgradeMode.NONE, "1.0.0"),
        (Draft(settings={"a": "b"}, auto_upgrade_minor_version=False), "1.0.0", UpgradeMode.NONE, "1.0.0"),
        (Draft(version="1.1.0", names_version=True), "1.1.0", UpgradeMode.NONE, "1.1.0"),
        (Draft(names_version=True), None, UpgradeMode.NONE, "1.0.0"),
    ],
)
def test_how_a_pinned_extension_is_changed(draft: Draft, pinned: str | None, mode: UpgradeMode, version: str) -> None:
    made = accept(draft, PINNED).extension

    assert (pinned, mode, version) == (made.pinned, made.mode, made.version)


def test_a_train_in_other_letters_is_the_same_train() -> None:
    existing = extension(release_train="Stable")

    assert Unchanged(existing, None) == decide_patch(Draft(release_train="stable"), facts(existing))


def test_a_train_that_holds_nothing_newer_of_what_runs_leaves_it_as_it_is() -> None:
    made = accept(Draft(release_train="preview")).extension

    assert ("preview", "1.1.0") == (made.release_train, made.version)


def test_what_cannot_be_patched_is_refused() -> None:
    denied = decide_patch(Draft(extension_type="extensa.other"), facts(extension()))

    assert isinstance(denied, Denied)
    assert ["PropertyChangeNotAllowed"] == [p.code for p in denied.problems]


def test_a_patch_retries_what_failed() -> None:
    assert 2 == accept(Draft(), extension(state=State.FAILED)).extension.generation


def test_a_delete_asks_for_absence() -> None:
    existing, running_operation = running(State.UPDATING)
    decision = decide_delete(facts(existing, operation=running_operation), flags=Removal())

    assert isinstance(decision, Accepted)
    assert (Presence.ABSENT, State.DELETING, 2) == (
        decision.extension.presence,
        decision.extension.state,
        decision.extension.generation,
    )
    assert decision.operation is not None
    assert ("Deleting", "operation-fresh") == (decision.operation.status, decision.operation.id)
    assert decision.superseded is not None
    assert "Canceled" == decision.superseded.status


def test_a_second_delete_joins_the_first() -> None:
    existing, operation = running(State.DELETING, presence=Presence.ABSENT)

    assert Unchanged(existing, operation) == decide_delete(facts(existing, operation=operation), flags=Removal())


def test_a_delete_retries_a_failed_one() -> None:
    existing = extension(presence=Presence.ABSENT, state=State.FAILED, generation=4)
    decision = decide_delete(facts(existing), flags=Removal())

    assert isinstance(decision, Accepted)
    assert 5 == decision.extension.generation


def test_a_forced_delete_leaves_an_orphan_and_ends_what_runs() -> None:
    existing, operation = running(State.DELETING, presence=Presence.ABSENT)
    decision = decide_delete(facts(existing, operation=operation), flags=Removal(force=True))

    assert isinstance(decision, Removed)
    assert (Presence.ABSENT, 2, None) == (
        decision.orphan.presence,
        decision.orphan.generation,
        decision.orphan.operation,
    )
    assert decision.superseded is not None


def test_deleting_what_is_not_there() -> None:
    assert Absent() == decide_delete(facts(), flags=Removal())
    denied = decide_delete(facts(cluster=None), flags=Removal())
    assert isinstance(denied, Denied)
    assert 404 == denied.status


def test_a_cluster_on_its_way_out_lets_extensions_go_but_not_come() -> None:
    going = cluster(provisioning_state="Deleting")

    assert isinstance(decide_delete(facts(extension(), cluster=going), flags=Removal()), Accepted)
    denied = decide_patch(Draft(settings={"a": "b"}), facts(extension(), cluster=going))
    assert isinstance(denied, Denied)
    assert (409, "ClusterBeingDeleted") == (denied.status, denied.problems[0].code)
