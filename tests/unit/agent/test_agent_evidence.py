"""What an agent takes down of a failure: what is in it, how it is bounded, how long it is kept, who hears of it."""

import stat
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from extensa.agent import excerpts
from extensa.agent.memory import FileMemory
from extensa.base.clock import utc_now
from extensa.helm.errors import HelmError
from extensa.link.evidence import Cause, Container, EventLine, Evidence, PodState
from extensa.link.extension import Phase
from extensa.link.question import Answer, Kind, Question
from extensa.link.sealing import public_key, seal
from unit.agent.doubles import UID
from unit.agent.test_agent_loop import Stage

RESOURCE = "/Subscriptions/S/extensions/R"


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    await made.start()
    yield made
    await made.stop()


def sample(number: int = 1, **changes: Any) -> Evidence:
    fields: dict[str, Any] = {
        "id": f"2026010{number}",
        "uid": "uid-1",
        "generation": 1,
        "time": utc_now(),
        "cause": Cause(code="HookFailed", message="m", step="install", raw="r" * 100),
    }
    return Evidence(**(fields | changes))


async def asked(stage: Stage, have: list[str], *, generation: int = 1) -> Answer:
    question = Question(
        id=f"q{len(stage.link.questions)}",
        kind=Kind.EVIDENCE,
        cluster_uid=UID,
        subject="uid-1",
        deadline=utc_now() + timedelta(seconds=10),
        correlation_id="c",
        arguments={"have": have, "generation": generation},
    )
    stage.link.ask(question)
    return await stage.link.until(lambda: stage.link.answers.get(question.id), within=5)


def trouble(stage: Stage) -> None:
    """What a controller and a kubelet would leave in the cluster."""
    stage.api.put("ReplicaSet", "r-1", ownerReferences=[{"kind": "Deployment", "name": "r"}])
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "hunter2-long"}}, "restartCount": 3}
    status = {"phase": "Pending", "containerStatuses": [{"name": "main", **waiting}, {"name": "side", "state": {}}]}
    stage.api.put("Pod", "r-1-x", status=status, ownerReferences=[{"kind": "ReplicaSet", "name": "r-1"}])
    stage.api.put("Pod", "stranger", status=status)
    for name, kind, about in (("e1", "Pod", "r-1-x"), ("e2", "Pod", "stranger"), ("e3", "Deployment", "r")):
        stage.api.put("Event", name)
        stage.api.objects["Event", "ns", name] |= {
            "involvedObject": {"kind": kind, "name": about},
            "reason": "Because",
            "message": f"{name} hunter2-long",
            "lastTimestamp": f"2026-01-01T00:00:0{name[1]}Z",
        }


async def test_a_failure_is_taken_down_named_in_the_report_and_handed_over(stage: Stage) -> None:
    trouble(stage)
    stage.api.logs["r-1-x"] = "one\nhunter2-long\n"
    box = seal(b'{"secret": "hunter2-long"}', recipient=public_key(stage.key), purpose="uid-1")

    async def fail() -> None:
        raise HelmError("HookFailed", "the hook said hunter2-long", raw="raw hunter2-long")

    stage.helm.script.append(fail)
    failed = await stage.outcome(stage.want(protected=box))
    answer = await asked(stage, [])
    found = msgspec.convert(answer.body["evidence"], Evidence)

    assert (Phase.FAILED, failed.evidence, False) == (failed.phase, found.id, answer.body["more"])
    assert ("HookFailed", "install", "operation") == (found.cause.code, found.cause.step, found.operation_id)
    assert found.release is not None
    assert [(1, "failed")] == [(each.revision, each.status) for each in found.release.revisions]
    assert "kind: Deployment" in found.manifests
    assert ["r-1-x"] == [pod.name for pod in found.pods]
    crash, side = found.pods[0].containers
    assert ("waiting", "CrashLoopBackOff", 3, ["one", "********"]) == (
        crash.state,
        crash.reason,
        crash.restarts,
        crash.log,
    )
    assert "not started" in side.log_note
    assert ["e1 ********"] == [each.message for each in found.events if each.object == "Pod r-1-x"]
    assert [] == [each for each in found.events if "stranger" in each.object]
    assert "hunter2" not in repr(answer)
    assert {"evidence": None, "more": False} == (await asked(stage, [found.id])).body
    assert {"evidence": None, "more": False} == (await asked(stage, [], generation=2)).body


