"""`kill -9` of any process in the middle of a PUT: after it is started again the work ends with the truth, once."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from e2e.product import Product, eventually

pytestmark = pytest.mark.cluster

CLUSTER = ["-g", "demo", "-c", "demo", "-t", "managedClusters"]


def begin(product: Product, name: str, *, type: str = "extensa.hello") -> None:
    """PUT an extension and do not wait for it."""
    product.run("extension", "create", *CLUSTER, "-n", name, "--extension-type", type, "--no-wait")


def settled(product: Product, name: str) -> dict[str, object]:
    """Wait until the extension has an outcome and return its properties."""

    def look() -> dict[str, object]:
        found: dict[str, object] = product.json("extension", "show", *CLUSTER, "-n", name)
        return found

    return eventually(look, within=120, wanted=lambda e: _state(e) in ("Succeeded", "Failed"))


def _state(extension: dict[str, object]) -> object:
    inner = extension.get("properties")
    return inner["provisioningState"] if isinstance(inner, dict) else extension["provisioningState"]


def revisions(product: Product, name: str) -> list[dict[str, object]]:
    """Helm's history of a release, in whatever namespace it is."""
    for release in json.loads(product.shell("helm list -A -o json").stdout):
        if release["name"] == name:
            found: list[dict[str, object]] = json.loads(
                product.shell(f"helm history {name} -n {release['namespace']} -o json").stdout
            )
            return found
    return []


@pytest.mark.parametrize("delay", [0.0, 0.25, 0.6])
@pytest.mark.parametrize("process", ["server", "agent", "host"])
def test_a_killed_process_loses_nothing(product: Product, process: str, delay: float) -> None:
    name = f"kill-{process}-{int(delay * 100)}"
    begin(product, name)
    time.sleep(delay)
    product.kill(process)
    product.run("up", timeout=300)

    assert "Succeeded" == _state(settled(product, name))
    assert "deployed" == revisions(product, name)[-1]["status"]
    assert 1 == sum(1 for r in revisions(product, name) if r["status"] == "deployed")
    product.run("extension", "delete", *CLUSTER, "-n", name, "--yes")
    assert [] == revisions(product, name)


@pytest.mark.parametrize("program", ["helm", "kube-apiserver", "etcd"])
def test_a_killed_child_is_replaced_and_the_work_ends(product: Product, program: str) -> None:
    name = f"kill-{program.replace('kube-', '')}"
    begin(product, name, type="extensa.crds" if program == "helm" else "extensa.hello")  # its hooks keep helm busy
    if program == "helm":
        eventually(lambda: locked(product, name), within=20, wanted=bool, every=0.02)
    victim = eventually(lambda: child(product, program), within=20, wanted=lambda pid: pid is not None, every=0.02)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)

    found = settled(product, name)
    assert "Succeeded" == _state(found), found
    assert victim != child(product, program)
    assert "deployed" == eventually(lambda: revisions(product, name), within=60, wanted=bool)[-1]["status"]
    product.run("extension", "delete", *CLUSTER, "-n", name, "--yes")


def child(product: Product, program: str) -> int | None:
    """The pid of one running ``program`` of this installation; for helm, of the engine if that is what acts."""
    names = ("helm", "helm-engine") if program == "helm" else (program,)
    for pid, line in product.running():
        if Path(line.split(" ")[0]).name in names:
            return pid
    return None


def locked(product: Product, release: str) -> str:
    """Helm's record of an act under way."""
    return product.shell(f"kubectl get secrets -A -o name -l owner=helm,status=pending-install,name={release}").stdout


def test_nothing_is_orphaned_when_the_host_is_killed(product: Product) -> None:
    before = child(product, "kube-apiserver")
    assert before is not None
    product.kill("host")

    eventually(lambda: child(product, "kube-apiserver"), within=10, wanted=lambda pid: pid is None)
    product.run("up", timeout=300)

    def nodes() -> list[str]:
        return product.shell("kubectl get nodes -o name").stdout.split()

    assert eventually(nodes, within=60, wanted=bool)
