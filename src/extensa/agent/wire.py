"""HTTP/1.1 to one address: what the agent asks of a cluster's API and of the control plane, hundreds of times a second.

A general client spends more on a request than all else that the agent does with its answer, so this one does only what
is needed here: connections that are kept, one request at a time on each, answers read whole or line by line, parsed by
``httptools`` as our server's are. It follows no redirect, knows no proxy, asks for no compression and never tries again
by itself. An answer that is too large, broken or too slow is a `WireError`, and its connection is ended.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, urlencode, urlsplit

import httptools

LARGEST = 256 * 1024 * 1024
"""Bytes of an answer that is read whole, at the most."""
_CONNECTING = 5.0
_KEPT = 16
_AHEAD = 256 * 1024
"""Bytes of a streamed answer that may wait to be read; the sender is made to wait beyond."""
_LONGEST_LINE = 16 * 1024 * 1024
_PLAIN = "/:@!$&'()*+,;=~%"
_UNFIT = re.compile(r"[\x00\r\n]")


class WireError(Exception):
    """No answer, or none that can be used; the text says what went wrong."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, read to its end."""

    status: int
    body: bytes


class Wire:
    """The connections to one address. Close it when done."""

    def __init__(self, address: str, *, tls: ssl.SSLContext | bool, headers: Mapping[str, str], idle: float) -> None:
        """``headers`` go with every request; a connection unused for ``idle`` seconds is not used again."""
        parts = urlsplit(address)
        self.address = address
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls
        self._prefix = parts.path.rstrip("/")
        self._always = {"host": parts.netloc.rpartition("@")[2], "user-agent": "extensa", **headers}
        self._idle = idle
        self._kept: list[_Connection] = []
        self._open: set[_Connection] = set()
        self._closed = False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        patience: float,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Heard:
        """Return the answer, whatever its status; raises `WireError` when it is not there in ``patience`` seconds."""
        message = self._message(method, path, params, headers, content)
        try:
            async with asyncio.timeout(patience):
                connection = await self._connected()
                try:
                    answer = connection.send(message, whole=True)
                    while not answer.over:
                        await answer.news()
                except BaseException:
                    connection.abort()
                    raise
        except TimeoutError:
            raise WireError(f"no answer within {patience:g} seconds") from None
        self._keep(connection)
        return Heard(answer.status, answer.taken())

    @asynccontextmanager
    async def stream(
        self, path: str, *, silence: float, params: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncIterator["Stream"]:
        """Give the answer to a GET as soon as it begins; its connection ends with the block.

        Raises `WireError`, there and in the `Stream`, when nothing is heard for ``silence`` seconds.
        """
        message = self._message("GET", path, params, headers, None)
        connection = await self._connected()
        try:
            stream = Stream(connection, connection.send(message, whole=False), silence)
            while not stream.status:
                await stream.more()
            yield stream
        finally:
            connection.abort()

    async def close(self) -> None:
        """End every connection; whoever waits for an answer gets a `WireError`."""
        self._closed = True
        for connection in list(self._open):
            connection.abort()
        self._kept.clear()
        await asyncio.sleep(0)

    def _message(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        content: bytes | None,
    ) -> bytes:
        target = quote(self._prefix + path, safe=_PLAIN) + (f"?{urlencode(params)}" if params else "")
        sent = {**self._always, **(headers or {})}
        if content is not None:
            sent["content-length"] = str(len(content))
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
        if any(_UNFIT.search(line) for line in lines):
            raise WireError("a header holds what no header may hold")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace") + (content or b"")

    async def _connected(self) -> "_Connection":
        """Return a connection with nothing under way on it."""
        loop = asyncio.get_running_loop()
        while self._kept:
            connection = self._kept.pop()
            if connection.open and loop.time() - connection.since < self._idle:
                return connection
            connection.abort()
        if self._closed:
            raise WireError("the line is closed")
        try:
            async with asyncio.timeout(_CONNECTING):
                _, made = await loop.create_connection(
                    lambda: _Connection(self._open), self._host, self._port, ssl=self._tls or None
                )
        except TimeoutError:
            raise WireError(f"no connection within {_CONNECTING:g} seconds") from None
        except (OSError, ssl.CertificateError) as error:
            raise WireError(str(error) or type(error).__name__) from error
        return made

    def _keep(self, connection: "_Connection") -> None:
        if connection.open and not self._closed and len(self._kept) < _KEPT:
            connection.since = asyncio.get_running_loop().time()
            self._kept.append(connection)
        else:
            connection.abort()


class _Answer:
    """One answer as it arrives. Only one may wait for news of it."""

    def __init__(self, *, whole: bool) -> None:
        self.whole = whole
        self.status = 0
        self.size = 0
        self.over = False
        self.trouble: str | None = None
        self._pieces: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None

    async def news(self) -> None:
        """Return when there is more than before; raises `WireError` when there will be no more, and it is not over."""
        if self.trouble is not None:
            raise WireError(self.trouble)
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter
        if self.trouble is not None:
            raise WireError(self.trouble)

    def taken(self) -> bytes:
        """Return what has arrived of the body since the last time."""
        pieces, self._pieces, self.size = self._pieces, [], 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self.size += len(piece)
        if not self.whole:
            self.stir()

    def stir(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Stream:
    """An answer that is read while it arrives."""

    def __init__(self, connection: "_Connection", answer: _Answer, silence: float) -> None:
        self._connection = connection
        self._answer = answer
        self._silence = silence

    @property
    def status(self) -> int:
        """The answer's status."""
        return self._answer.status

    async def more(self) -> None:
        """Return when more has arrived, or the end; raises `WireError`."""
        try:
            async with asyncio.timeout(self._silence):
                await self._answer.news()
        except TimeoutError:
            raise WireError(f"nothing was heard for {self._silence:g} seconds") from None

    async def read(self) -> bytes:
        """Return the rest of the answer; raises `WireError`."""
        return b"".join([piece async for piece in self._pieces()])

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Give the lines of the answer without their ends, empty ones left out; raises `WireError`."""
        begun = b""
        async for piece in self._pieces():
            *lines, begun = (begun + piece).split(b"\n")
            if len(begun) > _LONGEST_LINE:
                raise WireError("a line is too long")
            for line in lines:
                if line:
                    yield line
        if begun:
            yield begun

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        while True:
            if self._answer.size:
                piece = self._answer.taken()
                self._connection.go_on()
                yield piece
            elif self._answer.over:
                return
            else:
                await self.more()


class _Connection(asyncio.Protocol):
    """One connection, on which one request at a time is under way; it is one of ``among`` while it is open."""

    def __init__(self, among: set["_Connection"]) -> None:
        self._among = among
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._answer: _Answer | None = None
        self._measured = False
        self.open = False
        self.since = 0.0

    def send(self, message: bytes, *, whole: bool) -> _Answer:
        """Send a request and return its answer, of which nothing has arrived yet; raises `WireError`."""
        if self._transport is None or not self.open:
            raise WireError("the connection was closed")
        answer = self._answer = _Answer(whole=whole)
        self._measured = False
        self._transport.write(message)
        return answer

    def abort(self) -> None:
        """End the connection at once."""
        self.open = False
        if self._transport is not None:
            self._transport.abort()

    def go_on(self) -> None:
        """Read on, if too much had been read ahead."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.open = True
        self._among.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._among.discard(self)
        answer, self._answer = self._answer, None
        if answer is None or answer.over:
            return
        if exc is None and answer.status and not self._measured:  # the end of the connection is the answer's end
            answer.over = True
        else:
            answer.trouble = str(exc) if exc is not None and str(exc) else "the connection was closed"
        answer.stir()

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # nothing was asked
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"what came is no HTTP: {error}")

    def on_header(self, name: bytes, _value: bytes) -> None:
        """A header has arrived: the parser's call."""
        self._measured = self._measured or name.lower() in (b"content-length", b"transfer-encoding")

    def on_headers_complete(self) -> None:
        """The head has arrived: the parser's call."""
        status = self._parser.get_status_code()
        if self._answer is not None and status >= 200:
            self._answer.status = status
            if not self._answer.whole:
                self._answer.stir()

    def on_body(self, piece: bytes) -> None:
        """A piece of the body has arrived: the parser's call."""
        answer = self._answer
        if answer is None:
            return
        answer.add(piece)
        if answer.whole and answer.size > LARGEST:
            self._fail("the answer is too large")
        elif not answer.whole and answer.size > _AHEAD and self._transport is not None:
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The answer is whole: the parser's call."""
        answer = self._answer
        if answer is None:
            return
        if not answer.status:  # an interim answer: the one that counts is still to come
            self._measured = False
            return
        self._answer = None
        self.open = self.open and self._parser.should_keep_alive()
        answer.over = True
        answer.stir()

    def _fail(self, words: str) -> None:
        if self._answer is not None and not self._answer.over:
            self._answer.trouble = words
            self._answer.stir()
        self.abort()
