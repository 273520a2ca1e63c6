"""One request on its way through the front, the route it takes, and the reply it ends with.

Every middleware and handler shares the one `Exchange` that the outermost middleware puts into the ASGI scope, so that a
fact about a request (its ids, its route, who is calling) is found out once. Plain slots, no framework objects: this is
the path on which every microsecond is paid by every caller. Nothing here decides anything.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope

from extensa.arm.binding import Caller, TypeSpec
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import ExtensaError, Refused
from extensa.edge.body import decode_object, expect_json, invalid
from extensa.edge.port import LinkCaller

_KEY = "extensa.exchange"
LARGEST_BODY = 4 * 1024 * 1024
"""Bytes of a request's body at the most, on every route that says nothing else (ARM's own limit)."""
_MOST_FIELDS = 64  # in a query
_LONGEST_KEPT = 512  # bytes of a query that is kept parsed: anyone may ask, and a thousand of them are kept

Header = tuple[bytes, bytes]


class Gone(Exception):
    """The client closed the connection before its request had arrived whole; there is nobody to answer."""


@dataclass(slots=True)
class Reply:
    """What goes back: ``body`` is ready bytes, ``headers`` all but the length and those every answer carries."""

    status: int
    body: bytes = b""
    headers: list[Header] = field(default_factory=list)


class Access(Enum):
    """Who may use a route. `TOKEN` is what a route has that says nothing: denied by default."""

    TOKEN = "token"  # noqa: S105 - the word, not a secret
    """A bearer token of this service; the handler then asks what its holder may do."""
    LINK = "link"
    """The credential of a host or an agent."""
    PUBLIC = "public"
    """Nobody has to say who they are."""


Handler = Callable[["Exchange"], Awaitable[Reply]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the route table.

    ``name`` is what metrics, logs and the API description call it (a resource type, or a word of ours), ``verb`` what
    is done there. ``cut`` says how many words at the end of the path are not part of the id that it means, None that it
    means none. ``arm`` marks what follows ARM's rules, ``api-version`` first of all.
    """

    method: str
    template: str
    name: str
    verb: str
    handler: Handler
    summary: str
    access: Access = Access.TOKEN
    arm: bool = True
    spec: TypeSpec | None = None
    action: str = ""
    cut: int | None = None
    largest_body: int = LARGEST_BODY


@dataclass(frozen=True, slots=True)
class Match:
    """A route, the values that stood in its template's places, and the id its path means (None: the path is no id)."""

    route: Route
    names: Mapping[str, str]
    path: str
    resource: ResourceId | None


class Exchange:
    """One request: what came in, and what the house has found out about it so far.

    Routing writes ``match`` or ``problem``, authentication ``caller`` or ``link``, the sender ``status``.
    """

    __slots__ = (
        "_query",
        "caller",
        "correlation_id",
        "headers",
        "link",
        "match",
        "method",
        "path",
        "problem",
        "receive",
        "request_id",
        "scope",
        "started",
        "status",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        headers: Mapping[bytes, bytes],
        correlation_id: str,
        request_id: str,
    ) -> None:
        self.scope = scope
        self.receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = headers
        self.correlation_id = correlation_id
        self.request_id = request_id
        self.started = time.perf_counter()
        self.match: Match | None = None
        self.problem: ExtensaError | None = None
        self.caller: Caller | None = None
        self.link: LinkCaller | None = None
        self.status = 0
        self._query: Mapping[str, str] | None = None

    @property
    def query(self) -> Mapping[str, str]:
        """The query's fields; keys are case-folded (recorded traffic spells ``api-Version`` too), the last one wins.

        Raises `Refused` (``InvalidQuery``) for more fields than any request has.
        """
        if self._query is None:
            raw = self.scope["query_string"]
            self._query = _kept_query(raw) if len(raw) <= _LONGEST_KEPT else _parse_query(raw)
        return self._query

    @property
    def target(self) -> ResourceId:
        """The resource or scope that the path names; raises `LookupError` on a route that names none."""
        if self.match is None or self.match.resource is None:
            raise LookupError(f"{self.path} names no resource")
        return self.match.resource

    @property
    def names(self) -> Mapping[str, str]:
        """The values that stood in the template's places, by the template's words."""
        return self.match.names if self.match is not None else {}

    def matched(self) -> Match:
        """Return the match; raises `LookupError` before routing has found one."""
        if self.match is None:
            raise LookupError(f"{self.path} has not been routed")
        return self.match

    def signed_in(self) -> Caller:
        """Return who is calling; raises `LookupError` on a public route, where nobody has to say."""
        if self.caller is None:
            raise LookupError(f"{self.path} was reached without a caller")
        return self.caller

    def header(self, name: bytes) -> str | None:
        """Return a header's value as text, or None when it was not sent."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the body piece by piece as it arrives; raises `Gone` when the client hangs up."""
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Gone
            if piece := message.get("body", b""):
                yield piece
            if not message.get("more_body", False):
                return

    async def body(self) -> bytes:
        """Return the whole body; raises `Gone` when the client hangs up."""
        return b"".join([piece async for piece in self.chunks()])

    async def json(self, *, required: bool = True) -> dict[str, Any] | None:
        """Return the body as one JSON object, None when it is empty and not ``required``; raises `Refused`."""
        raw = await self.body()
        if raw.strip():
            expect_json(self.header(b"content-type"))
            return decode_object(raw)
        if required:
            raise invalid("The request content is empty; a JSON object is expected.")
        return None


def open_exchange(
    scope: Scope, receive: Receive, *, headers: Mapping[bytes, bytes], correlation_id: str, request_id: str
) -> Exchange:
    """Return a new exchange, put into the scope where `of` finds it."""
    exchange = Exchange(scope, receive, headers=headers, correlation_id=correlation_id, request_id=request_id)
    scope[_KEY] = exchange
    return exchange


def of(scope: Scope) -> Exchange:
    """Return the exchange that this scope carries."""
    exchange: Exchange = scope[_KEY]
    return exchange


def _parse_query(query: bytes) -> Mapping[str, str]:
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refused(
            "InvalidQuery", f"The query has more than {_MOST_FIELDS} fields.", target="query", next_step="Send fewer."
        ) from error
    return {key.casefold(): value for key, value in fields}


_kept_query = lru_cache(maxsize=1024)(_parse_query)
