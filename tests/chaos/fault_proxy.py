"""A network that misbehaves, between agent or host and server: a proxy of ours that knows where a request begins.

    drop           the request never arrives                 drop answer    it does, and nobody hears what came of it
    delay          the request arrives late                  delay answer   the answer does
    half open      nothing more is heard, nothing closed     duplicate      the request arrives twice, at once
    reorder        the request arrives once more, after those that followed it
    cut request    half a body arrives                       cut answer     half an answer does

It speaks plain HTTP/1.1, as the front does under ``EXTENSA_PLAIN_HTTP``: inside TLS no request could be told from
another. What is faulty is decided by whoever sets `FaultProxy.plan`; without one everything passes.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

KINDS = (
    "drop",
    "drop answer",
    "delay",
    "delay answer",
    "half open",
    "duplicate",
    "reorder",
    "cut request",
    "cut answer",
)

_LONGEST = 64 * 1024 * 1024


@dataclass(frozen=True)
class Message:
    """One request or answer: its head with the empty line, and its body."""

    head: bytes
    body: bytes

    @property
    def method(self) -> str:
        """A request's method."""
        return self.head.split(b" ", 1)[0].decode()

    @property
    def path(self) -> str:
        """A request's path without its query."""
        return self.head.split(b" ", 2)[1].split(b"?")[0].decode()

    def half(self) -> bytes:
        """The head and half of the body, or half of the head of what has none."""
        return self.head + self.body[: len(self.body) // 2] if self.body else self.head[: len(self.head) // 2]


Plan = Callable[[Message], str]
"""Returns what befalls a request: one of `KINDS`, or "" for nothing."""


class _Cut(Exception):
    """The client's connection is to be closed."""


@dataclass
class FaultProxy:
    """Listens on `port` and hands on to ``upstream``; ``late`` is how many seconds late is."""

    upstream: int
    late: float = 1.5
    silence: float = 6.0
    plan: Plan = field(default=lambda _message: "")
    port: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self, port: int = 0) -> None:
        """Begin to listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End every connection."""
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (request := await _read(reader)) is not None:
                writer.write(await self._pass(request))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, _Cut) as error:
            if isinstance(error, _Cut) and error.args:
                writer.write(error.args[0])
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _pass(self, request: Message) -> bytes:
        """Return the answer's bytes; raises `_Cut` when the client is to hear no more (than its argument)."""
        kind = self.plan(request)
        if kind == "drop":
            raise _Cut
        if kind == "cut request":
            await self._half(request)
            raise _Cut
        if kind == "half open":
            await asyncio.sleep(self.silence)
            raise _Cut
        if kind == "delay":
            await asyncio.sleep(self.late)
        if kind == "reorder":
            self._later(request)
        answers = await asyncio.gather(*(self._ask(request) for _ in range(2 if kind == "duplicate" else 1)))
        if kind == "drop answer":
            raise _Cut
        if kind == "cut answer":
            raise _Cut(answers[0].half())
        if kind == "delay answer":
            await asyncio.sleep(self.late)
        return answers[0].head + answers[0].body

    def _later(self, request: Message) -> None:
        """Have the request arrive once more, when others have passed it."""

        async def again() -> None:
            await asyncio.sleep(self.late)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, _Cut):
                await self._ask(request)

        task = asyncio.create_task(again())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, request: Message) -> Message:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            writer.write(request.head + request.body)
            await writer.drain()
            answer = await _read(reader)
            if answer is None:
                raise _Cut
            return answer
        finally:
            writer.close()

    async def _half(self, request: Message) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        writer.write(request.half())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Message | None:
    """Return the next message, None when the other side has no more to say."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        return Message(head, await _chunks(reader))
    return Message(head, await reader.readexactly(min(int(fields.get(b"content-length", b"0")), _LONGEST)))


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = await reader.readuntil(b"\r\n")
        body += size + await reader.readexactly(int(size, 16) + 2)
        if int(size, 16) == 0:
            return body
