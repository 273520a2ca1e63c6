"""GET, PUT, PATCH, DELETE, LIST and POST, once for all resource types.

A type's binding is called with a request that is authenticated, authorised (``{type}/read|write|delete`` or
``{type}/{action}/action`` at the resource's id) and checked for form; what it answers is rendered the same for all.
What a resource is, its binding knows; this file knows the protocol.
"""

from typing import Any

from extensa.arm import api_versions, etags, paging
from extensa.arm.binding import Binding, Condition, Level, Request
from extensa.base.errors import NotFound
from extensa.edge.actions import action
from extensa.edge.exchange import Exchange, Header, Reply
from extensa.edge.port import Authority
from extensa.edge.render import answer_reply, json_reply

_UNCONDITIONAL = Condition()
_MOST_VERSIONS = 64  # api-versions whose meaning is kept; more are resolved each time


class ResourceHandler:
    """The verbs of one type, over its `Binding`."""

    def __init__(self, binding: Binding, *, authority: Authority, base_url: str) -> None:
        spec = binding.spec
        self._binding = binding
        self._authority = authority
        self._base_url = base_url
        self._type = spec.type
        self._known = spec.api_versions
        self._resolved: dict[str, tuple[str, str]] = {}
        self._headers: list[Header] = [(b"api-supported-versions", ", ".join(spec.api_versions).encode())]
        self._sifted = Level.ROOT in spec.levels

    async def get(self, exchange: Exchange) -> Reply:
        """Answer with the resource, or 304 when the caller holds this very state of it."""
        request = self._request(exchange, self._admit(exchange, "read"))
        answer = await self._binding.get(request)
        held = request.condition.if_none_match
        if held is not None and answer.etag is not None and held in ("*", answer.etag):
            return Reply(304, b"", [(b"etag", etags.header(answer.etag).encode()), *self._headers])
        return answer_reply(answer, request, self._base_url, self._headers)

    async def head(self, exchange: Exchange) -> Reply:
        """Answer 204 when the resource is there and 404 when it is not, and nothing else (ARM, "check existence")."""
        request = self._request(exchange, self._admit(exchange, "read"))
        try:
            await self._binding.get(request)
        except NotFound:
            return Reply(404, b"", [*self._headers])
        return Reply(204, b"", [*self._headers])

    async def put(self, exchange: Exchange) -> Reply:
        """Create or replace the resource."""
        version = self._admit(exchange, "write")
        request = self._request(exchange, version, await exchange.json())
        return answer_reply(await self._binding.put(request), request, self._base_url, self._headers)

    async def patch(self, exchange: Exchange) -> Reply:
        """Change what the body names."""
        version = self._admit(exchange, "write")
        request = self._request(exchange, version, await exchange.json())
        return answer_reply(await self._binding.patch(request), request, self._base_url, self._headers)

    async def delete(self, exchange: Exchange) -> Reply:
        """Remove the resource."""
        request = self._request(exchange, self._admit(exchange, "delete"))
        return answer_reply(await self._binding.delete(request), request, self._base_url, self._headers)

    async def act(self, exchange: Exchange) -> Reply:
        """Perform a POST action."""
        asked = exchange.matched().route.action
        version = self._admit(exchange, f"{asked}/action")
        request = self._request(exchange, version, await exchange.json(required=False))
        return answer_reply(await self._binding.act(request, asked), request, self._base_url, self._headers)

    async def list(self, exchange: Exchange) -> Reply:
        """Answer with one page of a collection; ``nextLink`` is always there, null on the last page.

        What lies under the root is for nobody to list whole: each caller sees the subscriptions in which it has a role.
        """
        version = self._version(exchange) if self._sifted else self._admit(exchange, "read")
        query = exchange.query
        after, limit = paging.after_token(query.get("$skiptoken")), paging.page_size(query.get("$top"))
        request = self._request(exchange, version)
        page = await self._binding.list(request, after=after, limit=limit)
        value = page.value
        if self._sifted:
            value = [each for each in value if self._authority.sees(request.caller, str(each["id"]).casefold())]
        link = paging.next_link(self._base_url, exchange.matched().path, query=dict(query), after=page.next_after)
        return json_reply(200, {"value": value, "nextLink": link}, self._headers)

    def _admit(self, exchange: Exchange, verb: str) -> tuple[str, str]:
        """Return the api-version asked for and the one that is spoken, when the caller may do ``verb`` here.

        Raises `Forbidden`, and the refusals of `api_versions`.
        """
        self._authority.authorize(exchange.signed_in(), action(self._type, verb), exchange.target.key or "/")
        return self._version(exchange)

    def _version(self, exchange: Exchange) -> tuple[str, str]:
        asked = exchange.query.get("api-version")
        if asked is not None and (known := self._resolved.get(asked)) is not None:
            return known
        version = api_versions.require(asked)
        found = (version, api_versions.resolve(version, self._known, resource_type=self._type))
        if asked is not None and len(self._resolved) < _MOST_VERSIONS:
            self._resolved[asked] = found
        return found

    def _request(self, exchange: Exchange, version: tuple[str, str], body: Any = None) -> Request:
        return Request(
            caller=exchange.signed_in(),
            id=exchange.target,
            api_version=version[1],
            asked_version=version[0],
            correlation_id=exchange.correlation_id,
            body=body,
            query=exchange.query,
            condition=_condition(exchange),
        )


def _condition(exchange: Exchange) -> Condition:
    headers = exchange.headers
    if b"if-match" not in headers and b"if-none-match" not in headers:
        return _UNCONDITIONAL
    return Condition(
        if_match=etags.parse_header(exchange.header(b"if-match")),
        if_none_match=etags.parse_header(exchange.header(b"if-none-match")),
    )
