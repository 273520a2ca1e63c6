"""How much a request may send: what is announced larger is refused unread, what grows larger is refused there and then.

Nothing here keeps what it counts; at most one network chunk more than the limit is ever held.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from extensa.base.errors import Refused
from extensa.edge.exchange import LARGEST_BODY, of


class BodyLimit:
    """Hold every request to its route's limit."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises `Refused` (413 ``RequestContentTooLarge``)."""
        exchange = of(scope)
        limit = exchange.match.route.largest_body if exchange.match is not None else LARGEST_BODY
        announced = exchange.headers.get(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        if announced is None and b"transfer-encoding" in exchange.headers:
            exchange.receive = _counting(receive, limit)
        await self._app(scope, receive, send)


def _counting(receive: Receive, limit: int) -> Receive:
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise _too_large(limit)
        return message

    return counted


def _too_large(limit: int) -> Refused:
    size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit >> 10} KB"
    return Refused(
        "RequestContentTooLarge",
        f"The request content is larger than {limit} bytes ({size}), the most this path takes.",
        target="body",
        next_step="Send less in one request.",
        status=413,
    )
