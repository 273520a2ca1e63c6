"""The whole agent over doubles: every road a generation can take, without a cluster."""

import asyncio
import contextlib
import hashlib
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from extensa.agent import worker
from extensa.agent.charts import Charts
from extensa.agent.loop import Agent
from extensa.agent.memory import FileMemory
from extensa.agent.reconcile import Tools
from extensa.base.clock import utc_now
from extensa.helm.driver import Place
from extensa.helm.errors import HelmError
from extensa.link.extension import (
    Chart,
    DesiredExtension,
    FailurePolicy,
    Level,
    ObservedExtension,
    OnFailure,
    Phase,
    Presence,
)
from extensa.link.sealing import new_private_key, public_key, seal
from unit.agent.doubles import READY, UID, UNREADY, FakeApi, FakeHelm, FakeReach
from unit.agent.fake_link import FakeLink
from unit.helm.test_helm_chart import META, packed

ARCHIVE = packed({"c/Chart.yaml": META})
CHART = Chart(name="c", version="1.2.3", digest="sha256:" + hashlib.sha256(ARCHIVE).hexdigest(), size=len(ARCHIVE))


STAY = FailurePolicy(on_failure=OnFailure.STAY)


class Stage:
    """An agent with everything around it doubled but its memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.api = FakeApi()
        self.helm = FakeHelm(self.api)
        self.link = FakeLink()
        self.link.charts[CHART.digest] = ARCHIVE
        self.reach = FakeReach(folder)
        self.reach.add(UID, self.api)
        self.place = Place(folder, folder, "ns", "r")
        self.behind = timedelta()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.memory = FileMemory(self.folder / "agent")
        self.key = await self.memory.private_key()
        slots = asyncio.Semaphore(2)
        charts = Charts(self.link, self.memory)
        tools = Tools(self.helm, self.reach, charts, self.memory, slots, lambda: utc_now() - self.behind)
        self._task = asyncio.create_task(Agent(self.link, tools, private_key=self.key).run())

    async def stop(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.memory.close()

    def want(self, generation: int = 1, *, present: bool = True, **more: Any) -> DesiredExtension:
        facts: dict[str, Any] = {
            "uid": "uid-1",
            "generation": generation,
            "resource_id": "/Subscriptions/S/extensions/R",
            "cluster_uid": UID,
            "presence": Presence.PRESENT if present else Presence.ABSENT,
            "release": "r",
            "namespace": "ns",
            "create_namespace": True,
            "extension_type": "t",
            "extension_version": "1.2.3",
            "chart": CHART,
            "settings": {"generation": str(generation)},
            "protected": None,
            "injected": {},
            "correlation_id": "correlation",
            "operation_id": "operation",
            "timeout": 30,
        }
        desired = DesiredExtension(**{**facts, **more})
        self.link.want(desired)
        return desired

    async def outcome(self, desired: DesiredExtension, *phases: Phase, within: float = 10) -> ObservedExtension:
        wanted = phases or (Phase.READY, Phase.FAILED, Phase.GONE)
        return await self.link.until(
            lambda: next((o for o in reversed(self.words(desired)) if o.phase in wanted), None), within=within
        )

    def words(self, desired: DesiredExtension) -> list[ObservedExtension]:
        mine = (desired.uid, desired.generation)
        return [word for _, word in self.link.reports if (word.uid, word.generation) == mine]

    def statuses(self) -> list[str]:
        found = [o["metadata"]["labels"] for (kind, _, _), o in self.api.objects.items() if kind == "Secret"]
        return [labels["status"] for labels in sorted(found, key=lambda labels: int(labels["version"]))]

    def kept(self) -> list[Path]:
        return list((self.folder / "agent" / "extensions").glob("*.json"))

    async def eventually(self, found: Any, *, within: float = 5) -> None:
        deadline = time.monotonic() + within
        while not found():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    await made.start()
    yield made
    await made.stop()


async def test_present_becomes_ready_in_one_act(stage: Stage) -> None:
    desired = stage.want()
    ready = await stage.outcome(desired)

    assert (Phase.READY, 1, "1.0.0", 2) == (ready.phase, ready.revision, ready.chart_version, ready.object_count)
    assert ["install"] == stage.helm.acts
    assert [ready] == stage.words(desired)
    assert "correlation" == ready.correlation_id


async def test_absent_becomes_gone_and_is_forgotten(stage: Stage) -> None:
    await stage.outcome(stage.want())
    gone = await stage.outcome(stage.want(2, present=False))
    await stage.eventually(lambda: not stage.kept())

    assert Phase.GONE is gone.phase
    assert ["install", "uninstall"] == stage.helm.acts


async def test_what_was_never_there_is_gone_without_an_act(stage: Stage) -> None:
    assert Phase.GONE is (await stage.outcome(stage.want(present=False))).phase
    assert [] == stage.helm.acts


async def test_readiness_is_noticed_when_it_happens(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.reconcile._TICK", 3600.0)  # a watch or nothing
    stage.helm.status = UNREADY
    desired = stage.want()
    await stage.eventually(lambda: "Deployment" in {kind for kind, _, _ in stage.api.objects})
    await asyncio.sleep(0.1)
    assert Phase.READY not in {word.phase for word in stage.words(desired)}
    stage.api.put("Deployment", "r", status=READY)

    assert Phase.READY is (await stage.outcome(desired)).phase


async def test_progress_is_told_after_a_moment(stage: Stage) -> None:
    stage.helm.status = UNREADY
    word = await stage.outcome(stage.want(), Phase.WORKING)

    assert "1 of 2 ready: Deployment r waits for 1 of 1 replicas" == word.statuses[0].message
    assert ["InProgress", "Current"] == [found.health for found in word.objects]


async def test_what_is_not_ready_in_time_has_failed_and_is_ready_if_it_gets_so_after_all(stage: Stage) -> None:
    stage.helm.status = UNREADY
    desired = stage.want(timeout=1, failure_policy=STAY)
    failed = await stage.outcome(desired)

    assert failed.failure is not None
    assert ("NotReadyInTime", "ready") == (failed.failure.code, failed.failure.step)
    assert Level.ERROR is failed.statuses[0].level
    assert ["deployed"] == stage.statuses()
    stage.api.put("Deployment", "r", status=READY)
    assert Phase.READY is (await stage.outcome(desired, Phase.READY)).phase


async def test_what_breaks_after_ready_is_a_warning(stage: Stage) -> None:
    desired = stage.want()
    await stage.outcome(desired)
    stage.api.put("Deployment", "r", status=UNREADY)
    word = await stage.link.until(lambda: next((w for w in stage.words(desired) if w.statuses), None))

    assert (Phase.READY, Level.WARNING) == (word.phase, word.statuses[0].level)
    stage.api.put("Deployment", "r", status=READY)
    assert (
        []
        == (await stage.link.until(lambda: stage.words(desired)[2] if len(stage.words(desired)) > 2 else None)).statuses
    )


async def test_a_failure_for_good_ends_it_and_a_restart_does_not_begin_again(stage: Stage) -> None:
    stage.helm.fails("QuotaExceeded")
    desired = stage.want(failure_policy=STAY)
    failed = await stage.outcome(desired)
    assert failed.failure is not None
    assert ("QuotaExceeded", "install") == (failed.failure.code, failed.failure.step)

    await stage.stop()
    stage.link.reports.clear()
    await stage.start()
    assert failed.failure == (await stage.outcome(desired)).failure
    assert ["install"] == stage.helm.acts


async def test_a_new_generation_tries_again(stage: Stage) -> None:
    stage.helm.fails("ChartDoesNotRender")
    await stage.outcome(stage.want())

    assert Phase.READY is (await stage.outcome(stage.want(2))).phase


async def test_a_failure_for_the_moment_is_tried_again(stage: Stage) -> None:
    stage.helm.fails("AdmissionWebhookUnreachable", transient=True)

    assert Phase.READY is (await stage.outcome(stage.want())).phase
    assert ["install", "install"] == stage.helm.acts


async def test_a_killed_install_begins_anew(stage: Stage) -> None:
    stage.helm.fails("HelmKilled", transient=True)

    assert Phase.READY is (await stage.outcome(stage.want())).phase
    assert ["install", "uninstall", "install"] == stage.helm.acts


async def test_a_killed_upgrade_goes_back_and_forward(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.helm.fails("HelmKilled", transient=True)

    assert Phase.READY is (await stage.outcome(stage.want(2))).phase
    assert ["install", "upgrade", "rollback", "upgrade"] == stage.helm.acts


async def test_a_lock_found_at_the_start_is_recovered(stage: Stage) -> None:
    stage.helm.record(stage.place, 1, "pending-install", labels={"extensa.dev/uid": "uid-1", "extensa.dev/act": "dead"})

    assert Phase.READY is (await stage.outcome(stage.want())).phase
    assert ["uninstall", "install"] == stage.helm.acts


async def test_something_newer_ends_a_wait(stage: Stage) -> None:
    stage.helm.status = UNREADY
    stage.want(timeout=600)
    await stage.eventually(lambda: "install" in stage.helm.acts)
    stage.helm.status = READY

    assert Phase.READY is (await stage.outcome(stage.want(2))).phase


async def test_something_newer_ends_an_act_after_some_grace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.reconcile._SUPERSEDE_GRACE", 0.2)
    began = stage.helm.hangs()
    first = stage.want(timeout=600)
    await began.wait()

    assert Phase.READY is (await stage.outcome(stage.want(2))).phase
    assert all(word.phase is Phase.WORKING for word in stage.words(first))


async def test_an_older_word_changes_nothing(stage: Stage) -> None:
    await stage.outcome(stage.want(2))
    stage.want(1)
    await asyncio.sleep(0.2)

    assert ["install"] == stage.helm.acts


async def test_a_silent_cluster_is_waited_for(stage: Stage) -> None:
    stage.api.silent = True
    desired = stage.want()
    word = await stage.outcome(desired, Phase.WORKING)
    assert "no answer" == word.statuses[0].message
    stage.api.silent = False

    assert Phase.READY is (await stage.outcome(desired)).phase


async def test_an_act_that_fails_while_the_cluster_is_away_is_tried_again(stage: Stage) -> None:
    async def fall_silent() -> None:
        stage.api.silent = True
        asyncio.get_running_loop().call_later(0.3, setattr, stage.api, "silent", False)
        raise HelmError("HelmFailed", "words of no table")

    stage.helm.script.append(fall_silent)

    assert Phase.READY is (await stage.outcome(stage.want())).phase
    assert ["install", "install"] == stage.helm.acts


async def test_a_cluster_silent_for_too_long_is_a_failure(stage: Stage) -> None:
    stage.api.silent = True
    failed = await stage.outcome(stage.want(timeout=1))

    assert failed.failure is not None
    assert "ApiServerUnreachable" == failed.failure.code


async def test_without_a_cluster_there_is_nothing_to_remove(stage: Stage) -> None:
    stage.reach.drop(UID)

    assert "no such cluster" in (await stage.outcome(stage.want(present=False))).statuses[0].message


async def test_a_cluster_that_goes_is_forgotten_with_what_was_in_it(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.reach.drop(UID)

    await stage.eventually(lambda: not stage.kept())


async def test_watches_that_break_are_opened_again(stage: Stage) -> None:
    desired = stage.want()
    await stage.outcome(desired)
    stage.api.cut_watches()
    await asyncio.sleep(0.5)
    stage.api.put("Deployment", "r", status=UNREADY)

    word = await stage.link.until(lambda: next((w for w in stage.words(desired) if w.statuses), None))
    assert "Deployment r waits for" in word.statuses[0].message


async def test_a_release_taken_away_is_made_again(stage: Stage) -> None:
    await stage.outcome(stage.want())
    stage.api.remove("Secret", "sh.helm.release.v1.r.v1")
    await stage.eventually(lambda: ["install", "install"] == stage.helm.acts)


async def test_a_cluster_reached_another_way_is_looked_at_anew(stage: Stage) -> None:
    desired = stage.want()
    await stage.outcome(desired)
    other = FakeApi()
    stage.helm.api = other
    stage.reach.add(UID, other)
    stage.reach.changed.add(UID)

    await stage.eventually(lambda: ["install", "install"] == stage.helm.acts)


async def test_what_is_left_is_waited_for(stage: Stage) -> None:
    await stage.outcome(stage.want())
    found = stage.api.objects["Deployment", "ns", "r"]
    found["metadata"]["finalizers"] = ["a/b"]
    going = stage.want(2, present=False)
    word = await stage.outcome(going, Phase.WORKING)
    assert "Deployment ns/r" in word.statuses[0].message
    await stage.stop()
    await stage.start()
    await asyncio.sleep(0.2)
    assert Phase.GONE not in {word.phase for word in stage.words(going)}
    stage.api.remove("Deployment", "r")

    assert Phase.GONE is (await stage.outcome(going)).phase


async def test_protected_settings_reach_helm_and_nothing_else(stage: Stage) -> None:
    box = seal(json.dumps({"pin": "hunter2-long"}).encode(), recipient=public_key(stage.key), purpose="uid-1")
    await stage.outcome(stage.want(protected=box))

    assert "hunter2-long" == json.loads(stage.helm.orders[0].values.document)["pin"]
    assert "hunter2" not in repr(stage.helm.orders) + repr(stage.link.reports)
    assert b"hunter2" not in stage.kept()[0].read_bytes()


async def test_settings_sealed_to_another_key_fail_until_they_are_sealed_to_ours(stage: Stage) -> None:
    theirs = seal(b"{}", recipient=public_key(new_private_key()), purpose="uid-1")
    failed = await stage.outcome(stage.want(protected=theirs))
    assert failed.failure is not None
    assert ("SettingsSealBroken", "render") == (failed.failure.code, failed.failure.step)
    desired = stage.want(protected=seal(b"{}", recipient=public_key(stage.key), purpose="uid-1"))

    assert Phase.READY is (await stage.outcome(desired, Phase.READY)).phase


async def test_what_was_told_is_told_again_when_asked_anew(stage: Stage) -> None:
    desired = stage.want()
    await stage.outcome(desired)
    stage.link.reports.clear()
    stage.want()

    assert Phase.READY is (await stage.outcome(desired)).phase
    assert ["install"] == stage.helm.acts


async def test_a_chart_that_is_not_there_fails_by_name(stage: Stage) -> None:
    stage.link.charts.clear()
    failed = await stage.outcome(stage.want())

    assert failed.failure is not None
    assert "ChartNotFound" == failed.failure.code
    assert [] == stage.helm.acts


async def test_without_the_control_plane_the_agent_works_from_memory(stage: Stage) -> None:
    await stage.outcome(stage.want())
    await stage.stop()
    stage.link.down = True
    stage.api.remove("Secret", "sh.helm.release.v1.r.v1")
    await stage.start()

    await stage.eventually(lambda: ["install", "install"] == stage.helm.acts)


async def test_stopping_ends_helm_first(stage: Stage) -> None:
    began = stage.helm.hangs()
    stage.want(timeout=600)
    await began.wait()
    await stage.stop()

    assert ["failed"] == stage.statuses()
    await stage.start()


async def test_a_worker_that_falls_gets_up_again(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.loop._AFTER_A_FALL", 0.05)

    async def fall() -> None:
        raise ZeroDivisionError

    stage.helm.script.append(fall)
    assert Phase.READY is (await stage.outcome(stage.want())).phase


async def test_now_and_then_everything_is_looked_at(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "RESYNC", 0.2)
    desired = stage.want()
    await stage.outcome(desired)
    del stage.api.objects["ConfigMap", "ns", "r"]  # nobody hears of it
    word = await stage.link.until(lambda: next((w for w in stage.words(desired) if w.statuses), None))

    assert "ConfigMap r is missing." == word.statuses[0].message.removesuffix(
        " " + word.statuses[0].message.split(". ")[1]
    )
