"""The road of one PUT through the whole control plane and back, as people, host and agent see it over HTTP."""

import asyncio
import base64
import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from extensa.identity.grants import READER
from extensa.link.cluster import ClusterPhase, ObservedCluster
from extensa.link.extension import Failure, Phase, Presence
from scenarios.control_plane import BASE, ControlPlane, Time, extension_body, running, unsealed

V = "2025-03-01"


@pytest.fixture
def time() -> Time:
    """Time that stands still until told otherwise."""
    return Time()


@pytest.fixture
async def cp(tmp_path: Path, time: Time) -> AsyncIterator[ControlPlane]:
    """A control plane on an empty data folder."""
    async with running(tmp_path / "home", time) as control_plane:
        yield control_plane


@pytest.fixture
def chart() -> bytes:
    """The smallest chart there is."""
    files = {
        "hello/Chart.yaml": b"apiVersion: v2\nname: hello\nversion: 1.0.0\n",
        "hello/templates/map.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: hello}\n",
    }
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return sink.getvalue()


def polled(answer: httpx2.Response) -> str:
    """The path at which an accepted piece of work is polled, without host and query."""
    url: str = answer.headers.get("azure-asyncoperation") or answer.headers["location"]
    assert url.startswith(BASE)
    assert "1" == answer.headers["retry-after"]
    return url.removeprefix(BASE).partition("?")[0]


async def test_a_cluster_is_made_and_its_kubeconfig_handed_out(cp: ControlPlane) -> None:
    uid = await cp.with_cluster()

    shown = (await cp.ask("GET", cp.cluster, "2026-06-01")).json()
    credentials = (await cp.ask("POST", cp.cluster + "/listClusterAdminCredential", "2026-06-01")).json()

    assert uid
    assert ("Succeeded", "1.37.1") == (
        shown["properties"]["provisioningState"],
        shown["properties"]["currentKubernetesVersion"],
    )
    assert b"admin kubeconfig" == base64.b64decode(credentials["kubeconfigs"][0]["value"])


async def test_one_put_becomes_one_release(cp: ControlPlane, chart: bytes) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)

    accepted = await cp.ask("PUT", cp.extension, V, extension_body(**{"greeting.text": "hi"}))
    assert (201, "Creating") == (accepted.status_code, accepted.json()["properties"]["provisioningState"])
    desired = (await cp.agent_feed()).desired[0]
    poll = asyncio.create_task(cp.ask("GET", polled(accepted), V))
    await asyncio.sleep(0.02)
    assert not poll.done()
    await cp.agent_reports(desired.uid, desired.generation, Phase.READY, revision=1, chart_version="1.0.0")

    assert "Succeeded" == (await poll).json()["status"]
    assert (Presence.PRESENT, "hello", {"greeting.text": "hi"}) == (desired.presence, desired.release, desired.settings)
    assert {"token": "hush"} == unsealed(cp, desired.protected, desired.uid)
    shown = (await cp.ask("GET", cp.extension, V)).json()
    assert ("Succeeded", "1.0.0") == (
        shown["properties"]["provisioningState"],
        shown["properties"]["currentVersion"],
    )
    assert {"token": ""} == shown["properties"]["configurationProtectedSettings"]


async def test_the_agent_hears_of_a_put_at_once(cp: ControlPlane, chart: bytes) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)
    waiting = asyncio.create_task(cp.agent_feed(wait=30))
    await asyncio.sleep(0.02)

    await cp.ask("PUT", cp.extension, V, extension_body())
    feed = await asyncio.wait_for(waiting, 5)

    assert ["hello"] == [each.release for each in feed.desired]
    assert [] == (await cp.agent_feed(after=feed.cursor)).desired


async def test_a_failure_is_told_with_its_cause_on_operation_and_resource(cp: ControlPlane, chart: bytes) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)
    accepted = await cp.ask("PUT", cp.extension, V, extension_body())
    desired = (await cp.agent_feed()).desired[0]

    failure = Failure(code="ImagePullFailed", message="no such image", step="ready", next_step="Push it.")
    await cp.agent_reports(desired.uid, desired.generation, Phase.FAILED, failure=failure)

    operation = (await cp.ask("GET", polled(accepted), V)).json()
    shown = (await cp.ask("GET", cp.extension, V)).json()
    assert "Failed" == operation["status"]
    assert "no such image" in operation["error"]["message"]
    assert "Failed" == shown["properties"]["provisioningState"]


async def test_a_patch_that_names_nothing_changes_nothing(cp: ControlPlane, chart: bytes) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)
    await cp.ask("PUT", cp.extension, V, extension_body(a="b"))
    desired = (await cp.agent_feed()).desired[0]
    await cp.agent_reports(desired.uid, desired.generation, Phase.READY, revision=1, chart_version="1.0.0")

    body: Any = {"properties": {"configurationSettings": {}, "configurationProtectedSettings": {}}}
    patched = await cp.ask("PATCH", cp.extension, "2023-05-01", body)

    assert 200 == patched.status_code
    assert {"a": "b"} == patched.json()["properties"]["configurationSettings"]
    assert {"token": ""} == patched.json()["properties"]["configurationProtectedSettings"]


