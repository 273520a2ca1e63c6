"""HTTP/1.1 as uvicorn speaks it, refusing in ARM's shape what is no request, and a head that is too large.

Such a connection never reaches the middleware, and uvicorn would answer it in plain words and read heads of any size.
Who begins a request and does not go on is let go of; at the end no idle connection is waited for. What a well-formed
request means is not asked here.
"""

import asyncio

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from extensa.arm.envelope import envelope
from extensa.base.errors import Refused
from extensa.base.ids import new_id

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's first line and headers at the most: room for any token, many times over."""

PATIENCE = 60.0
"""Seconds a peer may take for the whole head of a request, and between two pieces of its body."""

_FAREWELL = 0.3  # seconds that a peer may take to say goodbye in turn
_NOT_HTTP = Refused(
    "InvalidHttpRequest",
    "What was sent is not an HTTP/1.1 request, or ends where it should not.",
    next_step="Send it with an HTTP client; names in the path are percent-encoded.",
)
_TOO_LARGE = Refused(
    "RequestHeaderFieldsTooLarge",
    f"The request's first line and headers are larger than {LARGEST_HEAD // 1024} KiB.",
    target="headers",
    next_step="Send fewer or shorter headers.",
    status=431,
)
_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large"}


class Protocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _head = 0  # bytes of a head that has not ended, as far as it came in pieces of its own
    _arriving = 0
    _refusal = _NOT_HTTP
    _lost = False
    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait_for_more()

    def data_received(self, data: bytes) -> None:
        """Take in what arrived; a head that grows too large ends the connection."""
        self._arriving = len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if not self._in_head:
            self._wait_for_more()
            return
        self._head += self._arriving
        if self._head and self._alarm is None:  # a head has the time once, however it is dripped
            self._wait_for_more()
        if self._head > LARGEST_HEAD:
            self._refusal = _TOO_LARGE
            self.send_400_response(_TOO_LARGE.message)

    def on_headers_complete(self) -> None:
        """Go on to the body, unless the head was too large."""
        if self._head + self._arriving > LARGEST_HEAD and self._size() > LARGEST_HEAD:
            self._refusal = _TOO_LARGE
            raise httptools.HttpParserError(_TOO_LARGE.message)
        self._in_head, self._head = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for the next head."""
        self._in_head, self._arriving = True, 0  # what has arrived was of this message
        self._stop_waiting()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Close the connection at once or after the answer under way, as uvicorn does, and wait for no farewell: over
        TLS a peer that keeps an idle connection in its pool hears of the end only when it uses it again.
        """
        super().shutdown()
        self.loop.call_later(_FAREWELL, self._let_go)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that there is nothing to let go of any more."""
        self._lost = True
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait_for_more(self) -> None:
        self._stop_waiting()
        self._alarm = self.loop.call_later(PATIENCE, self._tired)

    def _stop_waiting(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _tired(self) -> None:
        """End a connection whose peer has begun a request and does not go on; one that waits for us is not to blame."""
        answering = not getattr(self.cycle, "response_complete", True)
        if self.flow.read_paused or (self._in_head and answering):
            self._wait_for_more()
        else:
            self.transport.abort()

    def _let_go(self) -> None:
        if self._lost:
            return
        if self.transport.is_closing():
            self.transport.abort()
        else:
            self.loop.call_later(_FAREWELL, self._let_go)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's words are not ours
        """Refuse what arrived and close the connection; an answer that has begun is only cut off."""
        answering = getattr(self.cycle, "response_started", False) and not self.cycle.response_complete
        if not answering:
            self.transport.write(_answer(self._refusal))
        self.transport.close()

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)


def _answer(refusal: Refused) -> bytes:
    body = msgspec.json.encode(envelope(refusal))
    head = (
        b"HTTP/1.1 %d %s" % (refusal.status, _REASONS[refusal.status]),
        b"content-type: application/json; charset=utf-8",
        b"content-length: %d" % len(body),
        b"x-content-type-options: nosniff",
        b"cache-control: no-store",
        b"x-ms-request-id: %s" % new_id().encode(),
        b"connection: close",
    )
    return b"\r\n".join((*head, b"", body))
