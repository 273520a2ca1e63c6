"""The one door to Helm: acts, and never decides. Here the ``helm`` 4 program as a child process, one an act.

Values go in on standard input, so that no file and no argument list holds a secret. Helm never rolls back by itself:
we look, then decide. It does not wait for readiness either (we watch that ourselves), except for charts whose post-*
hooks must find what they would under ``helm install --wait``. What it prints is matched here and nowhere else; the
samples in the tests are recorded from the version named there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from extensa.base.log import get_logger
from extensa.base.processes import Finished, run
from extensa.helm.causes import TABLE, Finding, finding
from extensa.helm.errors import HelmError, shortened
from extensa.helm.removed_apis import removed_api
from extensa.helm.values import Values

_log = get_logger("helm")

HISTORY = 10
"""How many revisions Helm keeps of a release."""
SPARE = 15.0
"""Seconds beyond an act's own time after which Helm is ended."""
GRACE = 10.0
"""Seconds that Helm has to end in order once it is told to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a release lives: the cluster's kubeconfig, the namespace, the name, and as whom to act ("" as ourselves).

    ``cache`` is a folder of the cluster's own: what Helm learns of one API must not be believed of another.
    """

    kubeconfig: Path
    cache: Path
    namespace: str
    release: str
    as_user: str = ""


@dataclass(frozen=True, slots=True)
class Order:
    """What to install or upgrade to. ``wait`` is for charts with post-* hooks; ``timeout`` is in seconds.

    ``take_over`` makes objects the release's that exist already and are not; ``force`` sets fields that others own.
    """

    place: Place
    chart: Path
    values: Values = field(repr=False)
    labels: Mapping[str, str]
    timeout: float
    wait: bool = False
    create_namespace: bool = False
    take_over: bool = False
    force: bool = False


class Driver(Protocol):
    """One act each; every method raises `HelmError` and otherwise returns when Helm says that it is done.

    Cancelling ends the act cleanly: Helm records the revision as failed.
    """

    async def install(self, order: Order) -> None:
        """Install a release that does not exist."""
        ...

    async def upgrade(self, order: Order) -> None:
        """Give an existing release new content: the chart's defaults and ``order.values``, nothing from before."""
        ...

    async def rollback(self, place: Place, *, revision: int, description: str, timeout: float) -> None:
        """Go back to ``revision``, whoever has set fields meanwhile."""
        ...

    async def uninstall(self, place: Place, *, timeout: float, skip_hooks: bool = False) -> None:
        """Remove a release and its history, its hooks left out if asked; one that is not there is no error."""
        ...


