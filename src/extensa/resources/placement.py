"""What ARM itself says of a request's place, whatever type is asked for: is there such a subscription, such a group?

Once for every type, so that a missing group reads the same from all of them (``ResourceGroupNotFound``), where each
provider would only miss its own resource. The group is looked for when a provider has found nothing: what is there
pays nothing for it. It judges subscription and group and nothing below them.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from extensa.arm.binding import Answer, Binding, Listing, Request
from extensa.arm.resource_id import ResourceId, build
from extensa.base.errors import NotFound
from extensa.resources.rules import group_not_found
from extensa.resources.subscriptions import subscription_not_found
from extensa.store.port import Store

T = TypeVar("T")


class Placed:
    """A binding that is asked only for what lies in our subscription, and whose misses are told as their place's."""

    def __init__(self, binding: Binding, store: Store, *, subscription_id: str) -> None:
        self.spec = binding.spec
        self._binding = binding
        self._store = store
        self._subscription = subscription_id.casefold()

    async def get(self, request: Request) -> Answer:
        """See `Binding.get`."""
        return await self._found(request, lambda: self._binding.get(request))

    async def put(self, request: Request) -> Answer:
        """See `Binding.put`."""
        return await self._found(request, lambda: self._binding.put(request))

    async def patch(self, request: Request) -> Answer:
        """See `Binding.patch`."""
        return await self._found(request, lambda: self._binding.patch(request))

    async def delete(self, request: Request) -> Answer:
        """See `Binding.delete`; nothing to delete in a group that is not there is that group's absence."""
        answer = await self._found(request, lambda: self._binding.delete(request))
        if answer.status == 204:
            await self._require_group(request.id)
        return answer

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """See `Binding.list`."""
        return await self._found(request, lambda: self._binding.list(request, after=after, limit=limit))

    async def act(self, request: Request, action: str) -> Answer:
        """See `Binding.act`."""
        return await self._found(request, lambda: self._binding.act(request, action))

    async def _found(self, request: Request, work: Callable[[], Awaitable[T]]) -> T:
        """Return what ``work`` gives; raises `NotFound` of the subscription or the group where that is what misses."""
        named = request.id.subscription
        if named is not None and named.casefold() != self._subscription:
            raise subscription_not_found(named)
        try:
            return await work()
        except NotFound:
            await self._require_group(request.id)
            raise

    async def _require_group(self, place: ResourceId) -> None:
        if place.resource_group is None:
            return
        if await self._store.get(build(place.subscription, place.resource_group).key) is None:
            raise group_not_found(place.resource_group)
