"""Where things lie: the paths of the resources this client speaks of, and the api-versions it speaks.

Pure. A name is put into a path quoted, so that no name can reach another resource.
"""

from urllib.parse import quote

from extensa.base.errors import Refused

GROUPS_API = "2024-11-01"
CLUSTERS_API = "2026-06-01"
CONNECTED_API = "2024-01-01"
EXTENSIONS_API = "2025-03-01"
TYPES_API = "2023-05-01-preview"

CLUSTER_TYPES = {"managedClusters": "Microsoft.ContainerService", "connectedClusters": "Microsoft.Kubernetes"}
_KUBERNETES_CONFIGURATION = "Microsoft.KubernetesConfiguration"


def subscription(subscription_id: str) -> str:
    """Return the path of a subscription."""
    return f"/subscriptions/{_name(subscription_id)}"


def groups(subscription_id: str) -> str:
    """Return the path of the resource groups of a subscription."""
    return f"{subscription(subscription_id)}/resourceGroups"


def group(subscription_id: str, name: str) -> str:
    """Return the path of one resource group."""
    return f"{groups(subscription_id)}/{_name(name)}"


def clusters(subscription_id: str, group_name: str | None, cluster_type: str = "managedClusters") -> str:
    """Return the path of the clusters of a group, or of the whole subscription when no group is named."""
    scope = group(subscription_id, group_name) if group_name else subscription(subscription_id)
    return f"{scope}/providers/{cluster_provider(cluster_type)}/{canonical_cluster_type(cluster_type)}"


def cluster(subscription_id: str, group_name: str, name: str, cluster_type: str = "managedClusters") -> str:
    """Return the path of one cluster."""
    return f"{clusters(subscription_id, group_name, cluster_type)}/{_name(name)}"


def extensions(cluster_path: str) -> str:
    """Return the path of the extensions of a cluster."""
    return f"{cluster_path}/providers/{_KUBERNETES_CONFIGURATION}/extensions"


def extension(cluster_path: str, name: str) -> str:
    """Return the path of one extension."""
    return f"{extensions(cluster_path)}/{_name(name)}"


def orphans(cluster_path: str) -> str:
    """Return the path of what forced deletes have left on a cluster (an addition of ours)."""
    return f"{cluster_path}/providers/{_KUBERNETES_CONFIGURATION}/orphanedExtensions"


def orphan(cluster_path: str, name: str) -> str:
    """Return the path of what the forced delete of one extension has left."""
    return f"{orphans(cluster_path)}/{_name(name)}"


def types_at(subscription_id: str, location: str) -> str:
    """Return the path of the extension types of a location."""
    return f"{_provider(subscription_id)}/locations/{_name(location)}/extensionTypes"


def types_on(cluster_path: str) -> str:
    """Return the path of the extension types that a cluster may have."""
    return f"{cluster_path}/providers/{_KUBERNETES_CONFIGURATION}/extensionTypes"


def type_registration(subscription_id: str, extension_type: str) -> str:
    """Return the path under which a type is published (an addition of ours)."""
    return (
        f"{subscription(subscription_id)}/providers/{_KUBERNETES_CONFIGURATION}/extensionTypes/{_name(extension_type)}"
    )


def canonical_cluster_type(word: str) -> str:
    """Return the cluster type as ARM spells it; an empty word means managedClusters, as in az.

    Raises `Refused` for a word that names none.
    """
    if not word:
        return "managedClusters"
    for known in CLUSTER_TYPES:
        if known.casefold() == word.casefold():
            return known
    raise Refused(
        "InvalidClusterType",
        f"'{word}' is not a cluster type. Known are: {', '.join(CLUSTER_TYPES)}.",
        target="--cluster-type",
    )


def cluster_provider(cluster_type: str) -> str:
    """Return the namespace of the provider a cluster type belongs to."""
    return CLUSTER_TYPES[canonical_cluster_type(cluster_type)]


def cluster_api(cluster_type: str) -> str:
    """Return the api-version to speak with a cluster type."""
    return CLUSTERS_API if canonical_cluster_type(cluster_type) == "managedClusters" else CONNECTED_API


def _provider(subscription_id: str) -> str:
    return f"{subscription(subscription_id)}/providers/{_KUBERNETES_CONFIGURATION}"


def _name(name: str) -> str:
    if not name or name in (".", ".."):
        raise Refused("InvalidName", "A name may not be empty.", target="name")
    return quote(name, safe="")