async def test_a_cluster_without_kubelets_says_so_in_words(stage: Stage) -> None:
    trouble(stage)
    stage.helm.fails("QuotaExceeded")
    await stage.outcome(stage.want())
    found = msgspec.convert((await asked(stage, [])).body["evidence"], Evidence)

    note = found.pods[0].containers[0].log_note
    assert "no kubelet" in note
    assert "no preferred addresses" in note


async def test_evidence_outlives_a_restart_and_goes_with_the_extension(stage: Stage) -> None:
    stage.helm.fails("QuotaExceeded")
    failed = await stage.outcome(stage.want())
    files = list((stage.folder / "agent" / "evidence").iterdir())
    assert [0o600] == [stat.S_IMODE(file.stat().st_mode) for file in files]
    await stage.stop()
    stage.link.reports.clear()
    await stage.start()
    again = await stage.link.until(lambda: stage.words(failed_of(stage))[-1] if stage.link.reports else None)

    assert failed.evidence == again.evidence
    assert failed.evidence == (await asked(stage, [])).body["evidence"]["id"]
    await stage.outcome(stage.want(2, present=False))
    await stage.eventually(lambda: not list((stage.folder / "agent" / "evidence").iterdir()))


def failed_of(stage: Stage) -> Any:
    return next(iter(stage.link.current.values()))[1]


async def test_an_unreachable_cluster_leaves_what_is_known_without_it(stage: Stage) -> None:
    stage.api.silent = True
    failed = await stage.outcome(stage.want(timeout=1))
    found = msgspec.convert((await asked(stage, [])).body["evidence"], Evidence)

    assert ("ApiServerUnreachable", failed.evidence) == (found.cause.code, found.id)
    assert any("not in reach" in note for note in found.notes)


async def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    memory = FileMemory(tmp_path)
    for number in range(1, 8):
        await memory.keep_evidence(RESOURCE, sample(number))

    assert [f"2026010{n}" for n in range(3, 8)] == [each.id for each in await memory.evidence(RESOURCE.lower())]
    assert [] == await memory.evidence("another")
    memory.close()


@pytest.mark.parametrize("limit", [300_000, 60_000, 5_000, 800])
def test_what_is_too_large_is_cut_always_alike_and_says_so(limit: int) -> None:
    logs = [Container(name="c", state="running", log=["x" * 1000] * 100)]
    large = sample(
        manifests="line\n" * 50_000,
        pods=[PodState(name="p", namespace="n", phase="Running", containers=logs)],
        events=[
            EventLine(time=str(n), type="Warning", reason="r", object="Pod p", message="m" * 200) for n in range(200)
        ],
    )
    cut = excerpts.bounded(large, limit)

    assert limit >= len(msgspec.json.encode(cut))
    assert cut == excerpts.bounded(large, limit)
    assert any("Container logs" in note for note in cut.notes)
    assert large == excerpts.bounded(large, 10_000_000)


def test_too_many_events_lose_the_oldest() -> None:
    listed = [
        {"metadata": {}, "involvedObject": {"kind": "Pod", "name": "p"}, "eventTime": f"2026-01-01T00:{n:02}:00.1Z"}
        for n in range(59, -1, -1)
    ] * 5
    lines = excerpts.events_of(listed, {("Pod", "p")}, str)

    assert excerpts.MOST_EVENTS == len(lines)
    assert "2026-01-01T00:59:00" == lines[-1].time
