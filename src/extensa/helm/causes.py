"""The table of causes: every way a release can fail that we know by name, in plain words, with what to do about it.

A cause is found from structured facts: a verdict on an object (``health.py``), an answer of the API, a state of Helm's
record. Text is matched in one other place only, ``driver.py``, and ends in this table too. A code that is not in the
table does not leave this room; a test holds every row to a message and a next step.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from extensa.base.masking import Masker
from extensa.helm.errors import ForeignError


class Fault(StrEnum):
    """What kind of thing is at fault, and how a finding's ``target`` names it."""

    CHART = "the chart: `Chart name version`"
    TEMPLATE = "the template: its file in the chart"
    SETTING = "the setting: its key"
    SECRETS = "`configurationProtectedSettings`"
    OBJECT = "the object: `Kind namespace/name`"
    POD = "the Pod: `Pod namespace/name`"
    KIND = "the kind: `Kind (group/version)`"
    WEBHOOK = "the webhook: `Webhook name`"
    NAMESPACE = "the namespace: `Namespace name`"
    RELEASE = "the release: `Release namespace/name`"
    CLUSTER = "the cluster: `Cluster name`"
    AGENT = "the agent's machine: `Agent`"


@dataclass(frozen=True, slots=True)
class Cause:
    """One row: what is at fault, what it means, what to do, and whether time alone may cure it."""

    code: str
    fault: Fault
    words: str
    next_step: str
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One failure found: the cause's code, a sentence about this very case, the object at fault, Helm's own words.

    ``step`` is install, upgrade, rollback, uninstall, render or ready.
    """

    code: str
    message: str
    target: str = ""
    next_step: str = ""
    raw: str = ""
    step: str = ""
    transient: bool = False

    def masked(self, mask: Masker) -> "Finding":
        """Return the finding with every text passed through ``mask``."""
        return replace(
            self,
            message=mask(self.message),
            target=mask(self.target),
            raw=mask(self.raw),
            next_step=mask(self.next_step),
        )


_ROWS = (
    # the chart and its settings
    Cause("ChartNotFound", Fault.CHART, "The chart could not be fetched.",
          "Publish the version again, or choose another version."),
    Cause("ChartDigestMismatch", Fault.CHART, "The chart's content is not what the catalog promised.",
          "Publish the version again; if it repeats, check what sits between agent and control plane."),
    Cause("ChartUnreadable", Fault.CHART, "The chart archive cannot be read.",
          "Package the chart with `helm package` and publish it again."),
    Cause("ChartNotInstallable", Fault.CHART, "The chart is a library for other charts.",
          "Publish a chart of type application that uses it."),
    Cause("ChartDoesNotRender", Fault.TEMPLATE, "The chart's templates do not render with these settings.",
          "Correct the settings that the message names; `helm template` shows the same error."),
    Cause("ValuesRejectedBySchema", Fault.SETTING, "The chart's schema refuses these settings.",
          "Correct the settings named in the message."),
    Cause("SettingInvalid", Fault.SETTING, "A setting's key cannot be turned into a Helm value.",
          "Correct the key: dots part levels, `\\.` is a dot, `name[0]` is an item of a list."),
    Cause("KubernetesVersionUnsupported", Fault.CHART, "The chart does not support the cluster's Kubernetes version.",
          "Choose a version of the extension made for it, or upgrade the cluster."),
    Cause("DependencyMissing", Fault.CHART, "The chart lacks a chart it depends on.",
          "Run `helm dependency build` before packaging, and publish again."),
    Cause("SettingsSealBroken", Fault.SECRETS, "The protected settings could not be opened with the agent's key.",
          "Send the protected settings again."),
    # what the API refuses
    Cause("Forbidden", Fault.OBJECT, "The installer is not allowed to do what the chart asks for.",
          "Grant the permission named in the message, or install the extension with cluster scope."),
    Cause("QuotaExceeded", Fault.OBJECT, "A ResourceQuota of the namespace is used up.",
          "Raise the quota named in the message (`kubectl describe quota`), or ask for less."),
    Cause("LimitRangeViolated", Fault.OBJECT, "A LimitRange of the namespace forbids the resources asked for.",
          "Adjust the resource settings to the bounds in the message, or the LimitRange (`kubectl describe limits`)."),
    Cause("PodSecurityViolation", Fault.OBJECT, "The namespace's pod security level forbids these pods.",
          "Adjust the security settings, or the namespace's label pod-security.kubernetes.io/enforce."),
    Cause("AdmissionWebhookDenied", Fault.OBJECT, "An admission webhook refused an object.",
          "Satisfy the rule named in the message, or exempt the namespace."),
    Cause("AdmissionWebhookUnreachable", Fault.WEBHOOK, "An admission webhook does not answer.",
          "Repair the server behind the webhook, or remove its webhook configuration if nothing needs it any more.",
          transient=True),
    Cause("AdmissionWebhookTimedOut", Fault.WEBHOOK, "An admission webhook took too long to answer.",
          "Look at the Service and Pods behind the webhook; they are overloaded or cut off.", transient=True),
    Cause("AdmissionPolicyDenied", Fault.OBJECT, "A ValidatingAdmissionPolicy refused an object.",
          "Satisfy the policy named in the message, or exempt the namespace in its binding."),
    Cause("FieldImmutable", Fault.OBJECT, "The new version changes a field that Kubernetes never lets change.",
          "Delete that object (`kubectl delete`), then `extensa extension retry`; or delete and create the extension."),
    Cause("FieldConflict", Fault.OBJECT, "Another program owns a field that the release sets.",
          "Have the field manager named in the message let go of the field, then `extensa extension retry`."),
    Cause("FieldUnknown", Fault.OBJECT, "The chart sets a field that the API does not know.",
          "Correct the chart or the setting behind it."),
    Cause("ObjectInvalid", Fault.OBJECT, "The API refuses an object as invalid.",
          "Correct the setting behind the field named in the message."),
    Cause("OwnedByAnother", Fault.OBJECT, "An object of the release exists already and is not the release's.",
          "Have it taken over (`extensa extension update --adopt`), delete it, or install under other names."),
    Cause("KindUnknown", Fault.KIND, "The cluster does not know a kind that the chart uses.",
          "Install what brings the CustomResourceDefinition first."),
    Cause("ApiVersionRemoved", Fault.KIND, "The chart uses an API version that Kubernetes has removed.",
          "Choose a version of the extension made for the cluster's Kubernetes version."),
    Cause("ConversionWebhookFailed", Fault.KIND, "The webhook that converts a kind's versions does not answer.",
          "Repair the server behind spec.conversion of the kind's CustomResourceDefinition.", transient=True),
    Cause("CustomResourceConflict", Fault.OBJECT, "A CustomResourceDefinition's names collide with another's.",
          "Remove the other definition, or the extension that brought it."),
    Cause("NameInvalid", Fault.OBJECT, "A name is not allowed by Kubernetes or Helm.",
          "Choose a shorter or simpler name: lower-case letters, digits and dashes, at most 53 for an extension."),
    Cause("NamespaceMissing", Fault.NAMESPACE, "A namespace that the release needs does not exist.",
          "Create it (`kubectl create namespace`), or let the extension create its own."),
    Cause("NamespaceTerminating", Fault.NAMESPACE, "The release's namespace is being deleted.",
          "Wait until it is gone; its status (`kubectl get namespace -o yaml`) says what holds it."),
    Cause("ReleaseTooLarge", Fault.RELEASE, "The release's record is larger than Kubernetes stores (1 MiB).",
          "Use a chart with fewer or smaller files."),
    # Helm and its record
    Cause("ReleaseNotOurs", Fault.RELEASE, "A release of this name exists and was not made by this extension.",
          "Have it taken over (`extensa extension update --adopt`), or remove it with `helm uninstall`."),
    Cause("ReleaseLocked", Fault.RELEASE, "Another Helm process is at work on the release.",
          "Wait for it to end; a lock whose owner died is cleared by itself.", transient=True),
    Cause("ReleaseRecordCorrupt", Fault.RELEASE, "Helm's record of the release cannot be read.",
          "Retry (`extensa extension retry`): it is set aside, and an earlier revision or a fresh install is used."),
    Cause("ReleaseNewer", Fault.RELEASE, "The release was made for a later generation than the one asked for.",
          "Update the extension: the control plane's database is older than what is in the cluster."),
    Cause("HookFailed", Fault.OBJECT, "A hook of the chart failed.",
          "Look at the hook's Job or Pod: `extensa extension diagnose` has its events and log."),
    Cause("HookTimedOut", Fault.OBJECT, "A hook of the chart did not end in time.",
          "Look at the hook's Pods (`extensa extension diagnose`), or allow more time (update `--timeout`)."),
    Cause("HelmTimedOut", Fault.RELEASE, "Helm did not end in time.",
          "Try again (`extensa extension retry`); if it repeats, allow more time (`--timeout`)."),
    Cause("HelmKilled", Fault.RELEASE, "Helm was ended from outside.",
          "Look for what ends it on the agent's machine (out of memory?); the act is repeated by itself.",
          transient=True),
    Cause("HelmMissing", Fault.AGENT, "The helm program was not found.", "Run `extensa kubernetes install`.",
          transient=True),
    Cause("HelmFailed", Fault.RELEASE, "Helm failed in a way that is not in the table.",
          "Read Helm's own words in this failure."),
    Cause("DiskFull", Fault.AGENT, "The disk of the agent or of the cluster is full.",
          "Free some space where the message says; it is tried again by itself.", transient=True),
    Cause("GaveUp", Fault.RELEASE, "Several acts in a row did not bring the release any nearer.",
          "Find who else changes this release (`helm history`), then `extensa extension retry`."),
    # readiness
    Cause("NotReadyInTime", Fault.OBJECT, "Not everything became ready in time.",
          "Look at the objects named in the message, or allow more time (`extensa extension update --timeout`)."),
    Cause("ObjectMissing", Fault.OBJECT, "An object of the release is not there.",
          "Find who deleted it, then have it applied again with `extensa extension retry`."),
    Cause("ProgressDeadlineExceeded", Fault.OBJECT, "A Deployment made no progress within its deadline.",
          "Look at its Pods (`kubectl describe pods`): they run and never become ready."),
    Cause("PodsRefused", Fault.OBJECT, "Pods of a set are refused by the API.",
          "Satisfy the quota or policy named in the message."),
    Cause("ImagePullFailed", Fault.POD, "A container's image cannot be pulled.",
          "Check the image's name and tag, and the registry's credentials (imagePullSecrets)."),
    Cause("CrashLoop", Fault.POD, "A container starts and ends again and again.",
          "Read the container's log: `kubectl logs --previous`, or `extensa extension diagnose`."),
    Cause("OutOfMemory", Fault.POD, "A container is ended because it takes more memory than it may.",
          "Raise the container's memory limit, or have it take less."),
    Cause("ContainerConfigInvalid", Fault.POD, "A container cannot be created as configured.",
          "Check the Secrets and ConfigMaps that the message names."),
    Cause("PodFailed", Fault.POD, "A Pod ended badly.",
          "Read the Pod's log: `kubectl logs`, or `extensa extension diagnose`."),
    Cause("Unschedulable", Fault.POD, "No node takes a Pod.",
          "Add nodes, ask for less, or adjust selectors and tolerations, as the message says."),
    Cause("VolumePending", Fault.OBJECT, "A volume claim is not bound.",
          "Check the storage class and its provisioner (`kubectl describe pvc`)."),
    Cause("VolumeLost", Fault.OBJECT, "A volume claim lost its volume.",
          "Restore the volume; or delete the claim, then `extensa extension retry`."),
    Cause("JobFailed", Fault.OBJECT, "A Job failed.",
          "Read the log of the Job's Pods: `kubectl logs job/NAME`, or `extensa extension diagnose`."),
    Cause("JobUnfinished", Fault.OBJECT, "A Job did not complete in time.",
          "Look at the Job's Pods, or allow more time (`extensa extension update --timeout`)."),
    Cause("NoLoadBalancerAddress", Fault.OBJECT, "A Service of type LoadBalancer has no address.",
          "Check the cluster's load balancer (`kubectl describe service`), or choose another Service type."),
    Cause("ApiServiceUnavailable", Fault.OBJECT, "An APIService has no server that answers.",
          "Look at the Service and Pods behind it."),
    Cause("CustomResourceStalled", Fault.OBJECT, "A custom resource's controller has given up on it.",
          "Correct what the message says, or read the log of the resource's controller."),
    Cause("FinalizerStuck", Fault.OBJECT, "An object is being deleted and a finalizer holds it.",
          "Bring back the controller behind the finalizer, or `extensa extension delete --remove-finalizers`."),
    Cause("ObjectsRemain", Fault.OBJECT, "Objects of the release are still there after it was uninstalled.",
          "Find who holds or remakes them, then delete again; a Pod of a lost node needs `kubectl delete --force`."),
    # the cluster
    Cause("ApiServerUnreachable", Fault.CLUSTER, "The cluster's API does not answer.",
          "Start the cluster, or repair the network between it and the agent.", transient=True),
    Cause("ApiServerThrottling", Fault.CLUSTER, "The cluster's API asks to slow down.",
          "Find who floods the API, or raise the agent's share (FlowSchema); it is tried again by itself.",
          transient=True),
    Cause("ApiServerError", Fault.CLUSTER, "The cluster's API failed to answer a request.",
          "Look at the API server's log.", transient=True),
    Cause("CredentialsRejected", Fault.CLUSTER, "The cluster does not accept the agent's credentials.",
          "Start the cluster again so that its credentials are renewed.", transient=True),
    Cause("ClusterNotFound", Fault.CLUSTER, "The agent has no credentials for the cluster.",
          "Wait until the cluster is provisioned; `extensa doctor` tells whether its host works.", transient=True),
)  # fmt: skip

TABLE: dict[str, Cause] = {row.code: row for row in _ROWS}


def finding(code: str, message: str = "", *, target: str = "", raw: str = "", step: str = "") -> Finding:
    """Return a finding of this ``code``; without a message the cause's own words. Raises `KeyError` for no such row."""
    row = TABLE[code]
    return Finding(code, message or row.words, target, row.next_step, raw, step, row.transient)


def of_error(error: ForeignError, *, step: str) -> Finding:
    """Return what an error of either door means."""
    row = TABLE.get(error.code, TABLE["HelmFailed"])
    return Finding(
        row.code, error.message, error.target or "", error.next_step or row.next_step, error.raw, step, error.transient
    )
