"""Login, metadata, providers, lists, link, publishing, health, metrics: what each asks below and answers above."""

import asyncio
import base64
from typing import Any

import httpx2
import msgspec
import pytest

from extensa.arm import operations
from extensa.arm.binding import Listing
from extensa.arm.operations import Operation, Style
from extensa.base.errors import Unavailable
from extensa.edge.holds import Holds
from extensa.link.extension import ExtensionReports
from extensa.link.question import Answer as LinkAnswer
from unit.edge.front import BASE, CLUSTER, EXTENSION, NOW, TOKEN, G, House, S, house, operation, refused

V = {"api-version": "2024-11-01"}
KEY = base64.b64encode(bytes(32)).decode()
AGENT = {"Authorization": "Bearer hosted.s", "Extensa-Agent-Key": KEY}
HOST = {"Authorization": "Bearer local.s"}


class TestLogin:
    @pytest.mark.parametrize(
        ("path", "v2"),
        [
            ("/common/v2.0/.well-known/openid-configuration", True),
            ("/common/.well-known/openid-configuration", False),
        ],
    )
    async def test_discovery_is_public(self, house: House, path: str, v2: bool) -> None:
        assert {"tenant": "common", "v2": v2} == (await house.client.get(path)).json()

    async def test_keys_are_public(self, house: House) -> None:
        assert {"keys": []} == (await house.client.get("/adfs/discovery/keys")).json()

    @pytest.mark.parametrize("path", ["/adfs/oauth2/token/", "/adfs/oauth2/token", "/adfs/oauth2/v2.0/token"])
    async def test_a_form_gets_a_token(self, house: House, path: str) -> None:
        answer = await house.client.post(path, data={"client_id": "c", "client_secret": "s", "scope": ""})

        assert "adfs" == answer.json()["access_token"]
        assert {"client_id": "c", "client_secret": "s", "scope": ""} == house.identity.form
        assert "no-store" in answer.headers["cache-control"]

    async def test_a_refusal_is_worded_as_oauth_has_it(self, house: House) -> None:
        answer = await house.client.post("/adfs/oauth2/token", data={"client_secret": "wrong"})

        body = answer.json()
        assert (401, "invalid_client", [7000215]) == (answer.status_code, body["error"], body["error_codes"])
        assert body["error_description"].startswith("AADSTS7000215")

    @pytest.mark.parametrize(
        ("headers", "content", "status"),
        [
            ({"Content-Type": "application/json"}, b"{}", 415),
            ({"Content-Type": "application/x-www-form-urlencoded"}, b"a=1&" * 100, 400),
            ({"Content-Type": "application/x-www-form-urlencoded"}, b"a" * 100_000, 413),
            ({"Content-Type": "application/x-www-form-urlencoded"}, b"\xff", 400),
        ],
    )
    async def test_what_is_no_form_is_refused(
        self, house: House, headers: dict[str, str], content: bytes, status: int
    ) -> None:
        assert status == (await house.client.post("/x/oauth2/token", headers=headers, content=content)).status_code


class TestMetadata:
    async def test_newer_tools_get_an_object(self, house: House) -> None:
        body = (await house.client.get("/metadata/endpoints?api-version=2022-09-01")).json()

        assert BASE == body["resourceManager"]
        assert (BASE, [BASE]) == (body["authentication"]["loginEndpoint"], body["authentication"]["audiences"])
        assert ("common", "AAD") == (body["authentication"]["tenant"], body["authentication"]["identityProvider"])
        assert body["name"]
        assert body["microsoftGraphResourceId"]
        assert {} == body["suffixes"]

    async def test_older_tools_get_a_list(self, house: House) -> None:
        body = (await house.client.get("/metadata/endpoints?api-version=2019-05-01")).json()

        assert [BASE] == [each["resourceManager"] for each in body]


