"""managedClusters over a real store: what a client sends and gets, from the first PUT to the last poll."""

import asyncio
import base64
from typing import Any

import pytest

from extensa.arm import resource_id
from extensa.base.errors import Conflict, NotFound, Refused
from extensa.clusters.model import RECORD_TYPE
from extensa.link.cluster import ClusterPhase, Power
from extensa.store.port import DeleteResource
from unit.clusters.cluster_facts import GROUP, ID, TENANT, World, cluster_id, create_body


async def test_a_put_is_accepted_and_the_host_is_told(world: World) -> None:
    await world.versions("1.37.1")
    answer = await world.put()
    body, told = answer.body, await world.told()

    assert 201 == answer.status
    assert answer.operation is not None
    assert ("Creating", "aks", "westeurope") == (
        answer.operation.status,
        answer.operation.style,
        answer.operation.location,
    )
    assert (ID.path, "demo", "Microsoft.ContainerService/managedClusters") == (body["id"], body["name"], body["type"])
    assert "Creating" == body["properties"]["provisioningState"]
    assert (1, "1.37.1", Power.RUNNING) == (told.generation, told.kubernetes_version, told.power)
    assert (answer.operation.id, "correlation") == (told.operation_id, told.correlation_id)
    assert [3] == [pool.count for pool in told.pools]


async def test_what_clients_look_for_in_a_running_cluster(world: World) -> None:
    desired = await world.running()
    body = await world.get()
    properties = body["properties"]

    assert "Succeeded" == properties["provisioningState"]
    assert {"code": "Running"} == properties["powerState"]
    assert ("1.37.1", "1.37.1") == (properties["kubernetesVersion"], properties["currentKubernetesVersion"])
    assert "127.0.0.1" == properties["fqdn"]
    assert "MC_Demo_demo_westeurope" == properties["nodeResourceGroup"]
    assert 100 == properties["maxAgentPools"]
    assert {"clientId": "msi"} == properties["servicePrincipalProfile"]
    assert {"enabled": False} == properties["oidcIssuerProfile"]
    assert {"outboundType": "loadBalancer", "serviceCidr": "10.0.0.0/16"} == properties["networkProfile"]
    kubelet = properties["identityProfile"]["kubeletidentity"]
    assert kubelet["resourceId"].endswith("/userAssignedIdentities/demo-agentpool")
    assert {"resourceId", "clientId", "objectId"} == set(kubelet)
    assert ("SystemAssigned", TENANT) == (body["identity"]["type"], body["identity"]["tenantId"])
    assert {"type", "tenantId", "principalId"} == set(body["identity"])
    pool = properties["agentPoolProfiles"][0]
    assert ("nodepool1", 3, "Succeeded", False) == (
        pool["name"],
        pool["count"],
        pool["provisioningState"],
        pool["enableFIPS"],
    )
    assert desired.uid == properties["resourceUID"]
    assert "object" == body["systemData"]["createdBy"]


async def test_an_issuer_is_shown_to_those_who_asked_for_one(world: World) -> None:
    await world.put(create_body(oidcIssuerProfile={"enabled": True}))
    await world.report(await world.told())

    assert {"enabled": True, "issuerURL": "https://127.0.0.1:6443/oidc"} == (await world.get())["properties"][
        "oidcIssuerProfile"
    ]