class CliDriver:
    """The `Driver` that starts one ``helm`` process per act."""

    def __init__(self, program: Path, folder: Path, *, spare: float = SPARE) -> None:
        """``folder`` is Helm's own home: nothing of the user's Helm is read or written. ``spare`` are the seconds
        beyond its own timeout after which Helm is ended.
        """
        self._program = program
        self._spare = spare
        self._folder = folder

    async def install(self, order: Order) -> None:
        """See `Driver.install`."""
        extra = ["--create-namespace"] if order.create_namespace else []
        await self._apply("install", order, ["--hide-notes", *extra])

    async def upgrade(self, order: Order) -> None:
        """See `Driver.upgrade`."""
        await self._apply(
            "upgrade", order, ["--hide-notes", "--reset-values", "--server-side=true", f"--history-max={HISTORY}"]
        )

    async def rollback(self, place: Place, *, revision: int, description: str, timeout: float) -> None:
        """See `Driver.rollback`."""
        arguments = [
            "rollback",
            place.release,
            str(revision),
            f"--description={description}",
            f"--history-max={HISTORY}",
            "--server-side=true",
            "--force-conflicts",
        ]
        await self._run(place, arguments, timeout=timeout)

    async def uninstall(self, place: Place, *, timeout: float, skip_hooks: bool = False) -> None:
        """See `Driver.uninstall`."""
        extra = ["--no-hooks"] if skip_hooks else []
        await self._run(place, ["uninstall", place.release, "--ignore-not-found", *extra], timeout=timeout)

    async def _apply(self, verb: str, order: Order, extra: list[str]) -> None:
        labels = ",".join(f"{key}={value}" for key, value in sorted(order.labels.items()))
        waiting = ["--wait", "--wait-for-jobs"] if order.wait else ["--wait=hookOnly"]
        asked = ((order.take_over, "--take-ownership"), (order.force, "--force-conflicts"))
        exact = [f"--set={argument}" for argument in order.values.exact]
        arguments = [verb, order.place.release, str(order.chart), "-f", "-", *exact, f"--labels={labels}"]
        arguments += ["--disable-openapi-validation", *waiting, *(flag for yes, flag in asked if yes), *extra]
        await self._run(order.place, arguments, timeout=order.timeout, values=order.values)

    async def _run(self, place: Place, arguments: list[str], *, timeout: float, values: Values | None = None) -> None:
        limit = max(int(timeout), 1)
        argv = [str(self._program), *arguments, f"--timeout={limit}s", f"--namespace={place.namespace}"]
        argv.append(f"--kubeconfig={place.kubeconfig}")
        if place.as_user:
            argv.append(f"--kube-as-user={place.as_user}")
        _log.debug("helm starts", verb=arguments[0], release=place.release, namespace=place.namespace)
        try:
            finished = await run(
                argv,
                stdin=values.document if values is not None else b"",
                env=self._environment(place),
                timeout=limit + self._spare,
                grace=GRACE,
            )
        except FileNotFoundError as error:
            raise HelmError(
                "HelmMissing", f"The helm program was not found at {self._program}.", transient=True
            ) from error
        if finished.code != 0 or finished.timed_out:
            error_found = _error(finished)
            raise error_found if values is None else masked(error_found, values)

    def _environment(self, place: Place) -> dict[str, str]:
        """Return all that Helm sees of the environment: nothing of ours but where to keep its own things."""
        home = str(self._folder)
        return {
            "PATH": "/usr/bin:/bin",
            "HOME": home,
            "HELM_CACHE_HOME": f"{home}/cache",
            "HELM_CONFIG_HOME": f"{home}/config",
            "HELM_DATA_HOME": f"{home}/data",
            "KUBECACHEDIR": str(place.cache),
        }


def classify(text: str) -> Finding:
    """Return what Helm's words mean: the first row of the samples' table that they match, ``HelmFailed`` otherwise."""
    plain = _plain(text)
    for pattern, code, form in _WORDS:
        if (found := pattern.search(plain)) is not None:
            return _found(code, plain, _target(plain, found, form), shortened(text))
    return _found("HelmFailed", plain, "", shortened(text))


def _found(code: str, plain: str, target: str, raw: str) -> Finding:
    if code == "KindUnknown" and (gone := _REMOVED.search(target)) is not None:
        return removed_api(target, gone[1], raw=raw) or finding(code, _message(code, plain), target=target, raw=raw)
    return finding(code, _message(code, plain), target=target, raw=raw)


def _error(finished: Finished) -> HelmError:
    text = finished.stderr.decode("utf-8", "replace")
    if finished.timed_out:
        return error_of(finding("HelmTimedOut", raw=shortened(text)))
    if finished.code < 0 and not text.strip():
        return killed(finished.code)
    return error_of(classify(text or finished.stdout.decode("utf-8", "replace")))


def killed(code: int) -> HelmError:
    """Return the error for a Helm that ended, with this exit code, before it was done."""
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}, before it was done"
    return error_of(finding("HelmKilled", f"Helm was ended {how}."))


def error_of(found: Finding) -> HelmError:
    """Return ``found`` as the error that a driver raises."""
    return HelmError(
        found.code,
        found.message,
        target=found.target,
        next_step=found.next_step,
        raw=found.raw,
        transient=found.transient,
    )


def masked(error: HelmError, values: Values) -> HelmError:
    """Return ``error`` with every protected value in its texts replaced."""
    mask = values.mask
    return HelmError(
        error.code, mask(error.message), target=mask(error.target or ""), next_step=error.next_step or "",
        raw=mask(error.raw), transient=error.transient,
    )  # fmt: skip


