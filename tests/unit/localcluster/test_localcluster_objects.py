"""Nodes, storage classes and roles as the host wants them."""

from extensa.link.cluster import NodePool
from extensa.localcluster.model import ClusterSpec, Profile
from extensa.localcluster.objects import node_names, nodes, role_bindings, storage_classes

POOLS = (
    NodePool(name="system", count=2, labels={"team": "a"}),
    NodePool(name="win", count=2, os_type="Windows", mode="User", vm_size="Standard_D4s_v5"),
)
SPEC = ClusterSpec(uid="uid-1", name="demo", group="rg", location="westeurope", pools=POOLS)


def labels(spec: ClusterSpec = SPEC) -> list[dict[str, str]]:
    return [each["metadata"]["labels"] for each in nodes(spec, "1.37.1")]


def test_nodes_are_named_as_aks_names_them() -> None:
    linux, _, windows, _ = node_names(SPEC)
    assert linux.startswith("aks-system-")
    assert linux.endswith("-vmss000000")
    assert "akswin000000" == windows
    assert node_names(SPEC) == [each["metadata"]["name"] for each in nodes(SPEC, "1.37.1")]


def test_names_are_the_same_every_time_and_different_in_another_cluster() -> None:
    other = ClusterSpec(uid="uid-2", name="demo", group="rg", location="westeurope", pools=POOLS)
    assert node_names(SPEC) == node_names(SPEC)
    assert node_names(SPEC)[0] != node_names(other)[0]


def test_nodes_are_spread_over_three_zones_of_their_region() -> None:
    found = labels()
    assert ["westeurope-1", "westeurope-2", "westeurope-3", "westeurope-1"] == [
        each["topology.kubernetes.io/zone"] for each in found
    ]
    assert {"westeurope"} == {each["topology.kubernetes.io/region"] for each in found}


def test_labels_say_system_pool_mode_and_size() -> None:
    first, *_, last = labels()
    assert ("linux", "system", "system", "a") == (
        first["kubernetes.io/os"],
        first["kubernetes.azure.com/mode"],
        first["kubernetes.azure.com/agentpool"],
        first["team"],
    )
    assert ("windows", "user", "Standard_D4s_v5") == (
        last["kubernetes.io/os"],
        last["kubernetes.azure.com/mode"],
        last["node.kubernetes.io/instance-type"],
    )


def test_a_label_is_never_longer_than_kubernetes_allows() -> None:
    long = ClusterSpec(uid="u", name="n" * 63, group="g" * 90, location="westeurope", pools=POOLS)
    assert 63 >= max(len(value) for each in labels(long) for value in each.values())


def test_every_node_has_an_address_of_its_own() -> None:
    many = ClusterSpec(uid="u", name="n", group="g", location="l", pools=(NodePool(name="p", count=600),))
    addresses = {each["status"]["addresses"][0]["address"] for each in nodes(many, "1.37.1")}
    assert 600 == len(addresses)
    assert "10.224.2.91" in addresses


def test_nodes_are_marked_for_kwok_and_say_that_they_are_simulated() -> None:
    node = nodes(SPEC, "1.37.1")[0]
    assert {"kwok.x-k8s.io/node": "fake"} == node["metadata"]["annotations"]
    assert "simulated" == node["status"]["nodeInfo"]["osImage"]
    assert "v1.37.1" == node["status"]["nodeInfo"]["kubeletVersion"]


def test_the_light_profile_has_no_nodes() -> None:
    light = ClusterSpec(uid="u", name="n", group="g", location="l", pools=POOLS, profile=Profile.LIGHT)
    assert ([], []) == (node_names(light), nodes(light, "1.37.1"))


def test_exactly_one_storage_class_is_the_default() -> None:
    mark = "storageclass.kubernetes.io/is-default-class"
    marked = {each["metadata"]["name"]: each["metadata"]["annotations"][mark] for each in storage_classes()}
    assert ["default"] == [name for name, value in marked.items() if value == "true"]


def test_only_the_issuer_s_documents_are_for_everyone() -> None:
    bound = {each["subjects"][0]["name"]: each["roleRef"]["name"] for each in role_bindings()}
    assert {
        "extensa:agents": "cluster-admin",
        "extensa:users": "cluster-admin",
        "system:unauthenticated": "system:service-account-issuer-discovery",
    } == bound
