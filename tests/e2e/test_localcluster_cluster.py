"""A real cluster: what is in it, and that real workloads find what they would on AKS."""

import pytest

from e2e.real_cluster import RealCluster

pytestmark = pytest.mark.cluster


def test_nodes_are_ready_and_spread_over_zones(real_cluster: RealCluster) -> None:
    nodes = real_cluster.get("nodes")["items"]
    assert 2 == len(nodes)
    zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in nodes}
    assert {"westeurope-1", "westeurope-2"} == zones
