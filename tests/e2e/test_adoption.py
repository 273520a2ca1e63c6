"""What somebody else has made on a real API is taken over when that is asked for, refused by name otherwise."""

import asyncio
from typing import Any

import pytest

from e2e.agent_fixtures import begin
from e2e.agent_world import World
from e2e.charts_made_here import DEPLOYMENT, HELLO, pack
from e2e.test_agent_crashes import agent, status
from e2e.test_agent_main_road import CRD, WIDGET
from extensa.link.extension import DesiredExtension, ObservedExtension, Phase

pytestmark = pytest.mark.cluster
__all__ = ["agent", "begin"]


async def outcome_of(agent: World, desired: DesiredExtension) -> ObservedExtension:
    agent.link.want(desired)
    return await agent.outcome(desired)


async def by_hand(agent: World, desired: DesiredExtension, *arguments: str) -> None:
    """Install a release of that name with plain helm."""
    chart = agent.folder / f"{desired.release}.tgz"
    chart.write_bytes(pack("hello", HELLO, version="0.9.0"))
    place = ("-n", desired.namespace, "--create-namespace")
    await agent.run_helm("install", desired.release, str(chart), *place, *arguments)


async def made_by_somebody(agent: World, desired: DesiredExtension) -> None:
    """Have an object there that the release wants to make."""
    await agent.run_kubectl("create", "namespace", desired.namespace)
    name = f"{desired.release}-settings"
    await agent.run_kubectl("create", "configmap", name, "-n", desired.namespace, "--from-literal=plain=theirs")


async def settings_of(agent: World, desired: DesiredExtension) -> Any:
    return await agent.get("cm", f"{desired.release}-settings", "-n", desired.namespace)


async def test_a_release_made_by_hand_is_refused_by_name_and_taken_over_when_asked(agent: World) -> None:
    wanted = agent.desired("take", settings={"number": "7"})
    await by_hand(agent, wanted, "--set", "number=1")
    refused = await outcome_of(agent, wanted)
    taken = await outcome_of(agent, agent.desired("take", generation=2, settings={"number": "7"}, adopt=True))

    assert refused.failure is not None
    assert ("ReleaseNotOurs", None) == (refused.failure.code, refused.remedy)
    assert "somebody else (chart hello 0.9.0, revision 1)" in refused.failure.message
    assert (Phase.READY, 2, "1.0.0") == (taken.phase, taken.revision, taken.chart_version)
    assert "7" == (await settings_of(agent, wanted))["data"]["plain"]
    gone = agent.desired("take", generation=3, present=False)
    assert Phase.GONE is (await outcome_of(agent, gone)).phase
    assert [] == await status(agent, wanted)


async def test_objects_that_exist_are_refused_by_name_and_taken_over_when_asked(agent: World) -> None:
    wanted = agent.desired("objects", settings={"number": "7"})
    await made_by_somebody(agent, wanted)
    refused = await outcome_of(agent, wanted)
    assert refused.failure is not None
    assert ("OwnedByAnother", None) == (refused.failure.code, refused.remedy)
    assert f"ConfigMap {wanted.namespace}/{wanted.release}-settings" == refused.failure.target
    assert "theirs" == (await settings_of(agent, wanted))["data"]["plain"]
    taken = await outcome_of(agent, agent.desired("objects", generation=2, settings={"number": "7"}, adopt=True))

    assert Phase.READY is taken.phase
    found = await settings_of(agent, wanted)
    marks = found["metadata"]["annotations"]
    assert ("7", wanted.release) == (found["data"]["plain"], marks["meta.helm.sh/release-name"])


async def test_what_was_taken_over_is_not_uninstalled_by_a_failure(agent: World) -> None:
    wanted = agent.desired("kept-safe", settings={"nowhere": "true"}, adopt=True, timeout=6)
    await made_by_somebody(agent, wanted)
    failed = await outcome_of(agent, wanted)

    assert (Phase.FAILED, None) == (failed.phase, failed.remedy)
    assert (await settings_of(agent, wanted))["data"]


async def test_an_adoption_that_fails_gives_the_release_back(agent: World) -> None:
    wanted = agent.desired("give-back", settings={"nowhere": "true"}, adopt=True, timeout=6)
    await by_hand(agent, wanted, "--set", "number=1")
    failed = await outcome_of(agent, wanted)

    assert failed.remedy is not None
    assert ("rollback", 1, "0.9.0", None) == (
        failed.remedy.step, failed.remedy.revision, failed.remedy.chart_version, failed.remedy.failure,
    )  # fmt: skip
    await asyncio.sleep(1)
    assert ["superseded", "superseded", "deployed"] == await status(agent, wanted)
    assert "1" == (await settings_of(agent, wanted))["data"]["plain"]
    refused = await outcome_of(agent, agent.desired("give-back", generation=2))
    assert refused.failure is not None
    assert "ReleaseNotOurs" == refused.failure.code


async def test_another_extensions_release_is_not_taken_over(agent: World) -> None:
    first = agent.desired("theirs", uid="11111111-1111-4111-8111-111111111113")
    await outcome_of(agent, first)
    other = agent.desired("theirs", uid="22222222-2222-4222-8222-222222222224", adopt=True)
    elsewhere = {"resource_id": other.resource_id.replace("/c/", "/d/")}
    stranger = DesiredExtension(**{**{f: getattr(other, f) for f in other.__struct_fields__}, **elsewhere})
    agent.link.want(stranger)
    refused = await agent.outcome(stranger)

    assert refused.failure is not None
    assert "another extension" in refused.failure.message
    assert 1 == len(await status(agent, first))


async def test_definitions_of_the_chart_go_only_when_asked_for_and_with_all_that_hold_them(agent: World) -> None:
    templates, crds = {"d.yaml": DEPLOYMENT, "w.yaml": WIDGET}, {"w.yaml": CRD.replace("widgets", "gadgets")}
    templates["w.yaml"] = WIDGET.replace("Widget", "Gadget").replace("name: w}", "name: g, finalizers: [e.x/held]}")
    crds["w.yaml"] = crds["w.yaml"].replace("Widget", "Gadget")
    more: dict[str, Any] = {"archive": pack("gadgets", templates, crds=crds), "chart": "gadgets"}
    assert Phase.READY is (await outcome_of(agent, agent.desired("defs", **more))).phase
    going = agent.desired("defs", generation=2, present=False, delete_crds=True, timeout=4, **more)
    failed = await outcome_of(agent, going)
    assert failed.failure is not None
    assert "FinalizerStuck" == failed.failure.code
    gone = agent.desired("defs", generation=3, present=False, delete_crds=True, remove_finalizers=True, **more)

    assert Phase.GONE is (await outcome_of(agent, gone)).phase
    assert "" == await agent.run_kubectl("get", "crd", "gadgets.test.example.com", "-o", "name", ok=False)
