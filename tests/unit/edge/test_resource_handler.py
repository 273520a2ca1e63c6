"""The verbs, written once: what a binding is asked, and what goes back on the wire."""

from typing import Any

import pytest

from extensa.arm.binding import Answer, Condition, Listing
from extensa.arm.operations import Style, succeeded
from extensa.base.errors import NotFound
from unit.edge.front import (
    BASE,
    CALLER,
    CLUSTER,
    EXTENSION,
    EXTENSIONS,
    GROUPS,
    NOW,
    SUBSCRIPTIONS,
    TOKEN,
    BindingDouble,
    G,
    House,
    S,
    operation,
    refused,
)

V = {"api-version": "2025-03-01"}
TYPE = EXTENSIONS.type


@pytest.fixture
def binding(house: House) -> BindingDouble:
    """The extensions' binding."""
    return house.bindings[TYPE]


async def test_a_get_is_asked_and_answered(house: House, binding: BindingDouble) -> None:
    binding.answer = Answer(200, {"id": EXTENSION}, etag="e1")

    answer = await house.client.get(EXTENSION.lower() + "?Api-Version=2026-01-01&x=y", headers=TOKEN)

    assert (200, {"id": EXTENSION}) == (answer.status_code, answer.json())
    request = binding.request
    assert (CALLER, EXTENSION.casefold()) == (request.caller, request.id.key)
    assert ("2025-03-01", "2026-01-01") == (request.api_version, request.asked_version)
    assert answer.headers["x-ms-correlation-request-id"] == request.correlation_id
    assert "y" == request.query["x"]
    assert '"e1"' == answer.headers["etag"]
    assert "2022-03-01, 2023-05-01, 2025-03-01" == answer.headers["api-supported-versions"]
    assert "application/json; charset=utf-8" == answer.headers["content-type"]
    assert [(f"{TYPE}/read", EXTENSION.casefold())] == house.identity.asked


async def test_ready_bytes_go_out_as_they_are(house: House, binding: BindingDouble) -> None:
    binding.answer = Answer(200, b'{"as": "it is"}')

    assert b'{"as": "it is"}' == (await house.get(EXTENSION + "?api-version=2025-03-01")).content


async def test_what_the_caller_holds_already_is_not_sent_again(house: House, binding: BindingDouble) -> None:
    binding.answer = Answer(200, {}, etag="e1")

    answer = await house.get(EXTENSION + "?api-version=2025-03-01", **{"If-None-Match": '"e1"'})

    assert (304, b"") == (answer.status_code, answer.content)


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("?api-version=soon", "InvalidApiVersionParameter"),
        ("?api-version=2019-01-01", "NoRegisteredProviderFound"),
    ],
)
async def test_an_api_version_is_required(house: House, binding: BindingDouble, query: str, code: str) -> None:
    assert (400, code) == refused(await house.get(EXTENSION + query))
    assert [] == binding.asked


@pytest.mark.parametrize(
    ("verb", "action"),
    [("GET", "read"), ("HEAD", "read"), ("PUT", "write"), ("PATCH", "write"), ("DELETE", "delete")],
)
async def test_who_may_not_is_refused_before_the_binding_is_asked(
    house: House, binding: BindingDouble, verb: str, action: str
) -> None:
    house.identity.forbidden.add((f"{TYPE}/{action}", EXTENSION.casefold()))

    answer = await house.client.request(verb, EXTENSION, params=V, headers=TOKEN)

    assert 403 == answer.status_code
    assert [] == binding.asked


async def test_an_action_needs_its_own_permission(house: House, binding: BindingDouble) -> None:
    answer = await house.client.post(EXTENSION + "/LISTOBJECTS", params=V, headers=TOKEN)

    assert 200 == answer.status_code
    assert "listObjects" == binding.asked[-1][0]
    assert [(f"{TYPE}/listObjects/action", EXTENSION.casefold())] == house.identity.asked


@pytest.mark.parametrize(("error", "status"), [(None, 204), (NotFound("ResourceNotFound", "no"), 404)])
async def test_head_says_whether_it_is_there_and_nothing_else(
    house: House, error: NotFound | None, status: int
) -> None:
    house.bindings[GROUPS.type].error = error

    answer = await house.client.head(G, params=V, headers=TOKEN)

    assert (status, b"") == (answer.status_code, answer.content)


