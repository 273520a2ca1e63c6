"""Deleting a group with all that is inside: step by step, through crashes, to an end in any case."""

from datetime import UTC, datetime, timedelta

import pytest

from extensa.arm.operations import Operation
from extensa.base.errors import Conflict, NotFound
from extensa.resources.cascade import DEADLINE, QUIET, Cascade, Facts, Step, next_step
from extensa.resources.gateway import BindingsGateway
from extensa.resources.groups import Groups
from extensa.resources.operations import Operations
from extensa.store.port import DeleteResource, Expect, PutResource, StaleWrite
from extensa.store.sqlite import SqliteStore
from unit.resources.widgets import CALLER, StandingClock, Widgets, paths, request, widget

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RG = "/resourceGroups/rg"
ALIVE, LEAVING = widget("rg", "a"), widget("rg", "b", properties={"provisioningState": "Deleting"})


@pytest.mark.parametrize(
    ("inside", "documents", "age", "expected"),
    [
        ([], 0, QUIET, Step(remove=True)),
        ([], 0, DEADLINE * 2, Step(remove=True)),
        ([], 0, QUIET / 2, Step()),
        ([], 3, QUIET, Step()),
        ([], 3, DEADLINE, Step(give_up=True)),
        ([ALIVE, LEAVING], 2, timedelta(0), Step(delete=[ALIVE])),
        ([LEAVING], 1, QUIET, Step(delete=[])),
        ([ALIVE], 1, DEADLINE, Step(give_up=True)),
    ],
)
def test_the_next_step(inside: list[dict[str, object]], documents: int, age: timedelta, expected: Step) -> None:
    found = next_step(Facts(inside=inside, documents=documents, started=NOW - age, now=NOW))

    assert (list(expected.delete), expected.remove, expected.give_up) == (
        list(found.delete),
        found.remove,
        found.give_up,
    )


class House:
    """A group ``rg`` with widgets ``a`` and ``b`` inside, and the cascade over it."""

    def __init__(self, store: SqliteStore, clock: StandingClock, groups: Groups) -> None:
        self.store, self.clock, self.groups = store, clock, groups
        self.widgets = Widgets()
        self.widgets.add(widget("rg", "a"), widget("rg", "b"))
        self.operations = Operations(store)
        self.restart()

    def restart(self) -> None:
        self.cascade = Cascade(self.store, BindingsGateway([self.widgets], caller=CALLER), clock=self.clock)

    async def delete(self) -> Operation:
        await self.groups.put(request(RG, {"location": "westeurope"}))
        answer = await self.groups.delete(request(RG))
        assert answer.operation is not None
        return answer.operation

    async def sweep(self, **later: float) -> None:
        self.clock.pass_time(**(later or {"seconds": 2}))
        await self.cascade.sweep()

    async def outcome(self, operation: Operation) -> Operation:
        found = await self.operations.get(operation.id, 0)
        assert found is not None
        return found

    async def state(self) -> str:
        try:
            answer = await self.groups.get(request(RG))
        except NotFound:
            return "gone"
        return str(answer.body["properties"]["provisioningState"])


@pytest.fixture
def house(store: SqliteStore, clock: StandingClock, groups: Groups) -> House:
    return House(store, clock, groups)


