"""The one subscription of an installation, its tenant and its regions.

Its ids are made by identity at first start and handed in; nothing here is kept in the store or can be changed.
"""

from collections.abc import Sequence
from typing import Any

from extensa.arm.binding import Answer, Level, Listing, Request, TypeSpec
from extensa.base.errors import ExtensaError, NotFound
from extensa.resources.locations import REGIONS

SPEC = TypeSpec(
    type="Microsoft.Resources/subscriptions",
    levels=(Level.ROOT,),
    api_versions=("2016-06-01", "2019-11-01", "2020-01-01", "2021-01-01", "2022-12-01"),
    verbs=frozenset({"get", "list"}),
    summary="a subscription",
)


class Subscriptions:
    """The binding of ``/subscriptions[/S]``, and the lists of tenants and locations beside it."""

    spec = SPEC

    def __init__(self, *, subscription_id: str, tenant_id: str, display_name: str) -> None:
        self._id = subscription_id
        self._tenant_id = tenant_id
        self._display_name = display_name

    async def get(self, request: Request) -> Answer:
        """Return the subscription; raises `NotFound` (``SubscriptionNotFound``) for any other."""
        self.require(request.id.subscription)
        return Answer(200, self._body())

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return the one subscription."""
        return Listing([self._body()] if after is None and limit and not request.id.segments else [])

    def require(self, subscription: str | None) -> None:
        """Return quietly for our subscription (in any case); raises `NotFound` (``SubscriptionNotFound``) else."""
        if subscription is None or subscription.casefold() != self._id.casefold():
            raise subscription_not_found(subscription)

    def tenants(self) -> Sequence[dict[str, Any]]:
        """Return what ``GET /tenants`` lists."""
        tenant = {
            "id": f"/tenants/{self._tenant_id}",
            "tenantId": self._tenant_id,
            "displayName": self._display_name,
            "tenantCategory": "Home",
            "tenantType": "AAD",
            "domains": [],
        }
        return [tenant]

    def locations(self) -> Sequence[dict[str, Any]]:
        """Return what ``GET /subscriptions/S/locations`` lists."""
        return [region.rendered(self._id) for region in REGIONS]

    async def put(self, request: Request) -> Answer:
        """Refuse: subscriptions are not made by their users."""
        raise _refused(request)

    async def patch(self, request: Request) -> Answer:
        """Refuse, as `put`."""
        raise _refused(request)

    async def delete(self, request: Request) -> Answer:
        """Refuse, as `put`."""
        raise _refused(request)

    async def act(self, request: Request, action: str) -> Answer:
        """Refuse: there are no actions."""
        raise _refused(request, action)

    def _body(self) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{self._id}",
            "authorizationSource": "RoleBased",
            "managedByTenants": [],
            "subscriptionId": self._id,
            "tenantId": self._tenant_id,
            "displayName": self._display_name,
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Public_2014-09-01",
                "quotaId": "PayAsYouGo_2014-09-01",
                "spendingLimit": "Off",
            },
        }


def subscription_not_found(subscription: str | None) -> NotFound:
    """Return Azure's error for a subscription that is not here."""
    return NotFound(
        "SubscriptionNotFound",
        f"The subscription '{subscription or ''}' could not be found.",
        target=subscription,
        next_step="GET /subscriptions shows the one there is; `az account set` chooses it.",
    )


def _refused(request: Request, action: str = "") -> ExtensaError:
    return ExtensaError(
        "MethodNotAllowed",
        f"A subscription does not take this{action and f' action ({action})'}.",
        target=request.id.path,
        status=405,
    )
