"""The gateway over bindings: merged lists in key order, deletions that go the usual way."""

from dataclasses import replace

import pytest

from extensa.arm.binding import Level
from extensa.base.errors import Conflict, NotFound
from extensa.resources.gateway import BindingsGateway, is_deleting
from unit.resources.widgets import CALLER, ROOT, Widgets, scope, widget


def two_rooms() -> tuple[Widgets, Widgets, BindingsGateway]:
    widgets, gadgets = Widgets(page=2), Widgets(page=3)
    gadgets.spec = replace(gadgets.spec, type="Example.Gadgets/gadgets", listed_in_subscription=False)
    widgets.add(*(widget("rg", f"w{n}") for n in range(5)), widget("other", "w"))
    for n in range(4):
        path = f"{ROOT}/resourceGroups/rg/providers/Example.Gadgets/gadgets/g{n}"
        gadgets.add(widget("rg", f"g{n}") | {"id": path, "type": "Example.Gadgets/gadgets"})
    attached = Widgets()
    attached.spec = replace(attached.spec, type="Example.Extras/extras", levels=(Level.CLUSTER,))
    return widgets, gadgets, BindingsGateway([widgets, gadgets, attached], caller=CALLER)


async def listed(gateway: BindingsGateway, prefix: str, after: str | None = None, limit: int = 100) -> list[str]:
    bodies = await gateway.list(prefix, after=after, limit=limit)
    return [str(body["name"]) for body in bodies]


class TestList:
    async def test_all_rooms_in_key_order(self) -> None:
        _, _, gateway = two_rooms()
        expected = ["g0", "g1", "g2", "g3", "w0", "w1", "w2", "w3", "w4"]

        assert expected == await listed(gateway, f"{ROOT}/resourcegroups/rg/")

    async def test_pages_join(self) -> None:
        _, _, gateway = two_rooms()
        found: list[str] = []
        after = None
        while bodies := await gateway.list(f"{ROOT}/resourcegroups/rg/", after=after, limit=2):
            after = str(bodies[-1]["id"]).casefold()
            found += [str(body["name"]) for body in bodies]

        assert ["g0", "g1", "g2", "g3", "w0", "w1", "w2", "w3", "w4"] == found

    async def test_a_subscription_lists_what_is_listed_there(self) -> None:
        _, _, gateway = two_rooms()

        assert ["w", "w0", "w1", "w2", "w3", "w4"] == await listed(gateway, f"{ROOT}/")


class TestDelete:
    async def test_it_goes_to_the_room_of_the_type(self) -> None:
        widgets, gadgets, gateway = two_rooms()
        await gateway.delete(scope("/resourcegroups/RG/providers/example.widgets/WIDGETS/w1"), "c-9")

        assert ([], 1) == (gadgets.deletions, len(widgets.deletions))
        asked = widgets.deletions[0]
        assert ("c-9", "2025-01-01", CALLER) == (asked.correlation_id, asked.api_version, asked.caller)
        assert is_deleting(widgets.bodies[asked.id.key])

    async def test_what_is_absent_is_no_error(self) -> None:
        _, _, gateway = two_rooms()
        await gateway.delete(scope("/resourceGroups/rg/providers/Example.Widgets/widgets/none"), "c")

    async def test_a_refusal_comes_through(self) -> None:
        widgets, _, gateway = two_rooms()
        widgets.refusal = Conflict("Busy", "no")

        with pytest.raises(Conflict):
            await gateway.delete(scope("/resourceGroups/rg/providers/Example.Widgets/widgets/w1"), "c")

    async def test_a_type_that_nobody_serves(self) -> None:
        _, _, gateway = two_rooms()

        with pytest.raises(NotFound):
            await gateway.delete(scope("/resourceGroups/rg/providers/Example.Extras/extras/x"), "c")


def test_a_body_without_a_state_is_not_on_its_way_out() -> None:
    assert [False, False, True] == [
        is_deleting({}),
        is_deleting({"properties": None}),
        is_deleting({"properties": {"provisioningState": "deleting"}}),
    ]
