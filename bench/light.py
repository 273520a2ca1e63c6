"""The light release that the cost of many is measured with, and what a hundred of it take by hand with helm.

A Deployment of no replicas, a ServiceAccount, a Service and an Ingress: what is measured is the machinery, not Pods.
The benchmark that Flux publishes has the same objects.
"""

import resource
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from e2e.charts_made_here import pack

MANY = 100
AT_ONCE = 4
"""How many helms run at once: on two cores more do not take less time."""
AIM = 0.5
ACTS = ("installs", "upgrades", "removals")

CHART = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, annotations: {turn: {{ .Values.turn | default "1" | quote }}}}
spec:
  replicas: 0
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec:
      serviceAccountName: {{ .Release.Name }}
      containers: [{name: main, image: example.invalid/main}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: {{ .Release.Name }}}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}, annotations: {turn: {{ .Values.turn | default "1" | quote }}}}
spec: {selector: {app: {{ .Release.Name }}}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: {{ .Release.Name }}}
spec:
  defaultBackend: {service: {name: {{ .Release.Name }}, port: {number: 80}}}
"""


@dataclass(frozen=True, slots=True)
class Took:
    """What one kind of act took, a hundred times: seconds of wall and of CPU."""

    wall: float
    cpu: float


def best(turns: list[Took]) -> Took:
    """The least wall and the least CPU of several turns: whatever else a machine does only ever adds."""
    return Took(min(took.wall for took in turns), min(took.cpu for took in turns))


def archive() -> bytes:
    """The chart, packed."""
    return pack("light", {"all.yaml": CHART})


def by_hand(program: Path, kubeconfig: Path, folder: Path) -> dict[str, Callable[[], Took]]:
    """Return what has ``helm --wait`` do a hundred acts in a pool, by kind of act; ``folder`` is for its files."""
    chart = folder / "light.tgz"
    chart.write_bytes(archive())
    place = ["--kubeconfig", str(kubeconfig), "--namespace", "scale-hand", "--wait"]
    env = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}

    def helm(*argv: str) -> None:
        subprocess.run([str(program), *argv, *place], env=env, capture_output=True, check=True)

    def hundred(act: Callable[[str], None]) -> Took:
        began, before = time.perf_counter(), _ended_children()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(act, [f"hand-{number}" for number in range(MANY)]))
        return Took(time.perf_counter() - began, _ended_children() - before)

    helm("install", "hand-warm", str(chart), "--create-namespace")
    return {
        "installs": lambda: hundred(lambda name: helm("install", name, str(chart))),
        "upgrades": lambda: hundred(lambda name: helm("upgrade", name, str(chart), "--set", "turn=2")),
        "removals": lambda: hundred(lambda name: helm("uninstall", name)),
    }


def _ended_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
