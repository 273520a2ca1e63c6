"""The account that installs a namespace-scoped extension: it may do anything in its namespace, nothing beyond.

Helm then impersonates it, so that a chart which reaches out of the namespace is refused by the API itself. The agent
makes the account (and the namespace, which the account could not) and removes it with the extension.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from extensa.helm.release import LABEL_UID, ObjectRef
from extensa.link.extension import DesiredExtension

_RBAC = "rbac.authorization.k8s.io"


class Applier(Protocol):
    """What is needed of a cluster's API (`kube.KubeClient`); methods raise `ClusterError`."""

    async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        """Return the object or None."""
        ...

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Make an object as the manifest says."""
        ...

    async def delete(self, ref: ObjectRef) -> None:
        """Delete an object."""
        ...


def account(desired: DesiredExtension) -> str:
    """Return whom Helm acts as for this extension: "" is the agent itself."""
    if not desired.namespace_scoped:
        return ""
    return f"system:serviceaccount:{desired.namespace}:{_name(desired)}"


async def prepare_account(kube: Applier, desired: DesiredExtension) -> None:
    """Have the account there, and its namespace if the extension may create it."""
    if desired.create_namespace:
        namespace = ObjectRef("v1", "Namespace", "", desired.namespace)
        if await kube.get(namespace, bare=True) is None:
            await kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": desired.namespace}})
    name = _name(desired)
    metadata = {"name": name, "namespace": desired.namespace, "labels": {LABEL_UID: desired.uid}}
    await kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    await kube.apply(
        {
            "apiVersion": f"{_RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": desired.namespace}],
        }
    )


async def remove_account(kube: Applier, desired: DesiredExtension) -> None:
    """Take the account away again."""
    for api_version, kind in ((f"{_RBAC}/v1", "RoleBinding"), ("v1", "ServiceAccount")):
        await kube.delete(ObjectRef(api_version, kind, desired.namespace, _name(desired)))


def _name(desired: DesiredExtension) -> str:
    return f"ext-installer-{desired.release}"[:253]
