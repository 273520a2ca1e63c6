"""What was asked, by whom, how it ended and how long it took: one log line, and the counters of ``/metrics``.

A successful read or agent report is told at level debug: whoever polls would otherwise fill the log with nothing.
Writes, refusals and failures are told at info. Neither query nor body is logged: both may hold what is not for a log.
"""

import time

from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.base.log import get_logger
from extensa.edge.exchange import Exchange, of
from extensa.edge.meters import Meters

_READS = frozenset(("GET", "HEAD"))


class AccessLog:
    """Count and tell every request once it has been answered."""

    def __init__(self, app: ASGIApp, *, meters: Meters) -> None:
        self._app = app
        self._meters = meters
        self._log = get_logger("edge").bind()  # bound once: what is below the level then costs nothing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        exchange = of(scope)
        self._meters.began()
        try:
            await self._app(scope, receive, send)
        finally:
            took = time.perf_counter() - exchange.started
            match = exchange.match
            name, verb = (
                (match.route.name, match.route.verb) if match is not None else ("none", exchange.method.lower())
            )
            self._meters.ended(name, verb, exchange.status, took)
            routine = exchange.method in _READS or exchange.link is not None
            tell = self._log.debug if routine and exchange.status < 400 else self._log.info
            tell(
                "request",
                method=exchange.method,
                path=exchange.path,
                status=exchange.status,
                ms=round(took * 1000, 2),
                route=name,
                caller=_caller(exchange),
            )


def _caller(exchange: Exchange) -> str | None:
    if exchange.caller is not None:
        return exchange.caller.object_id
    return None if exchange.link is None else exchange.link.name
