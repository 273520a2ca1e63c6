"""After a failure on a real API: evidence, then the remedy, told with its own outcome, and done by whoever is alive."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from e2e.agent_fixtures import Begin, agent, begin
from e2e.agent_world import STAY, World
from e2e.charts_made_here import DEPLOYMENT, HELLO, hook, pack
from e2e.helm_processes import acting
from e2e.real_cluster import RealCluster
from e2e.test_agent_crashes import HOOKED, Apart, apart, eventually, free, hook_began, status
from extensa.agent.memory import Remembered
from extensa.helm import remedy
from extensa.link.extension import DesiredExtension, FailurePolicy, ObservedExtension, OnFailure, Phase

pytestmark = pytest.mark.cluster
__all__ = ["agent", "apart", "begin"]

PLAIN = pack("plain", {"d.yaml": DEPLOYMENT})
NOWHERE = {"nowhere": "true"}
UNINSTALL = FailurePolicy(on_failure=OnFailure.UNINSTALL)
FREEZING = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-frozen}
data: {a: "1"}
{{- if .Values.frozen }}
immutable: true
{{- end }}
"""


def plain(agent: World, name: str, **more: Any) -> DesiredExtension:
    return agent.desired(name, **{"archive": PLAIN, "chart": "plain", **more})


async def outcome_of(agent: World, desired: DesiredExtension) -> ObservedExtension:
    agent.link.want(desired)
    return await agent.outcome(desired)


def done(found: ObservedExtension) -> tuple[str, int, str]:
    assert found.remedy is not None
    assert found.remedy.failure is None
    return found.remedy.step, found.remedy.revision, found.remedy.chart_version


async def left(agent: World, desired: DesiredExtension) -> list[str]:
    """Everything of a few kinds in the release's namespace, by name."""
    kinds = "deployments,jobs,configmaps,secrets,services"
    found = json.loads(await agent.run_kubectl("get", kinds, "-n", desired.namespace, "-o", "json"))["items"]
    names = [f"{each['kind']} {each['metadata']['name']}" for each in found]
    return [name for name in names if "kube-root-ca" not in name]


async def test_a_failed_upgrade_goes_back_to_what_was_healthy(agent: World) -> None:
    await outcome_of(agent, plain(agent, "back-to", settings={"replicas": "2"}))
    wanted = plain(agent, "back-to", generation=2, settings=NOWHERE, timeout=6)
    failed = await outcome_of(agent, wanted)

    assert failed.failure is not None
    assert (Phase.FAILED, "rollback", 1, "1.0.0") == (failed.phase, *done(failed))
    assert ["superseded", "superseded", "deployed"] == await status(agent, wanted)
    spec = (await agent.get("deployment", wanted.release, "-n", wanted.namespace))["spec"]
    assert (2, None) == (spec["replicas"], spec["template"]["spec"].get("nodeSelector"))
    assert {"Current"} == {each.health for each in failed.objects}
    await asyncio.sleep(2)
    assert 3 == len(await status(agent, wanted))
    healed = plain(agent, "back-to", generation=3)
    assert Phase.READY is (await outcome_of(agent, healed)).phase


async def test_a_failed_install_leaves_nothing_but_its_evidence(agent: World) -> None:
    settings = {"stuck": "true", "hookDeadline": "1"}
    wanted = agent.desired("never-was", archive=HOOKED, chart="hooked", settings=settings)
    failed = await outcome_of(agent, wanted)

    assert failed.failure is not None
    assert ("HookFailed", "uninstall", 0, "") == (failed.failure.code, *done(failed))
    assert [] == await left(agent, wanted)
    assert failed.evidence
    assert agent.memory is not None
    [evidence] = await agent.memory.evidence(wanted.resource_id)
    assert ("uninstall", "HookFailed") == (evidence.followed_by, evidence.cause.code)


