"""Listening and serving: a bound socket, uvicorn on it, and an orderly end.

The socket is bound before anything is written, so that a taken port is told at once. Signals are ours, not uvicorn's:
the first lets every held request go, finishes what is being answered and returns; a second does not wait. It knows no
route.
"""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from extensa.base.errors import Unavailable
from extensa.base.log import get_logger
from extensa.edge.protocol import Protocol

GRACE = 10
"""Seconds that requests being answered are waited for at the end."""
_KEPT_ALIVE = 75
"""Seconds an idle connection is kept: longer than clients keep theirs, so that none is closed under a request."""
_BACKLOG = 1024
_log = get_logger("serving")


class _Uvicorn(uvicorn.Server):
    """uvicorn that leaves signals alone and says when it listens."""

    def __init__(self, config: uvicorn.Config, *, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Take no signal: it would be raised again, and end the process before the store is closed."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, then say so."""
        await super().startup(sockets)
        self._ready()


def bind(address: str, port: int) -> socket.socket:
    """Return a socket that is bound to ``address`` and ``port``; raises `Unavailable` (``ListenRefused``) in words."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _refused(address, port, error) from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(address, port, error) from error
    listener.setblocking(False)
    return listener


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    tls: ssl.SSLContext | None,
    ready: Callable[[], None],
    ending: Callable[[], None],
) -> None:
    """Serve ``app`` until SIGTERM or SIGINT, and return when the last answer is out.

    ``ready`` is called when connections are taken, ``ending`` when the signal comes, before anything is waited for.
    """
    config = uvicorn.Config(
        app,
        loop="none",
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEPT_ALIVE,
        timeout_graceful_shutdown=GRACE,
        backlog=_BACKLOG,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    server = _Uvicorn(config, ready=ready)

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True
        ending()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


class Forwarding(logging.Handler):
    """Hands what libraries log the old way to our structured log, warnings and worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record on."""
        tell = _log.error if record.levelno >= logging.ERROR else _log.warning
        tell(record.getMessage(), library=record.name, exc_info=record.exc_info)


def _refused(address: str, port: int, error: OSError) -> Unavailable:
    message, step = _REASONS.get(
        error.errno or 0, ("{where} cannot be listened on: {reason}.", "Check EXTENSA_LISTEN.")
    )
    where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    told = message.format(where=where, reason=error.strerror or error)
    return Unavailable("ListenRefused", told, target=where, next_step=step.format(port=port, other=port + 1))


_REASONS = {
    errno.EADDRINUSE: (
        "{where} is taken: another process listens there.",
        "End it (`ss -ltnp 'sport = :{port}'` shows which), or choose another: EXTENSA_LISTEN=127.0.0.1:{other}.",
    ),
    errno.EACCES: (
        "{where} may not be listened on: ports below 1024 are for root.",
        "Choose a higher port, as in EXTENSA_LISTEN=127.0.0.1:9443.",
    ),
    errno.EADDRNOTAVAIL: (
        "{where} is no address of this machine.",
        "`ip address` lists those there are; 127.0.0.1 always is one.",
    ),
}
