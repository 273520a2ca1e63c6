"""A port that stays ours: reserved by a bound socket that never listens, shared with the one child that does.

Asking for a free port and starting a server on it later is a race that any other program can win. Here the host binds
the port with ``SO_REUSEPORT`` and keeps the socket; the API server binds the same port with the same option
(``--permit-port-sharing``), and the kernel hands connections only to a socket that listens. The port survives the
child's restarts, and nobody else can have it meanwhile. Linux allows the sharing to processes of the same user only.
"""

import asyncio
import contextlib
import socket

_LOOPBACK = "127.0.0.1"
_PATIENCE = 2.0


class Reservation:
    """A loopback TCP port held for a child; `release` gives it back."""

    def __init__(self, held: socket.socket) -> None:
        self._held = held
        self.port: int = held.getsockname()[1]

    def release(self) -> None:
        """Give the port back; releasing twice is harmless."""
        self._held.close()


async def reserve(preferred: int = 0, *, patience: float = _PATIENCE) -> Reservation:
    """Return a reservation of ``preferred`` if nobody has it, else of a free port that the kernel chooses.

    A preferred port gets ``patience`` seconds to become free: the one who has it may be our own child of a moment ago,
    dying. Raises `OSError` when there is no free port at all.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while preferred:
        if _is_free(preferred):
            with contextlib.suppress(OSError):
                return _hold(preferred)
        if loop.time() >= until:
            break
        await asyncio.sleep(0.05)
    return _hold(0)


def _is_free(port: int) -> bool:
    """Say whether a socket without ``SO_REUSEPORT`` may bind: a sharing stranger of our own user counts as taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


def _hold(port: int) -> Reservation:
    held = socket.socket()
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((_LOOPBACK, port))
    except OSError:
        held.close()
        raise
    return Reservation(held)
