"""What reports settle and what time settles: fences, outcomes, deadlines."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from extensa.clusters.model import Record
from extensa.clusters.settle import Settled, expire, settle
from extensa.link.cluster import ClusterPhase, ObservedCluster, Power
from extensa.link.sealing import new_private_key, public_key, seal
from unit.clusters.cluster_facts import NOW, active, failure, operation_of, record, seen

STEP = timedelta(seconds=1)
WORKING, RUNNING, STOPPED, FAILED, GONE = ClusterPhase


def report(kept: Record, observed: ObservedCluster, **kubeconfigs: str) -> Settled | None:
    operation = operation_of(kept) if kept.active else None
    return settle(kept, operation, observed, kubeconfigs, NOW + STEP)


def after(settled: Settled | None) -> Record:
    """The cluster that stays."""
    assert settled is not None
    assert settled.record is not None
    return settled.record


def error_of(settled: Settled | None) -> dict[str, Any]:
    """Why the operation failed."""
    assert settled is not None
    assert settled.operation is not None
    assert settled.operation.error is not None
    return settled.operation.error


@pytest.mark.parametrize(
    ("power", "phase", "state", "outcome"),
    [
        (Power.RUNNING, RUNNING, "Succeeded", "Succeeded"),
        (Power.RUNNING, FAILED, "Failed", "Failed"),
        (Power.RUNNING, WORKING, "Updating", None),
        (Power.RUNNING, STOPPED, "Updating", None),
        (Power.RUNNING, GONE, "Updating", None),
        (Power.STOPPED, STOPPED, "Succeeded", "Succeeded"),
        (Power.STOPPED, RUNNING, "Updating", None),
        (Power.STOPPED, FAILED, "Failed", "Failed"),
        (Power.ABSENT, FAILED, "Failed", "Failed"),
        (Power.ABSENT, STOPPED, "Updating", None),
        (Power.ABSENT, RUNNING, "Updating", None),
    ],
)
def test_outcomes_of_the_present_generation(power: Power, phase: ClusterPhase, state: str, outcome: str | None) -> None:
    settled = report(active(power=power, observed=None), seen(phase))
    kept = after(settled)

    assert settled is not None
    assert outcome == (settled.operation.status if settled.operation else None)
    assert (state, seen(phase)) == (kept.provisioning_state, kept.observed)
    assert (outcome is None) == kept.active == (kept.deadline is not None)


def test_a_cluster_seen_gone_is_gone() -> None:
    settled = report(active("Deleting", power=Power.ABSENT), seen(GONE))

    assert settled is not None
    assert settled.record is None
    assert settled.operation is not None
    assert "Succeeded" == settled.operation.status


def test_a_cluster_seen_gone_after_its_deletion_had_failed() -> None:
    assert Settled(None) == report(record(power=Power.ABSENT, provisioning_state="Failed"), seen(GONE))


def test_an_older_generation_settles_nothing_but_is_remembered() -> None:
    old = seen(FAILED, generation=2, failure=failure())
    before = active(observed=None)

    assert Settled(replace(before, observed=old)) == report(before, old)


@pytest.mark.parametrize(
    "observed",
    [
        seen(FAILED, generation=4),
        seen(FAILED, generation=2, observed_at=NOW + STEP),
        seen(FAILED, observed_at=NOW - STEP),
        seen(FAILED, uid="uid-of-another-life"),
        seen(GONE, uid="uid-of-another-life"),
    ],
)
def test_reports_that_change_nothing(observed: ObservedCluster) -> None:
    assert report(active(), observed) is None


def test_the_same_report_again_is_not_worth_a_write() -> None:
    assert report(record(), seen(observed_at=NOW + STEP)) is None
    assert report(record(), seen(observed_at=NOW + STEP, node_count=4)) is not None
    assert report(record(), seen(observed_at=NOW + STEP), user="envelope") is not None


def test_kubeconfigs_are_kept_beside_and_never_in_the_report() -> None:
    box = seal(b"plain", recipient=public_key(new_private_key()), purpose="uid-1")
    told = seen(observed_at=NOW + STEP, user_kubeconfig=box, admin_kubeconfig=box)
    kept = after(report(record(kubeconfigs={"user": "old", "admin": "kept"}), told, user="new"))

    assert {"user": "new", "admin": "kept"} == kept.kubeconfigs
    assert seen(observed_at=NOW + STEP) == kept.observed


def test_a_version_nobody_had_chosen_is_the_one_that_runs() -> None:
    assert "1.37.1" == after(report(active(kubernetes_version="", observed=None), seen())).kubernetes_version


def test_failures_carry_the_hosts_words() -> None:
    told = error_of(report(active(observed=None), seen(FAILED, failure=failure())))
    untold = error_of(report(active(observed=None), seen(FAILED, progress="etcd started")))

    assert ("BinariesMissing", "etcd is missing.") == (told["code"], told["message"])
    assert "Build it." == told["additionalInfo"][0]["info"]["nextStep"]
    assert untold["message"].endswith("the last it said: etcd started")


def test_a_cluster_that_breaks_and_mends_says_so() -> None:
    broken = after(report(record(), seen(FAILED, observed_at=NOW + STEP, failure=failure())))
    mended = after(report(broken, seen(observed_at=NOW + 2 * STEP)))

    assert ("Failed", "Succeeded") == (broken.provisioning_state, mended.provisioning_state)


@pytest.mark.parametrize(
    ("host_seen", "code"),
    [
        (None, "HostNeverConnected"),
        (NOW, "HostSilent"),
        (NOW + timedelta(minutes=9, seconds=50), "HostWithoutOutcome"),
    ],
)
def test_silence_meets_a_deadline_and_says_whose(host_seen: datetime | None, code: str) -> None:
    before = active("Creating", observed=seen(WORKING, progress="waiting for etcd"))
    end = NOW + timedelta(minutes=10)
    overdue = expire(before, operation_of(before), host_seen, end)
    kept, error = after(overdue), error_of(overdue)

    assert expire(before, operation_of(before), host_seen, end - STEP) is None
    assert ("Failed", False, None) == (kept.provisioning_state, kept.active, kept.deadline)
    assert code == error["code"]
    assert error["additionalInfo"][0]["info"]["nextStep"]
    assert ("waiting for etcd" in error["message"]) == (code == "HostWithoutOutcome")


def test_a_late_report_still_tells_the_truth() -> None:
    before = active("Creating", observed=None)
    overdue = after(expire(before, operation_of(before), None, NOW + timedelta(minutes=10)))
    late = report(overdue, seen())

    assert "Succeeded" == after(late).provisioning_state
    assert Settled(after(late), None) == late


def test_what_does_not_run_has_no_deadline() -> None:
    assert expire(record(), None, None, NOW + timedelta(days=1)) is None


REPORTS = st.builds(
    seen,
    st.sampled_from(list(ClusterPhase)),
    generation=st.integers(1, 4),
    observed_at=st.integers(0, 5).map(lambda n: NOW + n * STEP),
    uid=st.sampled_from(["uid-1", "uid-2"]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(power=st.sampled_from(list(Power)), reports=st.lists(REPORTS, max_size=8))
def test_in_any_order_and_number_only_this_life_and_generation_settles(
    power: Power, reports: list[ObservedCluster]
) -> None:
    before = active(power=power, observed=None)
    kept: Record | None = before
    for each in [*reports, *reports]:
        if kept is not None and (outcome := report(kept, each)) is not None:
            kept = outcome.record
    ours = [each for each in reports if each.uid == "uid-1" and each.generation <= 3]
    settling = [each for each in ours if each.generation == 3]
    if kept is None:
        assert any(each.phase is GONE for each in settling)
        return

    newest = max((each.generation for each in ours), default=None)
    assert newest == (kept.observed.generation if kept.observed else None)
    if not settling:
        assert replace(before, observed=kept.observed) == kept


def test_a_clock_that_was_set_back_does_not_silence_the_host() -> None:
    """What it said before lies in the future now; what it sees from now on counts."""
    kept = active(observed=seen(WORKING, observed_at=NOW + timedelta(hours=1)))

    assert "Succeeded" == after(report(kept, seen(RUNNING))).provisioning_state
    assert report(active(observed=seen(WORKING, observed_at=NOW + STEP)), seen(RUNNING)) is None
