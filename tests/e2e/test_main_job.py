"""The main job as a newcomer does it: up, look, install, change, remove, down; and what is told when it goes wrong."""

import json
import re
from typing import Any

import pytest

from e2e.product import Product, eventually

pytestmark = pytest.mark.cluster

CLUSTER = ["-g", "demo", "-c", "demo", "-t", "managedClusters"]


def properties(extension: dict[str, Any]) -> dict[str, Any]:
    """The properties of an extension, flattened as az prints them or not."""
    found: dict[str, Any] = extension.get("properties", extension)
    return found


def test_up_says_what_is_there_and_what_to_try(product: Product) -> None:
    assert f"https://localhost:{product.port}" in product.up
    assert "hello" in product.up
    assert 'eval "$(' in product.up
    assert "Traceback" not in product.up


def test_every_command_up_suggests_works_as_it_stands(product: Product) -> None:
    suggested = [
        line.strip() for line in product.up.splitlines() if re.match(r"\s+(eval|kubectl|helm|extensa|az) ", line)
    ]
    assert len(suggested) >= 3
    product.shell("; ".join(line for line in suggested if not line.startswith("az ")))


def test_a_second_up_changes_nothing(product: Product) -> None:
    before = [product.pid(p) for p in ("server", "host", "agent")]
    shown = product.json("extension", "show", *CLUSTER, "-n", "hello")
    product.run("up", timeout=60)

    assert before == [product.pid(p) for p in ("server", "host", "agent")]
    assert shown == product.json("extension", "show", *CLUSTER, "-n", "hello")


def test_settings_reach_the_chart_and_secrets_do_not_come_back(product: Product) -> None:
    name = "settings"
    create = ["extension", "create", *CLUSTER, "-n", name, "--extension-type", "extensa.hello"]
    given = ["--scope", "cluster", "--release-namespace", "settings"]
    given += ["--config", "greeting=good morning", "--config-protected", "secret.token=s3cr3t-canary"]
    product.run(*create, *given)

    shown = product.run("extension", "show", *CLUSTER, "-n", name, "-o", "json").stdout
    assert "s3cr3t-canary" not in shown
    assert {"secret.token": ""} == properties(json.loads(shown))["configurationProtectedSettings"]
    configmaps = product.shell("kubectl get configmaps -n settings -o json").stdout
    assert "good morning" in configmaps
    assert "s3cr3t-canary" not in configmaps
    secrets = json.loads(product.shell("kubectl get secrets -n settings -o json").stdout)["items"]
    assert [s for s in secrets if s["metadata"]["name"].startswith(name) and s["type"] == "Opaque"]

    product.run("extension", "update", *CLUSTER, "-n", name, "--config", "greeting=good evening", "--yes")
    assert "good evening" in product.shell("kubectl get configmaps -n settings -o json").stdout
    product.run("extension", "delete", *CLUSTER, "-n", name, "--yes")
    assert "" == product.shell(f"helm list -q -n settings --filter ^{name}$").stdout.strip()
    assert 3 == product.run("extension", "show", *CLUSTER, "-n", name, ok=False).returncode
    for log in (product.home / "logs").rglob("*"):
        if log.is_file():
            assert "s3cr3t-canary" not in log.read_text(encoding="utf-8", errors="replace"), log


def test_a_release_that_never_becomes_ready_says_what_it_waits_for(product: Product) -> None:
    create = ["extension", "create", *CLUSTER, "-n", "stuck", "--extension-type", "extensa.fails", "--no-wait"]
    product.run(*create, "--config", "mode=never-ready")

    def statuses() -> str:
        return json.dumps(properties(product.json("extension", "show", *CLUSTER, "-n", "stuck"))["statuses"])

    said = eventually(statuses, within=60, wanted=lambda s: "wait" in s.casefold())
    assert "stuck" in said
    product.run("extension", "delete", *CLUSTER, "-n", "stuck", "--yes")


