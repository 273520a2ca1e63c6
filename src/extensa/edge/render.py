"""From answers and errors to bytes: the one place that knows how either looks on the wire.

Every refusal of every room becomes HTTP here, in ARM's envelope (contract §1.7), with the next step for a person beside
it; the token endpoint's become what OAuth prescribes. What is not ours becomes a plain 500 with the correlation id, and
its traceback stays in the log.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec

from extensa.arm.binding import Answer, Request
from extensa.arm.envelope import envelope, error_object
from extensa.arm.etags import header as etag_header
from extensa.arm.operations import Operation, Style, status_body
from extensa.base.errors import ExtensaError, Unauthenticated
from extensa.edge.exchange import Header, Reply
from extensa.edge.routes import WrongVerb
from extensa.identity.token_requests import TokenRefused

_SAFE = "/()!$&'*+,;=:@"
_encode = msgspec.json.Encoder().encode
JSON: Header = (b"content-type", b"application/json; charset=utf-8")
RETRY: Header = (b"retry-after", b"1")
"""An integer: a fraction crashes az and the new SDKs, none at all makes them wait 30 s (clients, "LRO rules")."""


def json_reply(status: int, body: Any, headers: Iterable[Header] = ()) -> Reply:
    """Return ``body`` as JSON; ready bytes are taken as they are."""
    raw = body if isinstance(body, bytes) else _encode(body)
    return Reply(status, raw, [JSON, *headers])


def answer_reply(answer: Answer, request: Request, base_url: str, headers: Iterable[Header] = ()) -> Reply:
    """Return a binding's answer, with the URL to poll when its work goes on."""
    sent = [*headers]
    if answer.etag is not None:
        sent.append((b"etag", etag_header(answer.etag).encode()))
    if answer.operation is not None and not answer.operation.terminal:
        path = quote(operation_path(answer.operation), safe=_SAFE)  # a group's name may hold letters of any script
        url = f"{base_url}{path}?api-version={request.asked_version}"
        name = b"location" if answer.operation.style is Style.LOCATION else b"azure-asyncoperation"
        sent += [(name, url.encode()), RETRY]
    sent += [(name.casefold().encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.body is None:
        return Reply(answer.status, b"", sent)
    return json_reply(answer.status, answer.body, sent)


def operation_path(operation: Operation) -> str:
    """Return the path at which an operation is polled, as its resource's provider words it (contract §1.6)."""
    if operation.style is Style.EXTENSIONS:
        return f"{operation.resource_id}/operations/{operation.id}"
    subscription, _, rest = operation.resource_id.removeprefix("/subscriptions/").partition("/")
    if operation.style is Style.LOCATION:
        return f"/subscriptions/{subscription}/operationresults/{operation.id}"
    namespace = rest.partition("/providers/")[2].partition("/")[0]
    return (
        f"/subscriptions/{subscription}/providers/{namespace}/locations/{operation.location}/operations/{operation.id}"
    )


def error_reply(error: ExtensaError, *, challenge: str, now: datetime) -> Reply:
    """Return a refusal in ARM's envelope, or in OAuth's words; ``challenge`` is told to a caller without a token."""
    if isinstance(error, TokenRefused):
        return json_reply(error.status, error.body(now))
    headers: list[Header] = []
    if isinstance(error, Unauthenticated):
        headers.append((b"www-authenticate", challenge.encode()))
    if isinstance(error, WrongVerb):
        headers.append((b"allow", ", ".join(error.allow).encode()))
    if error.transient:
        headers.append((b"retry-after", b"5"))
    if error.status >= 500:
        headers.append((b"x-ms-failure-cause", b"service"))
    return json_reply(error.status, envelope(error), headers)


def crash_reply(correlation_id: str) -> Reply:
    """Return the answer to a request that something unforeseen happened to: no detail, but where to find it."""
    body = error_object(
        "InternalServerError",
        "The server met something it did not expect; the request was not completed.",
        next_step=f"Look for the correlation id {correlation_id} in the server's log (extensa logs server).",
    )
    return json_reply(500, {"error": body})


def operation_reply(operation: Operation, *, path: str, url: str) -> Reply:
    """Return the answer to a poll of ``url``, in the words of the operation's own style."""
    if operation.style is not Style.LOCATION:
        return json_reply(200, status_body(operation, path), () if operation.terminal else (RETRY,))
    if not operation.terminal:
        return Reply(202, b"", [(b"location", url.encode()), RETRY])
    if operation.error is not None:
        return json_reply(409, {"error": operation.error})
    return Reply(204)
