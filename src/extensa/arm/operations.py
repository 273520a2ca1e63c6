"""Asynchronous operations: the record a client polls until the work has ended.

The record belongs to the protocol, not to a type: extensions, clusters and resource groups all keep theirs in this
shape, and it outlives the resource (a DELETE is polled after the resource is gone; kept 48 h, ARM RPC §async).
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct

RETENTION = timedelta(hours=48)
"""How long an ended operation stays readable."""


class Style(StrEnum):
    """How a resource provider words its operations; real providers differ (contract §1.6)."""

    EXTENSIONS = "extensions"
    """``{id, name, status}``; while running the status is the resource's provisioning word (``Creating``)."""
    AKS = "aks"
    """``{name, status, startTime[, endTime]}``; while running the status is ``InProgress``."""
    LOCATION = "location"
    """No body: 202 while running, then 204 (or 200); used by resource-group delete."""


class Operation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of accepted work on one resource.

    ``doing`` is the provisioning word while it runs (Creating, Updating, Deleting); ``status`` is that word or one of
    Succeeded, Failed, Canceled. ``error`` is an ARM error object (see `extensa.arm.envelope`).
    """

    id: str
    resource_id: str
    resource_uid: str
    style: Style
    doing: str
    status: str
    started: datetime
    correlation_id: str
    location: str = ""
    generation: int = 0
    ended: datetime | None = None
    error: dict[str, Any] | None = None

    @property
    def terminal(self) -> bool:
        """Whether the outcome is known."""
        return self.ended is not None


def begun(
    *,
    operation_id: str,
    resource_id: str,
    resource_uid: str,
    style: Style,
    doing: str,
    now: datetime,
    correlation_id: str,
    location: str = "",
    generation: int = 0,
) -> Operation:
    """Return the record of work that has just been accepted."""
    return Operation(
        id=operation_id,
        resource_id=resource_id,
        resource_uid=resource_uid,
        style=style,
        doing=doing,
        status=doing,
        started=now,
        correlation_id=correlation_id,
        location=location,
        generation=generation,
    )


def succeeded(operation: Operation, now: datetime) -> Operation:
    """Return the record, ended well; a record that had already ended is returned as it is."""
    return _ended(operation, "Succeeded", now, None)


def failed(operation: Operation, now: datetime, error: dict[str, Any]) -> Operation:
    """Return the record, ended with ``error``; a record that had already ended is returned as it is."""
    return _ended(operation, "Failed", now, error)


def superseded(operation: Operation, now: datetime) -> Operation:
    """Return the record, ended because a newer write took its place (design §4, code ``OperationSuperseded``)."""
    error = {
        "code": "OperationSuperseded",
        "message": "A newer request for the same resource took the place of this one before it had ended.",
        "target": operation.resource_id,
        "additionalInfo": [],
    }
    return canceled(operation, now, error)


def canceled(operation: Operation, now: datetime, error: dict[str, Any]) -> Operation:
    """Return the record, ended without outcome for the reason in ``error``; one that had ended is returned as it is."""
    return _ended(operation, "Canceled", now, error)


def _ended(operation: Operation, status: str, now: datetime, error: dict[str, Any] | None) -> Operation:
    if operation.terminal:
        return operation
    return Operation(
        id=operation.id,
        resource_id=operation.resource_id,
        resource_uid=operation.resource_uid,
        style=operation.style,
        doing=operation.doing,
        status=status,
        started=operation.started,
        correlation_id=operation.correlation_id,
        location=operation.location,
        generation=operation.generation,
        ended=now,
        error=error,
    )


def status_body(operation: Operation, path: str) -> dict[str, Any]:
    """Return the JSON a poll is answered with; ``path`` is the operation's own URL path without query."""
    body: dict[str, Any] = {"id": path, "name": operation.id, "status": operation.status}
    if operation.style is not Style.EXTENSIONS:
        body["status"] = operation.status if operation.terminal else "InProgress"
        body["startTime"] = _z(operation.started)
        if operation.ended is not None:
            body["endTime"] = _z(operation.ended)
    if operation.error is not None:
        body["error"] = operation.error
    return body


def _z(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
