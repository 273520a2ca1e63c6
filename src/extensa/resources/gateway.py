"""The rooms' resources as this room sees them: a list of ARM bodies, and a way to delete one.

`Gateway` is the protocol; `BindingsGateway` is what ``entry/server.py`` wires, over the same bindings that the front
serves, so a resource deleted with its group goes the way of any DELETE. It knows no type by name.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from extensa.arm import resource_id
from extensa.arm.binding import Binding, Caller, Level, Request
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import NotFound

Body = Mapping[str, Any]
"""A resource as GET answers with it."""


class Gateway(Protocol):
    """All tracked resources, whatever their type. What is attached to a resource goes with it and is not seen here."""

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Body]:
        """Return up to ``limit`` resources in key order whose key starts with ``prefix`` and sorts after ``after``.

        ``prefix`` is the key of a subscription or group and a slash.
        """
        ...

    async def delete(self, id: ResourceId, correlation_id: str) -> None:
        """Begin to delete a resource; deleting what is absent or being deleted is no error.

        Raises what the resource's own room has against it.
        """
        ...


class BindingsGateway:
    """The gateway over the front's own bindings: those whose resources lie in resource groups."""

    def __init__(self, bindings: Sequence[Binding], *, caller: Caller) -> None:
        inside = [binding for binding in bindings if Level.GROUP in binding.spec.levels]
        self._bindings = {binding.spec.type.casefold(): binding for binding in inside}
        self._caller = caller

    async def list(self, prefix: str, *, after: str | None = None, limit: int = 1000) -> Sequence[Body]:
        """Return resources in key order, merged from every binding that lists (see `Gateway`)."""
        scope = resource_id.parse(prefix)
        found: list[Body] = []
        for binding in self._bindings.values():
            spec = binding.spec
            if "list" in spec.verbs and (scope.resource_group is not None or spec.listed_in_subscription):
                found += await self._listed(binding, scope, after, limit)
        return sorted(found, key=key_of)[:limit]

    async def _listed(self, binding: Binding, scope: ResourceId, after: str | None, limit: int) -> Sequence[Body]:
        found: list[Body] = []
        while len(found) < limit:
            page = await binding.list(self._request(binding, scope, ""), after=after, limit=limit - len(found))
            found += page.value
            after = page.next_after
            if after is None:
                break
        return found

    async def delete(self, id: ResourceId, correlation_id: str) -> None:
        """Begin to delete a resource through its binding; `NotFound` for a type that nobody serves."""
        binding = self._bindings.get(id.type.casefold())
        if binding is None or "delete" not in binding.spec.verbs:
            raise NotFound("InvalidResourceType", f"Nobody here can delete a '{id.type}'.", target=id.path)
        try:
            await binding.delete(self._request(binding, id, correlation_id))
        except NotFound:
            return

    def _request(self, binding: Binding, id: ResourceId, correlation_id: str) -> Request:
        newest = binding.spec.api_versions[-1]
        return Request(
            caller=self._caller, id=id, api_version=newest, asked_version=newest, correlation_id=correlation_id
        )


def key_of(body: Body) -> str:
    """Return the key of a resource of which only the body is at hand."""
    return str(body["id"]).casefold()


def is_deleting(body: Body) -> bool:
    """Return whether a resource says that it is on its way out."""
    properties = body.get("properties") or {}
    return str(properties.get("provisioningState", "")).casefold() == "deleting"
