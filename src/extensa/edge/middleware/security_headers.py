"""Headers that every answer carries: not to be cached, sniffed, framed or passed on as a referrer.

``Strict-Transport-Security`` is left out for loopback names: a browser would apply it to every other service that the
person runs on ``localhost``.
"""

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from extensa.edge.exchange import Header

_ALWAYS: list[Header] = [
    (b"cache-control", b"no-cache, no-store"),
    (b"pragma", b"no-cache"),
    (b"expires", b"-1"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class SecurityHeaders:
    """Add the fixed headers to every answer."""

    def __init__(self, app: ASGIApp, *, base_url: str) -> None:
        self._app = app
        self._headers = [*_ALWAYS]
        public = urlsplit(base_url)
        if public.scheme == "https" and public.hostname not in _LOOPBACK:
            self._headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += self._headers
            await send(message)

        await self._app(scope, receive, send_with_headers)
