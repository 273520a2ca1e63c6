"""Which API versions Kubernetes has removed, and what took their place: the difference between "not yet" and "no more".

A chart that asks for a kind which the cluster does not serve either comes before the definition it needs, or is older
than the cluster. The list is of Kubernetes' own groups; it says nothing of anybody's custom resources. Pure.
"""

from extensa.helm.causes import Finding, finding

_REMOVED: dict[str, tuple[str, str]] = {
    "admissionregistration.k8s.io/v1beta1": ("1.22", "admissionregistration.k8s.io/v1"),
    "apiextensions.k8s.io/v1beta1": ("1.22", "apiextensions.k8s.io/v1"),
    "apiregistration.k8s.io/v1beta1": ("1.22", "apiregistration.k8s.io/v1"),
    "apps/v1beta1": ("1.16", "apps/v1"),
    "apps/v1beta2": ("1.16", "apps/v1"),
    "authentication.k8s.io/v1beta1": ("1.22", "authentication.k8s.io/v1"),
    "authorization.k8s.io/v1beta1": ("1.22", "authorization.k8s.io/v1"),
    "autoscaling/v2beta1": ("1.25", "autoscaling/v2"),
    "autoscaling/v2beta2": ("1.26", "autoscaling/v2"),
    "batch/v1beta1": ("1.25", "batch/v1"),
    "batch/v2alpha1": ("1.21", "batch/v1"),
    "certificates.k8s.io/v1beta1": ("1.22", "certificates.k8s.io/v1"),
    "coordination.k8s.io/v1beta1": ("1.22", "coordination.k8s.io/v1"),
    "discovery.k8s.io/v1beta1": ("1.25", "discovery.k8s.io/v1"),
    "events.k8s.io/v1beta1": ("1.25", "events.k8s.io/v1"),
    "extensions/v1beta1": ("1.22", "apps/v1 or networking.k8s.io/v1"),
    "flowcontrol.apiserver.k8s.io/v1beta1": ("1.26", "flowcontrol.apiserver.k8s.io/v1"),
    "flowcontrol.apiserver.k8s.io/v1beta2": ("1.29", "flowcontrol.apiserver.k8s.io/v1"),
    "flowcontrol.apiserver.k8s.io/v1beta3": ("1.32", "flowcontrol.apiserver.k8s.io/v1"),
    "networking.k8s.io/v1beta1": ("1.22", "networking.k8s.io/v1"),
    "node.k8s.io/v1beta1": ("1.25", "node.k8s.io/v1"),
    "policy/v1beta1": ("1.25", "policy/v1"),
    "rbac.authorization.k8s.io/v1alpha1": ("1.22", "rbac.authorization.k8s.io/v1"),
    "rbac.authorization.k8s.io/v1beta1": ("1.22", "rbac.authorization.k8s.io/v1"),
    "scheduling.k8s.io/v1alpha1": ("1.22", "scheduling.k8s.io/v1"),
    "scheduling.k8s.io/v1beta1": ("1.22", "scheduling.k8s.io/v1"),
    "storage.k8s.io/v1beta1": ("1.27", "storage.k8s.io/v1"),
}


def removed_api(target: str, api_version: str, *, raw: str = "") -> Finding | None:
    """Return the finding for a kind of this API version if Kubernetes has removed that version, else None."""
    known = _REMOVED.get(api_version)
    if known is None:
        return None
    since, instead = known
    if target.startswith("PodSecurityPolicy "):
        since, instead = "1.25", "pod security levels on namespaces"
    message = f"The chart asks for {target}, which Kubernetes has no more since {since}; {instead} took its place."
    return finding("ApiVersionRemoved", message, target=target, raw=raw)