async def test_whatever_failed_is_uninstalled_when_that_was_asked_for(agent: World) -> None:
    await outcome_of(agent, plain(agent, "all-away"))
    wanted = plain(agent, "all-away", generation=2, settings=NOWHERE, timeout=5, failure_policy=UNINSTALL)

    assert ("uninstall", 0, "") == done(await outcome_of(agent, wanted))
    assert [] == await left(agent, wanted)


async def test_a_failure_that_changed_nothing_has_no_remedy(agent: World) -> None:
    await outcome_of(agent, plain(agent, "same-still"))
    bad = pack("plain", {"t.yaml": '{{ fail "set the thing" }}'})
    wanted = plain(agent, "same-still", generation=2, archive=bad)
    failed = await outcome_of(agent, wanted)

    assert failed.failure is not None
    assert ("ChartDoesNotRender", None) == (failed.failure.code, failed.remedy)
    assert ["deployed"] == await status(agent, wanted)


async def test_a_rollback_that_fails_is_told_and_the_next_generation_gets_out_of_it(agent: World) -> None:
    archive = pack("freezing", {"d.yaml": DEPLOYMENT, "c.yaml": FREEZING})
    await outcome_of(agent, plain(agent, "no-way", archive=archive))
    settings = {"frozen": "true", **NOWHERE}
    wanted = plain(agent, "no-way", archive=archive, generation=2, settings=settings, timeout=6)
    failed = await outcome_of(agent, wanted)

    assert failed.remedy is not None
    assert failed.remedy.failure is not None
    assert ("rollback", "FieldImmutable") == (failed.remedy.step, failed.remedy.failure.code)
    assert "failed" == (await status(agent, wanted))[-1]
    healed = plain(agent, "no-way", archive=archive, generation=3, settings={"frozen": "true"})
    assert Phase.READY is (await outcome_of(agent, healed)).phase


async def test_it_is_tried_again_as_often_as_was_asked(agent: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remedy, "FIRST_PAUSE", 2.0)
    wanted = plain(agent, "thrice", settings=NOWHERE, timeout=4, failure_policy=FailurePolicy(retries=1))
    failed = await outcome_of(agent, wanted)

    assert ("uninstall", 0, "") == done(failed)
    assert agent.memory is not None
    assert 2 == len(await agent.memory.evidence(wanted.resource_id))
    said = [line.message for word in agent.words(wanted) for line in word.statuses]
    assert [message for message in said if message.startswith("Try 2 of 2 in ")]


async def test_to_hold_cancels_helm_and_what_is_there_is_told(agent: World) -> None:
    wanted = agent.desired("holds", archive=HOOKED, chart="hooked", settings={"stuck": "true"}, timeout=300)
    agent.link.want(wanted)
    await hook_began(agent, wanted)
    held = agent.desired("holds", archive=HOOKED, chart="hooked", generation=2, hold=True)
    agent.link.want(held)
    told = await agent.outcome(held, Phase.HELD, within=30)

    assert [] == acting("holds")
    assert ("failed-install", None) == ((await status(agent, held))[-1] + "-install", told.failure)
    await asyncio.sleep(1)
    assert ["failed"] == await status(agent, held)
    await free(agent, "holds")
    resumed = agent.desired("holds", archive=HOOKED, chart="hooked", generation=3)
    assert Phase.READY is (await outcome_of(agent, resumed)).phase


async def broken_record(agent: World, desired: DesiredExtension, version: int) -> str:
    """Make a record of Helm's unreadable and return its name."""
    name = f"sh.helm.release.v1.{desired.release}.v{version}"
    garbage = base64.b64encode(b"no such thing").decode()
    patch = json.dumps({"data": {"release": garbage}})
    await agent.run_kubectl("patch", "secret", name, "-n", desired.namespace, "--type=merge", "-p", patch)
    return name


