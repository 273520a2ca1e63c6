"""Clusters over a real store: the feed, reports and their fences, the cascade, deadlines, and what a restart keeps."""

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from extensa.arm.operations import Style, begun
from extensa.clusters import removal, service
from extensa.clusters.model import Cluster
from extensa.clusters.service import Clusters
from extensa.link import sealing
from extensa.link.cluster import ClusterPhase, ClusterReports, HostStatus, Power
from extensa.store.port import DeleteFeed, Expect, PutFeed, PutOperation, PutResource
from extensa.store.sqlite import open_store
from extensa.store.vault import load_vault
from unit.clusters.cluster_facts import GROUP, ID, NOW, TENANT, World, failure, seen

EXTENSION = f"{ID.key}/providers/microsoft.kubernetesconfiguration/extensions/hello"


async def test_a_report_settles_resource_and_operation_together(world: World) -> None:
    answer = await world.put()
    await world.report(await world.told())
    ended = await world.operation(answer)

    assert ("Succeeded", NOW) == (ended.status, ended.ended)
    assert "Succeeded" == (await world.get())["properties"]["provisioningState"]


async def test_a_failure_reaches_the_operation_and_the_resource(world: World) -> None:
    answer = await world.put()
    await world.report(await world.told(), ClusterPhase.FAILED, failure=failure())
    ended = await world.operation(answer)

    assert ("Failed", "BinariesMissing") == (ended.status, (ended.error or {})["code"])
    shown = (await world.get())["properties"]["status"]["provisioningError"]["error"]
    assert ("BinariesMissing", "etcd is missing.") == (shown["code"], shown["message"])
    assert [{"type": "ExtensaNextStep", "info": {"nextStep": "Build it."}}] == shown["additionalInfo"]


async def test_a_report_for_an_older_generation_settles_nothing(world: World) -> None:
    old = await world.running()
    stopping = await world.act("stop")
    await world.report(old, ClusterPhase.STOPPED)

    assert "Stopping" == (await world.operation(stopping)).status
    assert "Stopping" == (await world.get())["properties"]["provisioningState"]


async def test_only_its_own_host_speaks_of_a_cluster(world: World) -> None:
    await world.put()
    told = await world.told()
    report = seen(uid=told.uid, generation=told.generation)
    await world.clusters.observe("stranger", ClusterReports(observed=[report]))
    await world.clusters.observe("local", ClusterReports(observed=[replace(report, uid="unknown")]))

    assert "Creating" == (await world.get())["properties"]["provisioningState"]


async def test_the_same_report_again_is_not_written_again(world: World) -> None:
    desired = await world.running()
    etag = (await world.managed.get(world.request())).etag
    world.later(seconds=20)
    await world.report(desired)

    assert etag == (await world.managed.get(world.request())).etag


async def test_kubeconfigs_are_sealed_at_rest_and_follow_the_host(world: World) -> None:
    desired = await world.running()
    world.later(seconds=1)
    key = (await world.feed()).server_key
    await world.report(desired, user_kubeconfig=sealing.seal(b"newer", recipient=key, purpose=desired.uid))
    answer = await world.act("listClusterUserCredential")
    kept = b"".join(row.body for row in await world.store.list(limit=1000))

    assert "bmV3ZXI=" == answer.body["kubeconfigs"][0]["value"]
    assert b"kubeconfig" in kept
    assert b"admin kubeconfig" not in kept
    assert b"newer" not in kept


@pytest.mark.parametrize("purpose", ["uid-of-another", ""])
async def test_a_kubeconfig_meant_for_another_is_left_out(world: World, purpose: str) -> None:
    await world.put()
    told = await world.told()
    key = (await world.feed()).server_key
    await world.report(told, user_kubeconfig=sealing.seal(b"x", recipient=key, purpose=purpose))

    assert "Succeeded" == (await world.get())["properties"]["provisioningState"]
    assert 200 == (await world.act("listClusterAdminCredential")).status


async def test_what_is_attached_goes_with_its_cluster(world: World) -> None:
    await world.running()
    other = f"{ID.key}2/providers/microsoft.kubernetesconfiguration/extensions/hello"
    operations = {
        key: begun(
            operation_id=f"op {key}",
            resource_id=key,
            resource_uid="x",
            style=Style.EXTENSIONS,
            doing="Creating",
            now=NOW,
            correlation_id="c",
        )
        for key in (EXTENSION, other)
    }
    for key, operation in operations.items():
        await world.store.commit(
            [
                PutResource(key, "microsoft.kubernetesconfiguration/extensions", b"{}", Expect.ABSENT),
                PutFeed("extensions:hosted-local", key, b"{}"),
                PutOperation(operation.id, key, msgspec.json.encode(operation)),
            ]
        )
    await world.delete()
    await world.report(await world.told(), ClusterPhase.GONE)
    row = await world.store.operation(f"op {EXTENSION}")
    assert row is not None

    assert b"ParentResourceDeleted" in row.body
    assert b"Canceled" in row.body
    assert row.ended is not None
    assert [f"op {other}"] == [each.id for each in await world.store.open_operations(limit=10)]
    assert await world.store.get(EXTENSION) is None
    assert [other] == [each.key for each in await world.store.feed("extensions:hosted-local", after=0, limit=10)]
    assert [other] == [each.key for each in await world.store.list(prefix=GROUP.casefold() + "/", limit=10)]


