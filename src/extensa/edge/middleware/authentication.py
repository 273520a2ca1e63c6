"""Who is calling: denied by default, and only a route that says so is open to anyone.

What a known caller may do is the handler's question, for it needs the resource. Only after this step is a caller told
that its path leads nowhere.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.edge.exchange import Access, of
from extensa.edge.port import Authority


class Authentication:
    """Let through who has proved who they are, and whoever asks for something public."""

    def __init__(self, app: ASGIApp, *, authority: Authority) -> None:
        self._app = app
        self._authority = authority

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; raises `Unauthenticated`, and then what routing has found wrong."""
        exchange = of(scope)
        access = exchange.match.route.access if exchange.match is not None else Access.TOKEN
        if access is Access.TOKEN:
            exchange.caller = self._authority.authenticate(exchange.header(b"authorization"))
        elif access is Access.LINK:
            exchange.link = self._authority.link_caller(exchange.header(b"authorization"))
        if exchange.problem is not None:
            raise exchange.problem
        await self._app(scope, receive, send)
