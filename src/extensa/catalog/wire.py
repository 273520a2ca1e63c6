"""Types and versions as they stand on the wire, in each of the shapes that api-versions have had.

Pure, one way only: documents to JSON. Recorded traffic is the model, field by field and in its order (contract §1.8):

    2022-01-15-preview   trains and cluster types; versions grouped by train
    2023-05-01-preview   the whole type, clusterScopeSettings flat
    2024-11-01-preview   clusterScopeSettings a resource of its own; versions name their cluster types
    2026-04-01 onwards   and the regions

``releaseTrains`` on a version is an addition of ours at every one of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from extensa.catalog.model import CLUSTER_KINDS, TYPE, VERSION_TYPE, ExtensionType, Scope, TypeVersion, Unsupported
from extensa.catalog.places import Place

API_VERSIONS = (
    "2022-01-15-preview",
    "2023-05-01-preview",
    "2024-11-01-preview",
    "2026-04-01-preview",
    "2026-04-01",
    "2026-05-01",
)
"""What extension types answer to, from oldest to newest."""

Body = dict[str, Any]


def type_body(extension_type: ExtensionType, place: Place, *, api_version: str, regions: Sequence[str] = ()) -> Body:
    """Return a type as it is seen from ``place``; ``regions`` are those of the installation, for every type has all."""
    path = place.type_path(extension_type.name)
    if _grouped(api_version):
        properties: Body = {
            "releaseTrains": extension_type.trains,
            "clusterTypes": list(extension_type.supported_cluster_types),
            "supportedScopes": _scopes(extension_type, path, api_version),
        }
    else:
        plan = extension_type.plan
        properties = {
            "extensionType": extension_type.name,
            "description": extension_type.description,
            "isSystemExtension": extension_type.is_system_extension,
            "publisher": extension_type.publisher,
            "isManagedIdentityRequired": extension_type.is_managed_identity_required,
            "supportedClusterTypes": list(extension_type.supported_cluster_types),
            "supportedScopes": _scopes(extension_type, path, api_version),
            "planInfo": {
                "offerId": plan.offer_id if plan else None,
                "planId": plan.plan_id if plan else None,
                "publisherId": (plan.publisher_id if plan else None) or extension_type.publisher,
            },
        }
        if _at_least(api_version, "2026-04-01"):
            properties |= {"supportedRegions": list(regions), "additionalDetails": None}
    return {"id": path, "name": extension_type.name, "type": TYPE, "properties": properties}


def version_body(extension_type: ExtensionType, version: TypeVersion, place: Place, *, api_version: str) -> Body:
    """Return a version as it is seen from ``place``."""
    path = f"{place.type_path(extension_type.name)}/versions/{version.version}"
    properties: Body = {
        "version": version.version,
        "unsupportedKubernetesVersions": {kind: _matrix(version.unsupported, kind) for kind in CLUSTER_KINDS},
    }
    if _at_least(api_version, "2024-11-01"):
        properties["supportedClusterTypes"] = list(extension_type.supported_cluster_types)
    properties["releaseTrains"] = list(version.trains)
    return {"id": path, "name": version.version, "type": VERSION_TYPE, "properties": properties}


def version_list(
    extension_type: ExtensionType, versions: Sequence[TypeVersion], place: Place, *, api_version: str
) -> list[Body]:
    """Return a list of versions; the oldest shape groups their names by train."""
    if not _grouped(api_version):
        return [version_body(extension_type, each, place, api_version=api_version) for each in versions]
    trains = sorted({train for each in versions for train in each.trains})
    return [
        {"releaseTrain": train, "versions": [each.version for each in versions if each.on(train)]} for train in trains
    ]


def _scopes(extension_type: ExtensionType, path: str, api_version: str) -> Body:
    settings: Body | None = {
        "allowMultipleInstances": extension_type.allow_multiple_instances,
        "defaultReleaseNamespace": extension_type.default_release_namespace,
    }
    if extension_type.default_scope is Scope.NAMESPACE and extension_type.default_release_namespace is None:
        settings = None
    elif _at_least(api_version, "2024-11-01"):
        settings = {
            "id": f"{path}/clusterScopeSettings/default",
            "name": "default",
            "type": f"{TYPE}/clusterScopeSettings",
            "properties": settings,
        }
    return {"defaultScope": str(extension_type.default_scope), "clusterScopeSettings": settings}


def _matrix(unsupported: Mapping[str, list[Unsupported]], kind: str) -> list[Body] | None:
    items = unsupported.get(kind)
    if items is None:
        return None
    return [{"distributions": each.distributions, "unsupportedVersions": each.versions} for each in items]


def _grouped(api_version: str) -> bool:
    return not _at_least(api_version, "2023-05-01")


def _at_least(api_version: str, date: str) -> bool:
    return api_version[: len(date)] >= date
