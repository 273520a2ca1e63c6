"""Every way in which a cluster's API refuses what a chart asks for, brought about for real."""

import pytest

from e2e.cause_stage import Stage, produces
from e2e.charts_made_here import DEPLOYMENT, HELLO, pack
from e2e.webhook_server import REASON

pytestmark = pytest.mark.cluster

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {a: {{ .Values.a | default 1 | quote }}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {containers: [{name: m, image: m, resources: {limits: {cpu: '2'}}}]}
"""
PLAIN = pack("plain", {"c.yaml": CONFIG})
A_POD = pack("pod", {"p.yaml": POD})
SELECTOR = DEPLOYMENT.replace("{app: {{ .Release.Name }}}", '{app: "{{ .Values.label | default "x" }}"}')
CONFIGS = "/api/v1/namespaces/{}/configmaps"
PROBE = "{apiVersion: v1, kind: ConfigMap, metadata: {name: probe}}"


async def place(stage: Stage, before: str = "", **labels: str) -> str:
    """Make the play's namespace with what stands in the way there; return its name."""
    name = await stage.api.namespace(f"ns-{stage.name}", labels)
    if before:
        await stage.api.apply(before, namespace=name)
    return name


@produces("Forbidden")
async def test_forbidden(stage: Stage) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: too-much}\n"
    wanted = stage.wanted(pack("c", {"r.yaml": role}), namespace_scoped=True)

    await stage.fails(wanted, "Forbidden", "ClusterRole too-much", "cannot get resource", wanted.namespace)


@produces("QuotaExceeded")
async def test_quota_exceeded(stage: Stage) -> None:
    quota = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: few}\nspec: {hard: {configmaps: '0'}}\n"
    name = await place(stage, quota)
    quotas = f"/api/v1/namespaces/{name}/resourcequotas/few"
    await stage.api.until(quotas, lambda found: "0" == found.get("status", {}).get("hard", {}).get("configmaps"))
    wanted = stage.wanted(PLAIN)

    await stage.fails(wanted, "QuotaExceeded", f"ConfigMap {name}/one", "exceeded quota: few", leaves=False)
    await stage.api.patch(quotas, {"spec": {"hard": {"configmaps": "9"}}})
    await stage.api.until(quotas, lambda found: "9" == found["status"]["hard"]["configmaps"])
    await stage.leaves(await stage.recovers(wanted))


@produces("LimitRangeViolated")
async def test_limit_range_violated(stage: Stage) -> None:
    limits = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\nspec: {limits: [{type: Pod, max: {cpu: 100m}}]}\n"
    name = await place(stage, limits)
    await stage.api.until_refused(f"/api/v1/namespaces/{name}/pods", POD)

    await stage.fails(stage.wanted(A_POD), "LimitRangeViolated", f"Pod {name}/one", "maximum cpu usage per Pod is 100m")


@produces("PodSecurityViolation")
async def test_pod_security_violation(stage: Stage) -> None:
    name = await place(stage, **{"pod-security.kubernetes.io/enforce": "restricted"})
    await stage.api.until_refused(f"/api/v1/namespaces/{name}/pods", POD)

    await stage.fails(stage.wanted(A_POD), "PodSecurityViolation", f"Pod {name}/one", "runAsNonRoot != true")


def webhook(stage: Stage, url: str, *, kind: str = "Validating", timeout: int = 1, namespace: str = "") -> str:
    """Return a webhook of the play's own for ConfigMaps in its namespace."""
    namespace = namespace or f"ns-{stage.name}"
    return f"""
apiVersion: admissionregistration.k8s.io/v1
kind: {kind}WebhookConfiguration
metadata: {{name: {stage.name}}}
webhooks:
- name: {stage.name}.example.com
  clientConfig: {{url: "{url}", caBundle: {stage.webhooks.authority}}}
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: {timeout}
  namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}
  rules: [{{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}]
"""


@produces("AdmissionWebhookDenied")
async def test_admission_webhook_denied(stage: Stage) -> None:
    name = await place(stage)
    await stage.api.apply(webhook(stage, f"{stage.webhooks.url}/deny", timeout=10))
    await stage.api.until_refused(CONFIGS.format(name), PROBE)

    await stage.fails(
        stage.wanted(PLAIN), "AdmissionWebhookDenied", f"ConfigMap {name}/one", REASON, f"{stage.name}.exa"
    )


