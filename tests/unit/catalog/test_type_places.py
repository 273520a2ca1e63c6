"""From where the catalog is looked at, and which types and versions pass a filter."""

import pytest

from extensa.arm.binding import Level
from extensa.arm.resource_id import build, parse
from extensa.base.errors import NotFound, Refused
from extensa.catalog import filters
from extensa.catalog.model import PlanInfo, row_key
from extensa.catalog.places import of
from unit.catalog.catalog_samples import extension_type, version

KC = "/providers/Microsoft.KubernetesConfiguration"
CLUSTER = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"


@pytest.mark.parametrize(
    ("path", "level", "collection", "extension_type", "version"),
    [
        ("/subscriptions/s", Level.SUBSCRIPTION, f"/subscriptions/s{KC}/extensionTypes", None, None),
        (
            f"/subscriptions/s{KC}/extensionTypes/a.b",
            Level.SUBSCRIPTION,
            f"/subscriptions/s{KC}/extensionTypes",
            "a.b",
            None,
        ),
        (
            f"/subscriptions/s{KC}/extensionTypes/a.b/versions/1.0.0",
            Level.SUBSCRIPTION,
            f"/subscriptions/s{KC}/extensionTypes",
            "a.b",
            "1.0.0",
        ),
        (
            f"/subscriptions/s{KC}/locations/westeurope",
            Level.LOCATION,
            f"/subscriptions/s{KC}/locations/westeurope/extensionTypes",
            None,
            None,
        ),
        (
            f"/subscriptions/s{KC}/Locations/westeurope/extensiontypes/a/VERSIONS/1.0.0",
            Level.LOCATION,
            f"/subscriptions/s{KC}/locations/westeurope/extensionTypes",
            "a",
            "1.0.0",
        ),
        (CLUSTER, Level.CLUSTER, f"{CLUSTER}{KC}/extensionTypes", None, None),
        (f"{CLUSTER}{KC}/extensionTypes/a", Level.CLUSTER, f"{CLUSTER}{KC}/extensionTypes", "a", None),
    ],
)
def test_places(path: str, level: Level, collection: str, extension_type: str | None, version: str | None) -> None:
    place = of(parse(path))

    assert (level, collection, extension_type, version) == (
        place.level,
        place.path,
        place.extension_type,
        place.version,
    )
    assert f"{collection}/x.y" == place.type_path("x.y")
    assert ("managedClusters" if level is Level.CLUSTER else None) == place.cluster_type


def test_a_cluster_is_known_by_its_key() -> None:
    assert CLUSTER.casefold() == of(parse(f"{CLUSTER}{KC}/extensionTypes/a")).scope.key


@pytest.mark.parametrize("path", [f"/subscriptions/s{KC}/fluxConfigurations/a", f"/subscriptions/s{KC}/x/a/versions/1"])
def test_what_is_no_extension_type(path: str) -> None:
    with pytest.raises(NotFound):
        of(parse(path))


def test_the_empty_id_is_the_whole_catalog() -> None:
    assert Level.SUBSCRIPTION is of(build(None, None)).level


def test_types_are_kept_without_case_and_outside_every_subscription() -> None:
    assert "/providers/microsoft.kubernetesconfiguration/extensiontypes/contoso.app" == row_key("Contoso.App")


TYPES = [
    extension_type(version("1.0.0"), name="hello", publisher="Extensa", supported_cluster_types=["managedClusters"]),
    extension_type(
        version("1.0.0", "preview"), name="arc", publisher="A", supported_cluster_types=["connectedClusters"]
    ),
    extension_type(name="market", plan=PlanInfo(publisher_id="con", offer_id="offer", plan_id="free")),
]


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        (["hello", "arc", "market"], {}),
        (["hello", "arc", "market"], {"publisherid": "", "unknown": "x"}),
        (["hello"], {"publisherid": "extensa"}),
        (["market"], {"publisherid": "CON"}),
        (["market"], {"offerid": "offer", "planid": "Free"}),
        ([], {"offerid": "offer", "planid": "gold"}),
        (["hello"], {"releasetrain": "Stable"}),
        (["arc"], {"releasetrain": "preview"}),
        (["arc", "market"], {"clustertype": "connectedCluster"}),
        (["hello", "market"], {"clustertype": "MANAGEDCLUSTERS"}),
    ],
    ids=str,
)
def test_type_filters(expected: list[str], query: dict[str, str]) -> None:
    assert expected == [each.name for each in filters.types(TYPES, query)]


VERSIONS = extension_type(
    version("1.0.0"), version("1.1.0", "stable", "preview"), version("2.0.0-rc.1", "preview"), version("2.0.0")
)


@pytest.mark.parametrize(
    ("expected", "query"),
    [
        (["2.0.0", "1.1.0", "1.0.0"], {}),
        (["2.0.0", "1.1.0", "1.0.0"], {"showlatest": "false", "releasetrain": "STABLE"}),
        (["2.0.0-rc.1", "1.1.0"], {"releasetrain": "preview"}),
        ([], {"releasetrain": "dev"}),
        (["2.0.0"], {"showlatest": "True"}),
        (["1.1.0"], {"showlatest": "true", "majorversion": "1"}),
        (["1.1.0", "1.0.0"], {"majorversion": "1"}),
        ([], {"majorversion": "3"}),
        ([], {"clustertype": "appliances"}),
        (["2.0.0", "1.1.0", "1.0.0"], {"clustertype": "connectedCluster"}),
    ],
    ids=str,
)
def test_version_filters(expected: list[str], query: dict[str, str]) -> None:
    assert expected == [each.version for each in filters.versions(VERSIONS, query, every_train=False)]


def test_publishers_see_every_train() -> None:
    found = filters.versions(VERSIONS, {}, every_train=True)

    assert ["2.0.0", "2.0.0-rc.1", "1.1.0", "1.0.0"] == [each.version for each in found]


@pytest.mark.parametrize(
    ("query", "target"),
    [
        ({"showlatest": "perhaps"}, "showLatest"),
        ({"majorversion": "one"}, "majorVersion"),
        ({"majorversion": "²"}, "majorVersion"),
        ({"majorversion": "9" * 5000}, "majorVersion"),
    ],
    ids=["showLatest", "word", "superscript", "endless"],
)
def test_a_filter_that_cannot_be_read(query: dict[str, str], target: str) -> None:
    with pytest.raises(Refused) as refused:
        filters.versions(VERSIONS, query, every_train=False)

    assert ("InvalidFilter", target) == (refused.value.code, refused.value.target)
