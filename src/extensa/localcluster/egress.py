"""Where a local cluster's API server ends up when it dials into the cluster: a socket that says why nobody answers.

The API server calls webhooks, APIServices and kubelets by addresses that exist only in the cluster. Here no container
runs, so such a call would leave by the machine's default route and reach whoever has that address there. An egress
selector sends all of them to this socket instead, which refuses each one in words. It forwards nothing, ever.
"""

import asyncio
import contextlib
import os
import socket
from pathlib import Path

_LONGEST_REQUEST = 8192
_ANSWER = (
    b"HTTP/1.1 502 the nodes of this local cluster are simulated: no container answers\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)


class Egress:
    """The listening socket of one cluster."""

    def __init__(self, server: asyncio.AbstractServer, path: Path) -> None:
        self._server = server
        self._path = path

    async def close(self) -> None:
        """Stop listening and remove the socket's file."""
        self._server.close()
        self._path.unlink(missing_ok=True)
        await self._server.wait_closed()


async def listen(folder: Path, name: str) -> Egress:
    """Listen on the socket ``name`` in ``folder`` (of any length) and refuse every call. Raises `OSError`."""
    path = folder / name
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{handle}/{name}")  # a socket's path may have 107 bytes, a folder's more
        path.chmod(0o600)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(handle)
    server = await asyncio.start_unix_server(_refuse, sock=listener, limit=_LONGEST_REQUEST, start_serving=False)
    try:
        await server.start_serving()
    except BaseException:
        server.close()
        raise
    return Egress(server, path)


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(10):
            await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
