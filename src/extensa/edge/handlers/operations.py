"""Polling an operation, in the three ways that resource providers word it.

A poll is held up to five seconds and answered the moment the work ends, so that every client sees the end within a
second whatever it waits between polls. A record is found by its id and outlives its resource; who may read the resource
may read what happened to it.
"""

from extensa.arm import api_versions, resource_id
from extensa.arm.operations import Operation, Style
from extensa.base.errors import NotFound
from extensa.edge.actions import action
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.holds import Holds
from extensa.edge.port import Authority, Operations
from extensa.edge.render import operation_path, operation_reply

HELD = 5.0
"""Seconds a poll is held at the most."""


class OperationHandler:
    """``…/operations/{operationId}`` and ``/subscriptions/S/operationresults/{operationId}``."""

    def __init__(self, operations: Operations, *, authority: Authority, holds: Holds, base_url: str) -> None:
        self._operations = operations
        self._authority = authority
        self._holds = holds
        self._base_url = base_url

    async def under_resource(self, exchange: Exchange) -> Reply:
        """Answer a poll below the resource itself (extensions)."""
        return await self._poll(exchange, Style.EXTENSIONS)

    async def under_location(self, exchange: Exchange) -> Reply:
        """Answer a poll below a region of the provider (AKS)."""
        return await self._poll(exchange, Style.AKS)

    async def result(self, exchange: Exchange) -> Reply:
        """Answer a poll of a ``Location`` header: 202 while it runs, then 204."""
        return await self._poll(exchange, Style.LOCATION)

    async def _poll(self, exchange: Exchange, style: Style) -> Reply:
        api_versions.require(exchange.query.get("api-version"))
        caller = exchange.signed_in()
        operation = await self._operations.get(exchange.names["operationId"], 0)
        path = exchange.matched().path
        if operation is None or operation.style is not style or operation_path(operation).casefold() != path.casefold():
            raise _unknown(exchange)
        resource = resource_id.parse(operation.resource_id)
        self._authority.authorize(caller, action(resource.type, "read"), resource.key)
        if not operation.terminal:
            operation = await self._held(operation)
        url = f"{self._base_url}{path}?api-version={exchange.query['api-version']}"
        return operation_reply(operation, path=path, url=url)

    async def _held(self, operation: Operation) -> Operation:
        ended = await self._holds.hold(lambda wait: self._operations.get(operation.id, wait), HELD)
        return operation if ended is None else ended


def _unknown(exchange: Exchange) -> NotFound:
    return NotFound(
        "OperationNotFound",
        f"There is no operation '{exchange.names['operationId']}' at this path.",
        target=exchange.path,
        next_step="Operations are kept for 48 hours after they end; read the resource for its present state.",
    )
