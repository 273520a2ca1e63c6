"""The table of causes: every way a release can fail that we know by name, in plain words, with what to do about it.

A cause is found from structured facts: a verdict on an object (``health.py``), an answer of the API, a state of Helm's
record. Text is matched in one other place only, ``driver.py``, and ends in this table too. A code that is not in the
table does not leave this room; a test holds every row to a message and a next step.
"""

from dataclasses import dataclass, replace

from extensa.helm.errors import ForeignError, Masker


@dataclass(frozen=True, slots=True)
class Cause:
    """One row: what it means, what to do, and whether time alone may cure it."""

    code: str
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
    Cause("ChartNotFound", "The chart could not be fetched.", "Publish the version again, or choose another version."),
    Cause(
        "ChartDigestMismatch",
        "The chart's content is not what the catalog promised.",
        "Publish the version again; if it repeats, check what sits between agent and control plane.",
    ),
    Cause(
        "ChartUnreadable",
        "The chart archive cannot be read.",
        "Package the chart with `helm package` and publish it again.",
    ),
    Cause(
        "ChartDoesNotRender",
        "The chart's templates do not render with these settings.",
        "Check the settings against the chart's values; `helm template` shows the same error.",
    ),
    Cause(
        "ValuesRejectedBySchema",
        "The chart's schema refuses these settings.",
        "Correct the settings named in the message.",
    ),
    Cause(
        "SettingInvalid",
        "A setting's key cannot be turned into a Helm value.",
        "Correct the key: dots part levels, `\\.` is a dot, `name[0]` is an item of a list.",
    ),
    Cause(
        "KubernetesVersionUnsupported",
        "The chart does not support the cluster's Kubernetes version.",
        "Choose a version of the extension made for it, or upgrade the cluster.",
    ),
    Cause(
        "DependencyMissing",
        "The chart lacks a chart it depends on.",
        "Run `helm dependency build` before packaging, and publish again.",
    ),
    Cause(
        "SettingsSealBroken",
        "The protected settings could not be opened with the agent's key.",
        "Send the protected settings again.",
    ),
    # what the API refuses
    Cause(
        "Forbidden",
        "The installer is not allowed to do what the chart asks for.",
        "Grant the permission named in the message, or install the extension with cluster scope.",
    ),
    Cause("QuotaExceeded", "A ResourceQuota of the namespace is used up.", "Raise the quota or ask for less."),
    Cause(
        "LimitRangeViolated",
        "A LimitRange of the namespace forbids the resources asked for.",
        "Adjust the resource settings or the LimitRange.",
    ),
    Cause(
        "PodSecurityViolation",
        "The namespace's pod security level forbids these pods.",
        "Adjust the security settings, or the namespace's pod-security.kubernetes.io labels.",
    ),
    Cause(
        "AdmissionWebhookDenied",
        "An admission webhook refused an object.",
        "Satisfy the rule named in the message, or exempt the namespace.",
    ),
    Cause(
        "AdmissionWebhookUnreachable",
        "An admission webhook does not answer.",
        "Repair or remove the webhook configuration named in the message.",
        transient=True,
    ),
    Cause(
        "AdmissionWebhookTimedOut",
        "An admission webhook took too long to answer.",
        "Look at the webhook's service named in the message.",
        transient=True,
    ),
    Cause(
        "AdmissionPolicyDenied",
        "A ValidatingAdmissionPolicy refused an object.",
        "Satisfy the policy named in the message, or exempt the namespace.",
    ),
    Cause(
        "FieldImmutable",
        "The new version changes a field that Kubernetes never lets change.",
        "Delete the extension and create it again, or delete the object named in the message.",
    ),
    Cause(
        "FieldConflict",
        "Another program owns a field that the release sets.",
        "Let the other field manager go of the field, then update the extension again.",
    ),
    Cause(
        "FieldUnknown",
        "The chart sets a field that the API does not know.",
        "Correct the chart or the setting behind it.",
    ),
    Cause(
        "ObjectInvalid",
        "The API refuses an object as invalid.",
        "Correct the setting behind the field named in the message.",
    ),
    Cause(
        "OwnedByAnother",
        "An object of the release exists already and is not the release's.",
        "Delete or rename the object named in the message, or have it taken over (`--adopt`).",
    ),
    Cause(
        "KindUnknown",
        "The cluster does not know a kind that the chart uses.",
        "Install what brings the CustomResourceDefinition first, or choose a chart for this Kubernetes version.",
    ),
    Cause(
        "CustomResourceConflict",
        "A CustomResourceDefinition's names collide with another's.",
        "Remove the other definition, or the extension that brought it.",
    ),
    Cause(
        "NameInvalid",
        "A name is not allowed by Kubernetes or Helm.",
        "Choose a shorter or simpler name: at most 53 lower-case letters, digits and dashes.",
    ),
    Cause(
        "NamespaceMissing",
        "The release's namespace does not exist.",
        "Create the namespace, or let the extension create it.",
    ),
    Cause(
        "NamespaceTerminating",
        "The release's namespace is being deleted.",
        "Wait until it is gone, or remove the finalizers that hold it.",
    ),
    Cause(
        "ReleaseTooLarge",
        "The release's record is larger than Kubernetes stores (1 MiB).",
        "Use a chart with fewer or smaller files.",
    ),
    # Helm and its record
    Cause(
        "ReleaseNotOurs",
        "A release of this name exists and was not made by this extension.",
        "Have it taken over (`--adopt`), uninstall it with `helm uninstall`, or choose another name or namespace.",
    ),
    Cause(
        "ReleaseLocked",
        "Another Helm process is at work on the release.",
        "Wait for it to end; a lock whose owner died is cleared by itself.",
        transient=True,
    ),
    Cause(
        "ReleaseRecordCorrupt",
        "Helm's record of the release cannot be read.",
        "Run `extensa extension retry`: the record is set aside, and an earlier revision or a fresh install is used.",
    ),
    Cause(
        "ReleaseNewer",
        "The release was made for a later generation than the control plane asks for.",
        "Update the extension: the control plane's database is older than what is in the cluster.",
    ),
    Cause("HookFailed", "A hook of the chart failed.", "Look at the hook's Job or Pod named in the message."),
    Cause(
        "HookTimedOut",
        "A hook of the chart did not end in time.",
        "Look at the hook's Job or Pod named in the message, or allow more time.",
    ),
    Cause("HelmTimedOut", "Helm did not end in time.", "Try again; if it repeats, allow more time."),
    Cause(
        "HelmKilled",
        "Helm was ended from outside.",
        "Nothing to do: the release is looked at and the act is repeated.",
        transient=True,
    ),
    Cause("HelmMissing", "The helm program was not found.", "Run `extensa kubernetes install`.", transient=True),
    Cause("HelmFailed", "Helm failed in a way that is not in the table.", "Read Helm's own words in this failure."),
    Cause("DiskFull", "The disk of the agent or of the cluster is full.", "Free some space.", transient=True),
    Cause(
        "GaveUp",
        "Several acts in a row did not bring the release any nearer.",
        "Read the last failure, correct it and update the extension.",
    ),
    # readiness
    Cause(
        "NotReadyInTime",
        "Not everything became ready in time.",
        "Look at the objects named in the message, or allow more time.",
    ),
    Cause(
        "ObjectMissing",
        "An object of the release is not there.",
        "Run `extensa extension retry` to have it applied again.",
    ),
    Cause("ProgressDeadlineExceeded", "A Deployment made no progress within its deadline.", "Look at its Pods."),
    Cause("PodsRefused", "Pods of a set are refused by the API.", "Satisfy the quota or policy named in the message."),
    Cause(
        "ImagePullFailed",
        "A container's image cannot be pulled.",
        "Check the image's name and the registry's credentials.",
    ),
    Cause("CrashLoop", "A container starts and ends again and again.", "Read the container's log."),
    Cause(
        "ContainerConfigInvalid",
        "A container cannot be created as configured.",
        "Check the Secrets and ConfigMaps it refers to.",
    ),
    Cause("PodFailed", "A Pod ended badly.", "Read the Pod's log."),
    Cause("Unschedulable", "No node takes a Pod.", "Add nodes, ask for less, or adjust selectors and tolerations."),
    Cause("VolumePending", "A volume claim is not bound.", "Check the storage class and its provisioner."),
    Cause("VolumeLost", "A volume claim lost its volume.", "Restore or delete the claim."),
    Cause("JobFailed", "A Job failed.", "Read the log of the Job's Pods."),
    Cause("JobUnfinished", "A Job did not complete in time.", "Look at the Job's Pods, or allow more time."),
    Cause(
        "NoLoadBalancerAddress",
        "A Service of type LoadBalancer has no address.",
        "Check the cluster's load balancer, or choose another Service type.",
    ),
    Cause(
        "ApiServiceUnavailable", "An APIService has no server that answers.", "Look at the Service and Pods behind it."
    ),
    Cause(
        "CustomResourceStalled", "A custom resource's controller has given up on it.", "Read the resource's conditions."
    ),
    Cause(
        "FinalizerStuck",
        "An object is being deleted and a finalizer holds it.",
        "Bring back the controller behind the finalizer, or remove the finalizer.",
    ),
    Cause(
        "ObjectsRemain",
        "Objects of the release are still there after it was uninstalled.",
        "Look at the objects named in the message; delete again when they can go.",
    ),
    # the cluster
    Cause(
        "ApiServerUnreachable",
        "The cluster's API does not answer.",
        "Start the cluster, or repair the network between it and the agent.",
        transient=True,
    ),
    Cause(
        "ApiServerThrottling",
        "The cluster's API asks to slow down.",
        "Nothing to do: it is tried again.",
        transient=True,
    ),
    Cause(
        "ApiServerError",
        "The cluster's API failed to answer a request.",
        "Look at the API server's log.",
        transient=True,
    ),
    Cause(
        "CredentialsRejected",
        "The cluster does not accept the agent's credentials.",
        "Start the cluster again so that its credentials are renewed.",
        transient=True,
    ),
    Cause(
        "ClusterNotFound",
        "The agent has no credentials for the cluster.",
        "Wait until the cluster is provisioned.",
        transient=True,
    ),
)

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
