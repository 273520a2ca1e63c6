"""What the ARM front answers when it says no, turned back into the family of errors.

The wire carries ARM's envelope; the caller of this room catches the same classes the service raised. What a person sees
and which exit code a program gets is for the CLI to choose.
"""

import json
from collections.abc import Mapping
from typing import Any

from extensa.base.errors import (
    Conflict,
    ExtensaError,
    Forbidden,
    NotFound,
    Problem,
    Refused,
    Unauthenticated,
    Unavailable,
)

_FAMILIES: dict[int, type[ExtensaError]] = {
    400: Refused,
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


class OperationFailed(ExtensaError):
    """Work that had been accepted ended badly; code and message are those of the operation's record."""


def from_reply(status: int, body: bytes, *, target: str) -> ExtensaError:
    """Return the error that an HTTP answer of 400 or above stands for; one without ARM's envelope is told as it is."""
    family = _FAMILIES.get(status, Refused if 400 <= status < 500 else ExtensaError)
    found = _envelope(body)
    if found is None:
        text = body.decode("utf-8", "replace").strip()[:300]
        message = f"The server answered {status}" + (f": {text}" if text else " without saying why.")
        return family(f"Http{status}", message, target=target, status=status)
    return family(**_parts(found), status=status)


def from_operation(error: Any, *, status: str, target: str) -> OperationFailed:
    """Return the error for an operation that ended as ``status`` (Failed or Canceled) with ARM's ``error`` object."""
    if not isinstance(error, Mapping) or "code" not in error:
        return OperationFailed(
            f"Operation{status}", f"The operation ended as {status} without a reason.", target=target
        )
    parts = _parts(error)
    return OperationFailed(**{**parts, "target": parts["target"] or target})


def _envelope(body: bytes) -> Mapping[str, Any] | None:
    try:
        decoded = json.loads(body)
    except ValueError:
        return None
    error = decoded.get("error") if isinstance(decoded, Mapping) else None
    return error if isinstance(error, Mapping) and "code" in error else None


def _parts(error: Mapping[str, Any]) -> dict[str, Any]:
    details = [d for d in error.get("details") or () if isinstance(d, Mapping)]
    return {
        "code": str(error.get("code") or "Unknown"),
        "message": str(error.get("message") or "No message was given."),
        "target": error.get("target"),
        "next_step": _next_step(error),
        "details": [
            *(
                Problem(str(d.get("code", "")), str(d.get("message", "")), d.get("target"), _next_step(d))
                for d in details
            ),
            *_remedy(error),
        ],
    }


def problem_of(error: Mapping[str, Any]) -> Problem:
    """Return ARM's ``error`` object, wherever it stands, as a problem."""
    parts = _parts(error)
    return Problem(parts["code"], parts["message"], parts["target"], parts["next_step"])


def remedy_of(error: Mapping[str, Any]) -> str:
    """Return what was done after a failure, in one sentence; empty when nothing was."""
    for entry in error.get("additionalInfo") or ():
        if isinstance(entry, Mapping) and entry.get("type") == "ExtensaRemedy":
            info = entry.get("info")
            return str(info.get("message") or "") if isinstance(info, Mapping) else ""
    return ""


def _remedy(error: Mapping[str, Any]) -> list[Problem]:
    message = remedy_of(error)
    return [Problem("Remedy", message)] if message else []


def _next_step(error: Mapping[str, Any]) -> str | None:
    for entry in error.get("additionalInfo") or ():
        if isinstance(entry, Mapping) and entry.get("type") == "ExtensaNextStep":
            info = entry.get("info")
            return str(info["nextStep"]) if isinstance(info, Mapping) and "nextStep" in info else None
    return None
