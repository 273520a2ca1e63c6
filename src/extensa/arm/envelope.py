"""ARM's error envelope: ``{"error": {code, message, target, details, additionalInfo}}`` (contract §1.7).

Built in one place so that every refusal, whoever decides it, reads the same on the wire. The next step for a person
rides in ``additionalInfo`` (type ``ExtensaNextStep``), where stock clients show or ignore it without breaking.
"""

from collections.abc import Sequence
from typing import Any

from extensa.base.errors import ExtensaError, Problem


def error_object(
    code: str,
    message: str,
    *,
    target: str | None = None,
    next_step: str | None = None,
    details: Sequence[Problem] = (),
    info: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Return the object that stands under ``error``; ``info`` adds further ``additionalInfo`` entries."""
    body: dict[str, Any] = {"code": code, "message": message}
    if target is not None:
        body["target"] = target
    if details:
        body["details"] = [error_object(d.code, d.message, target=d.target, next_step=d.next_step) for d in details]
    additional = list(info)
    if next_step is not None:
        additional.append({"type": "ExtensaNextStep", "info": {"nextStep": next_step}})
    body["additionalInfo"] = additional
    return body


def envelope(error: ExtensaError) -> dict[str, Any]:
    """Return the whole response body for ``error``."""
    return {
        "error": error_object(
            error.code, error.message, target=error.target, next_step=error.next_step, details=error.details
        )
    }
