"""What a reader gets: the client's wishes with the server's facts laid over them, in ARM's shape. Pure.

Everything laid over here is taken off again by `bodies` when a client sends it back, so reading and writing a cluster
unchanged changes nothing.
"""

import copy
from typing import Any
from urllib.parse import urlsplit

from extensa.arm import system_data
from extensa.arm.envelope import error_object
from extensa.base.ids import named_id
from extensa.clusters.bodies import kubelet_identity, objects
from extensa.clusters.model import KIND, MANAGED_IDENTITIES, NAMESPACE, SUCCEEDED, Record
from extensa.link.cluster import ClusterPhase

MOST_POOLS = 100
_POOLS = f"{NAMESPACE}/{KIND}/agentPools"


def render(record: Record, *, tenant_id: str) -> dict[str, Any]:
    """Return the body that GET, PUT and LIST answer with."""
    body = {
        "id": record.id,
        "name": record.name,
        "type": f"{NAMESPACE}/{KIND}",
        "location": record.location,
        **copy.deepcopy(record.body),
        "systemData": system_data.rendered(record.system_data, names=True),
    }
    if record.identity in MANAGED_IDENTITIES:
        body["identity"] = _identity(record, tenant_id)
    _overlay(body["properties"], record)
    return body


def power_state(record: Record) -> str:
    """Return ARM's word for whether the cluster was seen stopped."""
    stopped = record.observed is not None and record.observed.phase is ClusterPhase.STOPPED
    return "Stopped" if stopped else "Running"


def pool_body(record: Record, name: str) -> dict[str, Any] | None:
    """Return one agent pool as a resource of its own, or None when the cluster has no such pool."""
    for pool in record.properties["agentPoolProfiles"]:
        if pool["name"].casefold() == name.casefold():
            properties = _pool(copy.deepcopy(pool), record)
            own = properties.pop("name")
            return {"id": f"{record.id}/agentPools/{own}", "name": own, "type": _POOLS, "properties": properties}
    return None


def _overlay(properties: dict[str, Any], record: Record) -> None:
    seen = record.observed
    version = (seen.kubernetes_version if seen else "") or record.kubernetes_version
    properties["provisioningState"] = record.provisioning_state
    properties["powerState"] = {"code": power_state(record)}
    properties["kubernetesVersion"] = record.kubernetes_version
    properties["currentKubernetesVersion"] = version
    properties["maxAgentPools"] = MOST_POOLS
    properties["resourceUID"] = record.uid
    properties["agentPoolProfiles"] = [_pool(pool, record) for pool in properties["agentPoolProfiles"]]
    if seen is not None and seen.api_server:
        properties["fqdn"] = urlsplit(seen.api_server).hostname
    if seen is not None and seen.oidc_issuer and properties["oidcIssuerProfile"]["enabled"]:
        properties["oidcIssuerProfile"]["issuerURL"] = seen.oidc_issuer
    if seen is not None and seen.failure is not None and record.provisioning_state != SUCCEEDED:
        told = seen.failure
        failure = error_object(told.code, told.message, target=record.id, next_step=told.next_step or None)
        properties["status"] = {"provisioningError": {"error": failure}}
    if record.identity in MANAGED_IDENTITIES:
        properties["servicePrincipalProfile"] = {"clientId": "msi"}
        _overlay_kubelet(properties, record)


def _overlay_kubelet(properties: dict[str, Any], record: Record) -> None:
    profile = properties.setdefault("identityProfile", {})
    named = objects(profile, "kubeletidentity").get("resourceId")
    profile["kubeletidentity"] = {
        "resourceId": named or kubelet_identity(record.resource_id, properties["nodeResourceGroup"]),
        "clientId": named_id(record.uid, "kubelet-client"),
        "objectId": named_id(record.uid, "kubelet-object"),
    }


def _identity(record: Record, tenant_id: str) -> dict[str, Any]:
    kept = objects(record.body, "identity")
    if record.identity == "UserAssigned":
        filled = {
            each: {"clientId": named_id(each.casefold(), "client"), "principalId": named_id(each.casefold(), "object")}
            for each in objects(kept, "userAssignedIdentities")
        }
        return {"type": record.identity, "userAssignedIdentities": filled}
    return {"type": record.identity, "principalId": named_id(record.uid, "principal"), "tenantId": tenant_id}


def _pool(pool: dict[str, Any], record: Record) -> dict[str, Any]:
    seen = record.observed.kubernetes_version if record.observed else ""
    return {
        **pool,
        "provisioningState": record.provisioning_state,
        "powerState": {"code": power_state(record)},
        "currentOrchestratorVersion": seen or record.kubernetes_version,
    }
