"""The nouns: what each command sends, prints and returns."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from unit.cli.conftest import Shell
from unit.client.arm_double import SUBSCRIPTION, ArmDouble, Canned

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/c"
EXTENSION = f"{CLUSTER}/providers/Microsoft.KubernetesConfiguration/extensions/x"
ON = ["-g", "g", "-c", "c"]
NAMED = [*ON, "-n", "x"]
CREATE = ["extension", "create", *NAMED, "--extension-type", "Extensa.Hello"]


def put_extension(front: ArmDouble, **properties: Any) -> None:
    """Store an extension as the front would show it."""
    kept = {"extensionType": "t", "provisioningState": "Succeeded", "currentVersion": "1.0.0", **properties}
    front.documents[EXTENSION.casefold()] = {"id": EXTENSION, "name": "x", "properties": kept}


def test_a_group_is_created_shown_listed_asked_for_and_deleted(extensa: Shell, front: ArmDouble) -> None:
    assert 0 == extensa("group", "create", "-n", "g", "-l", "north", "--tags", "a=1", "b=2").code
    assert {"location": "north", "tags": {"a": "1", "b": "2"}} == front.requests("PUT")[0].json
    assert "g\tnorth\tSucceeded\n" == extensa("group", "show", "-g", "g", "-o", "tsv").out
    assert ["g"] == [g["name"] for g in json.loads(extensa("group", "list").out)]
    assert ("true\n", "false\n") == (
        extensa("group", "exists", "-n", "g").out,
        extensa("group", "exists", "-n", "h").out,
    )
    assert 0 == extensa("group", "delete", "-n", "g", "--yes").code
    assert {} == front.documents


def test_the_region_comes_from_the_setting_when_none_is_named(extensa: Shell, front: ArmDouble) -> None:
    extensa.environ["EXTENSA_LOCATION"] = "mars"
    extensa("group", "create", "-n", "g")

    assert {"location": "mars"} == front.requests("PUT")[0].json


def test_deleting_asks_first(extensa: Shell, front: ArmDouble) -> None:
    extensa("group", "create", "-n", "g")
    for typed in ("", "n\n"):
        ran = extensa("group", "delete", "-n", "g", typed=typed)
        assert 1 == ran.code
        assert "(NotConfirmed)" in ran.err
    assert [] == front.requests("DELETE")
    assert 0 == extensa("group", "delete", "-n", "g", typed="y\n").code


def test_another_subscription_can_be_named(extensa: Shell, front: ArmDouble) -> None:
    extensa("group", "create", "-n", "g", "--subscription", "other")

    assert "/subscriptions/other/resourceGroups/g" == front.requests("PUT")[0].path


def test_a_cluster_takes_the_region_of_its_group(extensa: Shell, front: ArmDouble) -> None:
    extensa("group", "create", "-n", "g", "-l", "north")
    ran = extensa("cluster", "create", "-g", "g", "-n", "c", "--node-count", "5", "-k", "1.36", "--tags", "a=1")

    sent = front.requests("PUT")[1].json
    assert ("north", {"type": "SystemAssigned"}, {"a": "1"}) == (sent["location"], sent["identity"], sent["tags"])
    assert ("1.36", 5) == (sent["properties"]["kubernetesVersion"], sent["properties"]["agentPoolProfiles"][0]["count"])
    assert (0, "g") == (ran.code, json.loads(ran.out)["resourceGroup"])
    assert "Creating cluster c" in ran.err
    assert "c\tnorth\tg\t1.36\tSucceeded\t\t\n" == extensa("cluster", "show", "-g", "g", "-n", "c", "-o", "tsv").out


def test_clusters_are_listed_in_one_group_or_all(extensa: Shell, front: ArmDouble) -> None:
    front.documents[CLUSTER.casefold()] = {"id": CLUSTER, "name": "c", "properties": {}}
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    front.answer("GET", everywhere, Canned(200, {"value": []}))

    assert ["c"] == [c["name"] for c in json.loads(extensa("cluster", "list", "-g", "g").out)]
    assert [] == json.loads(extensa("cluster", "list").out)


def test_a_cluster_is_stopped_started_and_deleted(extensa: Shell, front: ArmDouble) -> None:
    front.documents[CLUSTER.casefold()] = {"id": CLUSTER, "name": "c", "properties": {}}
    for action in ("stop", "start"):
        front.answer("POST", f"{CLUSTER}/{action}", Canned(202, None, {"Location": f"{CLUSTER}/operations/1"}))
        assert 0 == extensa("cluster", action, "-g", "g", "-n", "c").code
        assert 0 == extensa("cluster", action, "-g", "g", "-n", "c", "--no-wait").code
    assert 4 == len(front.requests("POST"))
    assert 0 == extensa("cluster", "delete", "-g", "g", "-n", "c", "-y").code
    assert 3 == extensa("cluster", "show", "-g", "g", "-n", "c").code


def test_credentials_are_printed_or_merged(extensa: Shell, front: ArmDouble, tmp_path: Path) -> None:
    config = {"clusters": [{"name": "c"}], "users": [], "contexts": [{"name": "c"}], "current-context": "c"}
    content = json.dumps(config).encode()
    answer = Canned(200, {"kubeconfigs": [{"name": "u", "value": base64.b64encode(content).decode()}]})
    for action in ("listClusterUserCredential", "listClusterAdminCredential"):
        front.answer("POST", f"{CLUSTER}/{action}", answer)
    get = ["cluster", "get-credentials", "-g", "g", "-n", "c"]
    extensa.environ["KUBECONFIG"] = f"{tmp_path / 'k'}:/elsewhere"

    assert content.decode() == extensa(*get, "-f", "-").out
    assert "Merged 'c'" in extensa(*get, "--admin", "--overwrite-existing").err
    assert "current-context: c" in (tmp_path / "k").read_text()
    assert front.requests("POST")[-1].path.endswith("listClusterAdminCredential")


def test_an_extension_is_created_in_azs_words(extensa: Shell, front: ArmDouble) -> None:
    front.polls_until_done = 3
    flags = ["--scope", "cluster", "--release-namespace", "r", "--version", "1.0.0", "--config", "a=1", "b.c=x=y"]
    ran = extensa(*CREATE, *flags, "--config-protected-settings", "token=s3cret")

    assert 0 == ran.code
    sent = front.requests("PUT")[0]
    assert EXTENSION == sent.path
    assert {
        "extensionType": "extensa.hello",
        "autoUpgradeMinorVersion": False,
        "version": "1.0.0",
        "scope": {"cluster": {"releaseNamespace": "r"}},
        "configurationSettings": {"a": "1", "b.c": "x=y"},
        "configurationProtectedSettings": {"token": "s3cret"},
    } == sent.json["properties"]
    assert "identity" not in sent.json
    assert "Succeeded" == json.loads(ran.out)["properties"]["provisioningState"]
    assert "Installing x" in ran.err


def test_a_connected_cluster_brings_an_identity(extensa: Shell, front: ArmDouble) -> None:
    extensa(*CREATE, "-t", "ConnectedClusters", "--cluster-rp", "Microsoft.Kubernetes", "--no-wait")

    sent = front.requests("PUT")[0]
    assert "/Microsoft.Kubernetes/connectedClusters/c/" in sent.path
    assert {"type": "SystemAssigned"} == sent.json["identity"]
    assert not [a for a in front.asked if "/operations/" in a.path]


@pytest.mark.parametrize(("word", "value"), [([], True), (["true"], True), (["false"], False)])
def test_a_three_state_flag_may_stand_alone(extensa: Shell, front: ArmDouble, word: list[str], value: bool) -> None:
    extensa(*CREATE, "--auto-upgrade-minor-version", *word, "--no-wait")

    assert value is front.requests("PUT")[0].json["properties"]["autoUpgradeMinorVersion"]


def test_settings_come_from_a_file_or_from_pairs_not_both(extensa: Shell, front: ArmDouble, tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"a": "1", "b": true, "c": {"d": 2}}')
    assert 0 == extensa(*CREATE, "--config-file", str(file), "--no-wait").code
    assert {"a": "1", "b": "true", "c": '{"d": 2}'} == front.requests("PUT")[0].json["properties"][
        "configurationSettings"
    ]
    assert 2 == extensa(*CREATE, "--config-file", str(file), "--config", "a=1").code
    for text in ("{}", "[]", "{"):
        file.write_text(text)
        assert 2 == extensa(*CREATE, "--config-file", str(file)).code
    assert 2 == extensa(*CREATE, "--config-file", str(tmp_path / "absent")).code


def test_contradictions_are_told_before_anything_is_sent(extensa: Shell, front: ArmDouble) -> None:
    ran = extensa(*CREATE, "--version", "1", "--auto-upgrade")

    assert (1, []) == (ran.code, front.requests("PUT"))
    assert "(InvalidVersionChoice)" in ran.err


def test_a_failed_installation_is_told_with_its_cause(extensa: Shell, front: ArmDouble) -> None:
    step = {"type": "ExtensaNextStep", "info": {"nextStep": "Set image.tag."}}
    error = {"code": "ExtensionOperationFailed", "message": "It broke.", "additionalInfo": [step]}
    front.outcome = {"status": "Failed", "error": error}
    ran = extensa(*CREATE)

    assert (1, "") == (ran.code, ran.out)
    assert "(ExtensionOperationFailed) It broke." in ran.err
    assert "next: Set image.tag." in ran.err


def test_ctrl_c_stops_the_waiting_and_says_that_the_work_goes_on(
    extensa: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("extensa.client.arm.Arm.wait", interrupted)
    ran = extensa(*CREATE)

    assert (130, "") == (ran.code, ran.out)
    assert "the work goes on" in ran.err


def test_an_extension_is_shown_listed_and_changed(extensa: Shell, front: ArmDouble) -> None:
    put_extension(front)
    assert "x\tt\t1.0.0\tSucceeded\t\t\n" == extensa("extension", "show", *NAMED, "-o", "tsv").out
    assert ["x"] == [e["name"] for e in json.loads(extensa("extension", "list", *ON).out)]
    assert 0 == extensa("extension", "update", *NAMED, "--version", "1.1.0", "-y").code
    assert {
        "properties": {
            "version": "1.1.0",
            "autoUpgradeMinorVersion": False,
            "configurationSettings": {},
            "configurationProtectedSettings": {},
        }
    } == front.requests("PATCH")[0].json
    assert 0 == extensa("extension", "update", *NAMED, "--config", "a=1", "--no-wait").code


def test_deleting_what_is_not_there_is_no_error(extensa: Shell, front: ArmDouble) -> None:
    ran = extensa("extension", "delete", *NAMED, "--yes")
    assert (0, []) == (ran.code, front.requests("DELETE"))
    assert "nothing to delete" in ran.err

    put_extension(front)
    assert 1 == extensa("extension", "delete", *NAMED).code
    assert 0 == extensa("extension", "delete", *NAMED, "--yes", "--force").code
    assert "true" == front.requests("DELETE")[0].query["forcedelete"]


def test_waiting_ends_with_the_state_or_the_time(extensa: Shell, front: ArmDouble) -> None:
    wait = ["extension", "wait", *NAMED, "--interval", "0.1"]
    assert 2 == extensa(*wait).code
    assert 0 == extensa(*wait, "--deleted").code
    late = extensa(*wait, "--created", "--timeout", "0")
    assert 1 == late.code
    assert "(WaitTimedOut)" in late.err
    put_extension(front)
    assert 0 == extensa(*wait, "--created").code
    assert 0 == extensa(*wait, "--exists").code
    put_extension(front, provisioningState="Failed", errorInfo={"code": "Why", "message": "Because."})
    failed = extensa(*wait, "--updated")
    assert 1 == failed.code
    assert "(Why) Because." in failed.err


def test_objects_are_listed_as_last_seen_or_live(extensa: Shell, front: ArmDouble) -> None:
    seen = [{"kind": "Deployment", "namespace": "n", "name": "d", "health": "InProgress", "waitsFor": "2 replicas"}]
    front.answer("POST", f"{EXTENSION}/listObjects", Canned(200, {"value": seen}))
    ran = extensa("extension", "objects", *NAMED, "--live", "-o", "tsv")

    assert "Deployment\tn\td\tInProgress\t2 replicas\n" == ran.out
    assert "true" == front.requests("POST")[0].query["live"]


def test_an_operation_is_shown_by_its_address(extensa: Shell, front: ArmDouble) -> None:
    shown = extensa("operation", "show", f"{front.url}{EXTENSION}/operations/7")

    assert {"status": "Succeeded"} == json.loads(shown.out)
    assert "2025-03-01" == front.asked[-1].query["api-version"]
    extensa("operation", "show", f"{EXTENSION}/operations/7?api-Version=2022-03-01")
    assert "2022-03-01" == front.asked[-1].query["api-version"]


def test_types_are_listed_by_region_or_for_a_cluster(extensa: Shell, front: ArmDouble) -> None:
    base = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KubernetesConfiguration/locations"
    item = {"name": "a.b", "properties": {"extensionType": "a.b", "publisher": "p"}}
    version = {"name": "1.0.0", "properties": {"version": "1.0.0", "releaseTrains": ["stable", "preview"]}}
    front.answer("GET", f"{base}/westeurope/extensionTypes", Canned(200, {"value": [item]}))
    front.answer("GET", f"{base}/mars/extensionTypes/a.b", Canned(200, item))
    front.answer("GET", f"{base}/westeurope/extensionTypes/a.b/versions", Canned(200, {"value": [version]}))
    front.answer(
        "GET", f"{CLUSTER}/providers/Microsoft.KubernetesConfiguration/extensionTypes", Canned(200, {"value": [item]})
    )

    assert "a.b\tp\t\t\t\n" == extensa("type", "list", "-o", "tsv").out
    assert "a.b\tp\t\t\t\n" == extensa("type", "list", *ON, "-o", "tsv").out
    assert 2 == extensa("type", "list", "-c", "c").code
    assert item == json.loads(extensa("type", "show", "-n", "A.B", "-l", "mars").out)
    listed = extensa("type", "versions", "-n", "a.b", "--release-train", "stable", "-o", "tsv")
    assert "1.0.0\tstable, preview\n" == listed.out
    assert "stable" == front.asked[-1].query["releasetrain"]


def test_the_output_setting_is_the_default_of_every_command(extensa: Shell, front: ArmDouble) -> None:
    put_extension(front)
    extensa.environ["EXTENSA_OUTPUT"] = "tsv"

    assert extensa("extension", "show", *NAMED).out.startswith("x\t")
    assert extensa("extension", "show", *NAMED, "-o", "JSON").out.startswith("{")
