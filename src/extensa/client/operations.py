"""Waiting for accepted work: what a poll's answer means, and how long to pause before the next one.

Polling honours ``Retry-After`` and takes either form of the promise, ``Azure-AsyncOperation`` (a record with a status)
or ``Location`` (202 until it is done). The server may be restarted in between; the wait goes on when it is back.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from extensa.base.errors import ExtensaError, Unavailable
from extensa.client.errors import from_operation, from_reply
from extensa.client.http import Reply

TERMINAL = frozenset({"Succeeded", "Failed", "Canceled"})
_PATIENCE = 60.0  # seconds for which a server may be away in the middle of a wait
_PAUSE = 1.0  # seconds between polls when the server names none


@dataclass(frozen=True, slots=True)
class Accepted:
    """A write's answer: the resource as it stands, and the path to poll when the work goes on (None: it is done)."""

    status: int
    body: Any = None
    operation: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def accepted(reply: Reply) -> Accepted:
    """Return what a successful write promised; links are kept as path and query, to be asked of the same server."""
    link = reply.headers.get("azure-asyncoperation")
    if link is None and reply.status == 202:
        link = reply.headers.get("location")
    return Accepted(reply.status, reply.json(), path_of(link) if link else None, reply.headers)


def path_of(link: str) -> str:
    """Return path and query of an absolute or relative link."""
    parts = urlsplit(link)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def pause(headers: Mapping[str, str]) -> float:
    """Return the seconds to wait before asking again, as the answer's ``Retry-After`` says."""
    try:
        return min(max(float(headers.get("retry-after", _PAUSE)), 0.0), 60.0)
    except ValueError:
        return _PAUSE


def poll(
    get: Callable[[str], Reply],
    path: str,
    *,
    target: str,
    on_turn: Callable[[str], None] = lambda _status: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Ask until the operation at ``path`` has ended well and return its record ({} for the Location form).

    ``on_turn`` is told the status word after every answer. Raises `OperationFailed` when the work ended otherwise, and
    what ``get`` raises when the server stays away for more than a minute.
    """
    away = 0.0
    while True:
        try:
            reply = get(path)
            if reply.status >= 500:
                raise from_reply(reply.status, reply.body, target=target)
        except ExtensaError as error:
            if not (isinstance(error, Unavailable) or error.status >= 500) or away >= _PATIENCE:
                raise
            on_turn("the server does not answer; waiting for it")
            sleep(_PAUSE)
            away += _PAUSE
            continue
        away = 0.0
        ended, status, record = _read(reply, target)
        on_turn(status)
        if ended:
            return record
        sleep(pause(reply.headers))


def _read(reply: Reply, target: str) -> tuple[bool, str, dict[str, Any]]:
    """Return whether the work has ended well, the status word and the record; raises when it has ended badly."""
    if reply.status >= 400:
        raise from_reply(reply.status, reply.body, target=target)
    if reply.status == 202:
        return False, "InProgress", {}
    body = reply.json() if reply.status == 200 else None
    if not isinstance(body, dict) or "status" not in body:
        return True, "Succeeded", {}
    status = str(body["status"])
    if status in ("Failed", "Canceled"):
        raise from_operation(body.get("error"), status=status, target=target)
    return status == "Succeeded", status, body
