"""A small ARM front on a loopback socket, for tests of those who call one: documents by path, operations that end.

It stands in for the wire only; what the real front does is tested on the real front (tests/e2e).
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

SUBSCRIPTION = "00000000-0000-4000-8000-00000000000a"
TENANT = "00000000-0000-4000-8000-00000000000b"


@dataclass
class Canned:
    """One prepared answer."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)


class ArmDouble:
    """Answers from ``canned`` (by method and path, in order, the last one for ever), else from stored documents."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.documents: dict[str, Any] = {}
        self.canned: dict[tuple[str, str], list[Canned]] = {}
        self.tokens_given = 0
        self.valid_token = "token-1"
        self.polls_until_done = 1
        self.outcome: dict[str, Any] = {"status": "Succeeded"}
        self._polls = 0
        self.url = ""

    def answer(self, method: str, path: str, *answers: Canned) -> None:
        """Prepare answers for one method and path."""
        self.canned[method, path.casefold()] = list(answers)

    def requests(self, method: str) -> list[Asked]:
        """Every request of one method that was not about tokens or operations, in order."""
        return [a for a in self.asked if a.method == method and "oauth2" not in a.path and "/operations/" not in a.path]

    def respond(self, asked: Asked) -> Canned:
        """Return the answer to one request."""
        self.asked.append(asked)
        key = (asked.method, asked.path.casefold())
        if key in self.canned:
            left = self.canned[key]
            return left.pop(0) if len(left) > 1 else left[0]
        if asked.path.endswith("/oauth2/v2.0/token") or asked.path == "/adfs/oauth2/token":
            return self._token(asked)
        if asked.headers.get("authorization") != f"Bearer {self.valid_token}":
            return Canned(401, {"error": {"code": "InvalidAuthenticationToken", "message": "No."}})
        return self._operation() if "/operations/" in asked.path else self._resource(asked)

    def _token(self, asked: Asked) -> Canned:
        form = {k: v[0] for k, v in parse_qs(asked.body.decode()).items()}
        if form["client_secret"] != "right":
            return Canned(401, {"error": "invalid_client", "error_description": "AADSTS7000215: wrong secret."})
        self.tokens_given += 1
        return Canned(200, {"token_type": "Bearer", "access_token": self.valid_token, "expires_in": 3600})

    def _operation(self) -> Canned:
        self._polls += 1
        if self._polls < self.polls_until_done:
            return Canned(200, {"status": "Creating"}, {"Retry-After": "0"})
        return Canned(200, self.outcome)

    def _resource(self, asked: Asked) -> Canned:
        key = asked.path.casefold()
        promise = {"Azure-AsyncOperation": f"{self.url}{asked.path}/operations/1?api-version=x", "Retry-After": "0"}
        if asked.headers.get("content-type") == "application/gzip":
            return Canned(201, {"id": asked.path, "name": asked.path.rpartition("/")[2], "properties": {}})
        if asked.method in ("PUT", "PATCH"):
            new = key not in self.documents
            self.documents[key] = {"id": asked.path, "name": asked.path.rpartition("/")[2], **asked.json}
            self.documents[key].setdefault("properties", {})["provisioningState"] = "Succeeded"
            return Canned(201 if new else 200, self.documents[key], promise)
        if asked.method == "DELETE":
            return Canned(202, None, promise) if self.documents.pop(key, None) else Canned(204)
        if key in self.documents:
            return Canned(200, self.documents[key])
        below = [d for k, d in self.documents.items() if k.rpartition("/")[0] == key]
        if below:
            return Canned(200, {"value": below, "nextLink": None})
        return Canned(404, {"error": {"code": "ResourceNotFound", "message": f"{asked.path} was not found."}})


@contextmanager
def serving() -> Iterator[ArmDouble]:
    """Run a double on a free port until the block ends."""
    double = ArmDouble()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            query = {k.casefold(): v[0] for k, v in parse_qs(parts.query).items()}
            headers = {k.casefold(): v for k, v in self.headers.items()}
            given = double.respond(Asked(self.command, unquote(parts.path), query, headers, body))
            content = b"" if given.body is None else json.dumps(given.body).encode()
            self.send_response(given.status)
            for name, value in {**given.headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_PATCH = do_DELETE = do_POST = _any  # noqa: N815 - the server looks for these names

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        double.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()
