"""What follows a failure and who holds the wheel, through the whole product, with Helm's records."""

import json
import time
from typing import Any

import pytest

from e2e.product import Product, eventually

pytestmark = pytest.mark.cluster

ON = ["-g", "demo", "-c", "demo", "-t", "managedClusters"]
PLACE = "policies"
PLACED = ["--scope", "cluster", "--release-namespace", PLACE]
FAILS = ["--extension-type", "extensa.fails", *PLACED, "--timeout", "60s"]


def revisions(product: Product, name: str, place: str = PLACE) -> list[tuple[int, str, str]]:
    """Helm's own record of a release: number, status and chart of every revision; none when there is no release."""
    listed = product.shell(f"helm history {name} -n {place} -o json || echo []").stdout
    found = json.loads(listed)
    return [(each["revision"], each["status"], each["chart"]) for each in found]


def shown(product: Product, name: str) -> dict[str, Any]:
    """The properties of an extension."""
    found: dict[str, Any] = product.json("extension", "show", *ON, "-n", name)["properties"]
    return found


def history(product: Product, name: str) -> list[tuple[int, str, str, str | None]]:
    """Our own record: number, reason, result and cause of every revision, the newest first."""
    found = product.json("extension", "history", *ON, "-n", name)
    return [(each["revision"], each["reason"], each["result"], each["errorCode"]) for each in found]


def made(product: Product, name: str, *more: str) -> None:
    """Install the first version of the chart that fails when it is told to, in good health."""
    product.run("extension", "create", *ON, "-n", name, *FAILS, "--version", "1.0.0", *more)


def removed(product: Product, name: str) -> None:
    product.run("extension", "delete", *ON, "-n", name, "--yes")
    assert [] == revisions(product, name)


def upgraded_badly(product: Product, name: str) -> str:
    """Upgrade to a version that the API refuses; return what the command line said."""
    bad = ["--version", "1.1.0", "--config", "mode=invalid-object", "from=1.1.0"]
    ran = product.run("extension", "update", *ON, "-n", name, *bad, ok=False)
    assert 1 == ran.returncode, ran.stdout
    return ran.stderr


def test_a_failed_upgrade_is_rolled_back_and_its_evidence_is_still_there(product: Product) -> None:
    made(product, "back", "--config", "message=good")
    said = upgraded_badly(product, "back")

    words = "The upgrade failed and was rolled back to revision 1 (version 1.0.0)."
    assert words in said
    records = revisions(product, "back")
    assert [(1, "superseded", "extensa-fails-1.0.0"), (2, "failed", "extensa-fails-1.1.0")] == records[:2]
    assert ("deployed", "extensa-fails-1.0.0") == records[-1][1:]
    assert (
        "good" in product.shell(f"kubectl get configmaps -n {PLACE} -l app.kubernetes.io/instance=back -o yaml").stdout
    )
    found = shown(product, "back")
    assert ("Failed", ["UpgradeFailed", "RolledBack"]) == (
        found["provisioningState"],
        [each["code"] for each in found["statuses"]][:2],
    )
    assert [(2, "Patch", "Failed", "ObjectInvalid"), (1, "Put", "Succeeded", None)] == history(product, "back")
    told = product.run("extension", "diagnose", *ON, "-n", "back").stdout
    assert "(ObjectInvalid)" in told
    assert f"Done    {words}" in told
    assert "70000" in told
    product.run("extension", "rollback", *ON, "-n", "back", "--to", "1")
    assert "Succeeded" == shown(product, "back")["provisioningState"]
    assert (3, "Rollback", "Succeeded", None) == history(product, "back")[0]
    removed(product, "back")


def test_a_failed_installation_leaves_nothing_but_its_evidence(product: Product) -> None:
    create = ["extension", "create", *ON, "-n", "never", *FAILS, "--config", "mode=invalid-object"]
    ran = product.run(*create, ok=False)

    assert "The installation failed and the release was uninstalled." in ran.stderr
    assert [] == revisions(product, "never")
    assert "(ObjectInvalid)" in product.run("extension", "diagnose", *ON, "-n", "never").stdout
    removed(product, "never")


def test_an_upgrade_may_be_uninstalled_or_left_to_be_looked_at(product: Product) -> None:
    made(product, "away", "--on-failure", "uninstall")
    assert "The upgrade failed and the release was uninstalled." in upgraded_badly(product, "away")
    assert [] == revisions(product, "away")
    made(product, "stays", "--on-failure", "stay")
    assert "(Remedy)" not in upgraded_badly(product, "stays")

    assert (2, "failed", "extensa-fails-1.1.0") == revisions(product, "stays")[-1]
    assert {"onFailure": "Stay", "retries": 0, "timeout": "PT1M"} == shown(product, "stays")["failurePolicy"]
    for name in ("away", "stays"):
        removed(product, name)


def test_an_effort_is_begun_again_as_often_as_was_asked_for(product: Product) -> None:
    """The namespace that the chart needs is made while the agent waits to begin again."""
    create = ["extension", "create", *ON, "-n", "again", *FAILS, "--config", "mode=missing-namespace"]
    product.run(*create, "--retries", "2", "--no-wait")
    evidence = ["extension", "diagnose", *ON, "-n", "again", "--list"]
    eventually(lambda: product.json(*evidence), within=60, wanted=bool)
    product.shell("kubectl create namespace extensa-there-is-no-such-namespace")

    product.run("extension", "wait", *ON, "-n", "again", "--created", "--timeout", "150")
    assert [(1, "Put", "Succeeded", None)] == history(product, "again")
    assert "deployed" == revisions(product, "again")[-1][1]
    removed(product, "again")
    product.shell("kubectl delete namespace extensa-there-is-no-such-namespace")


