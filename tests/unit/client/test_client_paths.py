"""Where things lie."""

import pytest

from extensa.arm.resource_id import parse
from extensa.base.errors import Refused
from extensa.client import paths


def test_an_extension_lies_below_its_cluster() -> None:
    cluster = paths.cluster("s", "g", "c")
    found = parse(paths.extension(cluster, "x"))

    assert ("Microsoft.KubernetesConfiguration/extensions", "x") == (found.type, found.name)
    assert "Microsoft.ContainerService/managedClusters" == found.scope.type
    assert "/subscriptions/s/resourceGroups/g" == found.group_path


def test_clusters_are_listed_in_a_group_or_everywhere() -> None:
    assert "/subscriptions/s/providers/Microsoft.ContainerService/managedClusters" == paths.clusters("s", None)
    assert "/subscriptions/s/resourceGroups/g/providers/Microsoft.Kubernetes/connectedClusters" == paths.clusters(
        "s", "g", "connectedclusters"
    )


@pytest.mark.parametrize("word", ["", "managedclusters", "MANAGEDCLUSTERS"])
def test_the_cluster_type_is_managed_unless_said_otherwise(word: str) -> None:
    assert "managedClusters" == paths.canonical_cluster_type(word)
    assert paths.CLUSTERS_API == paths.cluster_api(word)


def test_an_unknown_cluster_type_is_refused_with_those_known() -> None:
    with pytest.raises(Refused) as told:
        paths.cluster("s", "g", "c", "fleets")
    assert "managedClusters, connectedClusters" in told.value.message


def test_types_have_three_places() -> None:
    base = "/subscriptions/s/providers/Microsoft.KubernetesConfiguration"
    assert f"{base}/locations/l/extensionTypes" == paths.types_at("s", "l")
    assert f"{base}/extensionTypes/t" == paths.type_registration("s", "t")
    assert paths.types_on("/c").startswith("/c/providers/")
    assert paths.CONNECTED_API == paths.cluster_api("connectedClusters")


def test_a_name_stays_one_word_of_the_path() -> None:
    assert paths.group("s", "a/../b").endswith("/a%2F..%2Fb")
    assert paths.group("s", "a?b#c").endswith("/a%3Fb%23c")
    for name in ("", ".", ".."):
        with pytest.raises(Refused):
            paths.group("s", name)
