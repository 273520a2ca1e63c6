"""What a report or a silence settles: outcomes, fences, deadlines, and the words for people."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from extensa.extensions import settle as settling
from extensa.extensions import statuses
from extensa.extensions.model import Extension, State
from extensa.extensions.settle import MARGIN, Settled, expire, orphaned, overdue, settle
from extensa.link.cluster import Power
from extensa.link.extension import Level, ObservedExtension, Phase, Presence, Status
from unit.extensions.extension_facts import NOW, cluster, health, observed, running, status

SOON = NOW + timedelta(seconds=5)
LATE = NOW + timedelta(seconds=600) + MARGIN + timedelta(seconds=1)


def settled(*args: Any) -> Settled:
    found = settle(*args)
    assert found is not None
    return found


def kept(outcome: Settled) -> Extension:
    assert outcome.extension is not None
    return outcome.extension


def test_ready_ends_the_operation_and_the_resource_succeeds() -> None:
    creating, operation = running(installed_version="")
    report = observed(Phase.READY, revision=1, chart_version="1.1.0", objects=[health("a")], object_count=1)
    outcome = settled(creating, operation, report, SOON)
    found = kept(outcome)

    assert (State.SUCCEEDED, None, "1.1.0", []) == (
        found.state,
        found.operation,
        found.installed_version,
        found.statuses,
    )
    assert outcome.operation is not None
    assert ("Succeeded", SOON) == (outcome.operation.status, outcome.operation.ended)
    assert [health("a")] == outcome.objects
    assert found.observed is not None
    assert (1, "1.1.0", 1, SOON) == (
        found.observed.revision,
        found.observed.chart_version,
        found.observed.object_count,
        found.observed.heard_at,
    )


@pytest.mark.parametrize(
    ("doing", "lead", "word", "code"),
    [
        (State.CREATING, "Helm installation failed", "Create", "InstallationFailed"),
        (State.UPDATING, "Helm Upgrade Failed", "Update", "UpgradeFailed"),
        (State.DELETING, "Helm Uninstall Failed", "Delete", "UninstallationFailed"),
    ],
)
def test_a_failure_reads_as_azures_and_carries_our_cause(doing: State, lead: str, word: str, code: str) -> None:
    absent = Presence.ABSENT if doing is State.DELETING else Presence.PRESENT
    version = "" if doing is State.CREATING else "1.1.0"
    found, operation = running(doing, presence=absent, installed_version=version)
    outcome = settled(found, operation, observed(Phase.FAILED), SOON)
    after = kept(outcome)

    message = (
        "The extension operation failed with the following error:  Error: [ InnerError: "
        f"[{lead} : Deployment greeter was not ready in time : Recommendation Look at its pods. : "
        "InnerError [timed out waiting for the condition]]] "
        f"occurred while doing the operation : [{word}] on the config. "
        "For general troubleshooting visit: https://aka.ms/k8s-extensions-TSG."
    )
    assert outcome.operation is not None
    assert outcome.operation.error == after.error
    assert after.error is not None
    assert ("ExtensionOperationFailed", message) == (after.error["code"], after.error["message"])
    assert [
        {
            "type": "ExtensaFailure",
            "info": {
                "code": "NotReadyInTime",
                "message": "Deployment greeter was not ready in time",
                "step": "ready",
                "target": "Deployment greeter",
            },
        },
        {"type": "ExtensaNextStep", "info": {"nextStep": "Look at its pods."}},
    ] == after.error["additionalInfo"]
    assert (State.FAILED, None) == (after.state, after.operation)
    assert (code, Level.ERROR, message) == (
        after.statuses[0].code,
        after.statuses[0].level,
        after.statuses[0].message,
    )


def test_progress_is_told_while_it_runs() -> None:
    creating, operation = running()
    objects = [health("a"), health("b", "InProgress", "2 of 3 pods"), health("c", "InProgress")]
    report = observed(Phase.WORKING, objects=objects, object_count=5, statuses=[status("Act", "installing")])
    outcome = settled(creating, operation, report, SOON)

    assert outcome.operation is None
    assert State.CREATING is kept(outcome).state
    assert [
        ("Progress", "3 of 5 ready: Deployment b waits for 2 of 3 pods"),
        ("Act", "installing"),
    ] == [(s.code, s.message) for s in kept(outcome).statuses]


def test_the_agents_own_progress_is_preferred() -> None:
    creating, operation = running()
    report = observed(Phase.WORKING, objects=[health("a")], statuses=[status("Progress", "mine")])

    assert ["mine"] == [s.message for s in kept(settled(creating, operation, report, SOON)).statuses]


def test_a_healthy_extension_keeps_warnings_only() -> None:
    creating, operation = running()
    warning = Status(code="Simulated", message="nodes are simulated", level=Level.WARNING)
    report = observed(Phase.READY, statuses=[status("Info", "done"), warning])

    assert [warning] == kept(settled(creating, operation, report, SOON)).statuses


def test_gone_removes_the_record_and_ends_the_deletion() -> None:
    going, operation = running(State.DELETING, presence=Presence.ABSENT)
    outcome = settled(going, operation, observed(Phase.GONE), SOON)

    assert outcome.extension is None
    assert outcome.operation is not None
    assert "Succeeded" == outcome.operation.status


@pytest.mark.parametrize(
    "report",
    [
        observed(Phase.READY, generation=1),
        observed(Phase.FAILED, generation=3),
        replace(observed(Phase.READY, generation=2), uid="another"),
        observed(Phase.GONE, generation=2),
    ],
    ids=["older generation", "newer generation", "another identity", "gone, though wanted"],
)
def test_fences(report: ObservedExtension) -> None:
    updating, operation = running(State.UPDATING, generation=2)

    assert settle(updating, operation, report, SOON) is None


def test_what_is_to_go_cannot_be_ready() -> None:
    going, operation = running(State.DELETING, presence=Presence.ABSENT)

    assert settle(going, operation, observed(Phase.READY), SOON) is None


def test_only_the_operation_that_is_named_is_ended() -> None:
    creating, operation = running()
    other = replace(operation, id="operation-9")
    outcome = settled(creating, other, observed(Phase.READY), SOON)

    assert outcome.operation is None


def test_a_report_told_twice_or_overtaken_says_nothing_new() -> None:
    creating, operation = running()
    first = observed(Phase.WORKING, seconds=10, statuses=[status("Act", "x")])
    after = kept(settled(creating, operation, first, SOON))

    assert settle(after, operation, first, SOON) is None
    assert settle(after, operation, observed(Phase.FAILED, seconds=9), SOON) is None
    assert settle(after, operation, observed(Phase.READY, seconds=10), SOON) is not None


def test_nothing_is_written_for_a_heartbeat_of_a_settled_extension() -> None:
    creating, operation = running()
    ready = kept(settled(creating, operation, observed(Phase.READY, objects=[health("a")]), SOON))

    assert settle(ready, None, observed(Phase.READY, seconds=60, objects=[health("a")]), SOON) is None
    changed = settled(ready, None, observed(Phase.READY, seconds=60, objects=[health("b")]), SOON)
    assert [health("b")] == changed.objects


def test_objects_are_written_only_when_they_change() -> None:
    creating, operation = running()
    first = kept(settled(creating, operation, observed(Phase.WORKING, objects=[health("a")]), SOON))
    outcome = settled(first, operation, observed(Phase.WORKING, seconds=9, objects=[health("a")]), SOON)

    assert outcome.objects is None


def test_what_breaks_later_shows_without_turning_the_outcome_into_a_lie() -> None:
    creating, operation = running()
    ready = kept(settled(creating, operation, observed(Phase.READY), SOON))
    broken = kept(settled(ready, None, observed(Phase.FAILED, seconds=90), SOON))

    assert (State.SUCCEEDED, None) == (broken.state, broken.error)
    assert [("Unhealthy", "Deployment greeter was not ready in time Look at its pods.")] == [
        (s.code, s.message) for s in broken.statuses
    ]
    mended = kept(settled(broken, None, observed(Phase.READY, seconds=120), SOON))
    assert [] == mended.statuses


def test_a_failure_without_a_cause_still_has_one() -> None:
    creating, operation = running()
    report = replace(observed(Phase.FAILED), failure=None)
    error = kept(settled(creating, operation, report, SOON)).error

    assert error is not None
    assert "ReasonUnknown" == error["additionalInfo"][0]["info"]["code"]


def test_words_are_bounded() -> None:
    creating, operation = running()
    many = [status(f"S{n}", "x" * 100_000) for n in range(100)]
    after = kept(settled(creating, operation, observed(Phase.WORKING, statuses=many), SOON))
    failed = replace(observed(Phase.FAILED), statuses=many)
    assert failed.failure is not None
    failed = replace(failed, failure=replace(failed.failure, message="z" * 9000, raw="y" * 1_000_000))
    ended = kept(settled(creating, operation, failed, SOON))

    assert statuses.MOST_STATUSES == len(after.statuses)
    assert all(len(s.message) <= statuses.LONGEST_STATUS for s in (*after.statuses, *ended.statuses))
    assert ended.error is not None
    assert len(ended.error["message"]) < 6000


def test_there_is_time_until_the_timeout_and_a_margin_have_passed_in_silence() -> None:
    creating, operation = running()

    assert not overdue(creating, operation, LATE - timedelta(seconds=2))
    assert overdue(creating, operation, LATE)
    assert expire(creating, operation, cluster(), LATE - timedelta(seconds=2)) is None


def test_an_agent_that_speaks_has_more_time_but_not_for_ever() -> None:
    creating, operation = running()
    spoken = kept(settled(creating, operation, observed(Phase.WORKING), NOW + timedelta(seconds=300)))

    assert not overdue(spoken, operation, LATE)
    assert overdue(spoken, operation, LATE + timedelta(seconds=301))
    chatty = kept(settled(creating, operation, observed(Phase.WORKING), NOW + settling.LONGEST))
    assert overdue(chatty, operation, NOW + settling.LONGEST + timedelta(seconds=1))


def test_what_was_said_of_an_older_generation_gives_no_time() -> None:
    creating, operation = running()
    spoken = kept(settled(creating, operation, observed(Phase.WORKING), NOW + timedelta(seconds=300)))
    newer = replace(spoken, generation=2)

    assert overdue(newer, operation, LATE)


@pytest.mark.parametrize(
    ("where", "code", "words"),
    [
        (cluster(power=Power.STOPPED), "ClusterStopped", "The cluster 'blue' is stopped"),
        (cluster(agent_last_seen=None), "AgentNeverConnected", "it has never connected"),
        (cluster(), "AgentSilent", "silent since 2026-11-25T12:00:00Z"),
        (cluster(agent_last_seen=LATE), "AgentWithoutOutcome", "the last it said: 1 of 2 ready"),
    ],
)
def test_a_deadline_says_why(where: Any, code: str, words: str) -> None:
    creating, operation = running(statuses=[status("Progress", "1 of 2 ready")])
    outcome = expire(creating, operation, where, LATE)
    assert outcome is not None
    after = kept(outcome)

    assert (State.FAILED, None) == (after.state, after.operation)
    assert outcome.operation is not None
    assert ("Failed", LATE) == (outcome.operation.status, outcome.operation.ended)
    assert after.error is not None
    assert code == after.error["additionalInfo"][0]["info"]["code"]
    assert words in after.error["message"]
    assert after.error["additionalInfo"][1]["info"]["nextStep"]
    assert ["InstallationFailed"] == [s.code for s in after.statuses]


def test_a_late_truth_corrects_the_resource_and_not_the_operation() -> None:
    creating, operation = running(installed_version="")
    outcome = expire(creating, operation, cluster(), LATE)
    assert outcome is not None
    late = settled(kept(outcome), outcome.operation, observed(Phase.READY, seconds=2000), LATE)

    assert (State.SUCCEEDED, None) == (kept(late).state, kept(late).error)
    assert late.operation is None


def test_a_late_failure_replaces_the_guess_by_the_cause() -> None:
    creating, operation = running(installed_version="")
    outcome = expire(creating, operation, cluster(), LATE)
    assert outcome is not None
    late = kept(settled(kept(outcome), None, observed(Phase.FAILED, seconds=2000), LATE))

    assert State.FAILED is late.state
    assert late.error is not None
    assert "NotReadyInTime" == late.error["additionalInfo"][0]["info"]["code"]


def test_a_late_absence_removes_what_failed_to_go() -> None:
    going, operation = running(State.DELETING, presence=Presence.ABSENT)
    outcome = expire(going, operation, cluster(), LATE)
    assert outcome is not None

    assert settled(kept(outcome), None, observed(Phase.GONE, seconds=2000), LATE).extension is None


def test_the_end_of_a_cluster_ends_its_extensions() -> None:
    creating, operation = running()
    going, deletion = running(State.DELETING, presence=Presence.ABSENT)

    lost, gone, idle = orphaned(creating, operation, NOW), orphaned(going, deletion, NOW), orphaned(creating, None, NOW)

    assert lost.extension is gone.extension is idle.extension is None
    assert lost.operation is not None
    assert lost.operation.error is not None
    assert "ClusterGone" == lost.operation.error["additionalInfo"][0]["info"]["code"]
    assert gone.operation is not None
    assert "Succeeded" == gone.operation.status
    assert idle.operation is None


def test_a_clock_that_was_set_back_does_not_silence_the_agent() -> None:
    """What it said before lies in the future now; what it sees from now on counts."""
    creating, operation = running(installed_version="")
    before = kept(settled(creating, operation, observed(Phase.WORKING, seconds=3600), NOW + timedelta(hours=1)))
    outcome = settled(before, operation, observed(Phase.READY, seconds=10), NOW + timedelta(seconds=11))

    assert State.SUCCEEDED is kept(outcome).state
    assert outcome.operation is not None
    assert "Succeeded" == outcome.operation.status


def test_an_agents_clock_may_run_a_little_ahead() -> None:
    creating, operation = running(installed_version="")
    ahead = kept(settled(creating, operation, observed(Phase.WORKING, seconds=40), NOW))

    assert settle(ahead, operation, observed(Phase.WORKING, seconds=39, statuses=[status("Late", "x")]), NOW) is None


def test_a_clock_that_was_set_back_a_little_does_not_lose_the_outcome() -> None:
    """What was seen good was good; progress that comes late is still too old."""
    creating, operation = running(installed_version="")
    before = kept(settled(creating, operation, observed(Phase.WORKING, seconds=20), NOW + timedelta(seconds=20)))
    outcome = settled(before, operation, observed(Phase.READY, seconds=5), NOW + timedelta(seconds=6))

    assert State.SUCCEEDED is kept(outcome).state
    assert outcome.operation is not None
    assert "Succeeded" == outcome.operation.status
    late = observed(Phase.WORKING, seconds=5, statuses=[status("Late", "x")])
    assert settle(before, operation, late, NOW + timedelta(seconds=21)) is None


def test_an_outcome_that_nobody_awaits_any_more_and_comes_late_has_no_say() -> None:
    creating, operation = running(installed_version="")
    ready = kept(settled(creating, operation, observed(Phase.READY, seconds=20), NOW + timedelta(seconds=20)))
    late = observed(Phase.FAILED, seconds=5)

    assert settle(ready, None, late, NOW + timedelta(seconds=21)) is None
