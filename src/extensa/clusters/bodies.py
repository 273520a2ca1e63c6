"""Request bodies of managed clusters, cleaned: what is the server's to say or nobody's to read is left out. Pure.

Clients send whole objects back (``az aks update`` is a GET and a PUT), so everything `render` lays over a body must be
taken off again here: a cluster that is sent back as it was read is unchanged. Unknown properties stay.
"""

import copy
from typing import Any

from extensa.arm.resource_id import ResourceId

_READ_ONLY = frozenset({"id", "name", "type", "location", "systemData", "etag", "eTag", "resourceGroup"})
_READ_ONLY_PROPERTIES = frozenset(
    {
        "provisioningState",
        "powerState",
        "fqdn",
        "privateFQDN",
        "azurePortalFQDN",
        "currentKubernetesVersion",
        "kubernetesVersion",
        "maxAgentPools",
        "resourceUID",
        "status",
        "servicePrincipalProfile",
    }
)
_READ_ONLY_POOL = frozenset(
    {"provisioningState", "powerState", "currentOrchestratorVersion", "nodeImageVersion", "eTag", "status"}
)
_WRITE_ONLY = (("windowsProfile", "adminPassword"), ("aadProfile", "serverAppSecret"))
MOST_TAGS = 50


def cleaned(body: dict[str, Any], cluster: ResourceId) -> dict[str, Any]:
    """Return a copy of ``body`` with only what a client may say and a server may keep: no read-only fields, no
    secrets. Location, Kubernetes version and service principal are left out too, they are read on their own.
    """
    kept = {key: value for key, value in copy.deepcopy(body).items() if key not in _READ_ONLY and value is not None}
    if kept.get("tags") == {}:
        kept.pop("tags")
    properties = kept["properties"] = {
        key: value
        for key, value in objects(kept, "properties").items()
        if key not in _READ_ONLY_PROPERTIES and value is not None
    }
    for profile, secret in _WRITE_ONLY:
        if isinstance(properties.get(profile), dict):
            properties[profile].pop(secret, None)
    if isinstance(properties.get("oidcIssuerProfile"), dict):
        properties["oidcIssuerProfile"].pop("issuerURL", None)
    if isinstance(properties.get("agentPoolProfiles"), list):
        properties["agentPoolProfiles"] = [_pool(each) for each in properties["agentPoolProfiles"]]
    _clean_identities(kept, properties, cluster)
    return kept


def objects(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object under ``name``, or an empty one when there is none (or something else stands there)."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def kubelet_identity(cluster: ResourceId, node_group: str) -> str:
    """Return the id of the identity that nodes get when the client names none."""
    return (
        f"/subscriptions/{cluster.subscription}/resourceGroups/{node_group}/providers"
        f"/Microsoft.ManagedIdentity/userAssignedIdentities/{cluster.name}-agentpool"
    )


def default_node_group(cluster: ResourceId, location: str) -> str:
    """Return the node resource group's name when the client names none, as Azure makes it."""
    return f"MC_{cluster.resource_group}_{cluster.name}_{location}"[:80]


def _pool(pool: object) -> object:
    if not isinstance(pool, dict):
        return pool
    return {key: value for key, value in pool.items() if key not in _READ_ONLY_POOL and value is not None}


def _clean_identities(kept: dict[str, Any], properties: dict[str, Any], cluster: ResourceId) -> None:
    """Take the ids of principals off again, and the kubelet's identity where it is only the default."""
    kept.pop("identity", None)  # read on its own, by `identities`
    profile = objects(properties, "identityProfile")
    kubelet = profile.get("kubeletidentity")
    if isinstance(kubelet, dict):
        named = str(kubelet.get("resourceId", ""))
        is_default = named.casefold().endswith(f"/userassignedidentities/{cluster.name}-agentpool".casefold())
        profile.pop("kubeletidentity")
        if named and not is_default:
            profile["kubeletidentity"] = {"resourceId": named}
    if not profile:
        properties.pop("identityProfile", None)
