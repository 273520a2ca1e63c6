"""Failure policy, commands, history, drift and orphans through the whole control plane, with an agent played by us."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from extensa.identity.grants import EXTENSION_CONTRIBUTOR, READER
from extensa.link.extension import DesiredExtension, Drift, Failure, OnFailure, Phase, Presence, Remedy
from scenarios.control_plane import ControlPlane, Time, extension_body, running, unsealed
from scenarios.test_control_plane import V, chart, polled

__all__ = ["chart"]
ACTIONS = ("listRevisions", "listDrift", "cancel", "pause", "resume", "retry", "rollback")


@pytest.fixture
async def cp(tmp_path: Path, chart: bytes) -> AsyncIterator[ControlPlane]:
    """A control plane with a cluster and a type."""
    async with running(tmp_path / "home", Time()) as control_plane:
        await control_plane.with_cluster()
        await control_plane.with_type(chart)
        yield control_plane


async def desired(cp: ControlPlane) -> DesiredExtension:
    return (await cp.agent_feed()).desired[0]


async def report(cp: ControlPlane, phase: Phase, **more: Any) -> None:
    cp.time.pass_by(seconds=1)
    now = await desired(cp)
    await cp.agent_reports(now.uid, now.generation, phase, **more)


async def act(cp: ControlPlane, action: str, body: Any = None, status: int = 200) -> Any:
    answer = await cp.ask("POST", f"{cp.extension}/{action}", V, body)
    assert status == answer.status_code, answer.text
    return answer.json()


async def state(cp: ControlPlane) -> str:
    found: str = (await cp.ask("GET", cp.extension, V)).json()["properties"]["provisioningState"]
    return found


async def test_everything_wrong_with_a_policy_is_told_in_one_answer(cp: ControlPlane) -> None:
    body = extension_body()
    body["properties"] |= {
        "failurePolicy": {"onFailure": "Explode", "retries": -1, "timeout": "10"},
        "driftPolicy": {"mode": "Maybe", "ignore": ["spec.replicas"]},
        "adoption": 1,
        "version": "9.9.9",
    }
    answer = await cp.ask("PUT", cp.extension, V, body)

    assert 400 == answer.status_code
    error = answer.json()["error"]
    targets = [each["target"].removeprefix("properties.") for each in error["details"]]
    assert ["failurePolicy.onFailure", "failurePolicy.retries", "failurePolicy.timeout"] == targets[:3]
    assert {"driftPolicy.mode", "driftPolicy.ignore[0]", "adoption", "autoUpgradeMinorVersion"} <= set(targets)
    assert 404 == (await cp.ask("GET", cp.extension, V)).status_code


async def test_policies_reach_the_agent_and_an_older_client_does_not_lose_them(cp: ControlPlane) -> None:
    body = extension_body()
    body["properties"] |= {
        "failurePolicy": {"onFailure": "Stay", "retries": 3, "timeout": "PT2M"},
        "driftPolicy": {"mode": "Correct", "ignore": ["/metadata/annotations"]},
        "adoption": "Adopt",
    }
    shown = (await cp.ask("PUT", cp.extension, V, body)).json()["properties"]
    found = await desired(cp)

    assert {"onFailure": "Stay", "retries": 3, "timeout": "PT2M"} == shown["failurePolicy"]
    assert (OnFailure.STAY, 3, 120) == (found.failure_policy.on_failure, found.failure_policy.retries, found.timeout)
    assert (["/metadata/annotations"], True) == (found.drift_policy.ignore, found.adopt)
    await report(cp, Phase.READY)
    again = await cp.ask("PUT", cp.extension, "2022-03-01", extension_body(a="b"))
    assert ("Adopt", "Correct") == (
        again.json()["properties"]["adoption"],
        again.json()["properties"]["driftPolicy"]["mode"],
    )
    await report(cp, Phase.READY)
    await cp.ask("PATCH", cp.extension, V, {"properties": {"failurePolicy": None, "adoption": "Refuse"}})
    assert (600, False) == ((await desired(cp)).timeout, (await desired(cp)).adopt)


async def test_a_canceled_installation_is_held_until_it_is_retried(cp: ControlPlane) -> None:
    accepted = await cp.ask("PUT", cp.extension, V, extension_body())
    await act(cp, "cancel")

    ended = (await cp.ask("GET", polled(accepted), V)).json()
    assert ("Canceled", "OperationCanceled") == (ended["status"], ended["error"]["code"])
    found = await desired(cp)
    assert (2, True, Presence.PRESENT) == (found.generation, found.hold, found.presence)
    await report(cp, Phase.HELD)
    assert "Canceled" == await state(cp)
    assert "NothingToCancel" == (await act(cp, "cancel", status=409))["error"]["code"]
    await act(cp, "retry", status=202)
    assert not (await desired(cp)).hold
    await report(cp, Phase.READY)
    assert "Succeeded" == await state(cp)


async def test_a_paused_extension_waits_and_says_how_to_go_on(cp: ControlPlane) -> None:
    await cp.ask("PUT", cp.extension, V, extension_body())
    assert "OperationInProgress" == (await act(cp, "pause", status=409))["error"]["code"]
    await report(cp, Phase.READY)
    assert (await act(cp, "pause"))["properties"]["paused"]
    await report(cp, Phase.HELD)

    refused = await cp.ask("PATCH", cp.extension, V, {"properties": {"configurationSettings": {"a": "b"}}})
    error = refused.json()["error"]
    assert (409, "ExtensionPaused") == (refused.status_code, error["code"])
    assert "extensa extension resume" in error["additionalInfo"][0]["info"]["nextStep"]
    assert "Succeeded" == await state(cp)
    await act(cp, "resume", status=202)
    await report(cp, Phase.READY)
    await act(cp, "resume")
    assert (await cp.ask("PATCH", cp.extension, V, {"properties": {"configurationSettings": {}}})).status_code == 200


async def test_an_upgrade_that_failed_is_told_with_its_remedy_and_gone_back_from(cp: ControlPlane) -> None:
    await cp.ask("PUT", cp.extension, V, extension_body(a="1"))
    await report(cp, Phase.READY, revision=1)
    accepted = await cp.ask("PATCH", cp.extension, V, {"properties": {"configurationSettings": {"a": "2"}}})
    failure = Failure(code="ImagePullFailed", message="no such image", step="ready", next_step="Push it.")
    remedy = Remedy(step="rollback", revision=1, chart_version="1.0.0")
    await report(cp, Phase.FAILED, failure=failure, remedy=remedy, revision=3)

    error = (await cp.ask("GET", polled(accepted), V)).json()["error"]
    kinds = ["ExtensaFailure", "ExtensaRemedy", "ExtensaNextStep"]
    assert kinds == [each["type"] for each in error["additionalInfo"]]
    words = "The upgrade failed and was rolled back to revision 1 (version 1.0.0)."
    assert words == error["additionalInfo"][1]["info"]["message"]
    value = (await act(cp, "listRevisions"))["value"]
    assert [("Failed", "ImagePullFailed"), ("Succeeded", None)] == [(r["result"], r["errorCode"]) for r in value]
    await act(cp, "rollback", {"revision": 1}, status=202)
    found = await desired(cp)
    assert ({"a": "1"}, {"token": "hush"}) == (found.settings, unsealed(cp, found.protected, found.uid))
    assert "RevisionNotKept" == (await act(cp, "rollback", {"revision": 9}, status=400))["error"]["code"]


async def test_drift_is_listed_field_by_field(cp: ControlPlane) -> None:
    await cp.ask("PUT", cp.extension, V, extension_body())
    assert {"value": [], "count": 0, "observedAt": None} == await act(cp, "listDrift")
    drift = Drift(kind="ConfigMap", name="hello", namespace="n", path="/data/a", wanted='"1"', found='"hush"')
    await report(cp, Phase.READY, drift=[drift], drift_count=7)

    found = await act(cp, "listDrift")
    assert (7, "/data/a", '"********"') == (found["count"], found["value"][0]["path"], found["value"][0]["found"])
    assert found["observedAt"]
    assert {"count": 7} == (await cp.ask("GET", cp.extension, V)).json()["properties"]["drift"]


async def test_a_removal_takes_along_what_was_asked_for(cp: ControlPlane) -> None:
    await cp.ask("PUT", cp.extension, V, extension_body())
    refused = await cp.ask("DELETE", f"{cp.extension}?deleteCrds=yes&removeFinalizers=1", V)
    assert (400, 2) == (refused.status_code, len(refused.json()["error"]["details"]))
    assert 202 == (await cp.ask("DELETE", f"{cp.extension}?deleteCrds=true", V)).status_code

    assert (True, False) == ((await desired(cp)).delete_crds, (await desired(cp)).remove_finalizers)


async def test_what_a_forced_delete_left_is_listed_and_cleaned(cp: ControlPlane) -> None:
    orphans = f"{cp.cluster}/providers/Microsoft.KubernetesConfiguration/orphanedExtensions"
    await cp.ask("PUT", cp.extension, V, extension_body())
    await report(cp, Phase.READY)
    assert 200 == (await cp.ask("DELETE", f"{cp.extension}?forceDelete=true", V)).status_code
    listed = (await cp.ask("GET", orphans, V)).json()["value"]
    assert ["hello"] == [each["name"] for each in listed]

    answer = await cp.ask("POST", f"{orphans}/hello/clean?removeFinalizers=true", V)
    assert (200, True) == (answer.status_code, answer.json()["properties"]["removeFinalizers"])
    assert ((await desired(cp)).remove_finalizers, (await desired(cp)).presence) == (True, Presence.ABSENT)
    await report(cp, Phase.GONE)
    assert [] == (await cp.ask("GET", orphans, V)).json()["value"]
    assert 404 == (await cp.ask("POST", f"{orphans}/hello/clean", V)).status_code


async def test_each_action_is_a_permission_of_its_own(cp: ControlPlane) -> None:
    await cp.ask("PUT", cp.extension, V, extension_body())
    await report(cp, Phase.READY)
    for role, allowed in ((READER, False), (EXTENSION_CONTRIBUTOR, True)):
        made = await cp.house.identity.add_principal(role.name)
        await cp.house.identity.assign(made.object_id, role, cp.group)
        who = await cp.sign_in(made.app_id, made.secret)
        for action in ACTIONS:
            answer = await cp.ask("POST", f"{cp.extension}/{action}", V, {"revision": 1}, headers=who)
            assert allowed is (answer.status_code != 403), (role.name, action)
    names = {each["name"] for each in (await cp.ask("GET", OPERATIONS, V)).json()["value"]}
    assert {f"Microsoft.KubernetesConfiguration/extensions/{action}/action" for action in ACTIONS} <= names
    assert "Microsoft.KubernetesConfiguration/orphanedExtensions/clean/action" in names


OPERATIONS = "/providers/Microsoft.KubernetesConfiguration/operations"


@pytest.mark.parametrize("action", ACTIONS)
async def test_an_action_on_nothing_is_not_found(cp: ControlPlane, action: str) -> None:
    assert "ResourceNotFound" == (await act(cp, action, {"revision": 1}, status=404))["error"]["code"]
