"""All resources of a subscription or a group, whatever their type: ``…/resources`` with ARM's ``$filter``.

The filter's words are for the resources room to understand; this file pages, as every list does.
"""

from extensa.arm import api_versions, paging
from extensa.edge.actions import action
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.port import Authority, Everything
from extensa.edge.render import json_reply

_READ = action("Microsoft.Resources/subscriptions/resources", "read")


class ResourceListHandler:
    """``/subscriptions/S[/resourceGroups/G]/resources``."""

    def __init__(self, everything: Everything, *, authority: Authority, base_url: str) -> None:
        self._everything = everything
        self._authority = authority
        self._base_url = base_url

    async def list(self, exchange: Exchange) -> Reply:
        """Answer with one page of resources."""
        query, scope = exchange.query, exchange.target
        self._authority.authorize(exchange.signed_in(), _READ, scope.key)
        api_versions.require(query.get("api-version"))
        after, limit = paging.after_token(query.get("$skiptoken")), paging.page_size(query.get("$top"))
        page = await self._everything.list(scope, filter=query.get("$filter", ""), after=after, limit=limit)
        link = paging.next_link(self._base_url, exchange.matched().path, query=dict(query), after=page.next_after)
        return json_reply(200, {"value": page.value, "nextLink": link})