@produces("AdmissionWebhookUnreachable")
async def test_admission_webhook_unreachable(stage: Stage) -> None:
    name = await place(stage)
    await stage.api.apply(webhook(stage, "https://127.0.0.1:1/none"))
    await stage.api.until_refused(CONFIGS.format(name), PROBE)
    hook, wanted = f"Webhook {stage.name}.example.com", stage.wanted(PLAIN, timeout=4)

    await stage.fails(wanted, "AdmissionWebhookUnreachable", hook, "connection refused", leaves=False)
    path = f"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/{stage.name}"
    await stage.api.delete(path)
    await stage.leaves(await stage.recovers(wanted, timeout=30))


@produces("AdmissionWebhookTimedOut")
async def test_admission_webhook_timed_out(stage: Stage) -> None:
    name = await place(stage)
    await stage.api.apply(webhook(stage, f"{stage.webhooks.url}/slow"))
    await stage.api.until_refused(CONFIGS.format(name), PROBE)
    hook = f"Webhook {stage.name}.example.com"

    await stage.fails(stage.wanted(PLAIN, timeout=4), "AdmissionWebhookTimedOut", hook, "deadline exceeded")


@produces("ApiServerError")
async def test_api_server_error(stage: Stage) -> None:
    name = await place(stage)
    await stage.api.apply(webhook(stage, f"{stage.webhooks.url}/bad", kind="Mutating", timeout=10))
    await stage.api.until_refused(CONFIGS.format(name), PROBE)

    await stage.fails(stage.wanted(PLAIN, timeout=4), "ApiServerError", f"ConfigMap {name}/one", "/no/such/place")


@produces("AdmissionPolicyDenied")
async def test_admission_policy_denied(stage: Stage) -> None:
    name = await place(stage)
    await stage.api.apply(
        f"""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: no-config-maps}}
spec:
  matchConstraints:
    namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}
    resourceRules: [{{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}}]
  validations: [{{expression: "false", message: "no config maps here"}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: no-config-maps}}
spec: {{policyName: no-config-maps, validationActions: [Deny]}}
"""
    )
    await stage.api.until_refused(CONFIGS.format(name), PROBE)

    await stage.fails(stage.wanted(PLAIN), "AdmissionPolicyDenied", f"ConfigMap {name}/one", "no config maps here")


@produces("FieldImmutable")
async def test_field_immutable(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"d.yaml": SELECTOR}), timeout=30)
    first = await stage.recovers(wanted)
    changed = stage.next(first, settings={"label": "y"})

    target = f"Deployment {wanted.namespace}/{wanted.release}"
    await stage.fails(changed, "FieldImmutable", target, "spec.selector", leaves=False)
    await stage.leaves(await stage.recovers(changed, settings={}))


@produces("FieldConflict")
async def test_field_conflict(stage: Stage) -> None:
    first = await stage.recovers(stage.wanted(PLAIN, timeout=30))
    config = f"{CONFIGS.format(first.namespace)}/one"
    await stage.api.patch(config, {"data": {"a": "3"}}, manager="night-shift")
    changed = stage.next(first, settings={"a": "2"})

    await stage.fails(changed, "FieldConflict", f"ConfigMap {first.namespace}/one", "night-shift", ".data.a")


@produces("FieldUnknown")
async def test_field_unknown(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"c.yaml": CONFIG + "bogus: 1\n"}))

    await stage.fails(wanted, "FieldUnknown", f"ConfigMap {wanted.namespace}/one", ".bogus")


@produces("ObjectInvalid")
async def test_object_invalid(stage: Stage) -> None:
    wanted = stage.wanted(pack("c", {"s.yaml": HELLO["service.yaml"].replace("port: 80", "port: 99999")}))
    target = f"Service {wanted.namespace}/{wanted.release}"

    await stage.fails(wanted, "ObjectInvalid", target, "spec.ports[0].port", "between 1 and 65535")


@produces("OwnedByAnother")
async def test_owned_by_another(stage: Stage) -> None:
    name = await place(stage, PROBE.replace("probe", "one"))
    wanted = stage.wanted(PLAIN)

    await stage.fails(wanted, "OwnedByAnother", f"ConfigMap {name}/one", "invalid ownership metadata")
    assert await stage.api.get(f"{CONFIGS.format(name)}/one") is not None


@produces("KindUnknown")
async def test_kind_unknown(stage: Stage) -> None:
    thing = "apiVersion: e.example.com/v1\nkind: Nothing\nmetadata: {name: one}\n"

    await stage.fails(stage.wanted(pack("c", {"t.yaml": thing})), "KindUnknown", "Nothing (e.example.com/v1)")