class TestCascade:
    async def test_what_is_inside_goes_first_and_is_asked_once(self, house: House) -> None:
        operation = await house.delete()
        await house.sweep()
        await house.sweep()

        assert ["a", "b"] == paths(house.widgets.deletions)
        assert {"c-1"} == {asked.correlation_id for asked in house.widgets.deletions}
        assert ("Deleting", False) == (await house.state(), (await house.outcome(operation)).terminal)

        house.widgets.finish()
        await house.sweep()
        assert ("gone", "Succeeded") == (await house.state(), (await house.outcome(operation)).status)

    async def test_a_group_that_stays_is_left_alone(self, house: House) -> None:
        await house.groups.put(request(RG, {"location": "westeurope"}))
        await house.sweep()

        assert ([], "Succeeded") == (house.widgets.deletions, await house.state())

    async def test_a_crash_between_any_two_steps_changes_nothing(self, house: House) -> None:
        operation = await house.delete()
        for _ in range(2):
            house.restart()
            await house.sweep()
        house.widgets.finish()
        house.restart()
        await house.sweep()

        assert ["a", "b"] == paths(house.widgets.deletions)
        assert "Succeeded" == (await house.outcome(operation)).status

    async def test_an_attached_document_keeps_the_group_until_it_is_gone(self, house: House) -> None:
        house.widgets.bodies.clear()
        key = f"{request(RG).id.key}/providers/example.widgets/widgets/a/providers/n.s/extras/x"
        await house.store.commit([PutResource(key, "n.s/extras", b"", Expect.ABSENT)])
        await house.delete()
        await house.sweep()
        assert "Deleting" == await house.state()

        await house.store.commit([DeleteResource(key)])
        await house.sweep()
        assert "gone" == await house.state()

    async def test_a_group_whose_name_goes_on_is_another_group(self, house: House) -> None:
        house.widgets.bodies.clear()
        house.widgets.add(widget("rg2", "other"))
        await house.groups.put(request("/resourceGroups/rg2", {"location": "westeurope"}))
        await house.delete()
        await house.sweep()

        assert ("gone", []) == (await house.state(), house.widgets.deletions)
        assert 1 == await house.store.count()

    async def test_a_refusal_is_tried_again(self, house: House) -> None:
        operation = await house.delete()
        house.widgets.refusal = Conflict("Busy", "It is being upgraded.")
        await house.sweep()
        house.widgets.refusal = None
        await house.sweep()
        house.widgets.finish()
        await house.sweep()

        assert ["a", "b", "a", "b"] == paths(house.widgets.deletions)
        assert "Succeeded" == (await house.outcome(operation)).status

    async def test_what_cannot_go_is_told_and_the_group_comes_back(self, house: House) -> None:
        operation = await house.delete()
        house.widgets.refusal = Conflict("Busy", "It is being upgraded.")
        await house.sweep()
        await house.sweep(minutes=31)
        ended = await house.outcome(operation)

        assert ("Failed", "Succeeded") == (ended.status, await house.state())
        assert ended.error is not None
        assert "ResourceGroupDeletionBlocked" == ended.error["code"]
        assert ["Busy", "Busy"] == [each["code"] for each in ended.error["details"]]
        assert ended.error["details"][0]["target"].endswith("/widgets/a")

    async def test_after_giving_up_it_can_be_deleted_again(self, house: House) -> None:
        first = await house.delete()
        await house.sweep()
        await house.sweep(minutes=31)
        error = (await house.outcome(first)).error
        assert error is not None
        assert "ResourceDeletionTimeout" == error["details"][0]["code"]

        second = await house.delete()
        house.widgets.finish()
        await house.sweep()
        assert first.id != second.id
        assert ("gone", "Succeeded") == (await house.state(), (await house.outcome(second)).status)

    async def test_one_group_in_trouble_does_not_hold_up_another(self, house: House) -> None:
        await house.delete()
        house.widgets.refusal = Conflict("Busy", "It is being upgraded.")
        await house.groups.put(request("/resourceGroups/zz", {"location": "westeurope"}))
        answer = await house.groups.delete(request("/resourceGroups/zz"))
        await house.sweep()

        assert answer.operation is not None
        assert "Succeeded" == (await house.outcome(answer.operation)).status

    async def test_a_group_that_another_process_removed_is_no_trouble(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.delete()
        house.widgets.bodies.clear()

        async def stale(writes: object) -> dict[str, str]:
            raise StaleWrite("/k", None)

        monkeypatch.setattr(house.store, "commit", stale)
        await house.sweep()
