"""Whatever is raised further in becomes an answer here: the product's errors in their envelope, the rest a bare 500.

It stands outside routing and authentication, so that their refusals look like everybody else's. A traceback goes to the
log and never to the caller. An answer that has begun cannot be taken back: the connection is then closed.
"""

from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.base.clock import Clock
from extensa.base.errors import ExtensaError
from extensa.base.log import get_logger
from extensa.edge.exchange import Gone, of
from extensa.edge.render import crash_reply, error_reply
from extensa.edge.sending import send_reply

_log = get_logger("edge")


class Errors:
    """Answer for what went wrong; ``challenge`` is what a caller without a token is told."""

    def __init__(self, app: ASGIApp, *, challenge: str, clock: Clock) -> None:
        self._app = app
        self._challenge = challenge
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = of(scope)
        try:
            await self._app(scope, receive, send)
        except Gone:
            exchange.status = 499
        except ExtensaError as error:
            if error.status >= 500:
                _log.error("request failed", code=error.code, message=error.message, exc_info=True)
            await send_reply(exchange, error_reply(error, challenge=self._challenge, now=self._clock()), send)
        except Exception:
            _log.error("request crashed", method=exchange.method, path=exchange.path, exc_info=True)
            if exchange.status:  # the answer has begun
                raise
            await send_reply(exchange, crash_reply(exchange.correlation_id), send)