@produces("ApiVersionRemoved")
async def test_api_version_removed(stage: Stage) -> None:
    old = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: one}\nspec: {minAvailable: 1}\n"
    target = "PodDisruptionBudget (policy/v1beta1)"

    await stage.fails(stage.wanted(pack("old", {"t.yaml": old})), "ApiVersionRemoved", target, "1.25", "policy/v1 took")


def definition(group: str, *, kind: str = "Widget", plural: str = "widgets", more: str = "") -> str:
    """Return the definition of a custom resource; ``more`` is more of its spec."""
    schema = "schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}"
    return f"""
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.{group}}}
spec:
  group: {group}
  scope: Namespaced
  names: {{plural: {plural}, kind: {kind}, singular: {plural.removesuffix("s")}}}
  versions:
  - {{name: v1, served: true, storage: true, {schema}, subresources: {{status: {{}}}}}}
  - {{name: v2, served: true, storage: false, {schema}}}
{more}"""


@produces("CustomResourceConflict")
async def test_custom_resource_conflict(stage: Stage) -> None:
    await stage.api.apply(definition("conflict.example.com"))
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.conflict.example.com"
    await stage.api.until(path, lambda found: found["status"].get("acceptedNames", {}).get("kind") == "Widget")
    second = definition("conflict.example.com", plural="gadgets")
    target = "CustomResourceDefinition gadgets.conflict.example.com"

    await stage.fails(stage.wanted(pack("c", {"d.yaml": second})), "CustomResourceConflict", target, "Widget")


@produces("ConversionWebhookFailed")
async def test_conversion_webhook_failed(stage: Stage) -> None:
    where = f'{{url: "https://127.0.0.1:1/convert", caBundle: {stage.webhooks.authority}}}'
    more = f"  conversion: {{strategy: Webhook, webhook: {{conversionReviewVersions: [v1], clientConfig: {where}}}}}\n"
    await stage.api.apply(definition("conversion.example.com", more=more))
    names = "/apis/conversion.example.com/v2"
    await stage.api.until(names, lambda found: found)
    newer = "apiVersion: conversion.example.com/v2\nkind: Widget\nmetadata: {name: one}\n"
    wanted = stage.wanted(pack("c", {"w.yaml": newer}), timeout=4)

    target = "Widget (conversion.example.com/v2)"
    await stage.fails(wanted, "ConversionWebhookFailed", target, "connection refused", leaves=False)
    assert "pending" not in " ".join(await stage.statuses(wanted))


@produces("NameInvalid")
async def test_name_invalid(stage: Stage) -> None:
    bad = pack("c", {"c.yaml": CONFIG.replace("name: one", "name: Not_A_Name")})
    wanted = stage.wanted(bad)

    await stage.fails(wanted, "NameInvalid", f"ConfigMap {wanted.namespace}/Not_A_Name", "lower case alphanumeric")
    long = stage.wanted(PLAIN, name="a-name-too-long-" + "x" * 40, namespace="ns-too-long")
    await stage.fails(long, "NameInvalid", f"Release ns-too-long/{long.release}", "53")


@produces("NamespaceMissing")
async def test_namespace_missing(stage: Stage) -> None:
    elsewhere = pack("c", {"c.yaml": CONFIG.replace("name: one", "name: one, namespace: nowhere-at-all")})

    await stage.fails(stage.wanted(elsewhere), "NamespaceMissing", "Namespace nowhere-at-all")


@produces("NamespaceTerminating")
async def test_namespace_terminating(stage: Stage) -> None:
    held = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: held, finalizers: [example.com/never]}\n"
    name = await place(stage, held)
    await stage.api.delete(f"/api/v1/namespaces/{name}")
    wanted = stage.wanted(PLAIN, timeout=3)

    await stage.fails(wanted, "NamespaceTerminating", f"Namespace {name}", leaves=False)
    await stage.api.patch(f"{CONFIGS.format(name)}/held", {"metadata": {"finalizers": None}})
    await stage.leaves(await stage.recovers(wanted, timeout=60))


@produces("ReleaseTooLarge")
async def test_release_too_large(stage: Stage) -> None:
    noise = "".join(f"{number * 2654435761 % 2**32:x}{number * 40503 % 65521:x}" for number in range(160_000))
    wanted = stage.wanted(pack("large", {"c.yaml": CONFIG}, files={"files/noise": noise}), chart="large")

    await stage.fails(wanted, "ReleaseTooLarge", f"Release {wanted.namespace}/{wanted.release}", "1 MiB")
