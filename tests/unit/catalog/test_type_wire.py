"""Golden: types and versions on the wire, byte for byte as recorded, in each shape that api-versions have had."""

import json
from typing import Any

import pytest

from extensa.arm.resource_id import parse
from extensa.catalog import wire
from extensa.catalog.model import PlanInfo, Scope, TypeVersion, Unsupported
from extensa.catalog.places import Place, of
from unit.catalog.catalog_samples import extension_type, version

KC = "/providers/Microsoft.KubernetesConfiguration"
LOCATION = f"/subscriptions/00000000-0000-0000-0000-000000000000{KC}/locations/eastus2euap"
CLUSTER = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Kubernetes/connectedClusters/C"

FLUX = extension_type(
    version("1.4.0"),
    version("1.5.0", "preview", "stable"),
    name="microsoft.flux",
    description="Flux",
    publisher="Microsoft",
    default_release_namespace="flux-system",
    supported_cluster_types=["connectedClusters", "managedClusters", "provisionedClusters"],
)
REDIS = extension_type(
    name="bitnami.redismain",
    publisher="bitnami",
    default_scope=Scope.NAMESPACE,
    is_managed_identity_required=True,
    supported_cluster_types=["managedClusters"],
    plan=PlanInfo(publisher_id="bitnami", offer_id="redis", plan_id="main"),
)


def at(path: str) -> Place:
    return of(parse(path))


def text(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def test_the_recorded_type() -> None:
    expected = (
        '{"id":"' + LOCATION + '/extensionTypes/microsoft.flux","name":"microsoft.flux",'
        '"type":"Microsoft.KubernetesConfiguration/extensionTypes","properties":{"extensionType":"microsoft.flux",'
        '"description":"Flux","isSystemExtension":false,"publisher":"Microsoft","isManagedIdentityRequired":false,'
        '"supportedClusterTypes":["connectedClusters","managedClusters","provisionedClusters"],"supportedScopes":'
        '{"defaultScope":"cluster","clusterScopeSettings":{"allowMultipleInstances":false,'
        '"defaultReleaseNamespace":"flux-system"}},"planInfo":{"offerId":null,"planId":null,"publisherId":"Microsoft"}}}'
    )

    assert expected == text(wire.type_body(FLUX, at(LOCATION), api_version="2023-05-01-preview"))


def test_the_recorded_type_of_namespace_scope() -> None:
    properties = wire.type_body(REDIS, at(CLUSTER), api_version="2023-05-01-preview")["properties"]

    assert {"defaultScope": "namespace", "clusterScopeSettings": None} == properties["supportedScopes"]
    assert {"offerId": "redis", "planId": "main", "publisherId": "bitnami"} == properties["planInfo"]
    assert properties["isManagedIdentityRequired"]


def test_a_type_of_namespace_scope_may_have_cluster_settings_too() -> None:
    both = extension_type(
        default_scope=Scope.NAMESPACE, default_release_namespace="contoso", allow_multiple_instances=True
    )
    scopes = wire.type_body(both, at(CLUSTER), api_version="2023-05-01-preview")["properties"]["supportedScopes"]

    expected = {"allowMultipleInstances": True, "defaultReleaseNamespace": "contoso"}
    assert {"defaultScope": "namespace", "clusterScopeSettings": expected} == scopes


def test_the_recorded_version() -> None:
    expected = (
        '{"id":"' + LOCATION + '/extensionTypes/microsoft.flux/versions/1.5.0","name":"1.5.0",'
        '"type":"Microsoft.KubernetesConfiguration/extensionTypes/versions","properties":{"version":"1.5.0",'
        '"unsupportedKubernetesVersions":{"connectedCluster":null,"provisionedCluster":null,"managedCluster":null,'
        '"appliances":null},"releaseTrains":["preview","stable"]}}'
    )
    found = wire.version_body(FLUX, FLUX.versions[0], at(LOCATION), api_version="2023-05-01-preview")

    assert expected == text(found)


def test_kubernetes_versions_that_are_not_supported() -> None:
    matrix = {"managedCluster": [Unsupported(distributions=["aks"], versions=["1.18..1.21", ">1.33"])]}
    held = version("1.5.0")
    picky = TypeVersion(
        version="1.5.0", trains=["stable"], chart=held.chart, published_at=held.published_at, unsupported=matrix
    )
    properties = wire.version_body(FLUX, picky, at(LOCATION), api_version="2023-05-01-preview")["properties"]

    assert {
        "connectedCluster": None,
        "provisionedCluster": None,
        "managedCluster": [{"distributions": ["aks"], "unsupportedVersions": ["1.18..1.21", ">1.33"]}],
        "appliances": None,
    } == properties["unsupportedKubernetesVersions"]


def test_ids_are_those_of_the_place() -> None:
    found = wire.version_body(FLUX, FLUX.versions[0], at(CLUSTER), api_version="2023-05-01-preview")

    assert f"{CLUSTER}{KC}/extensionTypes/microsoft.flux/versions/1.5.0" == found["id"]


def test_newer_shapes_make_a_resource_of_the_cluster_settings() -> None:
    path = f"/subscriptions/s{KC}/extensionTypes/microsoft.flux"
    properties = wire.type_body(FLUX, at(path), api_version="2024-11-01-preview")["properties"]

    assert {
        "id": f"{path}/clusterScopeSettings/default",
        "name": "default",
        "type": "Microsoft.KubernetesConfiguration/extensionTypes/clusterScopeSettings",
        "properties": {"allowMultipleInstances": False, "defaultReleaseNamespace": "flux-system"},
    } == properties["supportedScopes"]["clusterScopeSettings"]
    assert "supportedRegions" not in properties


@pytest.mark.parametrize("api_version", ["2026-04-01-preview", "2026-04-01", "2026-05-01"])
def test_the_newest_shapes_name_regions(api_version: str) -> None:
    found = wire.type_body(FLUX, at("/subscriptions/s"), api_version=api_version, regions=["westeurope"])["properties"]

    assert (["westeurope"], None) == (found["supportedRegions"], found["additionalDetails"])


def test_newer_versions_name_their_cluster_types() -> None:
    found = wire.version_body(FLUX, FLUX.versions[0], at(LOCATION), api_version="2024-11-01-preview")["properties"]

    assert ["connectedClusters", "managedClusters", "provisionedClusters"] == found["supportedClusterTypes"]


def test_the_oldest_shape_of_a_type() -> None:
    assert {
        "releaseTrains": ["preview", "stable"],
        "clusterTypes": ["connectedClusters", "managedClusters", "provisionedClusters"],
        "supportedScopes": {
            "defaultScope": "cluster",
            "clusterScopeSettings": {"allowMultipleInstances": False, "defaultReleaseNamespace": "flux-system"},
        },
    } == wire.type_body(FLUX, at(LOCATION), api_version="2022-01-15-preview")["properties"]


def test_the_oldest_shape_groups_versions_by_train() -> None:
    assert [
        {"releaseTrain": "preview", "versions": ["1.5.0"]},
        {"releaseTrain": "stable", "versions": ["1.5.0", "1.4.0"]},
    ] == wire.version_list(FLUX, FLUX.versions, at(LOCATION), api_version="2022-01-15-preview")
