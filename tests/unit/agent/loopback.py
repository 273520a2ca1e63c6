"""A tiny HTTP server on the loopback, our double of whatever the agent calls: answers are functions of the request."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Answered:
    """One answer; with ``lines`` the body is sent piece by piece and the connection closed after it."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    lines: list[bytes] | None = None


Answering = Callable[[Asked], Awaitable[Answered]]


@dataclass
class Loopback:
    """The server: its address, what it was asked, and how it answers."""

    answer: Answering
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while (asked := await _read(reader)) is not None:
                self.asked.append(asked)
                answered = await self.answer(asked)
                headers = {"content-type": "application/json", **answered.headers}
                if answered.lines is None:
                    headers["content-length"] = str(len(answered.body))
                else:
                    headers["connection"] = "close"
                head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(f"HTTP/1.1 {answered.status} X\r\n{head}\r\n".encode())
                for piece in answered.lines if answered.lines is not None else [answered.body]:
                    writer.write(piece)
                    await writer.drain()
                if answered.lines is not None:
                    return
        except ConnectionError:
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)


@asynccontextmanager
async def loopback(answer: Answering) -> AsyncIterator[Loopback]:
    """Serve for the length of a block."""
    made = Loopback(answer)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()
