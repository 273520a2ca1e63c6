"""What is not in our subscription, or lies in no group that is there, is told as that, whatever the type."""

from dataclasses import replace

import pytest

from extensa.arm.binding import Answer, Binding, Request
from extensa.arm.resource_id import parse
from extensa.base.errors import Conflict, NotFound
from extensa.resources.groups import Groups
from extensa.resources.placement import Placed
from extensa.store.sqlite import SqliteStore
from unit.resources.widgets import ROOT, SUBSCRIPTION, Widgets, request, widget

PATH = "/resourceGroups/{}/providers/Example.Widgets/widgets/w"
ELSEWHERE = "00000000-0000-0000-0000-000000000000"


class Careful(Widgets):
    """Widgets that miss whatever is asked for, and count how often they are asked."""

    asked = 0

    async def get(self, request: Request) -> Answer:
        self.asked += 1
        if (body := self.bodies.get(request.id.key)) is None:
            raise NotFound("ResourceNotFound", "no such widget")
        return Answer(200, body)

    async def act(self, request: Request, action: str) -> Answer:
        return await self.get(request)

    async def put(self, request: Request) -> Answer:
        raise Conflict("Busy", "busy")

    async def delete(self, request: Request) -> Answer:
        return Answer(200 if request.id.key in self.bodies else 204)


@pytest.fixture
async def widgets(groups: Groups) -> Careful:
    """One widget, in the one group there is."""
    await groups.put(request("/resourceGroups/demo", {"location": "westeurope"}))
    made = Careful()
    made.add(widget("demo", "w"))
    return made


@pytest.fixture
def placed(widgets: Careful, store: SqliteStore) -> Binding:
    """The widgets as the front sees them."""
    return Placed(widgets, store, subscription_id=SUBSCRIPTION)


async def test_what_is_there_is_handed_on(placed: Binding, widgets: Careful) -> None:
    there = request(PATH.format("DEMO"))

    assert widgets.spec is placed.spec
    assert 200 == (await placed.get(there)).status
    assert 200 == (await placed.act(there, "spin")).status
    assert 200 == (await placed.delete(there)).status
    assert ["w"] == [
        each["name"] for each in (await placed.list(request("/resourceGroups/demo"), after=None, limit=9)).value
    ]
    with pytest.raises(Conflict):
        await placed.put(there)


async def test_what_is_missing_in_a_group_that_is_there_stays_missing(placed: Binding) -> None:
    absent = request(PATH.format("demo").removesuffix("w") + "other")
    with pytest.raises(NotFound) as told:
        await placed.get(absent)

    assert "ResourceNotFound" == told.value.code
    assert 204 == (await placed.delete(absent)).status


async def test_what_is_missing_in_a_missing_group_is_told_as_the_groups_absence(placed: Binding) -> None:
    absent = request(PATH.format("absent"))
    for work in (placed.get(absent), placed.act(absent, "spin"), placed.delete(absent)):
        with pytest.raises(NotFound) as told:
            await work
        assert ("ResourceGroupNotFound", "absent") == (told.value.code, told.value.target)


async def test_another_subscription_is_told_without_asking_anybody(placed: Binding, widgets: Careful) -> None:
    path = (ROOT + PATH.format("demo")).replace(SUBSCRIPTION, ELSEWHERE)
    foreign = replace(request(""), id=parse(path))
    with pytest.raises(NotFound) as told:
        await placed.get(foreign)

    assert ("SubscriptionNotFound", ELSEWHERE) == (told.value.code, told.value.target)
    assert 0 == widgets.asked