class TestWrites:
    async def test_a_put_carries_body_and_conditions(self, house: House, binding: BindingDouble) -> None:
        headers = {**TOKEN, "If-Match": '"e1"', "If-None-Match": "*"}

        await house.client.put(EXTENSION, params=V, headers=headers, json={"properties": {"a": 1}})

        assert {"properties": {"a": 1}} == binding.request.body
        assert Condition(if_match="e1", if_none_match="*") == binding.request.condition

    @pytest.mark.parametrize(
        ("style", "header", "url"),
        [
            (Style.EXTENSIONS, "azure-asyncoperation", f"{EXTENSION}/operations/op-1"),
            (
                Style.AKS,
                "azure-asyncoperation",
                f"{S}/providers/Microsoft.ContainerService/locations/westeurope/operations/op-1",
            ),
            (Style.LOCATION, "location", f"{S}/operationresults/op-1"),
        ],
    )
    async def test_work_that_goes_on_is_polled_where_its_provider_says(
        self, house: House, binding: BindingDouble, style: Style, header: str, url: str
    ) -> None:
        binding.answer = Answer(201, {}, operation=operation(style))

        answer = await house.client.put(EXTENSION, params=V, headers=TOKEN, json={})

        assert 201 == answer.status_code
        assert f"{BASE}{url}?api-version=2025-03-01" == answer.headers[header]
        assert "1" == answer.headers["retry-after"]
        assert 1 == len({"location", "azure-asyncoperation"} & set(answer.headers))

    async def test_work_that_has_ended_is_not_polled(self, house: House, binding: BindingDouble) -> None:
        binding.answer = Answer(200, {}, operation=succeeded(operation(Style.EXTENSIONS), NOW))

        answer = await house.client.put(EXTENSION, params=V, headers=TOKEN, json={})

        assert "azure-asyncoperation" not in answer.headers
        assert "retry-after" not in answer.headers

    async def test_a_delete_of_nothing_has_no_body(self, house: House, binding: BindingDouble) -> None:
        binding.answer = Answer(204)

        answer = await house.client.delete(EXTENSION, params={**V, "forceDelete": "true"}, headers=TOKEN)

        assert (204, b"") == (answer.status_code, answer.content)
        assert "content-length" not in answer.headers
        assert "true" == binding.request.query["forcedelete"]

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "is empty"),
            (b"[]", "an array"),
            (b"3", "a number"),
            (b"null", "null"),
            (b'{"a": 1,\n "b": x}', "line 2, column 7"),
            (b'{"a": ', "ends too early"),
            (b'{"a": "\xff"}', "not UTF-8"),
            (b"{a: 1}", "line 1, column 2"),
            (b"[" * 100_000, "nested too deeply"),
        ],
    )
    async def test_what_is_no_json_object_is_refused_with_its_place(
        self, house: House, binding: BindingDouble, content: bytes, says: str
    ) -> None:
        headers = {**TOKEN, "Content-Type": "application/json"}
        answer = await house.client.put(EXTENSION, params=V, headers=headers, content=content)

        assert (400, "InvalidRequestContent") == refused(answer)
        assert says in answer.json()["error"]["message"]
        assert [] == binding.asked

    async def test_a_byte_order_mark_is_passed_over(self, house: House, binding: BindingDouble) -> None:
        await house.client.put(EXTENSION, params=V, headers=TOKEN, content=b'\xef\xbb\xbf{"a": 1}')

        assert {"a": 1} == binding.request.body

    @pytest.mark.parametrize(
        ("media", "status"),
        [("application/x-www-form-urlencoded", 415), ("application/merge-patch+json", 200), ("text/json", 200)],
    )
    async def test_only_json_is_taken(self, house: House, binding: BindingDouble, media: str, status: int) -> None:
        headers = {**TOKEN, "Content-Type": media}

        assert status == (await house.client.patch(EXTENSION, params=V, headers=headers, content=b"{}")).status_code

    async def test_five_megabytes_are_too_many(self, house: House, binding: BindingDouble) -> None:
        answer = await house.client.put(EXTENSION, params=V, headers=TOKEN, content=b" " * (5 * 1024 * 1024))

        assert (413, "RequestContentTooLarge") == refused(answer)


class TestLists:
    async def pages(self, house: House, path: str, **query: Any) -> dict[str, Any]:
        answer = await house.client.get(path, params={**V, **query}, headers=TOKEN)
        assert 200 == answer.status_code
        body: dict[str, Any] = answer.json()
        return body

    async def test_the_last_page_says_so(self, house: House, binding: BindingDouble) -> None:
        binding.page = Listing([{"name": "a"}])

        page = await self.pages(house, f"{CLUSTER}/providers/{TYPE}")

        assert {"value": [{"name": "a"}], "nextLink": None} == page
        assert (CLUSTER, None, 100) == (binding.request.id.path, binding.after, binding.limit)
        assert [(f"{TYPE}/read", CLUSTER.casefold())] == house.identity.asked

    async def test_the_next_link_leads_on_with_the_same_query(self, house: House, binding: BindingDouble) -> None:
        binding.page = Listing([], next_after="/key/of the last")

        page = await self.pages(house, f"{CLUSTER}/providers/{TYPE}".upper(), **{"$top": "7", "$filter": "a eq 'b'"})
        assert page["nextLink"].startswith(f"{BASE}/subscriptions/0000/resourceGroups/RG/providers/Microsoft.")
        await house.get(page["nextLink"])

        assert ("/key/of the last", 7) == (binding.after, binding.limit)
        assert ("a eq 'b'", "2025-03-01") == (binding.request.query["$filter"], binding.request.asked_version)

    @pytest.mark.parametrize(
        ("query", "code"),
        [({"$top": "0"}, "InvalidTop"), ({"$top": "x"}, "InvalidTop"), ({"$skipToken": "é"}, "InvalidSkipToken")],
    )
    async def test_a_page_that_cannot_be_is_refused(self, house: House, query: dict[str, str], code: str) -> None:
        answer = await house.client.get(f"{CLUSTER}/providers/{TYPE}", params={**V, **query}, headers=TOKEN)

        assert (400, code) == refused(answer)

    async def test_a_caller_sees_the_subscriptions_it_has_a_role_in(self, house: House) -> None:
        mine, other = {"id": "/subscriptions/Mine"}, {"id": "/subscriptions/Other"}
        house.bindings[SUBSCRIPTIONS.type].page = Listing([mine, other])
        house.identity.unseen.add("/subscriptions/other")

        assert {"value": [mine], "nextLink": None} == await self.pages(house, "/subscriptions")
