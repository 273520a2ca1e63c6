"""What follows a failure: evidence, the remedy the policy asks for, tries, and an agent that dies in between."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from extensa.agent.memory import Outcome, Remembered
from extensa.helm import remedy
from extensa.helm.errors import HelmError
from extensa.helm.release import ObjectRef
from extensa.link.extension import DesiredExtension, FailurePolicy, ObservedExtension, OnFailure, Phase
from unit.agent.doubles import READY, UNREADY
from unit.agent.test_agent_loop import STAY, Stage

UNINSTALL = FailurePolicy(on_failure=OnFailure.UNINSTALL)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    await made.start()
    yield made
    await made.stop()


def outcome(stage: Stage) -> Outcome | None:
    """What the agent remembers of how it ended."""
    [path] = (stage.folder / "agent" / "extensions").glob("*.json")
    return msgspec.json.decode(path.read_bytes(), type=Remembered).outcome


def remedied(word: ObservedExtension) -> tuple[str, int, str]:
    assert word.remedy is not None
    assert word.remedy.failure is None
    return word.remedy.step, word.remedy.revision, word.remedy.chart_version


async def upgraded_in_vain(stage: Stage, **more: Any) -> DesiredExtension:
    """Have a release that was good, and want one that never gets ready."""
    await stage.outcome(stage.want())
    stage.helm.status = UNREADY
    return stage.want(2, timeout=1, **more)


def heal_on_rollback(stage: Stage) -> None:
    """Have the old content be healthy again once it is back."""

    async def heal() -> None:
        stage.api.put("Deployment", "r", status=READY)

    stage.helm.script.append(None)
    stage.helm.script.append(heal)


async def test_a_failed_upgrade_goes_back_to_the_last_good_revision(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.helm.status = UNREADY
    heal_on_rollback(stage)
    desired = stage.want(2, timeout=1)
    failed = await stage.outcome(desired)

    assert failed.failure is not None
    assert ("NotReadyInTime", ("rollback", 1, "1.0.0")) == (failed.failure.code, remedied(failed))
    assert ["install", "upgrade", "rollback"] == stage.helm.acts
    assert ["superseded", "superseded", "deployed"] == stage.statuses()
    [evidence] = await stage.memory.evidence(desired.resource_id)
    assert (failed.evidence, "rollback to revision 1") == (evidence.id, evidence.followed_by)
    assert Phase.FAILED not in {word.phase for word in stage.words(desired)[:-1]}


async def test_what_was_put_right_is_neither_begun_again_nor_called_ready(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.helm.status = UNREADY
    heal_on_rollback(stage)
    desired = stage.want(2, timeout=1)
    await stage.outcome(desired)
    stage.helm.status = READY
    stage.api.put("Deployment", "r", status=UNREADY)
    stage.api.put("Deployment", "r", status=READY)
    await asyncio.sleep(0.6)

    assert ["install", "upgrade", "rollback"] == stage.helm.acts
    assert Phase.READY not in {word.phase for word in stage.words(desired)}
    assert Phase.READY is (await stage.outcome(stage.want(3))).phase


async def test_a_failed_install_is_uninstalled_and_nothing_is_left(stage: Stage) -> None:
    stage.helm.status = UNREADY
    failed = await stage.outcome(stage.want(timeout=1))

    assert ("uninstall", 0, "") == remedied(failed)
    assert ["install", "uninstall"] == stage.helm.acts
    assert ([], 0, 0) == (stage.statuses(), failed.revision, failed.object_count)


async def test_whatever_failed_is_uninstalled_when_the_policy_says_so(stage: Stage) -> None:
    failed = await stage.outcome(await upgraded_in_vain(stage, failure_policy=UNINSTALL))

    assert ("uninstall", 0, "") == remedied(failed)
    assert [] == stage.statuses()


async def test_it_stays_when_the_policy_says_so(stage: Stage) -> None:
    failed = await stage.outcome(await upgraded_in_vain(stage, failure_policy=STAY))

    assert failed.remedy is None
    assert ["superseded", "deployed"] == stage.statuses()


async def test_what_changed_nothing_needs_no_remedy(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.helm.fails("ChartDoesNotRender")
    failed = await stage.outcome(stage.want(2))

    assert failed.remedy is None
    assert ["install", "upgrade"] == stage.helm.acts
    assert ["deployed"] == stage.statuses()


async def test_a_good_release_that_breaks_later_is_not_put_right(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.api.put("Deployment", "r", status=UNREADY)
    same = stage.want(2, timeout=1, settings={"generation": "1"})
    failed = await stage.outcome(same)

    assert failed.remedy is None
    assert ["install"] == stage.helm.acts


async def test_the_failure_of_a_remedy_is_told_beside_the_failure_it_was_for(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.helm.fails("QuotaExceeded")
    stage.helm.fails("FieldImmutable")
    failed = await stage.outcome(stage.want(2))

    assert failed.failure is not None
    assert failed.remedy is not None
    assert failed.remedy.failure is not None
    assert ("QuotaExceeded", "FieldImmutable", "rollback") == (
        failed.failure.code,
        failed.remedy.failure.code,
        failed.remedy.failure.step,
    )
    assert ["install", "upgrade", "rollback"] == stage.helm.acts


async def test_a_remedy_is_bounded_in_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedy, "_SHORTEST", timedelta(seconds=1))
    failed = await stage.outcome(await upgraded_in_vain(stage))

    assert failed.remedy is not None
    assert failed.remedy.failure is not None
    assert "NotReadyInTime" == failed.remedy.failure.code


async def test_a_remedy_that_fails_for_the_moment_is_tried_again(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.helm.fails("QuotaExceeded")
    stage.helm.fails("ApiServerUnreachable", transient=True)
    failed = await stage.outcome(stage.want(2))

    assert ("rollback", 1, "1.0.0") == remedied(failed)
    assert ["install", "upgrade", "rollback", "rollback"] == stage.helm.acts


async def test_an_agent_that_dies_before_the_remedy_goes_on_with_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.outcome(stage.want())
    stage.helm.fails("QuotaExceeded")
    began = stage.helm.hangs()
    desired = stage.want(2)
    await began.wait()
    assert outcome(stage) is not None
    await stage.stop()
    assert [] == [word for word in stage.words(desired) if word.phase is Phase.FAILED]
    await stage.start()
    failed = await stage.outcome(desired)

    assert failed.failure is not None
    assert ("QuotaExceeded", ("rollback", 1, "1.0.0")) == (failed.failure.code, remedied(failed))
    assert ["install", "upgrade", "rollback", "rollback"] == stage.helm.acts


async def test_an_agent_that_dies_after_the_remedy_does_not_do_it_twice(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, lost = stage.memory.keep, []

    async def forgetful(self: object, remembered: Remembered) -> None:
        if remembered.outcome is not None and remembered.outcome.remedy is not None:
            lost.append(remembered)
            await asyncio.sleep(3600)
        await keep(remembered)

    await stage.outcome(stage.want())
    stage.helm.fails("QuotaExceeded")
    monkeypatch.setattr(type(stage.memory), "keep", forgetful)
    desired = stage.want(2)
    await stage.eventually(lambda: lost)
    monkeypatch.undo()
    await stage.stop()
    await stage.start()

    assert ("rollback", 1, "1.0.0") == remedied(await stage.outcome(desired))
    assert ["install", "upgrade", "rollback"] == stage.helm.acts


async def test_something_newer_takes_the_place_of_a_remedy(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.reconcile._SUPERSEDE_GRACE", 0.1)
    await stage.outcome(stage.want())
    stage.helm.fails("QuotaExceeded")
    began = stage.helm.hangs()
    stage.want(2)
    await began.wait()
    newest = stage.want(3)

    assert Phase.READY is (await stage.outcome(newest)).phase
    await stage.eventually(lambda: outcome(stage) is not None)
    found = outcome(stage)
    assert found is not None
    assert (3, Phase.READY, None) == (found.generation, found.phase, found.due)


async def test_a_failed_generation_is_begun_again_as_often_as_the_policy_says(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedy, "FIRST_PAUSE", 0.2)
    for _ in range(3):
        stage.helm.fails("QuotaExceeded")
        stage.helm.works()
    failed = await stage.outcome(stage.want(failure_policy=FailurePolicy(retries=2)))
    said = [status.message for word in stage.words(failed_of(stage)) for status in word.statuses]

    assert failed.failure is not None
    assert ("QuotaExceeded", ("uninstall", 0, "")) == (failed.failure.code, remedied(failed))
    assert ["install", "uninstall"] * 3 == stage.helm.acts
    assert {"Try 2 of 3 in 0 s", "Try 3 of 3 in 0 s"} <= set(said)
    assert 3 == len(await stage.memory.evidence(failed_of(stage).resource_id))


def failed_of(stage: Stage) -> DesiredExtension:
    [(_, desired)] = stage.link.current.values()
    return desired


async def test_a_try_that_works_is_ready(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedy, "FIRST_PAUSE", 0.1)
    stage.helm.fails("QuotaExceeded")
    desired = stage.want(failure_policy=FailurePolicy(on_failure=OnFailure.STAY, retries=1))

    assert Phase.READY is (await stage.outcome(desired)).phase
    assert ["install", "upgrade"] == stage.helm.acts


async def test_tries_are_counted_over_a_restart(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedy, "FIRST_PAUSE", 1.0)
    for _ in range(4):
        stage.helm.fails("ChartDoesNotRender")
    desired = stage.want(failure_policy=FailurePolicy(retries=1))
    await stage.eventually(lambda: [word for word in stage.words(desired) if "Try 2" in word.statuses[0].message])
    await stage.stop()
    await stage.start()
    await stage.outcome(desired)

    assert ["install", "install"] == stage.helm.acts


async def test_what_gets_healthy_before_the_next_try_is_ready(stage: Stage) -> None:
    stage.helm.status = UNREADY
    desired = stage.want(timeout=1, failure_policy=FailurePolicy(on_failure=OnFailure.STAY, retries=1))
    await stage.eventually(lambda: [w for w in stage.words(desired) if "Try 2 of 2" in w.statuses[0].message])
    stage.api.put("Deployment", "r", status=READY)

    assert Phase.READY is (await stage.outcome(desired)).phase
    assert ["install"] == stage.helm.acts


def test_pauses_between_tries_grow_and_are_bounded() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    policy = FailurePolicy(retries=6)
    begins = [remedy.begin_again(policy, tries, now) for tries in range(1, 8)]

    assert [30, 60, 120, 240, 300, 300] == [(each - now).total_seconds() for each in begins if each is not None]
    assert begins[-1] is None


async def test_held_no_act_is_done_and_what_there_is_is_told(stage: Stage) -> None:
    await stage.outcome(stage.want())
    held = stage.want(2, hold=True)
    first = await stage.outcome(held, Phase.HELD)
    stage.api.remove("Secret", "sh.helm.release.v1.r.v1")
    second = await stage.link.until(lambda: next((w for w in stage.words(held)[1:]), None))

    assert (2, 0) == (first.object_count, second.object_count)
    assert ["install"] == stage.helm.acts
    assert Phase.READY is (await stage.outcome(stage.want(3))).phase


async def test_to_hold_ends_an_act_of_helms_within_the_grace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.reconcile._SUPERSEDE_GRACE", 0.1)
    began = stage.helm.hangs()
    stage.want(timeout=600)
    await began.wait()
    held = stage.want(2, hold=True)

    assert Phase.HELD is (await stage.outcome(held, Phase.HELD)).phase
    assert (["install"], ["failed"]) == (stage.helm.acts, stage.statuses())


async def test_held_over_a_restart(stage: Stage) -> None:
    await stage.outcome(stage.want())
    held = stage.want(2, hold=True)
    await stage.outcome(held, Phase.HELD)
    await stage.stop()
    stage.link.down = True
    stage.api.remove("Secret", "sh.helm.release.v1.r.v1")
    await stage.start()
    await asyncio.sleep(0.3)

    assert ["install"] == stage.helm.acts


async def test_an_older_word_has_the_newest_told_again(stage: Stage) -> None:
    ready = await stage.outcome(stage.want(2))
    stage.link.reports.clear()
    stage.want(1)

    assert ready == await stage.link.until(lambda: stage.link.reports[-1][1] if stage.link.reports else None)


async def test_words_never_go_back_in_time(stage: Stage) -> None:
    ready = await stage.outcome(stage.want())
    stage.behind = timedelta(hours=1)
    again = await stage.outcome(stage.want(2))

    assert again.observed_at > ready.observed_at


async def test_a_release_of_a_later_generation_has_that_told(stage: Stage) -> None:
    labels = {"extensa.dev/uid": "uid-1", "extensa.dev/generation": "7", "extensa.dev/act": "a"}
    stage.helm.record(stage.place, 1, "deployed", labels=labels)
    desired = stage.want(2, timeout=1)
    failed = await stage.outcome(desired)

    assert 7 in {word.generation for _, word in stage.link.reports}
    assert failed.failure is not None
    assert ("ReleaseNewer", None) == (failed.failure.code, failed.remedy)
    assert [] == stage.helm.acts


async def test_an_object_that_is_missing_is_applied_again_for_a_new_generation(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.api.remove("ConfigMap", "r")  # nobody watches it
    again = stage.want(2, settings={"generation": "1"})

    assert Phase.READY is (await stage.outcome(again)).phase
    assert ["install", "upgrade"] == stage.helm.acts


async def test_a_remedy_does_not_end_in_a_refusal_of_memory(stage: Stage) -> None:
    await stage.outcome(stage.want())

    async def fall() -> None:
        raise HelmError("HelmKilled", "killed", transient=True)

    stage.helm.fails("QuotaExceeded")
    stage.helm.script.append(fall)
    failed = await stage.outcome(stage.want(2))

    assert ("rollback", 1, "1.0.0") == remedied(failed)


async def test_a_wish_that_comes_while_something_is_remembered_is_not_lost(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.outcome(stage.want())
    stage.helm.fails("QuotaExceeded")
    await stage.outcome(stage.want(2, failure_policy=STAY))
    get = stage.api.get
    wishes: list[DesiredExtension] = []

    async def slow(ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        if ref.name.endswith(".v1") and not wishes:
            wishes.append(stage.want(4))
            await asyncio.sleep(0.2)
        return await get(ref, bare=bare)

    monkeypatch.setattr(stage.api, "get", slow)
    stage.want(3, present=False)
    await stage.eventually(lambda: wishes)

    assert Phase.READY is (await stage.outcome(wishes[0])).phase


async def test_a_record_nobody_can_read_is_set_aside_and_what_it_held_is_found(stage: Stage) -> None:
    await stage.outcome(stage.want())
    labels = {"app.kubernetes.io/managed-by": "Helm"}
    await stage.stop()
    for kind in ("ConfigMap", "Deployment"):
        found = stage.api.objects[kind, "ns", "r"]["metadata"]
        stage.api.put(kind, "r", annotations=found["annotations"], labels=labels)
        stage.api.objects[kind, "", "r"] = stage.api.objects[kind, "ns", "r"]  # a list of all namespaces
    stage.api.objects["Secret", "ns", "sh.helm.release.v1.r.v1"]["data"] = {"release": "rubbish"}
    going = stage.want(2, present=False)
    await stage.start()

    assert Phase.GONE is (await stage.outcome(going)).phase
    assert [] == stage.helm.acts[1:]
    assert ([], []) == ([n for k, p, n in stage.api.objects if p == "ns"], stage.api.names("Secret"))
