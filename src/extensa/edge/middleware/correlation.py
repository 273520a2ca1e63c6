"""The outermost middleware: every request gets its ids, and every answer and log line carries them.

The caller's ``x-ms-correlation-request-id`` is kept when it is a GUID, so that one id runs from ``az`` through the
operation to the agent and Helm; anything else is replaced, for it would end in logs and documents.
"""

import string

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from extensa.base.ids import new_id
from extensa.base.log import correlated
from extensa.edge.exchange import open_exchange

_HEX = frozenset(string.hexdigits)
_DASHES = (8, 13, 18, 23)
_PRINTABLE = frozenset(range(0x21, 0x7F))


class Correlation:
    """Open the exchange, bind the correlation id to the log, and answer with both ids."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        headers = dict(scope["headers"])
        own = new_id()
        correlation = _guid(headers.get(b"x-ms-correlation-request-id")) or own
        exchange = open_exchange(scope, receive, headers=headers, correlation_id=correlation, request_id=own)
        sent = [(b"x-ms-request-id", own.encode()), (b"x-ms-correlation-request-id", correlation.encode())]
        if headers.get(b"x-ms-return-client-request-id", b"").lower() == b"true":
            client = headers.get(b"x-ms-client-request-id", b"")
            if 0 < len(client) <= 128 and _PRINTABLE.issuperset(client):
                sent.append((b"x-ms-client-request-id", client))

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += sent
            await send(message)

        with correlated(exchange.correlation_id):
            await self._app(scope, receive, send_with_ids)


def _guid(value: bytes | None) -> str | None:
    """Return ``value`` in lower case when it is written as a GUID, else None."""
    if value is None or len(value) != 36:
        return None
    text = value.decode("latin-1")
    if any(text[at] != "-" for at in _DASHES):
        return None
    digits = text.replace("-", "")
    return text.lower() if len(digits) == 32 and _HEX.issuperset(digits) else None