class TestProvidersAndLists:
    async def test_providers(self, house: House) -> None:
        listed = (await house.get(f"{S}/providers?api-version=2024-11-01")).json()
        one = (await house.get(f"{S}/providers/microsoft.containerservice?api-version=2024-11-01")).json()
        path = f"{S}/providers/Microsoft.ContainerService/register"
        registered = (await house.client.post(path, params=V, headers=TOKEN)).json()

        assert ["Microsoft.ContainerService"] == [each["namespace"] for each in listed["value"]]
        assert ("Registered", "Registering") == (one["registrationState"], registered["registrationState"])
        assert ("Microsoft.ContainerService/register/action", S) == house.identity.asked[-1]

    async def test_an_unknown_provider(self, house: House) -> None:
        answer = await house.get(f"{S}/providers/Microsoft.Nothing?api-version=2024-11-01")

        assert (404, "InvalidResourceNamespace") == refused(answer)

    async def test_an_api_version_is_required_here_too(self, house: House) -> None:
        for path in ("/tenants", f"{S}/providers", f"{S}/resources", f"{S}/locations"):
            assert (400, "MissingApiVersionParameter") == refused(await house.get(path))

    async def test_tenants_and_regions(self, house: House) -> None:
        assert [{"tenantId": "t"}] == (await house.get("/tenants?api-version=2022-12-01")).json()["value"]
        regions = await house.get(f"{S}/locations?api-version=2022-12-01")
        assert [{"name": "westeurope"}] == regions.json()["value"]
        assert 404 == (await house.get("/subscriptions/other/locations?api-version=2022-12-01")).status_code

    async def test_everything_is_listed_with_arms_filter(self, house: House) -> None:
        house.everything.page = Listing([{"id": "x"}], next_after="x")

        query = "api-version=2024-11-01&$filter=resourceGroup%20eq%20'rg'&$expand=createdTime&$top=5"
        body = (await house.get(f"{G}/resources?{query}")).json()

        assert [(G, "resourceGroup eq 'rg'", None, 5)] == house.everything.asked
        assert body["nextLink"].startswith(f"{BASE}{G}/resources?api-version=2024-11-01&")


class TestOperations:
    @pytest.mark.parametrize(
        ("style", "path", "body"),
        [
            (
                Style.EXTENSIONS,
                f"{EXTENSION}/operations/op-1",
                {"id": f"{EXTENSION}/operations/op-1", "name": "op-1", "status": "Creating"},
            ),
            (
                Style.AKS,
                f"{S}/providers/Microsoft.ContainerService/locations/westeurope/operations/op-1",
                {
                    "id": f"{S}/providers/Microsoft.ContainerService/locations/westeurope/operations/op-1",
                    "name": "op-1",
                    "status": "InProgress",
                    "startTime": "2026-11-25T12:00:00.0000000Z",
                },
            ),
        ],
    )
    async def test_a_poll_is_held_and_says_how_it_stands(
        self, house: House, style: Style, path: str, body: dict[str, Any]
    ) -> None:
        house.operations.kept["op-1"] = operation(style)
        house.operations.ended.set()

        answer = await house.get(path + "?api-version=2025-03-01")

        assert (200, body) == (answer.status_code, answer.json())
        assert "1" == answer.headers["retry-after"]
        assert [0, 5.0] == house.operations.waits

    async def test_a_poll_is_answered_the_moment_the_work_ends(self, house: House) -> None:
        house.operations.kept["op-1"] = operation(Style.EXTENSIONS)
        poll = asyncio.create_task(house.get(f"{EXTENSION}/operations/op-1?api-version=2025-03-01"))
        while len(house.operations.waits) < 2:
            await asyncio.sleep(0)

        house.operations.kept["op-1"] = operations.failed(operation(Style.EXTENSIONS), NOW, {"code": "Bad"})
        house.operations.ended.set()
        answer = await poll

        assert ("Failed", {"code": "Bad"}) == (answer.json()["status"], answer.json()["error"])
        assert "retry-after" not in answer.headers

    async def test_an_ended_one_is_answered_at_once(self, house: House) -> None:
        house.operations.kept["op-1"] = operations.succeeded(operation(Style.EXTENSIONS), NOW)

        answer = await house.get(f"{EXTENSION}/operations/op-1?api-version=2025-03-01")

        assert "Succeeded" == answer.json()["status"]
        assert [0] == house.operations.waits

    @pytest.mark.parametrize(
        ("ended", "status", "headers"),
        [
            (None, 202, {"location", "retry-after"}),
            (operations.succeeded, 204, set()),
            (lambda o, now: operations.failed(o, now, {"code": "ResourceGroupDeletionBlocked"}), 409, set()),
        ],
    )
    async def test_a_location_is_polled_without_a_body(
        self, house: House, ended: Any, status: int, headers: set[str]
    ) -> None:
        began = operation(Style.LOCATION, G)
        house.operations.kept["op-1"] = began if ended is None else ended(began, NOW)
        house.operations.ended.set()

        answer = await house.get(f"{S}/operationresults/op-1?api-version=2024-11-01")

        assert status == answer.status_code
        assert headers == {"location", "retry-after"} & set(answer.headers)
        if headers:
            assert f"{BASE}{S}/operationresults/op-1?api-version=2024-11-01" == answer.headers["location"]
            assert b"" == answer.content
        assert ("Microsoft.Resources/subscriptions/resourceGroups/read", G.casefold()) == house.identity.asked[-1]

    @pytest.mark.parametrize(
        "path",
        [
            f"{EXTENSION}/operations/other",
            f"{EXTENSION.replace('hello', 'another')}/operations/op-1",
            f"{S}/operationresults/op-1",
        ],
    )
    async def test_one_that_is_not_there_or_not_this_ones_is_not_found(self, house: House, path: str) -> None:
        house.operations.kept["op-1"] = operation(Style.EXTENSIONS)

        assert (404, "OperationNotFound") == refused(await house.get(path + "?api-version=2025-03-01"))

    async def test_who_may_not_read_the_resource_may_not_poll_its_work(self, house: House) -> None:
        house.operations.kept["op-1"] = operation(Style.EXTENSIONS)
        house.identity.forbidden.add(("Microsoft.KubernetesConfiguration/extensions/read", EXTENSION.casefold()))

        answer = await house.get(f"{EXTENSION}/operations/op-1?api-version=2025-03-01")

        assert (403, "AuthorizationFailed") == refused(answer)


