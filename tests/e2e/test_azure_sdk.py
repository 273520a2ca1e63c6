"""The Azure SDKs for Python, unmodified, install a real Helm release through the public API."""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.product import ROOT, Product

pytestmark = pytest.mark.cluster

SDK = ROOT / ".clients" / "sdk" / "bin" / "python"
SCRIPT = ROOT / "tests" / "e2e" / "azure_sdk_client.py"
NAME = "from-sdk"


def objects(product: Product, kind: str, namespace: str) -> list[dict[str, Any]]:
    """What kubectl shows of a kind, for the release of this test."""
    shown = product.shell(f"kubectl get {kind} -n {namespace} -o json").stdout
    return [item for item in json.loads(shown)["items"] if item["metadata"]["name"].startswith(NAME)]


def test_the_azure_sdks_install_a_real_release(product: Product, tmp_path: Path) -> None:
    result = tmp_path / "seen.json"
    line = f'eval "$({shlex.quote(str(product.program))} env --sdk)"; exec {SDK} {SCRIPT} demo demo {NAME} {result}'
    with subprocess.Popen(
        ["bash", "-c", line],
        env=product.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as caller:
        assert caller.stdin is not None
        assert caller.stdout is not None
        assert caller.stderr is not None
        said = caller.stdout.readline().strip()
        if said != "installed":
            caller.kill()
            pytest.fail(f"the SDK said {said!r}: {caller.stderr.read()[-3000:]}")
        seen = json.loads(result.read_text(encoding="utf-8"))

        created, patched = seen["created"]["properties"], seen["patched"]["properties"]
        assert "Succeeded" == created["provisioningState"]
        assert "1.0.0" == created["currentVersion"]
        assert {"secret.token": ""} == created["configurationProtectedSettings"]
        assert "Succeeded" == patched["provisioningState"]
        assert "1.1.0" == patched["currentVersion"]
        assert {"greeting": "patched"} == patched["configurationSettings"]
        assert NAME in seen["listed"]
        assert NAME in seen["listed_by_older_sdk"]
        assert "demo" in seen["groups"]
        assert "never-shown-again" not in result.read_text(encoding="utf-8")

        namespace = created["scope"]["cluster"]["releaseNamespace"]
        listed = json.loads(product.shell(f"helm list -n {namespace} -o json").stdout)
        release = next(r for r in listed if r["name"] == NAME)
        assert "deployed" == release["status"]
        assert release["chart"].endswith("-1.1.0")
        deployments = objects(product, "deployments", namespace)
        assert deployments
        assert all(d["status"]["readyReplicas"] == d["spec"]["replicas"] for d in deployments)
        assert "patched" in json.dumps(objects(product, "configmaps", namespace))
        assert "never-shown-again" not in json.dumps(objects(product, "configmaps", namespace))
        assert objects(product, "secrets", namespace)

        caller.stdin.write("\n")
        caller.stdin.flush()
        assert 0 == caller.wait(timeout=120), caller.stderr.read()[-3000:]

    assert NAME not in json.loads(result.read_text(encoding="utf-8"))["listed_after_delete"]
    assert [] == objects(product, "deployments", namespace)
    assert NAME not in product.shell(f"helm list -n {namespace} -q").stdout.split()
