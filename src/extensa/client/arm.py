"""The verbs of the ARM front, as a caller uses them.

Every request carries a token and an api-version; every answer of 400 or above comes back as an error of the family.
What a path names is for ``client/paths.py``.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from extensa.base.errors import Refused
from extensa.client.errors import from_reply
from extensa.client.http import Http, Reply
from extensa.client.operations import Accepted, accepted, path_of, poll
from extensa.client.token import Tokens

_UPLOAD_TIMEOUT = 120.0


class Arm:
    """A caller of one ARM front, for ``subscription``. Not for use by two threads: each takes its own."""

    def __init__(
        self, http: Http, tokens: Tokens, *, subscription: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._sleep = sleep
        self.subscription = subscription

    def get(self, path: str, api_version: str, **query: str) -> Any:
        """Return the resource at ``path``; raises `NotFound` when there is none."""
        return self._send("GET", _url(path, api_version, query)).json()

    def put(self, path: str, api_version: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Accepted:
        """Create or replace the resource and return what the server promised."""
        return accepted(self._send("PUT", _url(path, api_version, {}), body=_encoded(body), headers=headers))

    def patch(self, path: str, api_version: str, body: Any, *, headers: Mapping[str, str] | None = None) -> Accepted:
        """Change what ``body`` names and return what the server promised."""
        return accepted(self._send("PATCH", _url(path, api_version, {}), body=_encoded(body), headers=headers))

    def delete(self, path: str, api_version: str, **query: str) -> Accepted:
        """Remove the resource and return what the server promised; status 204 when there was none."""
        return accepted(self._send("DELETE", _url(path, api_version, query)))

    def post(self, path: str, api_version: str, body: Any = None, **query: str) -> Accepted:
        """Perform an action on the resource and return its answer."""
        content = b"" if body is None else _encoded(body)
        return accepted(self._send("POST", _url(path, api_version, query), body=content))

    def upload(self, path: str, api_version: str, content: BinaryIO, *, length: int, **query: str) -> Accepted:
        """PUT a gzip archive of ``length`` bytes, streamed from ``content``."""
        headers = {"content-type": "application/gzip", "content-length": str(length)}
        reply = self._send(
            "PUT", _url(path, api_version, query), body=content, headers=headers, timeout=_UPLOAD_TIMEOUT
        )
        return accepted(reply)

    def list(self, path: str, api_version: str, **query: str) -> Iterator[Any]:
        """Yield every resource below ``path``, page by page."""
        url: str | None = _url(path, api_version, query)
        while url is not None:
            page = self._send("GET", url).json() or {}
            yield from page.get("value", ())
            link = page.get("nextLink")
            url = path_of(link) if link else None

    def wait(self, promise: Accepted, *, target: str, on_turn: Callable[[str], None] = lambda _status: None) -> None:
        """Return when the promised work has ended well; raises `OperationFailed` when it ended otherwise."""
        if promise.operation is not None:
            poll(self._ask, promise.operation, target=target, on_turn=on_turn, sleep=self._sleep)

    def operation(self, path: str) -> Any:
        """Return an operation's record as it stands; ``path`` is its URL or path, with its own api-version."""
        return self._send("GET", path_of(path)).json()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _ask(self, path: str) -> Reply:
        return self._authorised("GET", path, body=None, headers={}, timeout=None)

    def _send(
        self,
        method: str,
        url: str,
        *,
        body: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        sent = {"content-type": "application/json"} if isinstance(body, bytes) and body else {}
        reply = self._authorised(method, url, body=body, headers={**sent, **(headers or {})}, timeout=timeout)
        if reply.status >= 400:
            raise from_reply(reply.status, reply.body, target=urlsplit(url).path)
        return reply

    def _authorised(
        self, method: str, url: str, *, body: bytes | BinaryIO | None, headers: Mapping[str, str], timeout: float | None
    ) -> Reply:
        """Send with a token; a refused one may be of an earlier server's making, so one fresh token is tried."""
        sent = {"accept": "application/json", **headers, "authorization": f"Bearer {self._tokens.get()}"}
        reply = self._http.request(method, url, headers=sent, body=body, timeout=timeout)
        if reply.status == 401:
            self._tokens.forget()
            if body is not None and not isinstance(body, bytes):
                body.seek(0)
            sent["authorization"] = f"Bearer {self._tokens.get()}"
            reply = self._http.request(method, url, headers=sent, body=body, timeout=timeout)
        return reply


def _url(path: str, api_version: str, query: Mapping[str, str]) -> str:
    if not path.startswith("/"):
        raise Refused("InvalidResourceId", f"'{path}' is not a resource id: it must start with '/'.", target=path)
    return f"{quote(path, safe='/:@!$&()*+,;=~-._%')}?{urlencode({'api-version': api_version, **query})}"


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode()