class TestLink:
    async def test_an_agent_asks_for_extensions(self, house: House) -> None:
        house.extensions.news.set()

        answer = await house.client.get("/link/v1/extensions?after=7&wait=120", headers=AGENT)

        assert {"cursor": 7, "desired": []} == answer.json()
        assert [{"caller": "hosted", "after": 7, "wait": 55.0, "agent_key": KEY}] == house.extensions.asked
        assert [{"heard": "hosted", "now": NOW}] == house.clusters.asked

    async def test_a_host_asks_for_clusters_and_an_agent_for_questions(self, house: House) -> None:
        clusters = await house.client.get("/link/v1/clusters", headers=HOST)
        questions = await house.client.get("/link/v1/questions?after=2", headers=AGENT)

        assert {"cursor": 0, "desired": [], "server_key": "key"} == clusters.json()
        assert {"cursor": 2, "questions": []} == questions.json()

    async def test_reports_are_taken_in(self, house: House) -> None:
        reports = msgspec.json.encode(ExtensionReports(observed=[]))
        sent = [
            await house.client.post("/link/v1/extensions", content=reports, headers=AGENT),
            await house.client.post("/link/v1/clusters", content=b"{}", headers=HOST),
            await house.client.post("/link/v1/answers", content=b'{"id": "q"}', headers=AGENT),
        ]

        assert [204] * 3 == [each.status_code for each in sent]
        assert [("hosted", ExtensionReports(observed=[]))] == house.extensions.observed
        assert "local" == house.clusters.observed[0][0]
        assert [("hosted", LinkAnswer(id="q"))] == house.questions.observed

    @pytest.mark.parametrize(
        ("method", "path", "headers"),
        [
            ("GET", "extensions", HOST),
            ("POST", "extensions", HOST),
            ("GET", "questions", HOST),
            ("POST", "answers", HOST),
            ("GET", "charts/sha256:" + "0" * 64, HOST),
            ("GET", "clusters", AGENT),
            ("POST", "clusters", AGENT),
        ],
    )
    async def test_neither_may_ask_for_the_others_lane(
        self, house: House, method: str, path: str, headers: dict[str, str]
    ) -> None:
        answer = await house.client.request(method, f"/link/v1/{path}", headers=headers, content=b"{}")

        assert (403, "LinkCredentialMismatch") == refused(answer)

    async def test_a_persons_token_opens_no_lane(self, house: House) -> None:
        assert 401 == (await house.client.get("/link/v1/clusters", headers=TOKEN)).status_code

    @pytest.mark.parametrize(
        ("query", "code"),
        [("after=-1", "InvalidCursor"), ("after=x", "InvalidCursor"), ("wait=long", "InvalidWait")],
    )
    async def test_a_cursor_is_a_number(self, house: House, query: str, code: str) -> None:
        assert (400, code) == refused(await house.client.get(f"/link/v1/extensions?{query}", headers=AGENT))

    @pytest.mark.parametrize("key", ["", "no base64", KEY[:20], KEY + KEY])
    async def test_an_agent_without_a_key_is_told_so(self, house: House, key: str) -> None:
        headers = {**AGENT, "Extensa-Agent-Key": key}

        assert (400, "InvalidAgentKey") == refused(await house.client.get("/link/v1/extensions", headers=headers))

    async def test_a_document_that_does_not_fit_is_told_where(self, house: House) -> None:
        answer = await house.client.post("/link/v1/extensions", content=b'{"observed": [{}]}', headers=AGENT)

        assert (400, "InvalidRequestContent") == refused(answer)
        assert "$.observed[0]" in answer.json()["error"]["message"]

    async def test_a_chart_is_fetched_by_its_digest(self, house: House) -> None:
        digest = "sha256:" + "a" * 64
        house.extensions.charts[digest] = b"chart"

        assert b"chart" == (await house.client.get(f"/link/v1/charts/{digest}", headers=AGENT)).content
        for other in ("sha256:" + "b" * 64, "sha256:x", digest.upper()):
            answer = await house.client.get(f"/link/v1/charts/{other}", headers=AGENT)
            assert (404, "ChartNotFound") == refused(answer)


