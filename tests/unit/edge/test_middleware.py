"""Each middleware by itself, around an application of three lines."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from io import StringIO
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.base import log
from extensa.base.errors import Conflict, NotFound, Refused, Unauthenticated, Unavailable
from extensa.edge.exchange import Access, Exchange, Gone, Match, Reply, Route, of, open_exchange
from extensa.edge.meters import Meters
from extensa.edge.middleware.access_log import AccessLog
from extensa.edge.middleware.authentication import Authentication
from extensa.edge.middleware.body_limit import BodyLimit
from extensa.edge.middleware.correlation import Correlation
from extensa.edge.middleware.errors import Errors
from extensa.edge.middleware.routing import Routing
from extensa.edge.middleware.security_headers import SecurityHeaders
from extensa.edge.routes import RouteTable
from extensa.edge.sending import send_reply
from unit.edge.front import NOW, AuthorityDouble

GUID = "0a1b2c3d-1111-2222-3333-0123456789ab"
Work = Callable[[Exchange], Awaitable[Reply]]


async def fine(exchange: Exchange) -> Reply:
    return Reply(200, b"fine", [(b"content-type", b"text/plain")])


def innermost(work: Work = fine) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send_reply(of(scope), await work(of(scope)), send)

    return app


def opened(app: ASGIApp) -> ASGIApp:
    """Only what the outermost middleware does first: an exchange in the scope."""

    async def with_exchange(scope: Scope, receive: Receive, send: Send) -> None:
        open_exchange(scope, receive, headers=dict(scope["headers"]), correlation_id="corr", request_id="req")
        await app(scope, receive, send)

    return with_exchange


def route(access: Access = Access.TOKEN, work: Work = fine, **changed: Any) -> Route:
    return Route(
        method=changed.pop("method", "GET"),
        template="/here",
        name="here",
        verb="get",
        handler=work,
        summary="",
        access=access,
        **changed,
    )


def raising(error: BaseException) -> Work:
    async def work(exchange: Exchange) -> Reply:
        raise error

    return work


async def ask(app: ASGIApp, method: str = "GET", path: str = "/here", **more: Any) -> httpx2.Response:
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://x") as client:
        return await client.request(method, path, **more)


class TestCorrelation:
    async def test_the_callers_correlation_id_is_kept_and_answered(self) -> None:
        seen: list[str | None] = []

        async def work(exchange: Exchange) -> Reply:
            seen.append(log.current_correlation())
            return await fine(exchange)

        answer = await ask(Correlation(innermost(work)), headers={"x-ms-correlation-request-id": GUID.upper()})

        assert [GUID] == seen
        assert GUID == answer.headers["x-ms-correlation-request-id"]
        assert 36 == len(answer.headers["x-ms-request-id"])
        assert GUID != answer.headers["x-ms-request-id"]

    @pytest.mark.parametrize("sent", ["x", "0" * 36, "g" * 8 + GUID[8:], 'a"b' + GUID[3:]])
    async def test_what_is_no_guid_is_replaced(self, sent: str) -> None:
        answer = await ask(Correlation(innermost()), headers={"x-ms-correlation-request-id": sent})

        assert sent != answer.headers["x-ms-correlation-request-id"]
        assert 36 == len(answer.headers["x-ms-correlation-request-id"])

    async def test_the_clients_own_id_is_echoed_when_asked_for(self) -> None:
        asked = {"x-ms-client-request-id": "mine", "x-ms-return-client-request-id": "True"}
        app = Correlation(innermost())

        assert "mine" == (await ask(app, headers=asked)).headers["x-ms-client-request-id"]
        assert "x-ms-client-request-id" not in (await ask(app, headers={"x-ms-client-request-id": "m"})).headers
        long = {**asked, "x-ms-client-request-id": "m" * 200}
        assert "x-ms-client-request-id" not in (await ask(app, headers=long)).headers


class TestAccessLog:
    @pytest.fixture(autouse=True)
    def lines(self) -> Iterator[StringIO]:
        stream = StringIO()
        log.configure("server", stream=stream)
        yield stream
        log.configure("server")

    @pytest.mark.parametrize(
        ("method", "status", "told"),
        [("GET", 200, False), ("HEAD", 204, False), ("GET", 404, True), ("PUT", 201, True), ("DELETE", 202, True)],
    )
    async def test_writes_and_refusals_are_told_and_reads_are_not(
        self, lines: StringIO, method: str, status: int, told: bool
    ) -> None:
        async def work(exchange: Exchange) -> Reply:
            return Reply(status)

        await ask(opened(AccessLog(innermost(work), meters=Meters())), method, "/secret?token=s")

        written = [json.loads(line) for line in lines.getvalue().splitlines()]
        assert told == bool(written)
        if told:
            assert (method, "/secret", status, "none") == tuple(
                written[0][name] for name in ("method", "path", "status", "route")
            )
            assert "token" not in lines.getvalue()

    async def test_requests_are_counted_by_route_verb_and_status(self) -> None:
        meters = Meters()

        async def work(exchange: Exchange) -> Reply:
            exchange.match = Match(route(), {}, "/here", None)
            assert 1 == meters.registry.get_sample_value("extensa_requests_in_flight")
            return Reply(404)

        await ask(opened(AccessLog(innermost(work), meters=meters)))

        labels = {"route": "here", "verb": "get", "status": "404"}
        assert 1 == meters.registry.get_sample_value("extensa_requests_total", labels)
        assert 1 == meters.registry.get_sample_value("extensa_request_seconds_count", {"route": "here", "verb": "get"})
        assert 0 == meters.registry.get_sample_value("extensa_requests_in_flight")


class TestSecurityHeaders:
    async def test_every_answer_is_kept_from_caches_and_frames(self) -> None:
        headers = (await ask(opened(SecurityHeaders(innermost(), base_url="https://localhost:9443")))).headers

        assert "nosniff" == headers["x-content-type-options"]
        assert "no-store" in headers["cache-control"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "strict-transport-security" not in headers  # it would bind every service on localhost

    async def test_a_public_name_is_bound_to_tls(self) -> None:
        app = opened(SecurityHeaders(innermost(), base_url="https://extensa.example"))

        assert "max-age=31536000" in (await ask(app)).headers["strict-transport-security"]


class TestErrors:
    def around(self, error: BaseException) -> ASGIApp:
        return opened(Errors(innermost(raising(error)), challenge="Bearer x", clock=lambda: NOW))

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (Refused("Bad", "no"), 400),
            (Unauthenticated("Who", "no"), 401),
            (NotFound("Gone", "no"), 404),
            (Conflict("Stale", "no", status=412), 412),
            (Unavailable("Down", "no"), 503),
        ],
    )
    async def test_an_error_of_ours_is_answered_in_arms_envelope(self, error: Refused, status: int) -> None:
        answer = await ask(self.around(error))

        assert status == answer.status_code
        assert {"error": {"code": error.code, "message": "no", "additionalInfo": []}} == answer.json()

    async def test_a_stranger_is_challenged(self) -> None:
        answer = await ask(self.around(Unauthenticated("Who", "no")))

        assert "Bearer x" == answer.headers["www-authenticate"]

    async def test_what_may_pass_says_when_to_try_again(self) -> None:
        assert "5" == (await ask(self.around(Unavailable("Down", "no")))).headers["retry-after"]

    async def test_what_is_not_ours_tells_the_caller_nothing_but_where_to_look(self) -> None:
        stream = StringIO()
        log.configure("server", stream=stream)
        answer = await ask(self.around(RuntimeError("the password is hunter2")))
        log.configure("server")

        assert (500, "InternalServerError") == (answer.status_code, answer.json()["error"]["code"])
        assert "hunter2" not in answer.text
        assert "corr" in answer.text
        assert "Traceback" in stream.getvalue()

    async def test_nobody_is_answered_who_has_gone(self) -> None:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
        await self.around(Gone())(scope, receive, send)

        assert [] == sent
        assert 499 == of(scope).status


class TestRoutingAndAuthentication:
    def around(self, *routes: Route) -> ASGIApp:
        async def call(exchange: Exchange) -> Reply:
            return await exchange.matched().route.handler(exchange)

        app = Authentication(innermost(call), authority=AuthorityDouble())
        app_with_routes = Routing(app, table=RouteTable(routes))
        return opened(Errors(app_with_routes, challenge="Bearer x", clock=lambda: NOW))

    async def test_a_route_wants_a_token(self) -> None:
        app = self.around(route())

        assert 401 == (await ask(app)).status_code
        assert 200 == (await ask(app, headers={"Authorization": "Bearer good"})).status_code

    async def test_a_link_route_wants_a_link_credential(self) -> None:
        app = self.around(route(Access.LINK))

        assert 401 == (await ask(app, headers={"Authorization": "Bearer good"})).status_code
        assert 200 == (await ask(app, headers={"Authorization": "Bearer hosted.s"})).status_code

    async def test_a_public_route_is_open(self) -> None:
        assert 200 == (await ask(self.around(route(Access.PUBLIC)))).status_code

    async def test_a_stranger_learns_nothing_of_what_there_is(self) -> None:
        app = self.around(route())

        assert 401 == (await ask(app, path="/nowhere")).status_code
        assert 404 == (await ask(app, path="/nowhere", headers={"Authorization": "Bearer good"})).status_code

    async def test_a_wrong_verb_names_the_right_ones(self) -> None:
        answer = await ask(self.around(route()), "POST", headers={"Authorization": "Bearer good"})

        assert (405, "GET") == (answer.status_code, answer.headers["allow"])


class TestBodyLimit:
    def around(self, limit: int, *, read: bool = True) -> ASGIApp:
        async def work(exchange: Exchange) -> Reply:
            return Reply(200, str(len(await exchange.body())).encode())

        limited = BodyLimit(innermost(work if read else fine))

        async def routed(scope: Scope, receive: Receive, send: Send) -> None:
            of(scope).match = Match(route(largest_body=limit), {}, "/here", None)
            await limited(scope, receive, send)

        return opened(Errors(routed, challenge="", clock=lambda: NOW))

    async def test_a_body_within_the_limit_arrives_whole(self) -> None:
        assert "10" == (await ask(self.around(10), "PUT", content=b"x" * 10)).text

    async def test_an_announced_one_beyond_it_is_refused_unread(self) -> None:
        answer = await ask(self.around(10, read=False), "PUT", content=b"x" * 11)

        assert (413, "RequestContentTooLarge") == (answer.status_code, answer.json()["error"]["code"])

    async def test_one_that_grows_beyond_it_is_refused_there_and_then(self) -> None:
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            for _ in range(100):
                taken += 1
                yield b"x" * 4

        answer = await ask(self.around(10), "PUT", content=endless())

        assert 413 == answer.status_code
        assert 3 == taken