def _plain(text: str) -> str:
    """Return Helm's last word: its log lines repeat what the error says, in quotes."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("level=")]
    plain = "\n".join(lines).strip()
    return re.sub(r"^Error: (?:(?:INSTALLATION|UPGRADE) FAILED: )?", "", plain)


def _target(plain: str, found: re.Match[str], form: str) -> str:
    """Return the object at fault: as the row's ``form`` has it, else the one that Helm names, else what the row picks
    out.
    """
    groups = [group for group in found.groups() if group]
    if form and groups:
        return form.format(*groups)
    for pattern, order in _OBJECTS:
        if (named := pattern.search(plain)) is not None:
            kind, place, name = (named.group(group) for group in order)
            return f"{kind} {place}/{name}" if place else f"{kind} {name}"
    return groups[0] if groups else ""


def _message(code: str, plain: str) -> str:
    """Return the cause in plain words, then Helm's own without what Helm says of itself."""
    words = " ".join(plain.split())
    while (shorter := _FILLER.sub("", words)) != words:
        words = shorter
    words = _LECTURE.sub("", words)
    if len(words) > _LONGEST_MESSAGE:
        words = words[:_LONGEST_MESSAGE] + "…"
    return f"{TABLE[code].words.removesuffix('.')}: {words}" if words else TABLE[code].words


_LONGEST_MESSAGE = 600
_OBJECT = r"object \S+ \S*, Kind=\w+"
_HOOK = r"(?:failed (?:pre|post)-\w+: |(?:pre|post)-\w+ hooks failed: )"
_REMOVED = re.compile(r"\((\S+)\)$")

_FILLER = re.compile(
    r"^(?:unable to continue with install: |unable to build kubernetes objects from release manifest: "
    r"|resource mapping not found for name: \S+ namespace: \S+ from \S+: |create: failed to create: "
    r"|(?:server-side apply failed for|conflict occurred while applying) object \S+ \S*, Kind=\w+: "
    r"|could not get information about the resource \w+ \S+(?: in namespace \S+)?: "
    r"|failed to create typed patch object \(.*?\): |cluster reachability check failed: "
    r"|an error occurred while checking for chart dependencies\. .*?: "
    r"|values don't meet the specifications of the schema\(s\) in the following chart\(s\): \S+: - "
    r"|failed to (?:create|update|patch) resource: |release name check failed: "
    r"|uninstallation completed with \d+ error\(s\): |Internal error occurred: )"
)
_LECTURE = re.compile(
    r" ensure CRDs are installed first$|, and must start and end .*validation is .*$|, must match regex \S+"
    r"|(?<=\w) context deadline exceeded$"
)

_OBJECTS = (
    (re.compile(r"object (\S*)/(\S+) \S*, Kind=(\w+)"), (3, 1, 2)),
    (re.compile(r"resource (\w+)/(\S*)/(\S+) not ready"), (1, 2, 3)),
    (re.compile(r'(\w+) "([^"]+)" in namespace "([^"]*)"'), (1, 3, 2)),
)
"""How Helm names an object, and which groups are its kind, namespace and name."""

_WEBHOOK = "Webhook {0}"
_Row = tuple[str, str] | tuple[str, str, str]

