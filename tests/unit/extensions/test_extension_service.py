"""The verbs over a real store: statuses, bodies, etags, one commit per write, and races."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from extensa.arm.binding import Condition, Level
from extensa.arm.operations import Operation
from extensa.arm.resource_id import parse
from extensa.base.errors import Conflict, ExtensaError, NotFound, Refused, Unavailable
from extensa.extensions import records
from extensa.link.extension import ExtensionReports, Phase
from extensa.store.port import StaleWrite
from extensa.store.vault import Vault
from unit.extensions.extension_facts import (
    AGENT,
    CLUSTER,
    SINGLE,
    House,
    body,
    cluster,
    extension_id,
    health,
    observed,
    request,
)

KEY = extension_id().key


async def operation(home: House, operation_id: str) -> Operation:
    row = await home.store.operation(operation_id)
    assert row is not None
    return msgspec.json.decode(row.body, type=Operation)


async def report(home: House, phase: Phase, generation: int = 1, seconds: int = 1, **changes: Any) -> None:
    row = await home.store.get(KEY)
    assert row is not None
    seen = observed(phase, generation=generation, seconds=seconds, uid=records.extension_of(row.body).uid, **changes)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[seen]))


async def desired(home: House) -> dict[str, Any]:
    row = await home.store.feed_row(records.lane(AGENT), KEY)
    assert row is not None
    found: dict[str, Any] = json.loads(row.body)["desired"]
    return found


async def test_the_spec_names_what_is_served(home: House) -> None:
    spec = home.extensions.spec

    assert (Level.CLUSTER,) == spec.levels
    assert {"get", "put", "patch", "delete", "list"} == spec.verbs
    assert ("2022-03-01", "2025-03-01") == (spec.api_versions[0], spec.api_versions[-1])
    assert home.extensions is home.extensions.bindings[0]
    assert [spec.type, f"{spec.namespace}/orphanedExtensions"] == [b.spec.type for b in home.extensions.bindings]


async def test_a_put_creates_with_one_write_and_an_operation(home: House) -> None:
    answer = await home.put(body(configurationSettings={"greeting": "hi"}))

    assert 201 == answer.status
    assert ("Creating", "1.1.0") == (
        answer.body["properties"]["provisioningState"],
        answer.body["properties"]["currentVersion"],
    )
    assert answer.operation is not None
    assert answer.operation == await operation(home, answer.operation.id)
    found = await desired(home)
    assert (1, "present", "greeter", "1.1.0", {"greeting": "hi"}) == (
        found["generation"],
        found["presence"],
        found["release"],
        found["extension_version"],
        found["settings"],
    )
    read = await home.get()
    assert (200, answer.body, answer.etag) == (read.status, read.body, read.etag)


async def test_the_whole_life(home: House) -> None:
    made = await home.put(body())
    await report(home, Phase.WORKING, objects=[health("a", "InProgress", "1 pod")], object_count=1)
    progress = (await home.get()).body["properties"]
    assert "Creating" == progress["provisioningState"]
    assert ["0 of 1 ready: Deployment a waits for 1 pod"] == [s["message"] for s in progress["statuses"]]

    await report(home, Phase.READY, seconds=2, objects=[health("a")], object_count=1)
    assert made.operation is not None
    assert "Succeeded" == (await operation(home, made.operation.id)).status
    healthy = (await home.get()).body["properties"]
    assert ("Succeeded", [], "Ready") == (
        healthy["provisioningState"],
        healthy["statuses"],
        healthy["extensionState"],
    )

    patched = await home.patch({"properties": {"configurationSettings": {"a": "b"}}})
    assert (202, "Updating") == (patched.status, patched.body["properties"]["provisioningState"])
    await report(home, Phase.READY, generation=1, seconds=3)
    assert "Updating" == (await home.get()).body["properties"]["provisioningState"]
    await report(home, Phase.READY, generation=2, seconds=3)
    assert "Succeeded" == (await home.get()).body["properties"]["provisioningState"]

    going = await home.delete()
    assert (202, "Deleting") == (going.status, going.body["properties"]["provisioningState"])
    assert "absent" == (await desired(home))["presence"]
    await report(home, Phase.GONE, generation=3, seconds=4)
    assert going.operation is not None
    assert "Succeeded" == (await operation(home, going.operation.id)).status
    with pytest.raises(NotFound):
        await home.get()
    assert 204 == (await home.delete()).status
    assert [] == await home.store.feed(records.lane(AGENT), after=0, limit=10)
    assert 0 == await home.store.count(), "no row of any kind is left"


async def test_the_same_put_joins_then_does_nothing(home: House) -> None:
    made = await home.put(body())
    joined = await home.put(body())
    assert (201, made.operation, made.etag) == (joined.status, joined.operation, joined.etag)

    await report(home, Phase.READY)
    idle = await home.put(body())
    assert (200, None) == (idle.status, idle.operation)
    nothing = await home.patch({"properties": {"configurationSettings": {}, "configurationProtectedSettings": {}}})
    assert (200, None) == (nothing.status, nothing.operation)


async def test_another_write_supersedes_and_a_delete_joins(home: House) -> None:
    first = await home.put(body())
    second = await home.put(body(configurationSettings={"a": "b"}))
    assert first.operation is not None
    assert second.operation is not None
    assert (200, 2) == (second.status, second.operation.generation)
    assert "Canceled" == (await operation(home, first.operation.id)).status

    going = await home.delete()
    again = await home.delete()
    assert going.operation == again.operation
    assert "Canceled" == (await operation(home, second.operation.id)).status
    with pytest.raises(Conflict, match="being deleted"):
        await home.put(body())


async def test_a_failed_put_is_retried_by_the_same_put(home: House) -> None:
    await home.put(body())
    await report(home, Phase.FAILED)
    failed = (await home.get()).body["properties"]
    assert ("Failed", "ExtensionOperationFailed") == (failed["provisioningState"], failed["errorInfo"]["code"])

    retried = await home.put(body())
    assert retried.operation is not None
    assert (200, 2, "Creating") == (
        retried.status,
        retried.operation.generation,
        retried.body["properties"]["provisioningState"],
    )
    assert "errorInfo" not in retried.body["properties"]


async def documents(home: House, agent: str = AGENT) -> list[tuple[str, str, int]]:
    rows = await home.store.feed(records.lane(agent), after=0, limit=10)
    found = [records.at_rest_of(row.body).desired for row in rows]
    return [(each.uid, each.presence.value, each.generation) for each in found]


async def test_a_forced_delete_forgets_at_once_and_leaves_an_orphan(home: House) -> None:
    made = await home.put(body())
    await report(home, Phase.WORKING)
    [(uid, _, _)] = await documents(home)
    gone = await home.delete(query={"forcedelete": "True"})

    assert (200, None, None) == (gone.status, gone.body, gone.operation)
    assert made.operation is not None
    assert "Canceled" == (await operation(home, made.operation.id)).status
    with pytest.raises(NotFound):
        await home.get()
    assert 204 == (await home.delete(query={"forcedelete": "true"})).status
    assert [(uid, "absent", 2)] == await documents(home)
    for phase, generation, left in ((Phase.GONE, 1, 1), (Phase.WORKING, 2, 1), (Phase.GONE, 2, 0)):
        seen = observed(phase, uid=uid, generation=generation)
        await home.extensions.observe(AGENT, ExtensionReports(observed=[seen, seen]))
        assert left == len(await documents(home))
    assert 0 == await home.store.count(), "no row of any kind is left"


async def test_a_new_extension_takes_the_place_of_an_orphan(home: House) -> None:
    """An agent knows an extension by its id, so it may never be told two things about one."""
    await home.put(body())
    [(old, _, _)] = await documents(home)
    await home.delete(query={"forcedelete": "true"})
    assert 201 == (await home.put(body())).status
    [(new, presence, generation)] = await documents(home)

    assert (old != new, "present", 1) == (True, presence, generation)
    seen = observed(Phase.GONE, uid=old, generation=2)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[seen]))
    assert [(new, "present", 1)] == await documents(home)
    assert 0 == await home.store.count(type=records.ORPHAN_TYPE)


async def test_a_new_extension_takes_an_orphan_over_from_another_agent(home: House) -> None:
    await home.put(body())
    await home.delete(query={"forcedelete": "true"})
    home.clusters.found[CLUSTER.casefold()] = cluster(agent="other")
    await home.put(body())

    assert [] == await documents(home)
    assert ["present"] == [presence for _, presence, _ in await documents(home, "other")]


async def test_an_orphan_elsewhere_must_go_first(home: House) -> None:
    await home.put(body())
    [(uid, _, _)] = await documents(home)
    await home.delete(query={"forcedelete": "true"})
    elsewhere = body(scope={"cluster": {"releaseNamespace": "elsewhere"}})

    with pytest.raises(Conflict) as caught:
        await home.put(elsewhere)
    assert "ReleaseBeingRemoved" == caught.value.code
    await home.extensions.observe(AGENT, ExtensionReports(observed=[observed(Phase.GONE, uid=uid, generation=2)]))
    assert 201 == (await home.put(elsewhere)).status


async def test_a_write_takes_an_extension_to_its_clusters_new_agent(home: House) -> None:
    await home.put(body())
    home.clusters.found[CLUSTER.casefold()] = cluster(agent="other")
    await home.put(body(configurationSettings={"a": "b"}))

    assert [] == await home.store.feed(records.lane(AGENT), after=0, limit=10)
    assert 1 == len(await home.store.feed(records.lane("other"), after=0, limit=10))


async def test_a_recreated_extension_has_another_identity(home: House) -> None:
    await home.put(body())
    first = records.extension_of((await home.store.get(KEY)).body)  # type: ignore[union-attr]
    await home.delete(query={"forcedelete": "true"})
    await home.put(body())

    old = observed(Phase.READY, uid=first.uid)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[old]))

    assert "Creating" == (await home.get()).body["properties"]["provisioningState"]


async def test_what_is_not_there_is_told_apart(home: House) -> None:
    with pytest.raises(NotFound, match="Extension instance with name 'greeter' not found"):
        await home.get()
    with pytest.raises(NotFound, match="Extension instance"):
        await home.patch({"properties": {}})
    home.clusters.found.clear()
    for verb in (home.get, home.delete):
        with pytest.raises(NotFound, match="managedClusters/blue' under resource group 'Shop' was not found"):
            await verb()
    for write in (home.put, home.patch):
        with pytest.raises(NotFound, match="managedClusters/blue"):
            await write(body())
    with pytest.raises(NotFound, match="managedClusters/blue"):
        await home.extensions.list(listing(), after=None, limit=5)


def listing() -> Any:
    return replace(request(), id=parse(CLUSTER))


async def test_lists_are_paged_in_key_order(home: House) -> None:
    for name in ("c", "A", "b"):
        await home.put(body(), name)
    await report_all(home)

    first = await home.extensions.list(listing(), after=None, limit=2)
    second = await home.extensions.list(listing(), after=first.next_after, limit=2)

    assert ["A", "b"] == [each["name"] for each in first.value]
    assert (["c"], None) == ([each["name"] for each in second.value], second.next_after)


async def report_all(home: House) -> None:
    """Every extension has been seen, so that rows of objects lie between the records."""
    for row in await home.store.list(type=records.ROW_TYPE, limit=100):
        found = records.extension_of(row.body)
        seen = observed(Phase.READY, uid=found.uid, generation=found.generation, objects=[health("a")])
        await home.extensions.observe(AGENT, ExtensionReports(observed=[seen]))


async def test_names_are_the_same_in_any_letters_and_keep_their_spelling(home: House) -> None:
    await home.put(body(), "Greeter")
    again = await home.put(body(configurationSettings={"a": "b"}), "GREETER")

    assert (200, "Greeter") == (again.status, again.body["name"])


async def test_conditions_hold_or_nothing_is_written(home: House) -> None:
    with pytest.raises(Conflict, match="If-Match"):
        await home.put(body(), condition=Condition(if_match="x"))
    made = await home.put(body(), condition=Condition(if_none_match="*"))
    for condition in (Condition(if_none_match="*"), Condition(if_match="other")):
        with pytest.raises(Conflict) as caught:
            await home.put(body(configurationSettings={"a": "b"}), condition=condition)
        assert 412 == caught.value.status
    with pytest.raises(Conflict):
        await home.delete(condition=Condition(if_match="other"))

    changed = await home.put(body(configurationSettings={"a": "b"}), condition=Condition(if_match=made.etag))
    assert 200 == changed.status
    assert changed.etag != made.etag


async def test_writes_at_once_are_decided_one_after_the_other(home: House) -> None:
    await home.put(body())
    answers = await asyncio.gather(*(home.patch(setting(f"k{n}", "v")) for n in range(6)))

    assert {202} == {a.status for a in answers}
    properties = (await home.get()).body["properties"]
    assert {f"k{n}": "v" for n in range(6)} == properties["configurationSettings"]
    open_operations = await home.store.open_operations(limit=10)
    assert 1 == len(open_operations)
    assert 7 == (await desired(home))["generation"]


def setting(key: str, value: str) -> dict[str, Any]:
    return {"properties": {"configurationSettings": {key: value}}}


async def test_a_write_that_never_gets_its_turn_says_so(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def stale(writes: object) -> dict[str, str]:
        raise StaleWrite(KEY, None)

    monkeypatch.setattr(home.store, "commit", stale)
    with pytest.raises(Conflict) as caught:
        await home.put(body())
    assert "TooManyWrites" == caught.value.code


async def test_one_instance_per_cluster_where_the_type_says_so(home: House) -> None:
    given = body(extensionType=SINGLE.name)
    results = await asyncio.gather(*(home.put(given, name) for name in ("one", "two", "three")), return_exceptions=True)
    refused = [r for r in results if isinstance(r, ExtensaError)]
    assert ["MultipleInstancesNotAllowed"] * 2 == [r.code for r in refused]
    winner = next(r for r in results if not isinstance(r, BaseException))

    assert 200 == (await home.delete(winner.body["name"], query={"forcedelete": "true"})).status
    assert 201 == (await home.put(given, "four")).status


async def test_secrets_are_kept_sealed_and_shown_as_names(home: House) -> None:
    given = body(configurationProtectedSettings={"token": "hunter2-hunter2", "pin": "9"})
    made = await home.put(given)
    assert {"token": "", "pin": ""} == made.body["properties"]["configurationProtectedSettings"]
    row = await home.store.get(KEY)
    feed = await home.store.feed_row(records.lane(AGENT), KEY)
    assert row is not None
    assert feed is not None
    assert b"hunter2" not in row.body + feed.body

    joined = await home.put(given)
    assert joined.operation == made.operation, "the same secrets are the same wishes"
    read_back = await home.put({"properties": made.body["properties"] | {"provisioningState": None}})
    assert read_back.operation == made.operation, "blanks mean: as stored"
    changed = await home.put(body(configurationProtectedSettings={"token": "other-value"}))
    assert {"token": ""} == changed.body["properties"]["configurationProtectedSettings"]
    assert changed.operation != made.operation


async def test_a_lost_key_can_be_written_over_but_not_relied_on(home: House) -> None:
    await home.put(body(configurationProtectedSettings={"token": "first"}))
    other = House(home.store, Vault("k", {"k": bytes(32)}))

    with pytest.raises(ExtensaError, match="SealBroken"):
        await other.put(body(configurationProtectedSettings={"token": "", "b": "x"}))
    written = await other.put(body(configurationProtectedSettings={"token": "second"}))
    assert 200 == written.status


async def test_a_write_that_could_never_be_served_is_refused(home: House) -> None:
    """Without the key the agent would never hear of it, and the operation would end in silence."""
    await home.put(body(configurationProtectedSettings={"token": "first"}))
    other = House(home.store, Vault("k", {"k": bytes(32)}))

    with pytest.raises(ExtensaError, match="SealBroken"):
        await other.patch({"properties": {"configurationSettings": {"greeting": "hi"}}})
    assert 202 == (await other.delete()).status


async def test_an_earlier_extension_that_goes_meanwhile_is_no_conflict(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.put(body())
    home.clusters.found[CLUSTER.casefold()] = cluster(uid="cluster-9")
    find = home.clusters.find
    swept = asyncio.Event()

    async def found(key: str) -> Any:
        there = await find(key)
        if not swept.is_set():
            swept.set()
            task = asyncio.create_task(home.extensions.sweep())
            await asyncio.sleep(0)
            tasks.append(task)
        return there

    tasks: list[asyncio.Task[None]] = []
    monkeypatch.setattr(home.clusters, "find", found)

    assert 201 == (await home.put(body())).status
    await asyncio.gather(*tasks)


async def test_a_body_that_cannot_be_read_is_refused_whole(home: House) -> None:
    with pytest.raises(Refused) as caught:
        await home.put({"properties": {"extensionType": 4, "version": []}}, "bad_name")

    assert 400 == caught.value.status
    assert ["InvalidRequestContent"] * 2 == [d.code for d in caught.value.details][:2]
    assert "InvalidResourceName" in [d.code for d in caught.value.details]


async def test_an_extension_of_an_earlier_cluster_gives_way(home: House) -> None:
    made = await home.put(body())
    home.clusters.found[CLUSTER.casefold()] = cluster(uid="cluster-9")
    assert [] == (await home.extensions.list(listing(), after=None, limit=5)).value

    again = await home.put(body())

    assert 201 == again.status
    assert made.operation is not None
    assert "Failed" == (await operation(home, made.operation.id)).status
    assert "cluster-9" == (await desired(home))["cluster_uid"]


async def test_objects_are_told_as_last_seen(home: House) -> None:
    await home.put(body())
    nothing = await home.extensions.act(request(), "listObjects")
    assert {"value": [], "count": 0, "observedAt": None} == nothing.body

    await report(home, Phase.WORKING, objects=[health("a", "InProgress", "1 pod")], object_count=300)
    found = (await home.extensions.act(request(), "listObjects")).body

    assert [
        {
            "kind": "Deployment",
            "name": "a",
            "namespace": "hello-system",
            "health": "InProgress",
            "waitsFor": "1 pod",
        }
    ] == found["value"]
    assert (300, "2026-11-25T12:00:00.0000000+00:00") == (found["count"], found["observedAt"])


async def test_live_objects_are_asked_of_the_agent(home: House) -> None:
    await home.put(body())
    live = request(query={"live": "true"})
    with pytest.raises(Unavailable):
        await home.extensions.act(live, "listObjects")
    home.questions.body = {"objects": [msgspec.to_builtins(health("a"))], "objectCount": 300}
    found = (await home.extensions.act(live, "listObjects")).body
    assert (300, "a", "Current") == (found["count"], found["value"][0]["name"], found["value"][0]["health"])
    question = home.questions.asked[-1]
    assert ("objects", "cluster-1") == (question.kind, question.cluster_uid)

    await home.patch({"properties": {"configurationProtectedSettings": {"token": "correct-horse"}}})
    home.questions.body = {"objects": [msgspec.to_builtins(health("a", "InProgress", "bad correct-horse"))]}
    assert "bad ********" == (await home.extensions.act(live, "listObjects")).body["value"][0]["waitsFor"]

    home.questions.failure = "ClusterUnreachable"
    with pytest.raises(Unavailable) as caught:
        await home.extensions.act(live, "listObjects")
    assert "ClusterUnreachable" == caught.value.code
    with pytest.raises(NotFound):
        await home.extensions.act(request(name="other"), "listObjects")
