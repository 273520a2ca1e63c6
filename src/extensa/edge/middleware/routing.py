"""Finding the route, before anything else is asked about the request.

A path that leads nowhere is only noted: who may know what there is comes first, so authentication refuses a stranger
before it is told what does not exist.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.base.errors import ExtensaError
from extensa.edge.exchange import of
from extensa.edge.routes import RouteTable


class Routing:
    """Look the request up in the table and write down what was found."""

    def __init__(self, app: ASGIApp, *, table: RouteTable) -> None:
        self._app = app
        self._table = table

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = of(scope)
        try:
            exchange.match = self._table.match(exchange.method, exchange.path)
        except ExtensaError as error:
            exchange.problem = error
        await self._app(scope, receive, send)