async def test_many_clusters_and_attachments_are_seen_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_PAGE", 2)
    monkeypatch.setattr(removal, "_PAGE", 2)
    names = ["demo", "demo2", "demo3", "demo4", "demo5"]
    answers = [await world.put(name=name) for name in names]
    keys = [f"{EXTENSION}{n}" for n in range(5)]
    await world.store.commit([PutResource(key, "x", b"{}", Expect.ABSENT) for key in keys])
    await world.delete()
    await world.report(await world.told(), ClusterPhase.GONE)
    world.later(minutes=11)
    await world.clusters.sweep()

    assert [] == list(await world.store.list(prefix=ID.key + "/", limit=10))
    assert ["Canceled", *["Failed"] * 4] == [(await world.operation(answer)).status for answer in answers]


async def test_the_feed_answers_at_once_or_is_held(world: World) -> None:
    empty = await world.clusters.feed("local", after=0, wait=0.01)
    waiting = asyncio.create_task(world.clusters.feed("local", after=empty.cursor, wait=5))
    await asyncio.sleep(0)
    await world.put()
    woken = await asyncio.wait_for(waiting, 2)
    nothing = await world.clusters.feed("local", after=woken.cursor, wait=0.01)

    assert ([], 0) == (empty.desired, empty.cursor)
    assert ["demo"] == [each.name for each in woken.desired]
    assert ([], woken.cursor) == (nothing.desired, nothing.cursor)
    assert [] == (await world.clusters.feed("stranger", after=0, wait=0)).desired


async def test_a_silent_host_is_named_when_time_is_up(world: World) -> None:
    answer = await world.put()
    world.later(minutes=9, seconds=59)
    await world.clusters.sweep()
    assert "Creating" == (await world.operation(answer)).status
    world.later(seconds=1)
    await world.clusters.sweep()
    ended = await world.operation(answer)

    assert ("Failed", "HostNeverConnected") == (ended.status, (ended.error or {})["code"])
    assert "Failed" == (await world.get())["properties"]["provisioningState"]
    await world.report(await world.told())
    assert "Succeeded" == (await world.get())["properties"]["provisioningState"]
    assert "Failed" == (await world.operation(answer)).status


async def test_a_deletion_whose_host_never_answers_has_ways_out(world: World) -> None:
    desired = await world.running()
    first = await world.delete()
    world.later(minutes=11)
    await world.clusters.sweep()
    assert "HostSilent" == ((await world.operation(first)).error or {})["code"]
    again = await world.delete()
    assert again.operation != first.operation
    world.later(minutes=11)
    await world.clusters.sweep()
    back = await world.put()
    told = await world.told()

    assert (200, Power.RUNNING, desired.uid) == (back.status, told.power, told.uid)


async def test_the_sweep_puts_right_what_the_host_is_told(world: World) -> None:
    desired = await world.running()
    await world.clusters.sweep()
    cursor = (await world.feed()).cursor
    await world.store.commit([DeleteFeed("clusters:local", desired.uid)])
    await world.clusters.sweep()

    assert desired == await world.told()
    wrong = replace(desired, power=Power.STOPPED)
    await world.store.commit([PutFeed("clusters:local", desired.uid, msgspec.json.encode(wrong))])
    await world.clusters.sweep()
    assert desired == await world.told()
    after = (await world.feed()).cursor
    await world.clusters.sweep()
    assert cursor < after == (await world.feed()).cursor


async def test_without_versions_the_host_chooses_and_is_then_held_to_it(world: World) -> None:
    await world.put()
    told = await world.told()
    await world.report(told)

    assert "" == told.kubernetes_version
    assert "1.37.1" == (await world.told()).kubernetes_version
    assert told.generation == (await world.told()).generation
    assert (await world.get())["properties"]["kubernetesVersion"] == "1.37.1"


