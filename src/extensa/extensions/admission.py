"""What is asked of an extension once, when it is made: its name, its scope, its cluster and its type.

An existing extension is never measured against these again, so that a stricter rule cannot block an edit elsewhere.
Each check adds every reason it finds and none raises; the sentences are Azure's where Azure's are known.
"""

import re
from dataclasses import dataclass

from extensa.arm.operations import Operation
from extensa.base.errors import Problem, Problems
from extensa.catalog.model import ExtensionType
from extensa.clusters.model import Cluster
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, State

LONGEST_RELEASE = 53
"""Helm's own bound on release names."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-.]{0,252}")
_RELEASE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the release will live."""

    namespaced: bool
    namespace: str


def check_name(name: str, problems: Problems) -> None:
    """Ask whether ``name`` may name an extension: Azure's pattern, and in lower case a Helm release."""
    if not _NAME.fullmatch(name):
        problems.add(
            "InvalidResourceName",
            f"The extension name '{name}' is invalid: it must start with a letter or digit and hold only letters, "
            "digits, '-' and '.'.",
            target="name",
        )
    elif len(name) > LONGEST_RELEASE or not _RELEASE.fullmatch(name.lower()):
        problems.add(
            "InvalidResourceName",
            f"The extension name '{name}' cannot name a Helm release: in lower case it must be at most "
            f"{LONGEST_RELEASE} characters, and each part between dots must start and end with a letter or digit.",
            target="name",
            next_step="Choose a shorter or simpler name; the release takes the extension's name in lower case.",
        )


def check_cluster(cluster: Cluster, problems: Problems) -> None:
    """Ask whether ``cluster`` may carry an extension at all."""
    if _managed(cluster) and cluster.identity.casefold() == "serviceprincipal":
        group = cluster.id.split("/")[4]
        problems.add(
            "ExtensionOperationFailed",
            "The extension operation failed with the following error:  Extensions are only supported on clusters using "
            "Managed Service Identity. See https://aka.ms/aks-extensions-service-principal-not-supported, "
            "For general troubleshooting visit: https://aka.ms/k8s-extensions-TSG.",
            target=cluster.id,
            next_step=f"az aks update --resource-group {group} --name {cluster.name} --enable-managed-identity",
        )


def check_identity(cluster: Cluster, draft: Draft, problems: Problems) -> None:
    """Ask whether the identity asked for, if any, fits the kind of cluster."""
    if draft.identity_type is None:
        return
    if _managed(cluster):
        problems.add(
            "BadRequest",
            "Failed to perform resource identity operation. Extensions of managed clusters are given their identity by "
            "the service and take none in the request.",
            target="identity",
            next_step="Leave 'identity' out of the request.",
        )
    elif draft.identity_type.casefold() != "systemassigned":
        problems.add(
            "InvalidIdentityType",
            f"The identity type '{draft.identity_type}' is not supported: only 'SystemAssigned' is.",
            target="identity.type",
        )


def check_cluster_stays(cluster: Cluster, problems: Problems) -> None:
    """Ask whether ``cluster`` will still be there when the work is done."""
    if cluster.provisioning_state.casefold() == "deleting":
        problems.add(
            "ClusterBeingDeleted",
            f"The cluster '{cluster.name}' is being deleted; another operation is in progress.",
            target=cluster.id,
            next_step="Wait until it is gone, create it again, then send this request again.",
        )


def check_going_on(existing: Extension, running: Operation | None, problems: Problems) -> None:
    """Ask whether anything may be made of ``existing`` now: not while it is being deleted, nor while it is paused."""
    if running is not None and running.doing == State.DELETING:
        problems.add(
            "ExtensionBeingDeleted",
            f"The extension '{existing.name}' is being deleted; another operation is in progress.",
            target=existing.id,
            next_step="Wait until it is gone, then create it anew.",
        )
    if existing.paused:
        problems.add(
            "ExtensionPaused",
            f"The extension '{existing.name}' is paused: nothing is changed until it is resumed.",
            target=existing.id,
            next_step="Resume it (extensa extension resume, or POST …/resume), then send this again.",
        )


def check_room(draft: Draft, where: Place, occupant: str | None, problems: Problems) -> None:
    """Ask whether the one place that a type has on a cluster is free; ``occupant`` is the id of who holds it.

    The rule is of cluster-scoped instances: a type may have one more in each namespace.
    """
    if occupant is not None and not where.namespaced:
        problems.add(
            "MultipleInstancesNotAllowed",
            f"Only one instance of extension type '{draft.extension_type}' is allowed here: '{occupant}'.",
            target="properties.extensionType",
            next_step="Update that one instead, or delete it first.",
        )


