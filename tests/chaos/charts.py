"""The charts that chaos installs: small ones that need no node, one of them with hooks that can be held up.

``mark`` says which write a release comes from, ``secret`` is a planted one. A hook that is ``held`` is a Job with one
Pod, which nobody runs until the test plays the kubelet; one that is not is a Job of no Pods, done at once.
"""

from e2e.charts_made_here import pack

_OBJECTS = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: 0
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}, mark: {{ .Values.mark | quote }}}}
    spec: {containers: [{name: main, image: example.invalid/main}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {mark: {{ .Values.mark | quote }}, chart: {{ .Chart.Version | quote }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-secret}
stringData: {secret: {{ .Values.secret | default "" | quote }}}
"""

_HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-NAME
  annotations: {helm.sh/hook: "EVENTS", helm.sh/hook-delete-policy: before-hook-creation}
spec:
  {{- $held := eq (.Values.held | default "") "NAME" }}
  completions: {{ ternary 1 0 $held }}
  parallelism: {{ ternary 1 0 $held }}
  template:
    metadata: {labels: {held: {{ .Release.Name | quote }}}}
    spec:
      restartPolicy: Never
      containers: [{name: main, image: example.invalid/hook}]
"""


def _hook(name: str, events: str) -> str:
    return _HOOK.replace("NAME", name).replace("EVENTS", events)


def plain(version: str) -> bytes:
    """A chart without hooks."""
    return pack("plain", {"objects.yaml": _OBJECTS}, version=version)


def hooked(version: str) -> bytes:
    """A chart with hooks before an install, an upgrade, a rollback and a removal, and after an upgrade."""
    hooks = {
        "before.yaml": _hook("before", "pre-install,pre-upgrade"),
        "back.yaml": _hook("back", "pre-rollback"),
        "after.yaml": _hook("after", "post-upgrade"),
        "leaving.yaml": _hook("leaving", "pre-delete"),
    }
    return pack("hooked", {"objects.yaml": _OBJECTS, **hooks}, version=version)


TYPES = {"chaos.plain": plain, "chaos.hooked": hooked}
VERSIONS = ("1.0.0", "1.1.0")
