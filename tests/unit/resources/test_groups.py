"""The binding of resource groups over a real store: writes, races, lists, and the beginning of a deletion."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from extensa.arm.binding import Answer
from extensa.base.errors import Conflict, ExtensaError, NotFound, Refused
from extensa.resources.groups import Groups
from extensa.resources.operations import Operations
from extensa.store.port import StaleWrite, Store
from extensa.store.sqlite import SqliteStore
from unit.resources.widgets import ROOT, SUBSCRIPTION, StandingClock, request

WEST = {"location": "westeurope"}
RG = "/resourceGroups/rg"


async def names(groups: Groups, **query: str) -> list[str]:
    listed = await groups.list(request("", query={f"${k}": v for k, v in query.items()}), after=None, limit=100)
    return [body["name"] for body in listed.value]


class TestWriting:
    async def test_created_then_replaced(self, groups: Groups) -> None:
        first = await groups.put(request("/resourceGroups/Rg", {"location": "West Europe", "tags": {"a": "1"}}))
        again = await groups.put(request("/resourcegroups/RG", WEST))

        assert (201, 200) == (first.status, again.status)
        assert {
            "id": f"{ROOT}/resourceGroups/Rg",
            "name": "Rg",
            "type": "Microsoft.Resources/resourceGroups",
            "location": "westeurope",
            "tags": {"a": "1"},
            "properties": {"provisioningState": "Succeeded"},
        } == first.body
        assert "tags" not in again.body
        assert first.etag != again.etag
        assert Answer(200, again.body, etag=again.etag) == await groups.get(request(RG))

    async def test_an_absent_one_is_told_in_azures_words(self, groups: Groups) -> None:
        for call in (groups.get, groups.delete, groups.patch):
            with pytest.raises(NotFound, match="Resource group 'rg' could not be found") as caught:
                await call(request(RG, {}))
            assert "ResourceGroupNotFound" == caught.value.code

    async def test_another_subscription_has_no_groups(self, store: Store, clock: StandingClock) -> None:
        elsewhere = Groups(store, subscription_id="other", clock=clock)

        for call in (elsewhere.get, elsewhere.put, elsewhere.delete):
            with pytest.raises(NotFound) as caught:
                await call(request(RG, WEST))
            assert "SubscriptionNotFound" == caught.value.code

    async def test_tags_are_patched(self, groups: Groups) -> None:
        await groups.put(request(RG, WEST | {"tags": {"a": "1"}, "managedBy": "/m"}))
        answer = await groups.patch(request(RG, {"tags": {"b": "2"}}))

        assert (200, {"b": "2"}, "/m") == (answer.status, answer.body["tags"], answer.body["managedBy"])

    async def test_conditions_are_kept(self, groups: Groups) -> None:
        created = await groups.put(request(RG, WEST, if_none_match="*"))
        await groups.put(request(RG, WEST, if_match=created.etag or ""))

        for call, asked in (
            (groups.put, request(RG, WEST, if_none_match="*")),
            (groups.put, request(RG, WEST, if_match=created.etag or "")),
            (groups.patch, request(RG, {}, if_match=created.etag or "")),
            (groups.delete, request(RG, if_match="other")),
        ):
            with pytest.raises(Conflict) as caught:
                await call(asked)
            assert (412, "PreconditionFailed") == (caught.value.status, caught.value.code)

    async def test_of_many_who_create_one_gets_201(self, groups: Groups) -> None:
        answers = await asyncio.gather(*(groups.put(request(RG, WEST)) for _ in range(4)))

        assert [200, 200, 200, 201] == sorted(answer.status for answer in answers)

    async def test_who_is_never_fast_enough_is_told(self, store: SqliteStore, clock: StandingClock) -> None:
        class Contested(SqliteStore):
            async def commit(self, writes: Sequence[Any]) -> dict[str, str]:
                raise StaleWrite("/k", None)

        store.__class__ = Contested
        with pytest.raises(StaleWrite):
            await Groups(store, subscription_id=SUBSCRIPTION, clock=clock).put(request(RG, WEST))

    async def test_there_are_no_actions(self, groups: Groups) -> None:
        with pytest.raises(ExtensaError, match="no action 'dance'"):
            await groups.act(request(RG), "dance")


class TestListing:
    async def test_pages_in_key_order(self, groups: Groups) -> None:
        for name in ("b", "C", "a", "d"):
            await groups.put(request(f"/resourceGroups/{name}", WEST))
        first = await groups.list(request(""), after=None, limit=3)
        rest = await groups.list(request(""), after=first.next_after, limit=3)

        assert ["a", "b", "C"] == [body["name"] for body in first.value]
        assert (["d"], None) == ([body["name"] for body in rest.value], rest.next_after)

    async def test_what_lies_inside_a_group_is_no_group(self, groups: Groups, store: SqliteStore) -> None:
        await groups.put(request(RG, WEST))
        assert ["rg"] == await names(groups)

    async def test_a_filter_by_tag(self, groups: Groups) -> None:
        await groups.put(request("/resourceGroups/a", WEST | {"tags": {"Env": "test"}}))
        await groups.put(request("/resourceGroups/b", WEST | {"tags": {"env": "prod"}}))
        await groups.put(request("/resourceGroups/c", WEST))

        assert ["a", "b"] == await names(groups, filter="tagName eq 'env'")
        assert ["b"] == await names(groups, filter="tagName eq 'env' and tagValue eq 'prod'")
        with pytest.raises(Refused):
            await names(groups, filter="location eq 'x'")


class TestDeleting:
    async def test_it_is_begun_in_one_write_and_joined(self, groups: Groups, store: SqliteStore) -> None:
        await groups.put(request(RG, WEST))
        answer = await groups.delete(request(RG))
        again = await groups.delete(request(RG))

        assert (202, None, 202) == (answer.status, answer.body, again.status)
        assert answer.operation == again.operation
        assert answer.operation is not None
        assert ("location", "Deleting", "c-1") == (
            answer.operation.style,
            answer.operation.status,
            answer.operation.correlation_id,
        )
        assert answer.operation == await Operations(store).get(answer.operation.id, 0)
        shown = await groups.get(request(RG))
        assert {"provisioningState": "Deleting"} == shown.body["properties"]

    async def test_writes_to_a_group_on_its_way_out_are_refused(self, groups: Groups) -> None:
        await groups.put(request(RG, WEST))
        await groups.delete(request(RG))

        for call, body in ((groups.put, WEST), (groups.patch, {"tags": {}})):
            with pytest.raises(Conflict, match="deprovisioning state") as caught:
                await call(request(RG, body))
            assert "ResourceGroupBeingDeleted" == caught.value.code

    async def test_the_cascade_is_told(self, store: SqliteStore, clock: StandingClock) -> None:
        told: list[bool] = []
        groups = Groups(store, subscription_id=SUBSCRIPTION, clock=clock, deletion_begun=lambda: told.append(True))
        await groups.put(request(RG, WEST))
        await groups.delete(request(RG))

        assert [True] == told
