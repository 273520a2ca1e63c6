"""Providers, subscription, tenants and regions, as the tools read them."""

from dataclasses import replace

import pytest

from extensa.arm.binding import Level, TypeSpec
from extensa.base.errors import ExtensaError, NotFound
from extensa.resources import groups, subscriptions
from extensa.resources.locations import NAMES, normalised
from extensa.resources.providers import Providers
from extensa.resources.subscriptions import Subscriptions
from unit.resources.widgets import SUBSCRIPTION, request

EXTENSIONS = TypeSpec(
    type="Example.Kubernetes/extensions",
    levels=(Level.CLUSTER,),
    api_versions=("2022-11-01", "2023-05-01", "2025-03-01", "2026-01-01-preview"),
    verbs=frozenset({"get"}),
)
TYPES = TypeSpec(
    type="example.kubernetes/extensionTypes",
    levels=(Level.LOCATION,),
    api_versions=("2023-05-01-preview",),
    verbs=frozenset({"list"}),
)
ALL = [EXTENSIONS, TYPES, replace(EXTENSIONS, api_versions=("2024-11-01",)), groups.SPEC, subscriptions.SPEC]


@pytest.fixture
def providers() -> Providers:
    return Providers(ALL, subscription_id=SUBSCRIPTION)


@pytest.fixture
def ours() -> Subscriptions:
    return Subscriptions(subscription_id=SUBSCRIPTION, tenant_id="t-1", display_name="Extensa")


class TestProviders:
    async def test_every_namespace_once(self, providers: Providers) -> None:
        listed = await providers.list(SUBSCRIPTION.upper())

        assert ["Example.Kubernetes", "Microsoft.Resources"] == [each["namespace"] for each in listed]
        assert {"Registered"} == {each["registrationState"] for each in listed}

    async def test_one_with_its_types(self, providers: Providers) -> None:
        provider = await providers.get(SUBSCRIPTION, "EXAMPLE.kubernetes")
        extensions, types = provider["resourceTypes"]

        assert f"/subscriptions/{SUBSCRIPTION}/providers/Example.Kubernetes" == provider["id"]
        assert ["2026-01-01-preview", "2025-03-01", "2024-11-01", "2023-05-01", "2022-11-01"] == extensions[
            "apiVersions"
        ]
        assert ("extensions", "2025-03-01") == (extensions["resourceType"], extensions["defaultApiVersion"])
        assert "West Europe" in extensions["locations"]
        assert "SupportsExtension" in extensions["capabilities"]
        assert ("locations/extensionTypes", "2023-05-01-preview") == (
            types["resourceType"],
            types["defaultApiVersion"],
        )

    async def test_our_own_namespace_is_among_them(self, providers: Providers) -> None:
        provider = await providers.get(SUBSCRIPTION, "Microsoft.Resources")

        assert [("resourceGroups", True), ("subscriptions", False)] == [
            (each["resourceType"], bool(each["locations"])) for each in provider["resourceTypes"]
        ]

    async def test_registering_shows_the_provider(self, providers: Providers) -> None:
        assert await providers.get(SUBSCRIPTION, "example.kubernetes") == await providers.register(
            SUBSCRIPTION, "Example.Kubernetes"
        )

    async def test_an_unknown_namespace(self, providers: Providers) -> None:
        for call in (providers.get, providers.register):
            with pytest.raises(NotFound, match="The resource namespace 'Nope' is invalid") as caught:
                await call(SUBSCRIPTION, "Nope")
            assert "InvalidResourceNamespace" == caught.value.code

    async def test_another_subscription(self, providers: Providers) -> None:
        with pytest.raises(NotFound) as caught:
            await providers.list("other")
        assert "SubscriptionNotFound" == caught.value.code


class TestSubscriptions:
    async def test_the_one_there_is(self, ours: Subscriptions) -> None:
        body = (await ours.get(request(""))).body
        listed = await ours.list(request("/"), after=None, limit=100)

        assert [body] == listed.value
        assert (f"/subscriptions/{SUBSCRIPTION}", SUBSCRIPTION, "t-1", "Enabled") == (
            body["id"],
            body["subscriptionId"],
            body["tenantId"],
            body["state"],
        )

    async def test_any_other_is_not_found(self) -> None:
        other = Subscriptions(subscription_id="x", tenant_id="t", display_name="d")

        with pytest.raises(NotFound) as caught:
            await other.get(request(""))
        assert "SubscriptionNotFound" == caught.value.code

    async def test_its_users_cannot_change_it(self, ours: Subscriptions) -> None:
        for call in (ours.put, ours.patch, ours.delete):
            with pytest.raises(ExtensaError) as caught:
                await call(request(""))
            assert 405 == caught.value.status
        with pytest.raises(ExtensaError, match=r"\(cancel\)"):
            await ours.act(request(""), "cancel")

    def test_tenants_and_locations(self, ours: Subscriptions) -> None:
        west = next(each for each in ours.locations() if each["name"] == "westeurope")

        assert ["t-1"] == [each["tenantId"] for each in ours.tenants()]
        assert ("West Europe", "(Europe) West Europe") == (west["displayName"], west["regionalDisplayName"])
        assert {"id", "type", "metadata"} <= west.keys()


def test_regions_are_known_by_their_short_names_once() -> None:
    assert len(NAMES) == len(set(NAMES))
    assert list(NAMES) == [normalised(name) for name in NAMES]
    assert "eastus2euap" in NAMES
