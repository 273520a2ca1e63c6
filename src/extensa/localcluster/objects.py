"""What the host puts into a cluster: simulated nodes, AKS's storage classes, and the roles of our identities.

Pure: facts in, Kubernetes objects out. Names and labels are AKS's, so that charts which select on them find them.
"""

import hashlib
from typing import Any

from extensa.link.cluster import NodePool
from extensa.localcluster.keys import AGENTS, USERS
from extensa.localcluster.model import ClusterSpec, Profile
from extensa.localcluster.stages import PROVISIONER, STORAGE_CLASSES

Object = dict[str, Any]

POOL_LABEL = "kubernetes.azure.com/agentpool"
_ZONES = 3


def node_names(spec: ClusterSpec) -> list[str]:
    """Return the names of the nodes that ``spec`` asks for, pool by pool; the light profile has none."""
    return [_node_name(spec, pool, index) for pool, index in _places(spec)]


def nodes(spec: ClusterSpec, kubelet_version: str) -> list[Object]:
    """Return the simulated nodes that ``spec`` asks for, spread over three zones; the light profile has none."""
    return [_node(spec, pool, index, place, kubelet_version) for place, (pool, index) in enumerate(_places(spec))]


def _places(spec: ClusterSpec) -> list[tuple[NodePool, int]]:
    if spec.profile is Profile.LIGHT:
        return []
    return [(pool, index) for pool in spec.pools for index in range(pool.count)]


def _node_name(spec: ClusterSpec, pool: NodePool, index: int) -> str:
    number = int.from_bytes(hashlib.sha256(spec.uid.encode()).digest()[:4], "big") % 10**8
    if pool.os_type.lower() == "windows":
        return f"aks{pool.name}{index:06x}"
    return f"aks-{pool.name}-{number:08d}-vmss{index:06x}"


def _node(spec: ClusterSpec, pool: NodePool, index: int, place: int, kubelet_version: str) -> Object:
    name = _node_name(spec, pool, index)
    system = pool.os_type.lower()
    zone = f"{spec.location}-{place % _ZONES + 1}"
    labels = {
        "agentpool": pool.name,
        POOL_LABEL: pool.name,
        "kubernetes.azure.com/cluster": f"MC_{spec.group}_{spec.name}_{spec.location}"[:63].rstrip("-_."),
        "kubernetes.azure.com/mode": pool.mode.lower(),
        "kubernetes.azure.com/role": "agent",
        "beta.kubernetes.io/arch": "amd64",
        "beta.kubernetes.io/os": system,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": system,
        "kubernetes.io/role": "agent",
        "node.kubernetes.io/instance-type": pool.vm_size,
        "topology.kubernetes.io/region": spec.location,
        "topology.kubernetes.io/zone": zone,
        "extensa.dev/simulated": "true",
        **pool.labels,
    }
    address = f"10.224.{(place + 4) // 256}.{(place + 4) % 256}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"providerID": f"extensa://{spec.uid}/{name}"},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": name},
            ],
            "nodeInfo": _node_info(system, kubelet_version),
        },
    }


def _node_info(system: str, kubelet_version: str) -> Object:
    return {
        "architecture": "amd64",
        "bootID": "",
        "containerRuntimeVersion": "simulated",
        "kernelVersion": "simulated",
        "kubeProxyVersion": "",
        "kubeletVersion": f"v{kubelet_version}",
        "machineID": "",
        "operatingSystem": system,
        "osImage": "simulated",
        "systemUUID": "",
    }


def storage_classes() -> list[Object]:
    """Return AKS's storage classes, all served by KWOK; ``default`` is the default one."""
    return [
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {
                "name": name,
                "annotations": {"storageclass.kubernetes.io/is-default-class": str(name == "default").lower()},
            },
            "provisioner": PROVISIONER,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        }
        for name in STORAGE_CLASSES
    ]


def role_bindings() -> list[Object]:
    """Return what our identities may do: agents and users administer, anyone may read the token issuer's documents."""
    return [
        _binding("extensa:agents", "cluster-admin", AGENTS),
        _binding("extensa:users", "cluster-admin", USERS),
        _binding("extensa:issuer-discovery", "system:service-account-issuer-discovery", "system:unauthenticated"),
    ]


def _binding(name: str, role: str, group: str) -> Object:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}],
    }
