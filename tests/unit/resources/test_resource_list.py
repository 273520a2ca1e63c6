"""The list of everything, and the filters that narrow it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensa.base.errors import NotFound, Refused
from extensa.resources import filters
from extensa.resources.gateway import BindingsGateway
from extensa.resources.groups import Groups
from extensa.resources.resource_list import ResourceList, generic
from extensa.store.sqlite import SqliteStore
from unit.resources.widgets import CALLER, SUBSCRIPTION, Widgets, request, scope, widget


@pytest.fixture
async def everything(store: SqliteStore, groups: Groups) -> ResourceList:
    widgets = Widgets()
    widgets.add(*(widget("rg", f"w{n}", tags={"odd": str(n % 2)}) for n in range(7)))
    widgets.add(widget("rg2", "far", location="eastus2"), widget("rg2", "near"))
    for name in ("rg", "rg2"):
        await groups.put(request(f"/resourceGroups/{name}", {"location": "westeurope"}))
    return ResourceList(BindingsGateway([widgets], caller=CALLER), store, subscription_id=SUBSCRIPTION)


async def names(everything: ResourceList, path: str = "", filter: str = "") -> list[str]:
    listed = await everything.list(scope(path), filter=filter, after=None, limit=100)
    return [body["name"] for body in listed.value]


class TestList:
    async def test_a_subscription_and_a_group(self, everything: ResourceList) -> None:
        assert 9 == len(await names(everything))
        assert ["far", "near"] == await names(everything, "/resourceGroups/RG2")

    @pytest.mark.parametrize(
        ("filter", "expected"),
        [
            ("resourceGroup eq 'RG2'", ["far", "near"]),
            ("resourceGroup eq 'none'", []),
            ("name eq 'W3'", ["w3"]),
            ("location eq 'East US 2'", ["far"]),
            ("resourceType eq 'example.widgets/WIDGETS' and resourceGroup eq 'rg2'", ["far", "near"]),
            ("resourceType eq 'Other/things'", []),
            ("tagName eq 'odd' and tagValue eq '1'", ["w1", "w3", "w5"]),
        ],
    )
    async def test_filters(self, everything: ResourceList, filter: str, expected: list[str]) -> None:
        assert expected == await names(everything, filter=filter)

    async def test_scope_and_filter_may_contradict(self, everything: ResourceList) -> None:
        assert [] == await names(everything, "/resourceGroups/rg", "resourceGroup eq 'rg2'")
        assert 7 == len(await names(everything, "/resourceGroups/rg", "resourceGroup eq 'RG'"))

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 100])
    async def test_pages_join_and_the_last_has_no_next(self, everything: ResourceList, limit: int) -> None:
        found: list[str] = []
        after = None
        for _ in range(10):
            page = await everything.list(scope(""), filter="tagName eq 'odd'", after=after, limit=limit)
            assert len(page.value) <= limit
            found += [body["name"] for body in page.value]
            after = page.next_after
            if after is None:
                break

        assert [f"w{n}" for n in range(7)] == found

    async def test_a_scope_that_is_not_there(self, everything: ResourceList) -> None:
        with pytest.raises(NotFound) as caught:
            await names(everything, "/resourceGroups/none")
        assert "ResourceGroupNotFound" == caught.value.code


def test_the_generic_shape() -> None:
    body = widget("rg", "a", tags={}, secret="s", sku={"name": "Base"})
    body |= {"systemData": {"createdAt": "then", "lastModifiedAt": None}}

    assert {"id", "name", "type", "location", "tags", "sku", "createdTime", "provisioningState"} == set(generic(body))


class TestFilters:
    def test_nothing_demands_nothing(self) -> None:
        assert [{}, {}, {}] == [filters.parse(text, known=("a",)) for text in (None, "", "  ")]

    @given(st.dictionaries(st.sampled_from(["alpha", "beta", "gamma"]), st.text(max_size=20), max_size=3))
    def test_what_was_written_is_read(self, demands: dict[str, str]) -> None:
        text = " and ".join("{} eq '{}'".format(name, value.replace("'", "''")) for name, value in demands.items())

        assert demands == filters.parse(text, known=("alpha", "beta", "gamma"))

    @pytest.mark.parametrize(
        "text",
        [
            "a",
            "a eq",
            "a eq b",
            "a eq 'b",
            "a ne 'b'",
            "c eq 'b'",
            "a eq 'b' and",
            "and a eq 'b'",
            "a eq 'b' or a eq 'c'",
            "a eq 'b' and a eq 'c'",
            "a eq 'b'a eq 'c'",
            "(a eq 'b')",
        ],
    )
    def test_what_is_not_understood_is_refused(self, text: str) -> None:
        with pytest.raises(Refused) as caught:
            filters.parse(text, known=("a",))
        assert "InvalidFilterInQueryString" == caught.value.code
        assert text in caught.value.message
