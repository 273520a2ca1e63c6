"""The night watch: lost clusters, silent agents, feeds that lack something, orphans, and turns that stay bounded."""

from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from extensa.arm.operations import Operation
from extensa.base.errors import NotFound
from extensa.extensions import records, sweep
from extensa.link.cluster import Power
from extensa.link.extension import ExtensionReports, Phase
from extensa.store.port import DeleteFeed, DeleteResource, PutFeed, PutOperation, StaleWrite
from unit.extensions.extension_facts import AGENT, CLUSTER, NOW, House, body, cluster, extension_id, observed

KEY = extension_id().key
LATE = timedelta(minutes=16)


async def outcome(home: House, operation: Operation | None) -> Operation:
    assert operation is not None
    row = await home.store.operation(operation.id)
    assert row is not None
    return msgspec.json.decode(row.body, type=Operation)


async def test_a_healthy_house_is_left_as_it_is(home: House) -> None:
    made = await home.put(body())
    before = await home.store.feed(records.lane(AGENT), after=0, limit=10)
    await home.extensions.sweep()

    assert before == await home.store.feed(records.lane(AGENT), after=0, limit=10)
    assert made.etag == (await home.get()).etag


async def test_silence_ends_an_operation_with_its_reason(home: House) -> None:
    made = await home.put(body())
    home.now += LATE
    home.clusters.found[CLUSTER.casefold()] = cluster(power=Power.STOPPED)
    await home.extensions.sweep()

    ended = await outcome(home, made.operation)
    assert ended.error is not None
    assert ("Failed", "ClusterStopped") == (ended.status, ended.error["additionalInfo"][0]["info"]["code"])
    properties = (await home.get()).body["properties"]
    assert ("Failed", "ExtensionOperationFailed") == (
        properties["provisioningState"],
        properties["errorInfo"]["code"],
    )

    row = await home.store.get(KEY)
    assert row is not None
    late = observed(Phase.READY, uid=records.extension_of(row.body).uid, seconds=2000)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[late]))
    assert "Succeeded" == (await home.get()).body["properties"]["provisioningState"]
    assert ended == await outcome(home, made.operation)


async def test_a_deletion_nobody_answers_fails_and_can_be_forced(home: House) -> None:
    await home.put(body())
    going = await home.delete()
    home.now += LATE
    await home.extensions.sweep()

    assert "Failed" == (await outcome(home, going.operation)).status
    assert "Failed" == (await home.get()).body["properties"]["provisioningState"]
    assert 202 == (await home.delete()).status
    assert 200 == (await home.delete(query={"forcedelete": "true"})).status


async def test_a_lost_cluster_takes_everything_with_it(home: House) -> None:
    made = await home.put(body())
    await home.put(body(), "forced")
    await home.delete("forced", query={"forcedelete": "true"})
    home.clusters.found[CLUSTER.casefold()] = cluster(uid="another of the same name")
    await home.extensions.sweep()

    assert "Failed" == (await outcome(home, made.operation)).status
    with pytest.raises(NotFound):
        await home.get()
    assert [] == await home.store.feed(records.lane(AGENT), after=0, limit=10)
    assert 0 == await home.store.count()


async def test_a_cluster_may_say_itself_that_it_is_gone(home: House) -> None:
    for name in ("a", "b"):
        await home.put(body(), name)
    await home.extensions.cluster_gone(CLUSTER.casefold())
    assert 2 == await home.store.count(type=records.ROW_TYPE), "it is there, so nothing goes"

    home.clusters.found.clear()
    await home.extensions.cluster_gone(CLUSTER.casefold())
    assert 0 == await home.store.count()


async def test_what_another_room_removed_leaves_no_pointer(home: House) -> None:
    await home.put(body())
    below = [DeleteResource(row.key) for row in await home.store.list(prefix=KEY, limit=10)]
    await home.store.commit([*below, DeleteFeed(records.lane(AGENT), KEY)])
    await home.extensions.sweep()

    assert 0 == await home.store.count()


async def test_no_operation_outlives_an_extension_that_another_room_removed(home: House) -> None:
    made = await home.put(body())
    await home.put(body(), "leaving")
    leaving = await home.delete("leaving")
    for name in ("greeter", "leaving"):
        await home.store.commit([DeleteResource(extension_id(name).key)])
    await home.extensions.sweep()

    assert ("Failed", "Succeeded") == (
        (await outcome(home, made.operation)).status,
        (await outcome(home, leaving.operation)).status,
    )
    assert [] == await home.store.open_operations(limit=10)