@pytest.mark.parametrize("revisions", [1, 2])
async def test_a_record_that_cannot_be_read_is_set_aside(agent: World, revisions: int) -> None:
    name = f"corrupt-{revisions}"
    for number in range(1, revisions + 1):
        await outcome_of(agent, plain(agent, name, generation=number, settings={"replicas": str(number)}))
    first = plain(agent, name)
    secret = await broken_record(agent, first, revisions)
    wanted = plain(agent, name, generation=5, settings={"replicas": "3"})

    assert Phase.READY is (await outcome_of(agent, wanted)).phase
    assert "deployed" == (await status(agent, wanted))[-1]
    assert f"Secret extensa.aside.{secret}" in await left(agent, wanted)
    gone = plain(agent, name, generation=6, present=False)
    assert Phase.GONE is (await outcome_of(agent, gone)).phase
    assert [] == await left(agent, wanted)


@pytest.mark.parametrize("revisions", [1, 2])
async def test_a_release_whose_record_cannot_be_read_can_be_deleted(agent: World, revisions: int) -> None:
    name = f"corrupt-gone-{revisions}"
    for number in range(1, revisions + 1):
        await outcome_of(agent, plain(agent, name, generation=number, settings={"replicas": str(number)}))
    gone = plain(agent, name, generation=6, present=False)
    await agent.stop()
    await broken_record(agent, gone, revisions)
    agent.link.want(gone)
    await agent.start()

    assert Phase.GONE is (await agent.outcome(gone)).phase
    assert [] == await left(agent, gone)


async def test_a_namespace_that_goes_is_waited_for(agent: World) -> None:
    wanted = plain(agent, "going-ns")
    await agent.run_kubectl("create", "namespace", wanted.namespace)
    await agent.run_kubectl("create", "configmap", "holds", "-n", wanted.namespace)
    held = '{"metadata":{"finalizers":["test.example.com/held"]}}'
    await agent.run_kubectl("patch", "cm/holds", "-n", wanted.namespace, "--type=merge", "-p", held)
    await agent.run_kubectl("delete", "namespace", wanted.namespace, "--wait=false")
    agent.link.want(wanted)
    waiting = await agent.outcome(wanted, Phase.WORKING)
    assert "being deleted" in waiting.statuses[0].message
    await agent.run_kubectl(
        "patch", "cm/holds", "-n", wanted.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )

    assert Phase.READY is (await agent.outcome(wanted)).phase


def remembered(folder: Path) -> Remembered | None:
    """What an agent in a folder remembers of its only extension."""
    for path in (folder / "agent" / "extensions").glob("*.json"):
        try:
            return msgspec.json.decode(path.read_bytes(), type=Remembered)
        except (OSError, msgspec.MsgspecError):
            return None
    return None


def remedy_is_due(folder: Path) -> bool:
    found = remembered(folder)
    return found is not None and found.outcome is not None and found.outcome.due is not None


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15])
async def test_an_agent_killed_between_giving_up_and_the_remedy_goes_on_with_it(
    apart: Apart, agent: World, delay: float
) -> None:
    name = f"killed-due-{int(delay * 100)}"
    apart.chart(PLAIN)
    first = plain(agent, name)
    apart.want(2, first)
    await eventually(lambda: apart.last_word(first))
    failing = plain(agent, name, generation=2, settings=NOWHERE, timeout=4)
    apart.want(3, failing)
    await eventually(lambda: remedy_is_due(apart.folder))
    await asyncio.sleep(delay)
    await apart.kill()
    assert delay or apart.last_word(failing) is None, "it was killed too late to prove anything"
    await apart.start()
    await eventually(lambda: apart.last_word(failing))
    failed = apart.last_word(failing)

    assert failed is not None
    assert ("rollback", 1, "1.0.0") == done(failed)
    history = await status(agent, failing)
    assert (1, "deployed") == (history.count("deployed"), history[-1])
    spec = (await agent.get("deployment", name, "-n", failing.namespace))["spec"]["template"]["spec"]
    assert "nodeSelector" not in spec


