"""Evidence on its way through the whole control plane: from the agent's word to whoever may see it."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec

from extensa.identity.grants import EXTENSION_CONTRIBUTOR, READER
from extensa.link.evidence import Cause, Evidence
from extensa.link.extension import Failure, Phase
from scenarios.control_plane import ControlPlane, Time, extension_body, running
from scenarios.test_control_plane import V, chart

__all__ = ["chart"]
CANARY = "unrecognised-canary"


async def failed(cp: ControlPlane, chart: bytes) -> dict[str, Any]:
    """Have an extension fail, and return what its agent keeps of that."""
    await cp.with_cluster()
    await cp.with_type(chart)
    await cp.ask("PUT", cp.extension, V, extension_body())
    uid = (await cp.agent_feed()).desired[0].uid
    failure = Failure(code="HookFailed", message="m", step="install")
    await cp.agent_reports(uid, 1, Phase.FAILED, failure=failure, evidence="ev-1")
    cause = Cause(code="HookFailed", message="m hush", step="install")
    found = Evidence(id="ev-1", uid=uid, generation=1, time=cp.time.now, cause=cause, manifests=CANARY)
    return {"evidence": msgspec.to_builtins(found), "more": False}


async def listed(cp: ControlPlane) -> Any:
    return (await cp.ask("POST", cp.extension + "/listEvidence", V)).json()


async def test_evidence_is_fetched_after_a_restart_and_shown_to_who_may_see_it(tmp_path: Path, chart: bytes) -> None:
    time = Time()
    async with running(tmp_path / "home", time) as cp:
        answer = await failed(cp, chart)
        assert (await listed(cp))["awaited"]
    async with running(tmp_path / "home", time) as cp, cp.sweeping():
        question = await cp.agent_answers(answer)
        while (await listed(cp))["awaited"]:
            await asyncio.sleep(0.01)

        assert {"have": [], "generation": 1} == question.arguments
        assert ["ev-1"] == [each["id"] for each in (await listed(cp))["value"]]
        shown = await cp.ask("POST", cp.extension + "/getEvidence?id=ev-1", V)
        assert (200, CANARY, "m ********") == (
            shown.status_code,
            shown.json()["manifests"],
            shown.json()["cause"]["message"],
        )
        assert 404 == (await cp.ask("POST", cp.extension + "/getEvidence?id=other", V)).status_code
        for role, status in ((READER, 403), (EXTENSION_CONTRIBUTOR, 200)):
            made = await cp.house.identity.add_principal("somebody")
            await cp.house.identity.assign(made.object_id, role, cp.group)
            who = await cp.sign_in(made.app_id, made.secret)
            for action in ("listEvidence", "getEvidence"):
                asked = await cp.ask("POST", f"{cp.extension}/{action}", V, headers=who)
                assert status == asked.status_code, (role.name, action)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*.sqlite3*"))
    assert CANARY.encode() not in kept


async def test_a_report_wakes_whoever_asks(tmp_path: Path, chart: bytes) -> None:
    async with running(tmp_path / "home", Time()) as cp, cp.sweeping():
        await asyncio.sleep(0.05)
        answer = await failed(cp, chart)
        await asyncio.wait_for(cp.agent_answers(answer), 4)
        while not (found := await listed(cp))["value"]:
            await asyncio.sleep(0.01)
        assert not found["awaited"]
