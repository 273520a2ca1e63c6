"""Agent pools: what may be asked for, what is filled in, what the host is told."""

from typing import Any

import pytest

from extensa.base.errors import Problems
from extensa.clusters import pools
from extensa.link.cluster import NodePool

POOL: dict[str, Any] = {
    "name": "nodepool1",
    "count": 3,
    "vmSize": "simulated",
    "osType": "Linux",
    "mode": "System",
    "type": "VirtualMachineScaleSets",
}


def decide(asked: object, present: list[dict[str, Any]] | None = None) -> tuple[list[dict[str, Any]], list[str]]:
    problems = Problems()
    decided = pools.decide(asked, present or [], problems)
    return decided, [f"{problem.code} {problem.target}" for problem in problems.found]


def test_a_new_cluster_without_pools_gets_one() -> None:
    assert ([POOL | {"count": 1}], []) == decide(None)


def test_an_existing_cluster_keeps_its_pools() -> None:
    assert ([POOL], []) == decide(None, [POOL])


def test_what_is_empty_or_left_out_is_the_servers_choice() -> None:
    decided, problems = decide([{"name": "one", "vmSize": "", "count": None}, {"name": "two"}])

    assert [] == problems
    assert [("System", 1, "simulated"), ("User", 1, "simulated")] == [
        (pool["mode"], pool["count"], pool["vmSize"]) for pool in decided
    ]


def test_what_is_left_out_later_stays_as_it_was() -> None:
    before = POOL | {"count": 5, "vmSize": "Standard_D2"}

    assert ([before | {"maxPods": 30}], []) == decide([{"name": "nodepool1", "vmSize": "", "maxPods": 30}], [before])


def test_an_autoscaled_pool_starts_at_its_minimum() -> None:
    decided, problems = decide([{"name": "one", "enableAutoScaling": True, "minCount": 4, "maxCount": 9}])

    assert ([4], []) == ([pool["count"] for pool in decided], problems)


@pytest.mark.parametrize(
    ("changed", "at"),
    [
        ({"name": "Nodes"}, ".name"),
        ({"name": "1nodes"}, ".name"),
        ({"name": "thirteenchars"}, ".name"),
        ({"name": None}, ".name"),
        ({"name": "windows1", "osType": "Windows"}, ".name"),
        ({"count": -1}, ".count"),
        ({"count": 1001}, ".count"),
        ({"count": "3"}, ".count"),
        ({"count": True}, ".count"),
        ({"osType": "Plan9"}, ".osType"),
        ({"mode": "Tenant"}, ".mode"),
        ({"vmSize": 4}, ""),
        ({"nodeLabels": ["a"]}, ""),
    ],
)
def test_every_fault_has_its_place(changed: dict[str, Any], at: str) -> None:
    _, problems = decide([POOL, POOL | {"name": "second"} | changed])

    assert [f"InvalidParameter properties.agentPoolProfiles[1]{at}"] == problems


@pytest.mark.parametrize("asked", ["x", {"name": "a"}, [], ["nodepool1"], [POOL] * 101])
def test_pools_are_a_list_of_one_to_a_hundred_objects(asked: object) -> None:
    assert ["InvalidParameter properties.agentPoolProfiles"] == decide(asked)[1]


def test_names_are_unique_and_one_pool_carries_the_system() -> None:
    assert ["InvalidParameter properties.agentPoolProfiles"] == decide([POOL, POOL])[1]
    assert ["InvalidParameter properties.agentPoolProfiles"] == decide([POOL | {"mode": "User"}])[1]
    assert ["InvalidParameter properties.agentPoolProfiles"] == decide([POOL | {"count": 0}])[1]


def test_all_faults_are_told_at_once() -> None:
    assert 3 == len(decide([POOL | {"count": -1, "osType": "x"}, POOL | {"name": "B"}])[1])


def test_size_and_system_of_a_pool_are_chosen_once() -> None:
    _, problems = decide(
        [POOL | {"vmSize": "Standard_D2", "osType": "Windows", "name": "pool"}], [POOL | {"name": "pool"}]
    )

    assert [
        "PropertyChangeNotAllowed properties.agentPoolProfiles[0].vmSize",
        "PropertyChangeNotAllowed properties.agentPoolProfiles[0].osType",
    ] == problems


def test_the_host_is_told_the_numbers() -> None:
    decided, _ = decide([POOL | {"nodeLabels": {"a": 1}}, {"name": "win", "osType": "Windows", "nodeLabels": None}])

    assert [
        NodePool(name="nodepool1", count=3, labels={"a": "1"}),
        NodePool(name="win", count=1, os_type="Windows", mode="User"),
    ] == pools.node_pools(decided)