def test_a_chart_that_does_not_render_fails_with_a_cause_and_a_next_step(product: Product) -> None:
    create = ["extension", "create", *CLUSTER, "-n", "broken", "--extension-type", "extensa.fails"]
    failed = product.run(*create, "--config", "mode=render", ok=False)

    assert 1 == failed.returncode
    assert "ExtensionOperationFailed" in failed.stderr
    assert "Traceback" not in failed.stderr
    shown = properties(product.json("extension", "show", *CLUSTER, "-n", "broken"))
    assert "Failed" == shown["provisioningState"]
    assert shown["errorInfo"]["message"]
    product.run("extension", "delete", *CLUSTER, "-n", "broken", "--yes")


@pytest.mark.parametrize(
    ("argv", "code", "exit_code"),
    [
        (["-g", "demo", "-c", "absent", "-n", "x", "--extension-type", "extensa.hello"], "ResourceNotFound", 3),
        (["-g", "absent", "-c", "demo", "-n", "x", "--extension-type", "extensa.hello"], "ResourceGroupNotFound", 3),
        (
            ["-g", "demo", "-c", "demo", "-n", "x", "--extension-type", "no.such"],
            "ExtensionTypeRegistrationGetFailed",
            1,
        ),
        (
            ["-g", "demo", "-c", "demo", "-n", "x", "--extension-type", "extensa.hello", "--version", "9.9.9"],
            "9.9.9",
            1,
        ),
        (["-g", "demo", "-c", "demo", "-n", "-bad-", "--extension-type", "extensa.hello"], "name", 1),
    ],
)
def test_bad_input_is_told_plainly(product: Product, argv: list[str], code: str, exit_code: int) -> None:
    refused = product.run("extension", "create", "-t", "managedClusters", *argv, ok=False)

    assert exit_code == refused.returncode, refused.stderr
    assert code.casefold() in refused.stderr.casefold()
    assert "Traceback" not in refused.stderr


def test_deleting_a_group_removes_what_is_inside(product: Product) -> None:
    product.run("group", "create", "-n", "short-lived", "-l", "westeurope")
    product.run("cluster", "create", "-g", "short-lived", "-n", "gone", timeout=120)
    create = ["extension", "create", "-g", "short-lived", "-c", "gone", "-t", "managedClusters", "-n", "hello"]
    product.run(*create, "--extension-type", "extensa.hello")
    assert 2 == len(list((product.home / "clusters").iterdir()))

    product.run("group", "delete", "-n", "short-lived", "--yes", timeout=120)
    assert 3 == product.run("group", "show", "-n", "short-lived", ok=False).returncode
    assert 1 == len(list((product.home / "clusters").iterdir()))


def test_a_stopped_cluster_keeps_its_state(product: Product) -> None:
    uid_before = product.shell("kubectl get namespace default -o jsonpath='{.metadata.uid}'").stdout
    product.run("cluster", "stop", "-g", "demo", "-n", "demo", timeout=120)
    product.run("cluster", "start", "-g", "demo", "-n", "demo", timeout=120)

    assert uid_before == product.shell("kubectl get namespace default -o jsonpath='{.metadata.uid}'").stdout
    shown = properties(product.json("extension", "show", *CLUSTER, "-n", "hello"))
    assert "Succeeded" == shown["provisioningState"]


def test_down_leaves_no_process_and_keeps_the_data(product: Product) -> None:
    product.run("down")
    assert [] == product.processes()

    product.run("up", timeout=300)
    shown = properties(product.json("extension", "show", *CLUSTER, "-n", "hello"))
    assert "Succeeded" == shown["provisioningState"]


def test_pods_run_again_soon_after_a_restart(product: Product) -> None:
    """A restarted KWOK waits for the leases of the one before (40 s) unless they are cleared."""
    product.run("down")
    product.run("up", timeout=300)
    create = ["extension", "create", *CLUSTER, "-n", "after-restart", "--extension-type", "extensa.hello"]
    product.run(*create, timeout=25)
    product.run("extension", "delete", *CLUSTER, "-n", "after-restart", "--yes")