async def test_a_deletion_is_polled_after_the_extension_is_gone(cp: ControlPlane, chart: bytes) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)
    await cp.ask("PUT", cp.extension, V, extension_body())

    accepted = await cp.ask("DELETE", cp.extension, V)
    assert 202 == accepted.status_code
    desired = (await cp.agent_feed()).desired[-1]
    assert Presence.ABSENT is desired.presence
    await cp.agent_reports(desired.uid, desired.generation, Phase.GONE)

    assert "Succeeded" == (await cp.ask("GET", polled(accepted), V)).json()["status"]
    assert 404 == (await cp.ask("GET", cp.extension, V)).status_code
    assert 204 == (await cp.ask("DELETE", cp.extension, V)).status_code


async def test_a_group_goes_with_everything_inside(cp: ControlPlane, time: Time) -> None:
    uid = await cp.with_cluster()
    cascade = cp.house.sweeps[0]

    accepted = await cp.ask("DELETE", cp.group, "2024-11-01")
    assert 202 == accepted.status_code
    watch = asyncio.create_task(cascade.run())
    feed = await cp.host_feed()
    while feed.desired[-1].power != "absent":
        await asyncio.sleep(0.01)
        feed = await cp.host_feed()
    gone = feed.desired[-1]
    await cp.host_reports(
        ObservedCluster(uid=uid, generation=gone.generation, phase=ClusterPhase.GONE, observed_at=time.now)
    )
    time.pass_by(seconds=5)
    cascade.wake()
    answer = await asyncio.wait_for(cp.ask("GET", polled(accepted), "2024-11-01"), 5)
    watch.cancel()

    assert 204 == answer.status_code
    assert 404 == (await cp.ask("HEAD", cp.group, "2024-11-01")).status_code
    assert {"value": [], "nextLink": None} == (await cp.ask("GET", f"{cp.subscription}/resources", "2024-11-01")).json()


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path, time: Time, chart: bytes) -> None:
    home = tmp_path / "home"
    async with running(home, time) as before:
        await before.with_cluster()
        await before.with_type(chart)
        accepted = await before.ask("PUT", before.extension, V, extension_body())
        token = before.owner
    async with running(home, time) as after:
        after.house.front.holds.end()  # a poll then answers at once
        operation = await after.ask("GET", polled(accepted), V, headers=token)
        desired = (await after.agent_feed()).desired

    assert (200, "Creating") == (operation.status_code, operation.json()["status"])
    assert ["hello"] == [each.release for each in desired]


async def test_whoever_has_no_role_sees_nothing_and_a_reader_only_reads(cp: ControlPlane) -> None:
    await cp.with_cluster()
    made = await cp.house.identity.add_principal("someone")
    someone = await cp.sign_in(made.app_id, made.secret)

    async def status(method: str, path: str, version: str, body: Any = None) -> int:
        return (await cp.ask(method, path, version, body, headers=someone)).status_code

    assert [] == (await cp.ask("GET", "/subscriptions", "2022-12-01", headers=someone)).json()["value"]
    assert 403 == await status("GET", cp.cluster, "2026-06-01")
    await cp.house.identity.assign(made.object_id, READER, cp.group)
    assert 1 == len((await cp.ask("GET", "/subscriptions", "2022-12-01", headers=someone)).json()["value"])
    assert 200 == await status("GET", cp.cluster, "2026-06-01")
    assert 403 == await status("DELETE", cp.cluster, "2026-06-01")
    assert 403 == await status("POST", cp.cluster + "/listClusterAdminCredential", "2026-06-01")
    assert 403 == await status("PUT", cp.cluster, "2026-06-01", {})


async def test_az_finds_its_way(cp: ControlPlane) -> None:
    await cp.with_cluster()

    resources = "Microsoft.ContainerService/managedClusters"
    providers = (await cp.ask("GET", f"{cp.subscription}/providers", "2024-11-01")).json()["value"]
    kinds = {f"{p['namespace']}/{t['resourceType']}" for p in providers for t in p["resourceTypes"]}
    query = "$filter=resourceGroup%20eq%20'demo'&$expand=createdTime,changedTime,provisioningState"
    listed = (await cp.ask("GET", f"{cp.subscription}/resources?{query}", "2024-11-01")).json()["value"]

    assert {resources, "Microsoft.KubernetesConfiguration/extensions"} <= kinds
    assert [cp.cluster] == [each["id"] for each in listed]
    assert [cp.subscription] == [
        each["id"] for each in (await cp.ask("GET", "/subscriptions", "2022-12-01")).json()["value"]
    ]
    assert 200 == (await cp.http.get("/readyz")).status_code
    metrics = (await cp.http.get("/metrics")).text
    assert "extensa_clusters 1.0" in metrics
    assert "extensa_operations_open 0.0" in metrics


async def test_a_protected_setting_is_nowhere_in_the_clear(cp: ControlPlane, chart: bytes) -> None:
    await cp.with_cluster()
    await cp.with_type(chart)
    secret = "correct-horse-battery-staple"
    body = extension_body()
    body["properties"]["configurationProtectedSettings"] = {"token": secret}

    answers = [
        await cp.ask("PUT", cp.extension, V, body),
        await cp.ask("GET", cp.extension, V),
        await cp.ask("GET", f"{cp.cluster}/providers/Microsoft.KubernetesConfiguration/extensions", V),
    ]
    await cp.agent_feed()

    assert [] == [answer.text for answer in answers if secret in answer.text]
    kept = [file for file in cp.home.path.rglob("*") if file.is_file() and secret.encode() in file.read_bytes()]
    assert [] == kept