async def test_an_operation_that_its_extension_does_not_name_is_ended(home: House) -> None:
    made = await home.put(body())
    assert made.operation is not None
    stray = msgspec.structs.replace(made.operation, id="stray")
    other = msgspec.structs.replace(stray, id="other", resource_uid="an earlier one")
    await home.store.commit([PutOperation(o.id, KEY, msgspec.json.encode(o)) for o in (stray, other)])
    await home.extensions.sweep()

    assert ["Creating", "Canceled", "Failed"] == [
        (await outcome(home, each)).status for each in (made.operation, stray, other)
    ]


async def test_a_feed_that_lost_a_document_gets_it_again(home: House) -> None:
    await home.put(body())
    before = await home.store.feed_row(records.lane(AGENT), KEY)
    await home.store.commit([DeleteFeed(records.lane(AGENT), KEY)])
    await home.extensions.sweep()

    after = await home.store.feed_row(records.lane(AGENT), KEY)
    assert before is not None
    assert after is not None
    assert before.body == after.body


async def test_a_document_that_says_something_else_becomes_a_new_generation(home: House) -> None:
    made = await home.put(body())
    row = await home.store.feed_row(records.lane(AGENT), KEY)
    assert row is not None
    kept = records.at_rest_of(row.body)
    other = replace(kept, desired=replace(kept.desired, settings={"stale": "yes"}))
    await home.store.commit([PutFeed(records.lane(AGENT), KEY, msgspec.json.encode(other))])
    await home.extensions.sweep()

    row = await home.store.feed_row(records.lane(AGENT), KEY)
    assert row is not None
    found = records.at_rest_of(row.body).desired
    assert (2, {}) == (found.generation, found.settings)
    late = observed(Phase.READY, uid=found.uid, generation=2)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[late]))
    assert "Succeeded" == (await outcome(home, made.operation)).status


async def test_an_extension_follows_its_cluster_to_another_agent(home: House) -> None:
    await home.put(body())
    home.clusters.found[CLUSTER.casefold()] = cluster(agent="other")
    await home.extensions.sweep()

    assert [] == await home.store.feed(records.lane(AGENT), after=0, limit=10)
    moved = await home.store.feed(records.lane("other"), after=0, limit=10)
    assert [1] == [records.at_rest_of(r.body).desired.generation for r in moved]


async def test_a_turn_is_bounded_and_turns_come_round(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    names = "abcde"
    for name in names:
        await home.put(body(), name)
    await home.store.commit([DeleteFeed(records.lane(AGENT), extension_id(n).key) for n in names])
    monkeypatch.setattr(sweep, "PAGE", 2)
    for row in await home.store.open_operations(limit=10):
        # Ended operations are not looked at on their own; only the pages are.
        await home.store.commit([PutOperation(row.id, row.resource_key, row.body, home.now)])
    counts = []
    for _ in range(3):
        await home.extensions.sweep()
        counts.append(len(await home.store.feed(records.lane(AGENT), after=0, limit=10)))

    assert [2, 4, 5] == counts


async def test_a_sweep_that_meets_another_write_leaves_it_to_the_next(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await home.put(body())
    await home.store.commit([DeleteFeed(records.lane(AGENT), KEY)])
    commit = home.store.commit

    async def stale(writes: object) -> dict[str, str]:
        raise StaleWrite(KEY, None)

    monkeypatch.setattr(home.store, "commit", stale)
    await home.extensions.sweep()
    monkeypatch.setattr(home.store, "commit", commit)
    await home.extensions.sweep()

    assert await home.store.feed_row(records.lane(AGENT), KEY) is not None


async def state(home: House) -> str:
    return str((await home.get()).body["properties"]["provisioningState"])


async def test_a_jump_of_the_date_uses_up_nobodys_time(home: House) -> None:
    """The machine has slept, or its date was set: an agent that had no moment to speak in has one now."""
    slept = House(home.store, home.vault, even=NOW)
    await slept.put(body())
    await slept.later(minutes=20)  # the server has run for a while
    await slept.extensions.sweep()
    assert "Failed" == await state(slept)
    await slept.put(body())
    slept.now += timedelta(hours=5)
    await slept.extensions.sweep()
    assert "Creating" == await state(slept)

    await slept.later(minutes=14)
    await slept.extensions.sweep()
    assert "Creating" == await state(slept)
    await slept.later(minutes=2)
    await slept.extensions.sweep()
    assert "Failed" == await state(slept)


async def test_after_a_start_an_agent_has_its_time_to_say_what_it_saw_meanwhile(home: House) -> None:
    await home.put(body())
    after = House(home.store, home.vault, now=NOW + timedelta(hours=5), even=NOW)
    await after.extensions.sweep()
    assert "Creating" == await state(after)

    await after.later(minutes=16)
    await after.extensions.sweep()
    assert "Failed" == await state(after)
