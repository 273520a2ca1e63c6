"""Causes of a failed extension that only the control plane can know: its cluster is stopped or gone, its agent silent.

The whole control plane runs over a real database; host and agent are played, and time passes when told.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import pytest

from extensa.link.cluster import ClusterPhase, ObservedCluster
from extensa.link.extension import DesiredExtension, Failure, Phase
from scenarios.control_plane import ControlPlane, Time, extension_body, running
from scenarios.test_control_plane import chart, cp, polled, time

__all__ = ["chart", "cp", "time"]

V = "2025-03-01"
Test = TypeVar("Test", bound=Callable[..., Any])


@pytest.fixture(autouse=True)
def time_passes_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test's time really pass: a clock that only jumps would not be believed."""
    monkeypatch.setattr("extensa.entry.server.steady", lambda clock: clock)


def produces(*_codes: str) -> Callable[[Test], Test]:
    """Say which causes a test brings about."""
    return lambda test: test


async def begun(cp: ControlPlane, chart: bytes) -> tuple[str, DesiredExtension]:
    """Have a PUT under way; return where it is polled, and what the agent is asked for."""
    await cp.with_cluster()
    await cp.with_type(chart)
    accepted = await cp.ask("PUT", cp.extension, V, extension_body())
    return polled(accepted), (await cp.agent_feed()).desired[0]


async def stop(cp: ControlPlane) -> None:
    """Stop the cluster, as person and host do together."""
    assert 202 == (await cp.ask("POST", f"{cp.cluster}/stop", "2026-06-01")).status_code
    await hosted(cp, ClusterPhase.STOPPED)


async def hosted(cp: ControlPlane, phase: ClusterPhase) -> None:
    """Report as the host that the cluster is as was asked last."""
    desired = (await cp.host_feed()).desired[-1]
    seen = ObservedCluster(uid=desired.uid, generation=desired.generation, phase=phase, observed_at=cp.time.now)
    await cp.host_reports(seen)


async def fails(cp: ControlPlane, poll: str, code: str, *says: str, target: str) -> None:
    """See the operation end by this cause, with this target, these words and a next step, and the resource say so."""
    async with cp.sweeping():
        ended = await _ended(cp, poll)
    error = ended["error"]
    facts = {each["type"]: each["info"] for each in error["additionalInfo"]}
    print(f"{code} at {error.get('target')}: {error['message']}\n    next: {facts['ExtensaNextStep']['nextStep']}")
    assert ("Failed", "ExtensionOperationFailed") == (ended["status"], error["code"])
    assert (code, target) == (facts["ExtensaFailure"]["code"], facts["ExtensaFailure"]["target"])
    assert [] == [word for word in says if word not in error["message"]]
    assert facts["ExtensaNextStep"]["nextStep"]


async def _ended(cp: ControlPlane, poll: str) -> Any:
    for _ in range(20):
        answer: httpx2.Response = await cp.ask("GET", poll, V)
        if "Failed" == answer.json().get("status"):
            return answer.json()
    raise AssertionError(answer.text)


async def recovers(cp: ControlPlane, desired: DesiredExtension) -> None:
    """See that the extension is not stuck: when the agent is heard after all, it is as the agent says."""
    cp.time.pass_by(minutes=1)
    await cp.agent_reports(desired.uid, desired.generation, Phase.READY, revision=1, chart_version="1.0.0")
    shown = (await cp.ask("GET", cp.extension, V)).json()["properties"]
    assert ("Succeeded", None) == (shown["provisioningState"], shown.get("errorInfo"))


@produces("AgentNeverConnected")
async def test_agent_never_connected(cp: ControlPlane, chart: bytes, time: Time) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)
    poll = polled(await cp.ask("PUT", cp.extension, V, extension_body()))
    time.pass_by(minutes=16)

    await fails(cp, poll, "AgentNeverConnected", "it has never connected", target=cp.cluster)
    await recovers(cp, (await cp.agent_feed()).desired[0])


@produces("AgentSilent")
async def test_agent_silent(cp: ControlPlane, chart: bytes, time: Time) -> None:
    poll, desired = await begun(cp, chart)
    await cp.agent_reports(desired.uid, desired.generation, Phase.WORKING)
    time.pass_by(minutes=16)

    await fails(cp, poll, "AgentSilent", "silent since 2026-11-25T12:00:00Z", target=cp.cluster)
    await recovers(cp, desired)


@produces("AgentWithoutOutcome")
async def test_agent_without_outcome(cp: ControlPlane, chart: bytes, time: Time) -> None:
    poll, desired = await begun(cp, chart)
    time.pass_by(minutes=16)
    await cp.agent_feed()

    await fails(cp, poll, "AgentWithoutOutcome", "is connected but reported no outcome", target=cp.cluster)
    await recovers(cp, desired)


@produces("ClusterStopped")
async def test_cluster_stopped(cp: ControlPlane, chart: bytes, time: Time) -> None:
    poll, desired = await begun(cp, chart)
    await stop(cp)
    failure = Failure(code="ApiServerUnreachable", message="no answer", step="ready", next_step="?")
    await cp.agent_reports(desired.uid, desired.generation, Phase.FAILED, failure=failure)

    await fails(cp, poll, "ClusterStopped", "The cluster 'c1' is stopped", "az aks start", target=cp.cluster)
    await recovers(cp, desired)


async def test_cluster_stopped_and_its_agent_silent(cp: ControlPlane, chart: bytes, time: Time) -> None:
    poll, desired = await begun(cp, chart)
    await stop(cp)
    time.pass_by(minutes=16)

    await fails(cp, poll, "ClusterStopped", "The cluster 'c1' is stopped", target=cp.cluster)
    await recovers(cp, desired)


@produces("ReasonUnknown")
async def test_reason_unknown(cp: ControlPlane, chart: bytes) -> None:
    poll, desired = await begun(cp, chart)
    await cp.agent_reports(desired.uid, desired.generation, Phase.FAILED)

    await fails(cp, poll, "ReasonUnknown", "without saying why", target="")
    await recovers(cp, desired)


@produces("SealBroken")
async def test_seal_broken(tmp_path: Path, chart: bytes, time: Time) -> None:
    home = tmp_path / "restored"
    async with running(home, time) as before:
        poll, _ = await begun(before, chart)
    (home / "keys" / "vault.json").unlink()
    async with running(home, time) as cp:
        await cp.agent_feed()

        await fails(cp, poll, "SealBroken", "could not be opened", target=cp.extension)
        again = polled(await cp.ask("PUT", cp.extension, V, extension_body(a="b")))
        desired = (await cp.agent_feed()).desired[-1]
        await cp.agent_reports(desired.uid, desired.generation, Phase.READY, revision=1, chart_version="1.0.0")
        assert "Succeeded" == (await cp.ask("GET", again, V)).json()["status"]
