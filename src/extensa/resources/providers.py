"""The resource providers, as a subscription sees them: namespaces, types, api-versions, and where they are offered.

Derived from the `TypeSpec` of everything the front serves, so that it cannot disagree with the routes. Every provider
is registered, always: there is nothing here that registration would switch on.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from extensa.arm.binding import Level, TypeSpec
from extensa.base.errors import NotFound
from extensa.resources.locations import REGIONS
from extensa.resources.subscriptions import subscription_not_found

_TRACKED = "SupportsTags, SupportsLocation"
_ATTACHED = "SystemAssignedResourceIdentity, SupportsExtension"


class Providers:
    """All providers of one installation."""

    def __init__(self, specs: Iterable[TypeSpec], *, subscription_id: str) -> None:
        self._subscription = subscription_id
        self._by_namespace: dict[str, dict[str, Any]] = {}
        for spec in specs:
            provider = self._by_namespace.setdefault(spec.namespace.casefold(), self._provider(spec.namespace))
            _add(provider["resourceTypes"], spec)

    async def list(self, subscription: str) -> Sequence[dict[str, Any]]:
        """Return every provider, by namespace; raises `NotFound` for another subscription."""
        self._require(subscription)
        return [self._by_namespace[namespace] for namespace in sorted(self._by_namespace)]

    async def get(self, subscription: str, namespace: str) -> dict[str, Any]:
        """Return one provider; raises `NotFound` (``InvalidResourceNamespace``)."""
        self._require(subscription)
        provider = self._by_namespace.get(namespace.casefold())
        if provider is None:
            raise NotFound(
                "InvalidResourceNamespace",
                f"The resource namespace '{namespace}' is invalid.",
                target=namespace,
                next_step="GET /subscriptions/{subscriptionId}/providers lists the namespaces there are.",
            )
        return provider

    async def register(self, subscription: str, namespace: str) -> dict[str, Any]:
        """Return the provider, registered as it always was; raises as `get`."""
        return await self.get(subscription, namespace)

    def _require(self, subscription: str) -> None:
        if subscription.casefold() != self._subscription.casefold():
            raise subscription_not_found(subscription)

    def _provider(self, namespace: str) -> dict[str, Any]:
        return {
            "id": f"/subscriptions/{self._subscription}/providers/{namespace}",
            "namespace": namespace,
            "authorizations": [],
            "resourceTypes": [],
            "registrationState": "Registered",
            "registrationPolicy": "RegistrationRequired",
        }


def _add(resource_types: list[dict[str, Any]], spec: TypeSpec) -> None:
    """Put the type of ``spec`` among ``resource_types``, joining api-versions where it is there already."""
    kind = f"locations/{spec.kind}" if set(spec.levels) == {Level.LOCATION} else spec.kind
    record = next((each for each in resource_types if each["resourceType"] == kind), None)
    if record is None:
        record = {"resourceType": kind, "locations": _locations(spec), "apiVersions": [], "capabilities": "None"}
        resource_types.append(record)
    versions = sorted({*record["apiVersions"], *spec.api_versions}, reverse=True)
    record["apiVersions"] = versions
    record["defaultApiVersion"] = next((each for each in versions if len(each) == 10), versions[0])
    if Level.GROUP in spec.levels or Level.GROUPS in spec.levels:
        record["capabilities"] = _TRACKED
    elif Level.CLUSTER in spec.levels:
        record["capabilities"] = _ATTACHED
    resource_types.sort(key=lambda each: str(each["resourceType"]))


def _locations(spec: TypeSpec) -> Sequence[str]:
    nowhere = {Level.ROOT, Level.TENANT}
    return [] if set(spec.levels) <= nowhere else [region.display_name for region in REGIONS]
