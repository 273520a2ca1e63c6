"""Every tracked resource of a subscription or a group, whatever its type, in ARM's generic shape.

It asks the `Gateway` page by page and understands ``$filter``; what a resource is beyond ids, tags and state, it
leaves to the resource's own GET.
"""

from collections.abc import Mapping
from typing import Any

from extensa.arm.binding import Listing
from extensa.arm.resource_id import ResourceId, build
from extensa.resources import filters
from extensa.resources.gateway import Body, Gateway, key_of
from extensa.resources.locations import normalised
from extensa.resources.rules import group_not_found
from extensa.resources.subscriptions import subscription_not_found
from extensa.store.port import Store

KNOWN = ("resourceGroup", "resourceType", "name", "location", "tagName", "tagValue")
_SHOWN = ("id", "name", "type", "kind", "location", "tags", "sku", "plan", "identity", "managedBy")
_MOST_PAGES = 20
"""Pages read for one answer at the most; a filter that hides nearly everything goes on at the next link."""


class ResourceList:
    """The list behind ``…/resources``."""

    def __init__(self, gateway: Gateway, store: Store, *, subscription_id: str) -> None:
        self._gateway = gateway
        self._store = store
        self._subscription = subscription_id

    async def list(self, scope: ResourceId, *, filter: str, after: str | None, limit: int) -> Listing:
        """Return one page of what lies below ``scope`` and passes ``filter``, in key order.

        Raises `Refused` for a bad filter, `NotFound` for a scope that is not there.
        """
        demands = filters.parse(filter, known=KNOWN)
        await self._require(scope)
        prefix = _prefix(scope, demands)
        if prefix is None:
            return Listing([])
        found: list[dict[str, Any]] = []
        for _ in range(_MOST_PAGES):
            bodies = await self._gateway.list(prefix, after=after, limit=limit + 1)
            whole = len(bodies) > limit
            for position, body in enumerate(bodies, start=1):
                after = key_of(body)
                if passes(body, demands):
                    found.append(generic(body))
                if len(found) == limit:
                    return Listing(found, after if whole or position < len(bodies) else None)
            if not whole:
                return Listing(found)
        return Listing(found, after)

    async def _require(self, scope: ResourceId) -> None:
        if scope.subscription is None or scope.subscription.casefold() != self._subscription.casefold():
            raise subscription_not_found(scope.subscription)
        if scope.resource_group is not None and await self._store.get(scope.key) is None:
            raise group_not_found(scope.resource_group)


def passes(body: Body, demands: Mapping[str, str]) -> bool:
    """Return whether a resource meets the demands of a filter, the group apart."""
    for demand, present in (("resourceType", body.get("type")), ("name", body.get("name"))):
        if demand in demands and demands[demand].casefold() != str(present).casefold():
            return False
    if "location" in demands and normalised(demands["location"]) != normalised(str(body.get("location", ""))):
        return False
    return filters.matches_tag(demands, body.get("tags"))


def generic(body: Body) -> dict[str, Any]:
    """Return a resource in the generic shape; times and state are there without ``$expand``, and harm nobody."""
    shown = {name: body[name] for name in _SHOWN if body.get(name) is not None}
    data = body.get("systemData") or {}
    times = {"createdTime": data.get("createdAt"), "changedTime": data.get("lastModifiedAt")}
    state = {"provisioningState": (body.get("properties") or {}).get("provisioningState")}
    return shown | {name: value for name, value in (times | state).items() if value is not None}


def _prefix(scope: ResourceId, demands: Mapping[str, str]) -> str | None:
    """Return where to look; None when scope and filter name two different groups."""
    group = demands.get("resourceGroup")
    if group is None:
        return f"{scope.key}/"
    if scope.resource_group is not None and scope.resource_group.casefold() != group.casefold():
        return None
    return f"{build(scope.subscription, group).key}/"