def check_orphan(where: Place, orphan: Extension | None, problems: Problems) -> None:
    """Ask that what a forced delete left behind does not lie elsewhere: in its own namespace it is taken over."""
    if orphan is not None and orphan.namespace != where.namespace:
        problems.add(
            "ReleaseBeingRemoved",
            f"An earlier extension '{orphan.name}' was deleted by force, and its release in namespace "
            f"'{orphan.namespace}' has not been removed yet.",
            target=orphan.id,
            next_step=f"Wait until the agent has removed it, choose namespace '{orphan.namespace}' to take it over, or "
            "choose another name.",
        )


def check_type(draft: Draft, extension_type: ExtensionType | None, cluster: Cluster, problems: Problems) -> None:
    """Ask whether a type was named, is known where the cluster is, and is made for clusters of its kind."""
    if not draft.extension_type:
        problems.add(
            "InvalidRequestContent",
            "The property 'extensionType' is required.",
            target="properties.extensionType",
            next_step="List what can be installed: az k8s-extension extension-types list-by-cluster",
        )
    elif extension_type is None:
        problems.found.append(unregistered(draft.extension_type, cluster.location))
    elif not extension_type.supports(cluster.kind):
        problems.add(
            "UnsupportedClusterType",
            f"Extension type {extension_type.name} is not made for {cluster.kind}, but for "
            f"{', '.join(extension_type.supported_cluster_types) or 'no kind of cluster'}.",
            target="properties.extensionType",
        )


def unregistered(extension_type: str, location: str) -> Problem:
    """Return Azure's refusal of a type that the catalog does not hold."""
    return Problem(
        "ExtensionTypeRegistrationGetFailed",
        f"Extension type {extension_type.lower()} is not registered in region {location}.",
        target="properties.extensionType",
        next_step="List what can be installed (az k8s-extension extension-types list-by-cluster), or publish the type "
        "(extensa type publish).",
    )


def place(name: str, draft: Draft, extension_type: ExtensionType, problems: Problems) -> Place:
    """Return where the release goes: as asked, else by the type's defaults, else a namespace of the release's name."""
    scope = draft.scope
    namespaced = extension_type.default_scope.casefold() == "namespace" if scope is None else scope.namespaced
    namespace = scope.namespace if scope is not None else None
    if namespace is None and not namespaced:
        namespace = extension_type.default_release_namespace
    if namespace is None:
        namespace = name.lower().replace(".", "-")
    if not _NAMESPACE.fullmatch(namespace):
        target = (
            "properties.scope.namespace.targetNamespace" if namespaced else "properties.scope.cluster.releaseNamespace"
        )
        problems.add(
            "InvalidScope",
            f"'{namespace}' is not the name of a Kubernetes namespace: at most 63 lower-case letters, digits and '-'.",
            target=target,
        )
    return Place(namespaced, namespace)


def check_unaltered(draft: Draft, existing: Extension, problems: Problems) -> None:
    """Ask that nothing is changed that can only be chosen when an extension is made; silence changes nothing."""
    asked, scope = draft.extension_type, draft.scope
    if asked is not None and asked.casefold() != existing.extension_type.casefold():
        _altered("extensionType", existing.extension_type, asked, problems)
    if scope is not None and (
        scope.namespaced is not existing.namespace_scoped or scope.namespace not in (None, existing.namespace)
    ):
        was, now = existing.namespace_scoped, scope.namespaced
        _altered("scope", _words(was, existing.namespace), _words(now, scope.namespace or ""), problems)
    if draft.plan is not None and draft.plan != existing.plan:
        _altered("plan", existing.plan.name if existing.plan else "none", draft.plan.name, problems)
    if draft.identity_type is not None and existing.identity is None:
        _altered("identity", "none", draft.identity_type, problems)
    if draft.managed_by is not None and draft.managed_by.casefold() != (existing.managed_by or "").casefold():
        _altered("managedBy", existing.managed_by or "none", draft.managed_by, problems)


def _managed(cluster: Cluster) -> bool:
    return cluster.kind.casefold() == "managedclusters"


def _words(namespaced: bool, namespace: str) -> str:
    return f"{'namespace' if namespaced else 'cluster'} {namespace}".strip()


def _altered(field: str, was: str, asked: str, problems: Problems) -> None:
    path = field if field in ("plan", "identity", "managedBy") else f"properties.{field}"
    problems.add(
        "PropertyChangeNotAllowed",
        f"Changing property '{path}' is not allowed: it is '{was}' and was asked to be '{asked}'.",
        target=path,
        next_step="Delete the extension and create it anew to choose another.",
    )