_ROWS: tuple[_Row, ...] = (
    (r"no space left on device|etcdserver: mvcc: database space exceeded", "DiskFull"),
    (r"asked for the client to provide credentials|\bUnauthorized\b", "CredentialsRejected"),
    (
        r'failed calling webhook "([^"]+)".*(?:context deadline exceeded|timed out)',
        "AdmissionWebhookTimedOut",
        _WEBHOOK,
    ),
    (r'failed calling webhook "([^"]+)"', "AdmissionWebhookUnreachable", _WEBHOOK),
    (r'admission webhook "([^"]+)" denied the request', "AdmissionWebhookDenied"),
    (r"conversion webhook for (\S+), Kind=(\w+) failed", "ConversionWebhookFailed", "{1} ({0})"),
    (r"ValidatingAdmissionPolicy '([^']+)'.*denied request", "AdmissionPolicyDenied"),
    (r"unable to create new content in namespace (\S+) because", "NamespaceTerminating", "Namespace {0}"),
    (r"exceeded quota: ([^,\s]+)|failed quota: ([^:\s]+)", "QuotaExceeded"),
    (r'violates PodSecurity "([^"]+)"', "PodSecurityViolation"),
    (r"is forbidden: \[?(?:maximum|minimum) \w+ usage per|max limit to request ratio", "LimitRangeViolated"),
    (r'User "([^"]+)" cannot \w+ resource', "Forbidden"),
    (r'attempting to grant RBAC permissions not currently held|is forbidden: user "([^"]+)"', "Forbidden"),
    (r"invalid ownership metadata|exists and cannot be imported into the current release", "OwnedByAnother"),
    (r"field is immutable|updates to statefulset spec for fields other than", "FieldImmutable"),
    (r"conflict occurred while applying object|Apply failed with \d+ conflict", "FieldConflict"),
    (r'field not declared in schema|unknown field "', "FieldUnknown"),
    (r'Secret "sh\.helm\.release\.v1[^"]*" is invalid: data: Too long', "ReleaseTooLarge"),
    (r"Request entity too large|etcdserver: request is too large", "ReleaseTooLarge"),
    (r"metadata\.name: Invalid value|invalid release name|release name \S+ exceeds max length", "NameInvalid"),
    (r"etcdserver: (?:request timed out|leader changed|no leader)|rpc error: code = Unavailable", "ApiServerError"),
    (_OBJECT + r": .* is invalid: ", "ObjectInvalid"),
    (_OBJECT + r": failed to create typed patch object", "ObjectInvalid"),
    (r"is invalid: [\w.\[\]]+: |unable to decode ", "ObjectInvalid"),
    (r'no matches for kind "([^"]+)" in version "([^"]+)"', "KindUnknown", "{0} ({1})"),
    (r'no matches for kind "([^"]+)"|could not find the requested resource', "KindUnknown"),
    (r'namespaces "([^"]+)" not found', "NamespaceMissing", "Namespace {0}"),
    (r"cannot reuse a name that is still in use", "ReleaseNotOurs"),
    (r"another operation \(install/upgrade/rollback\) is in progress", "ReleaseLocked"),
    (r"context canceled|signal: (?:killed|terminated)", "HelmKilled"),
    (_HOOK + r".*(?:context deadline exceeded|timed out)", "HookTimedOut"),
    (_HOOK, "HookFailed"),
    (r"values don't meet the specifications of the schema.*?- at '/?([^']*)'", "ValuesRejectedBySchema"),
    (r"values don't meet the specifications of the schema", "ValuesRejectedBySchema"),
    (r"chart requires kubeVersion", "KubernetesVersionUnsupported"),
    (r"missing in charts/ directory: (.+)", "DependencyMissing", "Chart {0}"),
    (r"chart dependencies processing failed", "DependencyMissing"),
    (r"charts are not installable", "ChartNotInstallable"),
    (r'^path "([^"]+)" not found', "ChartNotFound"),
    (r"does not appear to be a gzipped archive|Chart\.yaml file is missing|gzip: invalid header", "ChartUnreadable"),
    (r'execution error at \(([^:)]+)|executing "([^"]+)" at|parse error at \(([^:)]+)', "ChartDoesNotRender"),
    (r"YAML parse error on (\S+):|error calling |nil pointer evaluating|template: ([^:]+):\d+", "ChartDoesNotRender"),
    (r"resource \S+ not ready\..*status: Failed", "JobFailed"),
    (r"resource \S+ not ready|timed out waiting for|context deadline exceeded", "NotReadyInTime"),
    (r"kubernetes cluster unreachable|connection refused|connection reset by peer", "ApiServerUnreachable"),
    (r"no route to host|i/o timeout|TLS handshake|EOF$|server closed", "ApiServerUnreachable"),
    (r"connection (?:lost|force closed)|sent GOAWAY|broken pipe|unexpected EOF", "ApiServerUnreachable"),
    (r"could not get (?:server version|apiVersions) from Kubernetes", "ApiServerUnreachable"),
    (r"[Tt]oo [Mm]any [Rr]equests|try again later", "ApiServerThrottling"),
    (r"an error on the server|[Ii]nternal ?[Ee]rror|the server is currently unable", "ApiServerError"),
    (r" is forbidden: ", "Forbidden"),
)
"""What Helm prints, the cause that it is, and the target's form where not the object that Helm names is at fault."""

_WORDS = tuple((re.compile(row[0], re.DOTALL), row[1], row[2] if len(row) == 3 else "") for row in _ROWS)
