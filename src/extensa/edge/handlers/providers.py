"""What tools read before anything else: tenants, regions, and the resource providers with their types.

``az login`` asks for tenants, ``az resource show`` takes the api-version of a type from its provider. What there is,
and what is registered, is for the resources room.
"""

from extensa.arm import api_versions
from extensa.edge.actions import action
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.port import Authority, Directory, Providers
from extensa.edge.render import json_reply

_READ = action("Microsoft.Resources/subscriptions/providers", "read")
_READ_LOCATIONS = action("Microsoft.Resources/subscriptions/locations", "read")


class ProviderHandler:
    """``/tenants``, ``/subscriptions/S/locations`` and ``/subscriptions/S/providers[/NS[/register]]``."""

    def __init__(self, providers: Providers, *, directory: Directory, authority: Authority) -> None:
        self._providers = providers
        self._directory = directory
        self._authority = authority

    async def tenants(self, exchange: Exchange) -> Reply:
        """Answer with the tenants; whoever is signed in may know them."""
        api_versions.require(exchange.query.get("api-version"))
        return json_reply(200, {"value": self._directory.tenants(), "nextLink": None})

    async def locations(self, exchange: Exchange) -> Reply:
        """Answer with the regions of a subscription."""
        self._directory.require(self._admit(exchange, _READ_LOCATIONS))
        return json_reply(200, {"value": self._directory.locations(), "nextLink": None})

    async def list(self, exchange: Exchange) -> Reply:
        """Answer with every provider."""
        subscription = self._admit(exchange, _READ)
        return json_reply(200, {"value": await self._providers.list(subscription), "nextLink": None})

    async def get(self, exchange: Exchange) -> Reply:
        """Answer with one provider."""
        subscription = self._admit(exchange, _READ)
        return json_reply(200, await self._providers.get(subscription, _namespace(exchange)))

    async def register(self, exchange: Exchange) -> Reply:
        """Register a provider with the subscription, and answer with it."""
        subscription = self._admit(exchange, action(_namespace(exchange), "register/action"))
        return json_reply(200, await self._providers.register(subscription, _namespace(exchange)))

    def _admit(self, exchange: Exchange, action: str) -> str:
        """Return the subscription that is meant, when the caller may do ``action`` in it."""
        self._authority.authorize(exchange.signed_in(), action, exchange.target.key)
        api_versions.require(exchange.query.get("api-version"))
        return exchange.names["subscriptionId"]


def _namespace(exchange: Exchange) -> str:
    return exchange.names["resourceProviderNamespace"]