async def test_an_upgrade_that_should_stay_stays(agent: World) -> None:
    await outcome_of(agent, plain(agent, "stays"))
    wanted = plain(agent, "stays", generation=2, settings=NOWHERE, timeout=5, failure_policy=STAY)
    failed = await outcome_of(agent, wanted)

    assert failed.remedy is None
    assert ["superseded", "deployed"] == await status(agent, wanted)


async def test_an_uninstall_whose_hook_fails_has_a_way_out(agent: World) -> None:
    archive = pack("leaving", {"d.yaml": DEPLOYMENT, "h.yaml": hook("pre-delete")})
    settings = {"stuck": "true", "hookDeadline": "1"}
    more: dict[str, Any] = {"archive": archive, "chart": "leaving"}
    await outcome_of(agent, agent.desired("stuck-go", settings=settings, **more))
    failed = await outcome_of(agent, agent.desired("stuck-go", generation=2, present=False, **more))
    assert failed.failure is not None
    assert ("JobFailed", "uninstall") == (failed.failure.code, failed.failure.step)
    again = agent.desired("stuck-go", generation=3, settings=settings, **more)
    assert Phase.READY is (await outcome_of(agent, again)).phase
    gone = agent.desired("stuck-go", generation=4, present=False, remove_finalizers=True, **more)

    assert Phase.GONE is (await outcome_of(agent, gone)).phase
    assert [] == await left(agent, gone)


async def test_either_driver_puts_right_and_finds_the_way_out(begin: Begin, real_cluster: RealCluster) -> None:
    agent = await begin(engine=real_cluster.engine, suffix="-e")

    await test_a_failed_upgrade_goes_back_to_what_was_healthy(agent)
    await test_a_rollback_that_fails_is_told_and_the_next_generation_gets_out_of_it(agent)
    await test_an_uninstall_whose_hook_fails_has_a_way_out(agent)


async def test_hooks_leave_nothing_behind(agent: World) -> None:
    both = pack("both", {**HELLO, "h.yaml": hook("pre-install,post-delete")})
    wanted = agent.desired("tidy", archive=both, chart="both")
    await outcome_of(agent, wanted)
    assert "Job tidy-hook" in await left(agent, wanted)
    gone = agent.desired("tidy", archive=both, chart="both", generation=2, present=False)

    assert Phase.GONE is (await outcome_of(agent, gone)).phase
    assert [] == await left(agent, wanted)


async def test_an_object_that_waits_for_a_finalizer_goes_when_that_was_asked_for(agent: World) -> None:
    wanted = agent.desired("forced")
    await outcome_of(agent, wanted)
    held = '{"metadata":{"finalizers":["test.example.com/held"]}}'
    await agent.run_kubectl("patch", "cm/forced-settings", "-n", wanted.namespace, "--type=merge", "-p", held)
    gone = agent.desired("forced", generation=2, present=False, remove_finalizers=True)

    assert Phase.GONE is (await outcome_of(agent, gone)).phase
    assert [] == await left(agent, wanted)


async def test_a_name_used_again_over_an_object_that_is_still_going_gets_it_after_all(agent: World) -> None:
    before = agent.desired("reborn", uid="11111111-1111-4111-8111-111111111112")
    await outcome_of(agent, before)
    held = '{"metadata":{"finalizers":["test.example.com/held"]}}'
    await agent.run_kubectl("patch", "cm/reborn-settings", "-n", before.namespace, "--type=merge", "-p", held)
    gone = agent.desired("reborn", uid=before.uid, generation=2, present=False, timeout=2)
    await outcome_of(agent, gone)
    after = agent.desired("reborn", uid="22222222-2222-4222-8222-222222222223")
    agent.link.want(after)
    await agent.outcome(after, Phase.WORKING)
    await agent.run_kubectl(
        "patch", "cm/reborn-settings", "-n", before.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )

    assert Phase.READY is (await agent.outcome(after, within=30)).phase
    assert (await agent.get("cm", "reborn-settings", "-n", before.namespace))["data"]
