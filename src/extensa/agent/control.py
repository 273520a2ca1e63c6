"""The agent's and the host's line to the control plane: long polls, reports and charts over HTTPS.

    ExtensaError
    └── LinkError          the control plane did not answer, or answered with a no      transient: bool

Generic over the link's three pairs: the caller names the path and the document's type. One call is one request; who
calls in a loop keeps the pace with `Backoff`. Credential and CA are read again after every failure, so that a control
plane that was set up anew is found. It dials the one endpoint its credential names, through no proxy.
"""

import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx2
import msgspec
from msgspec import Struct

from extensa.base.errors import ExtensaError
from extensa.base.log import current_correlation

T = TypeVar("T")

LONGEST_POLL = 50
"""Seconds that a feed is asked to wait when it has nothing to say."""

_LARGEST_CHART = 64 * 1024 * 1024
_PATIENCE = 15.0


class LinkError(ExtensaError):
    """The control plane could not be reached or refused; ``http`` is its status, 0 when there was no answer."""

    def __init__(self, code: str, message: str, *, http: int = 0, next_step: str = "", transient: bool = True) -> None:
        super().__init__(code, message, next_step=next_step or None)
        self.http = http
        self.transient = transient


class _Credential(Struct, frozen=True):
    name: str
    secret: str
    endpoint: str


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try: doubling with jitter, from ``first`` to ``longest`` seconds."""

    first: float = 0.2
    longest: float = 15.0
    _failures: int = 0

    def failed(self) -> float:
        """Return the pause after one more failure."""
        self._failures += 1
        pause = min(self.first * float(2 ** min(self._failures - 1, 16)), self.longest)
        return pause * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def succeeded(self) -> None:
        """Begin anew with short pauses."""
        self._failures = 0


class LinkClient:
    """The line to the control plane; every method raises `LinkError`. Close it when done."""

    def __init__(self, credential: Path, authority: Path) -> None:
        """``credential`` is a file with name, secret and endpoint; ``authority`` the CA's certificate (PEM). Neither
        needs to be there yet.
        """
        self._credential = credential
        self._authority = authority
        self._line: _Line | None = None

    async def feed(
        self,
        path: str,
        type: type[T],
        *,
        after: int,
        wait: int = LONGEST_POLL,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Return the next answer of a feed: what came after ``after``, or nothing once ``wait`` seconds are over."""
        params = {"after": str(after), "wait": str(wait)}
        answer = await self._send("GET", path, params=params, headers=headers, patience=wait + _PATIENCE)
        try:
            return msgspec.json.decode(answer.content, type=type)
        except msgspec.MsgspecError as error:
            raise LinkError("LinkBroken", f"The control plane answered {path} with something else: {error}.") from error

    async def report(self, path: str, struct: Struct) -> None:
        """Send a document; it is the control plane's when this returns."""
        await self._send("POST", path, content=msgspec.json.encode(struct), patience=_PATIENCE * 2)

    async def chart(self, digest: str) -> bytes:
        """Return the chart archive with this digest as the control plane gives it; the caller verifies it."""
        answer = await self._send("GET", f"/link/v1/charts/{digest}", patience=_PATIENCE * 8)
        if len(answer.content) > _LARGEST_CHART:
            raise LinkError("LinkBroken", "The chart is larger than 64 MiB.", transient=False)
        return answer.content

    async def close(self) -> None:
        """End every connection."""
        line, self._line = self._line, None
        if line is not None:
            await line.client.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        *,
        patience: float,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx2.Response:
        sent = dict(headers or {})
        if content is not None:
            sent["content-type"] = "application/json"
        if (correlation := current_correlation()) is not None:
            sent["x-ms-correlation-request-id"] = correlation
        line = self._opened()
        timeout = httpx2.Timeout(connect=5.0, read=patience, write=30.0, pool=30.0)
        line.calls += 1
        try:
            answer = await line.client.request(
                method, path, params=params, headers=sent, content=content, timeout=timeout
            )
        except (httpx2.TransportError, RuntimeError) as error:  # RuntimeError: closed meanwhile
            self._line = None if self._line is line else self._line
            words = str(error) or type(error).__name__
            raise LinkError(
                "LinkUnreachable",
                f"The control plane does not answer at {line.client.base_url}: {words}.",
                next_step="Start it with `extensa up`.",
            ) from error
        finally:
            line.calls -= 1
            if self._line is not line and not line.calls:
                await line.client.aclose()
        if answer.status_code in (401, 403) and self._line is line:
            await self.close()
        if answer.status_code >= 400:
            raise _refusal(answer, method, path)
        return answer

    def _opened(self) -> "_Line":
        """Return the line in use; after a failure a new one, from the files as they are now."""
        if self._line is None:
            try:
                kept = msgspec.json.decode(self._credential.read_bytes(), type=_Credential)
                secure = kept.endpoint.startswith("https:")
                tls = ssl.create_default_context(cafile=str(self._authority)) if secure else False
            except (OSError, msgspec.MsgspecError, ssl.SSLError) as error:
                raise LinkError(
                    "LinkCredentialMissing",
                    f"The credential for the control plane cannot be used: {error}.",
                    next_step="Start the server first: `extensa up`.",
                ) from error
            client = httpx2.AsyncClient(
                base_url=kept.endpoint.rstrip("/"),
                verify=tls,
                headers={"authorization": f"Bearer {kept.name}.{kept.secret}"},
                limits=httpx2.Limits(max_connections=32, max_keepalive_connections=4, keepalive_expiry=60.0),
                trust_env=False,
            )
            self._line = _Line(client)
        return self._line


@dataclass(slots=True)
class _Line:
    """Connections made with one credential, and how many calls are under way on them: the last one closes them."""

    client: httpx2.AsyncClient
    calls: int = 0


class _Refused(Struct):
    code: str = ""
    message: str = ""


class _Envelope(Struct):
    error: _Refused = msgspec.field(default_factory=_Refused)


def _refusal(answer: httpx2.Response, method: str, path: str) -> LinkError:
    status = answer.status_code
    try:
        said = msgspec.json.decode(answer.content, type=_Envelope).error
    except msgspec.MsgspecError:
        said = _Refused()
    code = {401: "LinkCredentialRejected", 403: "LinkCredentialRejected", 404: "NotFound"}.get(status, "LinkRefused")
    message = f"The control plane refused {method} {path} ({status}): {said.message or said.code or 'no reason given'}"
    return LinkError(code, message, http=status, transient=status >= 500 or status in (401, 403, 408, 429))
