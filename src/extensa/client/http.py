"""One HTTPS connection to one address, over the standard library.

It speaks ``http.client`` because a command line must start at once (docs/decisions: the CLI speaks http.client); the
rest of the product uses httpx2. It follows no redirect, knows no proxy and trusts exactly the certificates it is given.
"""

import http.client
import json
import os
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from extensa.base.errors import ExtensaError, Unavailable

_IDLE = (
    2.0  # seconds after which a kept connection may have been closed by the server: a new one is cheaper than a retry
)
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """Keys in lower case."""
    body: bytes

    def json(self) -> Any:
        """Return the decoded body, None when it is empty; raises `ExtensaError` when it is no JSON."""
        if not self.body.strip():
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ExtensaError("AnswerNotUnderstood", "The server's answer is not JSON.") from error


class Http:
    """A connection to ``base_url``, opened at the first request and kept between them. Not for use by two threads."""

    def __init__(self, base_url: str, *, ca: Path | None = None, timeout: float = 30.0) -> None:
        """``ca`` is the only authority to trust; without it the system's, or what ``SSL_CERT_FILE`` names.

        Raises `ExtensaError` (``AddressNotUnderstood``) for anything but https, or http on this machine.
        """
        parts = urlsplit(base_url)
        self.base_url = base_url.rstrip("/")
        self._secure = parts.scheme == "https"
        if not parts.hostname or not (self._secure or (parts.scheme == "http" and parts.hostname in _LOOPBACK)):
            raise ExtensaError(
                "AddressNotUnderstood",
                f"'{base_url}' is not an https:// address.",
                target="EXTENSA_ARM",
                next_step="Set EXTENSA_ARM to the endpoint that `extensa status` shows, such as https://localhost:9443.",
            )
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._ca = ca
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | BinaryIO | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Send one request for ``path`` (with its query) and return the answer, whatever its status.

        Raises `Unavailable` when nobody answers in time, `ExtensaError` when the certificate is not to be trusted.
        """
        connection = self._open(timeout or self._timeout)
        try:
            connection.request(method, self._prefix + path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise self._told(error) from error
        self._used = time.monotonic()
        return Reply(response.status, {k.lower(): v for k, v in response.getheaders()}, content)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        if self._connection is not None and time.monotonic() - self._used > _IDLE:
            self.close()
        if self._connection is None:
            if self._secure:
                self._connection = http.client.HTTPSConnection(self._host, self._port, context=self._trust())
            else:
                self._connection = http.client.HTTPConnection(self._host, self._port)
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        return self._connection

    def _trust(self) -> ssl.SSLContext:
        if self._ca is None:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(self._ca)
        except OSError as error:
            raise ExtensaError(
                "CertificateUnreadable",
                f"The CA certificate cannot be read: {error.strerror or error}.",
                target=str(self._ca),
                next_step="Run `extensa doctor`.",
            ) from error
        return context

    def _told(self, error: Exception) -> ExtensaError:
        if isinstance(error, ssl.SSLCertVerificationError):
            return ExtensaError(
                "CertificateNotTrusted",
                f"The certificate of {self.base_url} is not trusted: {error.verify_message}.",
                target=self.base_url,
                next_step="Run `extensa doctor`; for a server elsewhere set SSL_CERT_FILE to a bundle with its CA.",
            )
        if isinstance(error, TimeoutError):
            return Unavailable(
                "ServerSilent",
                f"{self.base_url} accepted the request and did not answer in time.",
                target=self.base_url,
                next_step="See what it does with `extensa logs server`.",
            )
        return Unavailable(
            "ServerUnreachable",
            f"Nothing answers at {self.base_url}: {_why(error)}.",
            target=self.base_url,
            next_step="Start it with `extensa up`; `extensa status` says what runs.",
        )


def _why(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the name is not known"
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno).lower()
    return str(error) or type(error).__name__