async def test_what_others_see_of_a_cluster(world: World) -> None:
    desired = await world.running()
    before = await world.clusters.find(ID.key)
    world.clusters.heard("hosted-local", NOW)
    after = await world.clusters.find(ID.key)

    assert before is not None
    assert before.agent_last_seen is None
    assert after == Cluster(
        uid=desired.uid,
        id=ID.path,
        name="demo",
        kind="managedClusters",
        location="westeurope",
        identity="SystemAssigned",
        kubernetes_version="1.37.1",
        power=Power.RUNNING,
        provisioning_state="Succeeded",
        agent="hosted-local",
        agent_last_seen=NOW,
    )
    assert await world.clusters.find(GROUP.casefold()) is None
    assert await world.clusters.find(EXTENSION) is None


async def test_a_restart_keeps_what_it_must(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    store = await open_store(tmp_path / "x.sqlite3")
    moment = [NOW]

    async def start() -> World:
        clusters = await Clusters.open(store, load_vault(keys), keys, tenant_id=TENANT, clock=lambda: moment[0])
        return World(store, clusters, moment)

    first = await start()
    await first.group()
    await first.running()
    await first.versions("1.36.4", "1.37.1")
    await first.clusters.sweep()
    second = await start()

    assert (await first.feed()).server_key == (await second.feed()).server_key
    assert 0o600 == (keys / "sealing.key").stat().st_mode & 0o777
    assert 200 == (await second.act("listClusterAdminCredential")).status
    assert ["1.36.4", "1.37.1"] == second.clusters.heartbeats.versions("local")
    assert NOW == second.clusters.heartbeats.last("local")
    await store.close()


async def test_heartbeats_are_kept_to_the_minute(world: World) -> None:
    async def kept() -> list[str]:
        rows = await world.store.list(prefix="/extensa/clusters/heartbeats/", limit=10)
        return [f"{row.key.rpartition('/')[2]} {row.etag}" for row in rows]

    world.clusters.heard("hosted-local", NOW)
    await world.clusters.sweep()
    first = await kept()
    world.clusters.heard("hosted-local", NOW + timedelta(seconds=59))
    await world.clusters.sweep()
    second = await kept()
    world.clusters.heard("hosted-local", NOW + timedelta(seconds=60))
    await world.clusters.sweep()

    assert first == second
    assert 1 == len(first)
    assert first != await kept()
    assert NOW + timedelta(seconds=60) == world.clusters.heartbeats.last("hosted-local")


async def test_a_host_that_says_the_same_again_writes_nothing(world: World) -> None:
    reports = ClusterReports(host=HostStatus(kubernetes_versions=["1.37.1"]))
    await world.clusters.observe("local", reports)
    before = await world.store.list(prefix="/extensa/", limit=10)
    world.later(seconds=5)
    await world.clusters.observe("local", reports)

    assert before == await world.store.list(prefix="/extensa/", limit=10)
    assert NOW + timedelta(seconds=5) == world.clusters.heartbeats.last("local")


async def test_reports_at_the_same_time_as_writes_lose_nothing(world: World) -> None:
    await world.put()
    told = await world.told()
    await asyncio.gather(
        world.report(told),
        *(world.managed.patch(world.request(body={"tags": {str(n): "x"}})) for n in range(5)),
        world.clusters.sweep(),
    )
    body = await world.get()

    assert "Succeeded" == body["properties"]["provisioningState"]
    assert 5 == len(body["tags"])


async def test_a_database_put_back_from_a_copy_goes_past_what_the_host_knows(world: World) -> None:
    """A host takes nothing that is not newer than what it has; from an older one it would never hear again."""
    answer = await world.put()
    told = await world.told()
    await world.report(replace(told, generation=7))
    beyond = await world.told()

    assert (8, told.uid) == (beyond.generation, beyond.uid)
    assert "Creating" == (await world.operation(answer)).status
    await world.report(beyond)
    assert "Succeeded" == (await world.operation(answer)).status


async def test_a_report_we_stumble_over_does_not_silence_the_others(world: World) -> None:
    await world.put(name="broken")
    answer = await world.put()
    broken, told = await world.told("broken"), await world.told()
    key = broken.resource_id.casefold()
    row = await world.store.get(key)
    assert row is not None
    await world.store.commit([PutResource(key, row.type, b"{}", row.etag)])
    reports = [seen(uid=each.uid, generation=each.generation) for each in (broken, told)]
    await world.clusters.observe("local", ClusterReports(observed=reports))

    assert "Succeeded" == (await world.operation(answer)).status


async def test_what_an_agent_was_told_of_a_cluster_goes_with_it(world: World) -> None:
    """Whatever it is called: an orphan's document stands under its extension's id, where no record is any more."""
    await world.running()
    await world.store.commit([PutFeed("extensions:hosted-local", EXTENSION, b"{}")])
    await world.delete()
    await world.report(await world.told(), ClusterPhase.GONE)

    assert [] == await world.store.feed("extensions:hosted-local", after=0, limit=10)