def test_what_runs_is_canceled_and_held_until_it_is_retried(product: Product) -> None:
    create = ["extension", "create", *ON, "-n", "slow", *FAILS, "--config", "mode=slow", "delay=45", "--no-wait"]
    product.run(*create)
    eventually(lambda: revisions(product, "slow"), within=30, wanted=bool)
    product.run("extension", "cancel", *ON, "-n", "slow")

    eventually(
        lambda: shown(product, "slow")["statuses"], within=20, wanted=lambda lines: "Held" in str(lines), every=0.5
    )
    before = revisions(product, "slow")
    assert "Canceled" == shown(product, "slow")["provisioningState"]
    refused = product.run("extension", "cancel", *ON, "-n", "slow", ok=False)
    assert "(NothingToCancel)" in refused.stderr
    time.sleep(3)
    assert before == revisions(product, "slow"), "a held agent takes no act"
    product.run("extension", "update", *ON, "-n", "slow", "--config", "delay=1")
    assert "Succeeded" == shown(product, "slow")["provisioningState"]
    assert ["Succeeded", "Canceled"] == [each[2] for each in history(product, "slow")]
    removed(product, "slow")


def test_a_paused_extension_is_left_to_whoever_works_on_it(product: Product) -> None:
    made(product, "mine", "--config", "message=ours")
    product.run("extension", "pause", *ON, "-n", "mine")
    eventually(lambda: shown(product, "mine")["statuses"], within=20, wanted=lambda lines: "Held" in str(lines))
    chart = product.cwd / "charts" / "fails" / "1.0.0"
    product.shell(f"helm upgrade mine {chart} --reuse-values -n {PLACE} --set message=theirs")
    by_hand = revisions(product, "mine")
    assert (2, "deployed", "extensa-fails-1.0.0") == by_hand[-1]

    refused = product.run("extension", "update", *ON, "-n", "mine", "--config", "message=x", ok=False)
    assert "(ExtensionPaused)" in refused.stderr
    assert "extensa extension resume" in refused.stderr
    time.sleep(3)
    assert by_hand == revisions(product, "mine")
    assert shown(product, "mine")["paused"]
    product.run("extension", "resume", *ON, "-n", "mine")
    assert (3, "deployed", "extensa-fails-1.0.0") == revisions(product, "mine")[-1]
    assert "ours" in product.shell(f"helm get values mine -n {PLACE}").stdout
    removed(product, "mine")


def test_a_rollback_brings_back_version_settings_and_secrets(product: Product) -> None:
    made(product, "rolls", "--config", "message=first", "--config-protected", "secret.token=canary-one-long")
    change = ["--version", "1.1.0", "--config", "message=second", "--config-protected", "secret.token=canary-two-long"]
    product.run("extension", "update", *ON, "-n", "rolls", *change)
    assert "canary-two-long" in product.shell(f"helm get values rolls -n {PLACE}").stdout
    product.run("extension", "rollback", *ON, "-n", "rolls", "--to", "1")

    values = product.shell(f"helm get values rolls -n {PLACE}").stdout
    assert "first" in values
    assert "canary-one-long" in values
    assert "extensa-fails-1.0.0" == revisions(product, "rolls")[-1][2]
    assert ["Rollback", "Patch", "Put"] == [each[1] for each in history(product, "rolls")]
    shown_history = product.run("extension", "history", *ON, "-n", "rolls").stdout
    assert "canary" not in shown_history
    first, third = (each["settingsDigest"] for each in json.loads(shown_history)[::2])
    assert first == third
    refused = product.run("extension", "rollback", *ON, "-n", "rolls", "--to", "9", ok=False)
    assert "is not kept; 1 to 3 are" in refused.stderr
    removed(product, "rolls")


def test_definitions_go_when_asked(product: Product) -> None:
    create = ["extension", "create", *ON, "-n", "defs", "--extension-type", "extensa.crds"]
    crds = "kubectl get customresourcedefinitions -o name"
    name = "widgets.samples.extensa.dev"
    product.run(*create)
    product.run("extension", "delete", *ON, "-n", "defs", "--yes")
    assert name in product.shell(crds).stdout, "Helm leaves them"
    product.run(*create)
    product.run("extension", "delete", *ON, "-n", "defs", "--delete-crds", "--yes")

    assert name not in product.shell(crds).stdout


def test_what_a_forced_delete_leaves_is_listed_and_cleaned(product: Product) -> None:
    create = ["extension", "create", *ON, "-n", "clings", "--extension-type", "extensa.fails", *PLACED]
    product.run(*create, "--timeout", "15s", "--config", "mode=stuck-delete")
    said = product.run("extension", "delete", *ON, "-n", "clings", "--force", "--yes").stderr
    assert "extensa extension orphans" in said
    orphans = ["extension", "orphans", *ON]

    def states() -> list[str]:
        return [each["properties"]["state"] for each in product.json(*orphans)]

    eventually(states, within=60, wanted=lambda found: found == ["Failed"], every=1)
    failed = product.json(*orphans)[0]["properties"]
    assert "ConfigMap" in json.dumps(failed), "what is left, or why, names the object"
    product.run(*orphans, "--clean", "--remove-finalizers", "--yes")
    eventually(states, within=60, wanted=lambda found: found == [], every=1)
    left = f"kubectl get configmaps -n {PLACE} -l app.kubernetes.io/instance=clings -o name"
    assert "" == product.shell(left).stdout.strip()
