"""Small charts for tests, packed in memory: the templates are given, the rest is filled in."""

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping

from extensa.link.extension import Chart


def pack(
    name: str,
    templates: Mapping[str, str],
    *,
    version: str = "1.0.0",
    crds: Mapping[str, str] | None = None,
    about: str = "",
    files: Mapping[str, str] | None = None,
) -> bytes:
    """Return a chart archive; equal arguments give equal bytes. ``about`` is more for its Chart.yaml."""
    content = {"Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: {version}\n{about}", "values.yaml": "{}\n"}
    content |= files or {}
    content |= {f"templates/{file}": text for file, text in templates.items()}
    content |= {f"crds/{file}": text for file, text in (crds or {}).items()}
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for path, text in content.items():
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


def described(archive: bytes, name: str, version: str = "1.0.0") -> Chart:
    """Return how a desired document names this archive."""
    digest = "sha256:" + hashlib.sha256(archive).hexdigest()
    return Chart(name=name, version=version, digest=digest, size=len(archive))


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas | default 1 }}
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      {{- if .Values.nowhere }}
      nodeSelector: {no: such}
      {{- end }}
      containers: [{name: main, image: example.invalid/main}]
"""

SETTINGS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}-settings}
data: {seen: {{ omit .Values "secret" | toJson | quote }}, plain: "{{ .Values.number }}"}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-secret}
stringData: {seen: {{ .Values.secret | default "" | quote }}}
"""

SERVICE = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
"""

HOOK = """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations: {helm.sh/hook: HOOKS, helm.sh/hook-delete-policy: before-hook-creation}
spec:
  backoffLimit: 0
  activeDeadlineSeconds: {{ .Values.hookDeadline | default 600 }}
  template:
    spec:
      restartPolicy: Never
      {{- if .Values.stuck }}
      nodeSelector: {"free-{{ .Release.Name }}": "yes"}
      {{- end }}
      containers: [{name: main, image: example.invalid/hook}]
"""


def hook(events: str) -> str:
    """Return the template of a Job that runs at these hook events."""
    return HOOK.replace("HOOKS", f'"{events}"')


HELLO = {"deployment.yaml": DEPLOYMENT, "settings.yaml": SETTINGS, "service.yaml": SERVICE}
