"""One HTTP request as bytes over TLS, and the answer to it: for what no well-behaved client would send."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Keys in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """ARM's error object, after a look at its shape and at what must never be in it."""
        assert self.headers["content-type"].startswith("application/json"), self
        assert b"Traceback" not in self.body, self
        assert b'File "' not in self.body, self
        assert {"error"} == set(self.json), self
        found: dict[str, Any] = self.json["error"]
        assert found["code"], self
        assert found["message"], self
        assert self.headers["x-ms-request-id"], self
        return found

    @property
    def next_step(self) -> str | None:
        """What a person is advised to do."""
        info = self.error.get("additionalInfo") or []
        return next((each["info"]["nextStep"] for each in info if each["type"] == "ExtensaNextStep"), None)


@dataclass(frozen=True)
class RawClient:
    """Sends bytes to ``port`` on this machine, over TLS, trusting ``ca`` and nothing else."""

    port: int
    ca: Path

    def send(self, *pieces: bytes) -> Answer:
        """Send ``pieces`` one by one and read the answer."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            for piece in pieces:
                try:
                    connection.sendall(piece)
                except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
                    break  # refused in the middle: the answer is there to be read
            response = http.client.HTTPResponse(connection)
            response.begin()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    def ask(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, *, headers: Mapping[str, str]
    ) -> Answer:
        """Send one request; an iterable body goes out in chunks, bytes with their length."""
        given = {"Host": f"localhost:{self.port}", "Connection": "close", **headers}
        pieces: list[bytes] = []
        if isinstance(body, bytes):
            given.setdefault("Content-Length", str(len(body)))
            pieces = [body]
        elif body is not None:
            given["Transfer-Encoding"] = "chunked"
            pieces = [b"%x\r\n%s\r\n" % (len(each), each) for each in body] + [b"0\r\n\r\n"]
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in given.items()) + "\r\n"
        return self.send(head.encode("utf-8", "surrogateescape"), *pieces)

    def hang_up(self, sent: bytes) -> None:
        """Send the beginning of a request and close the connection."""
        context = ssl.create_default_context(cafile=str(self.ca))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as connection,
        ):
            connection.sendall(sent)