class TestPublish:
    path = f"{S}/providers/Microsoft.KubernetesConfiguration/extensionTypes/extensa.hello/versions/1.0.0"

    async def put(self, house: House, content: bytes, media: str = "application/gzip") -> httpx2.Response:
        headers = {**TOKEN, "Content-Type": media}
        return await house.client.put(self.path, params={**V, "train": "stable"}, headers=headers, content=content)

    async def test_an_archive_reaches_the_catalog_whole(self, house: House) -> None:
        archive = bytes(5 * 1024 * 1024)

        answer = await self.put(house, archive)

        assert (201, {"name": "1.0.0"}) == (answer.status_code, answer.json())
        request, kept = house.extensions.published[0]
        assert (archive, self.path, "stable") == (kept, request.id.path, request.query["train"])
        write = "Microsoft.KubernetesConfiguration/extensionTypes/versions/write"
        assert [(write, self.path.casefold())] == house.identity.asked

    async def test_another_subscription_has_no_catalog(self, house: House) -> None:
        headers = {**TOKEN, "Content-Type": "application/gzip"}
        answer = await house.client.put(self.path.replace("0000", "1111"), params=V, headers=headers, content=b"x")

        assert (404, "SubscriptionNotFound") == refused(answer)
        assert [] == house.extensions.published

    async def test_sixteen_megabytes_are_the_most(self, house: House) -> None:
        answer = await self.put(house, bytes(16 * 1024 * 1024 + 1))

        assert (413, "RequestContentTooLarge") == refused(answer)

    async def test_something_else_is_refused(self, house: House) -> None:
        assert (415, "UnsupportedMediaType") == refused(await self.put(house, b"{}", "application/json"))


class TestHealthAndMetrics:
    async def test_alive(self, house: House) -> None:
        assert (200, {"status": "ok"}) == ((answer := await house.client.get("/healthz")).status_code, answer.json())

    async def test_ready_names_the_part_that_fails(self) -> None:
        async def works() -> None: ...

        async def fails() -> None:
            raise Unavailable("Full", "The disk is full.")

        built = house(probes={"store": fails, "keys": works})
        async with built.client as client:
            answer = await client.get("/readyz")

        assert 503 == answer.status_code
        assert {"store": "The disk is full.", "keys": "ok"} == answer.json()["parts"]

    async def test_ready(self, house: House) -> None:
        assert 200 == (await house.client.get("/readyz")).status_code

    async def test_requests_are_counted(self, house: House) -> None:
        await house.get(f"{CLUSTER}?api-version=2024-09-01")
        await house.client.get("/nowhere")

        text = (await house.client.get("/metrics")).text

        wanted = (
            'extensa_requests_total{route="Microsoft.ContainerService/managedClusters",status="200",verb="get"} 1.0'
        )
        assert wanted in text
        assert 'extensa_requests_total{route="none",status="401",verb="get"} 1.0' in text
        assert "extensa_requests_held 0.0" in text
        assert "process_resident_memory_bytes" in text


class TestHolds:
    async def test_a_wait_is_broken_off_when_the_server_stops(self) -> None:
        holds = Holds()
        asked: list[float] = []

        async def ask(wait: float) -> str:
            asked.append(wait)
            await asyncio.sleep(wait)
            return "nothing new"

        held = asyncio.create_task(holds.hold(ask, 60))
        while not asked:
            await asyncio.sleep(0)
        assert 1 == len(holds)
        holds.end()

        assert "nothing new" == await held
        assert [60, 0] == asked
        assert "nothing new" == await holds.hold(ask, 60)
        assert [60, 0, 0] == asked
        assert 0 == len(holds)

    async def test_a_cancelled_request_stays_cancelled(self) -> None:
        holds = Holds()
        started = asyncio.Event()

        async def ask(wait: float) -> None:
            started.set()
            await asyncio.sleep(wait)

        held = asyncio.create_task(holds.hold(ask, 60))
        await started.wait()
        held.cancel()

        with pytest.raises(asyncio.CancelledError):
            await held

    async def test_what_fails_below_fails_above(self) -> None:
        async def ask(wait: float) -> None:
            raise Unavailable("Down", "no")

        with pytest.raises(Unavailable):
            await Holds().hold(ask, 60)


def test_an_operation_reads_as_it_was_written() -> None:
    assert operation(Style.AKS) == msgspec.json.decode(msgspec.json.encode(operation(Style.AKS)), type=Operation)