async def test_ids_of_identities_stay_the_same(world: World) -> None:
    users: dict[str, Any] = {f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/me": {}}
    await world.put(create_body() | {"identity": {"type": "UserAssigned", "userAssignedIdentities": users}})
    first, second = await world.get(), await world.get()

    assert first["identity"] == second["identity"]
    assert [{"clientId", "principalId"}] == [set(ids) for ids in first["identity"]["userAssignedIdentities"].values()]


async def test_an_identical_put_joins_what_runs_and_another_supersedes_it(world: World) -> None:
    first = await world.put()
    again = await world.put()
    changed = create_body()
    changed["properties"]["agentPoolProfiles"][0]["count"] = 5
    other = await world.put(changed)
    told = await world.told()

    assert first.operation is not None
    assert again.operation is not None
    assert first.operation.id == again.operation.id
    assert (200, 200) == (again.status, other.status)
    assert (2, 5) == (told.generation, told.pools[0].count)
    ended = await world.operation(first)
    assert ("Canceled", "OperationSuperseded") == (ended.status, (ended.error or {})["code"])


async def test_a_put_of_what_is_there_changes_nothing(world: World) -> None:
    desired = await world.running()
    before = await world.managed.get(world.request())
    answer = await world.put(before.body)

    assert (200, None, before.etag) == (answer.status, answer.operation, answer.etag)
    assert desired == await world.told()


async def test_tags_need_no_host(world: World) -> None:
    desired = await world.running()
    put = await world.put(create_body() | {"tags": {"a": "1"}})
    patched = await world.managed.patch(world.request(body={"tags": {"b": "2"}}))

    assert (200, None) == (put.status, put.operation)
    assert (200, None) == (patched.status, patched.operation)
    assert {"a": "1", "b": "2"} == (await world.get())["tags"]
    assert desired == await world.told()


async def test_a_put_on_a_failed_cluster_tries_again(world: World) -> None:
    await world.put()
    await world.report(await world.told(), ClusterPhase.FAILED)
    failed = await world.get()
    answer = await world.put()

    assert "Failed" == failed["properties"]["provisioningState"]
    assert answer.operation is not None
    assert 2 == (await world.told()).generation


async def test_names_keep_the_spelling_of_the_first_put(world: World) -> None:
    await world.running("Demo")

    assert "Demo" == (await world.get("dEMO"))["name"]


async def test_without_a_group_there_is_no_cluster(world: World) -> None:
    stranger = resource_id.parse(ID.path.replace("Demo", "nowhere"))
    for attempt in (
        lambda: world.managed.put(world.request(stranger, create_body())),
        lambda: world.managed.get(world.request(stranger)),
        lambda: world.managed.list(
            world.request(resource_id.parse("/".join(stranger.path.split("/")[:5]))), after=None, limit=5
        ),
    ):
        with pytest.raises(NotFound) as refused:
            await attempt()
        assert "ResourceGroupNotFound" == refused.value.code


async def test_a_group_on_its_way_out_takes_no_cluster(world: World) -> None:
    await world.running()
    await world.group("Deleting")
    with pytest.raises(Conflict) as refused:
        await world.put(name="late")
    deleted = await world.delete()

    assert ("ResourceGroupBeingDeleted", 409) == (refused.value.code, refused.value.status)
    assert 202 == deleted.status


async def test_a_group_that_goes_meanwhile_stops_the_put(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = world.store.commit

    async def too_late(writes: Any) -> Any:
        monkeypatch.undo()
        await world.store.commit([DeleteResource(GROUP.casefold())])
        return await commit(writes)

    monkeypatch.setattr(world.store, "commit", too_late)
    with pytest.raises(NotFound, match="could not be found"):
        await world.put()
    assert 0 == await world.store.count(type=RECORD_TYPE)


async def test_an_absent_cluster(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        await world.get()

    assert "ResourceNotFound" == refused.value.code
    assert refused.value.message.startswith(
        "The Resource 'Microsoft.ContainerService/managedClusters/demo' under resource group 'Demo' was not found."
    )
    assert 204 == (await world.delete()).status
    for action in ("stop", "start", "listClusterUserCredential"):
        with pytest.raises(NotFound):
            await world.act(action)
    with pytest.raises(NotFound):
        await world.managed.patch(world.request(body={}))


async def test_conditions_are_kept(world: World) -> None:
    await world.running()
    etag = (await world.managed.get(world.request())).etag
    assert etag is not None
    for condition in ({"if_match": "other"}, {"if_none_match": "*"}):
        with pytest.raises(Conflict) as refused:
            await world.put(**condition)
        assert 412 == refused.value.status
    with pytest.raises(Conflict):
        await world.put(name="new", if_match="*")

    assert 200 == (await world.put(if_match=etag)).status
    assert 201 == (await world.put(name="new", if_none_match="*")).status


async def test_refusals_write_nothing(world: World) -> None:
    with pytest.raises(Refused):
        await world.put(create_body(dnsPrefix="-"))

    assert 0 == await world.store.count(type=RECORD_TYPE)
    assert [] == (await world.feed()).desired


async def test_lists_page_by_page_and_by_subscription(world: World) -> None:
    for name in ("one", "two", "three"):
        await world.put(name=name)
    group, subscription = resource_id.parse(GROUP), resource_id.parse("/".join(GROUP.split("/")[:3]))
    first = await world.managed.list(world.request(group), after=None, limit=2)
    rest = await world.managed.list(world.request(group), after=first.next_after, limit=2)
    whole = await world.managed.list(world.request(subscription), after=None, limit=100)

    assert ["one", "three"] == [body["name"] for body in first.value]
    assert (["two"], None) == ([body["name"] for body in rest.value], rest.next_after)
    assert ["one", "three", "two"] == [body["name"] for body in whole.value]


async def test_kubeconfigs_for_users_and_admins(world: World) -> None:
    await world.running()
    for action, name, content in (
        ("listClusterUserCredential", "clusterUser", b"user kubeconfig"),
        ("listClusterAdminCredential", "clusterAdmin", b"admin kubeconfig"),
    ):
        value = base64.b64encode(content).decode()
        assert {"kubeconfigs": [{"name": name, "value": value}]} == (await world.act(action)).body


async def test_no_kubeconfig_of_a_cluster_that_does_not_run(world: World) -> None:
    async def refusal() -> tuple[str, str | None]:
        with pytest.raises(Conflict) as refused:
            await world.act("listClusterUserCredential")
        return refused.value.code, refused.value.next_step

    await world.put()
    assert "ClusterNotReady" == (await refusal())[0]
    await world.report(await world.told(), ClusterPhase.FAILED)
    assert "ClusterNotRunning" == (await refusal())[0]
    await world.put()
    await world.report(await world.told())
    await world.act("stop")
    assert ("ClusterStopped", "az aks start --resource-group Demo --name demo") == await refusal()
    await world.act("start")
    await world.report(await world.told())
    await world.delete()
    assert "OperationNotAllowed" == (await refusal())[0]


async def test_stop_and_start(world: World) -> None:
    await world.running()
    stopping = await world.act("stop")
    joined = await world.act("stop")
    during = await world.get()
    told = await world.told()
    await world.report(told, ClusterPhase.STOPPED)
    stopped = await world.get()

    assert (202, 202) == (stopping.status, joined.status)
    assert "Stopping" == during["properties"]["provisioningState"]
    assert (2, Power.STOPPED) == (told.generation, told.power)
    assert ("Succeeded", "Stopped") == (
        stopped["properties"]["provisioningState"],
        stopped["properties"]["powerState"]["code"],
    )
    assert "Succeeded" == (await world.operation(stopping)).status == (await world.operation(joined)).status
    assert 204 == (await world.act("stop")).status
    starting = await world.act("start")
    await world.report(await world.told())
    assert "Succeeded" == (await world.operation(starting)).status
    assert 204 == (await world.act("start")).status


async def test_a_delete_ends_when_the_host_has_seen_it_gone(world: World) -> None:
    desired = await world.running()
    deleting = await world.delete()
    joined = await world.delete()
    told = await world.told()

    assert (202, None) == (deleting.status, deleting.body)
    assert joined.operation == deleting.operation
    assert Power.ABSENT == told.power
    assert "Deleting" == (await world.get())["properties"]["provisioningState"]
    await world.report(told, ClusterPhase.WORKING)
    assert "Deleting" == (await world.operation(deleting)).status
    await world.report(told, ClusterPhase.GONE)
    assert "Succeeded" == (await world.operation(deleting)).status
    assert [] == (await world.feed()).desired
    await world.report(told, ClusterPhase.GONE)
    again = await world.put()
    assert 201 == again.status
    assert desired.uid != (await world.told()).uid


async def test_what_is_being_deleted_cannot_be_changed(world: World) -> None:
    await world.running()
    await world.delete()
    with pytest.raises(Conflict, match="is being deleted"):
        await world.put()
    for action in ("stop", "start"):
        with pytest.raises(Conflict, match="is being deleted"):
            await world.act(action)


async def test_writers_at_the_same_time_all_find_an_answer(world: World) -> None:
    await world.running()
    patches = [world.managed.patch(world.request(body={"tags": {str(n): "x"}})) for n in range(6)]
    answers = await asyncio.gather(*patches, world.put(name="other"))

    assert [200] * 6 + [201] == [answer.status for answer in answers]
    assert {str(n) for n in range(6)} == set((await world.get())["tags"])


async def test_agent_pools_can_be_read(world: World) -> None:
    await world.running()
    pool = resource_id.parse(f"{ID.path}/agentPools/NodePool1")
    body = (await world.pools.get(world.request(pool))).body
    listed = await world.pools.list(world.request(cluster_id()), after=None, limit=100)

    assert (f"{ID.path}/agentPools/nodepool1", "nodepool1") == (body["id"], body["name"])
    assert "Microsoft.ContainerService/managedClusters/agentPools" == body["type"]
    assert (3, "Succeeded", "1.37.1") == tuple(
        body["properties"][word] for word in ("count", "provisioningState", "currentOrchestratorVersion")
    )
    assert [body] == listed.value
    with pytest.raises(NotFound, match="agent pool"):
        await world.pools.get(world.request(resource_id.parse(f"{ID.path}/agentPools/other")))
    with pytest.raises(NotFound, match="managedClusters/none"):
        await world.pools.list(world.request(cluster_id("none")), after=None, limit=1)
    assert [] == (await world.pools.list(world.request(resource_id.parse(GROUP)), after=None, limit=1)).value
