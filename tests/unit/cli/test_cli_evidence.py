"""Failures as people read them, and the archive for a supporter, in which no secret may be."""

import base64
import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from extensa.base.home import Home, write_file
from extensa.cli import bundle, evidence
from unit.cli.conftest import Shell
from unit.cli.test_cli_nouns import CLUSTER, EXTENSION, NAMED, put_extension
from unit.client.arm_double import SUBSCRIPTION, ArmDouble, Canned

KEPT: dict[str, Any] = {
    "id": "ev-2",
    "generation": 3,
    "time": "2026-11-25T03:00:00.5Z",
    "cause": {
        "code": "Unschedulable",
        "message": "Deployment x waits for 1 of 1 replicas.",
        "step": "ready",
        "target": "Pod x-1",
        "nextStep": "Add nodes.",
        "raw": "Error: timed out",
    },
    "followedBy": "nothing: it stays for inspection",
    "requestedBy": "anna",
    "extensionType": "t",
    "extensionVersion": "1.0.0",
    "release": {"description": "Upgrade failed", "revisions": [{"revision": 2, "status": "failed"}]},
    "objects": [
        {
            "kind": "Deployment",
            "name": "x",
            "health": "InProgress",
            "waitsFor": "1 of 1 replicas",
            "conditions": [{"type": "Available", "status": "False", "reason": "Min", "message": "not yet"}],
        },
        {"kind": "ConfigMap", "name": "m", "health": "Current"},
    ],
    "objectCount": 2,
    "events": [
        {"time": "2026-11-25T02:59:01", "type": "Normal", "reason": "Made", "object": "Pod x-1", "message": "first"},
        {
            "time": "2026-11-25T02:59:02",
            "type": "Warning",
            "reason": "FailedScheduling",
            "object": "Pod x-1",
            "message": "0/2 nodes",
            "count": 4,
        },
    ],
    "pods": [
        {
            "name": "x-1",
            "phase": "Pending",
            "containers": [
                {
                    "name": "main",
                    "state": "waiting",
                    "reason": "CrashLoopBackOff",
                    "exitCode": 1,
                    "restarts": 2,
                    "log": ["boom"],
                },
                {"name": "side", "state": "unknown", "logNote": "It has not started: there is none."},
            ],
        }
    ],
    "manifests": "kind: Deployment\n",
    "notes": ["Manifests: only the first 10 characters are kept."],
}
LISTED = {"value": [{"id": "ev-2", "causeCode": "Unschedulable"}, {"id": "ev-1"}], "awaited": False, "lost": None}
DIAGNOSE = ["extension", "diagnose", *NAMED]


def failed(front: ArmDouble, listed: Any = LISTED, kept: Any = KEPT) -> None:
    """An extension that has failed, and what is kept of it."""
    put_extension(front, provisioningState="Failed", errorInfo={"message": "Helm said no"})
    front.answer("POST", f"{EXTENSION}/listEvidence", Canned(200, listed))
    front.answer("POST", f"{EXTENSION}/getEvidence", Canned(200, kept))


def test_cause_and_next_step_come_first_and_everything_else_below(extensa: Shell, front: ArmDouble) -> None:
    failed(front)
    ran = extensa(*DIAGNOSE)
    places = [
        ran.out.index(words)
        for words in (
            "x  t  Failed",
            "Cause   (Unschedulable)",
            "Object  Pod x-1",
            "Next    Add nodes.",
            "generation 3, asked for by anna",
            "What waited for what (1 of 2 not ready)",
            "Available=False Min not yet",
            "first",
            "FailedScheduling  Pod x-1: 0/2 nodes (4 times)",
            "Error: timed out",
            "container main: waiting CrashLoopBackOff, exit code 1, 2 restarts",
            "| boom",
            "It has not started",
            "only the first 10 characters",
            "1 other failures",
        )
    ]

    assert 0 == ran.code
    assert sorted(places) == places
    assert "kind: Deployment" not in ran.out
    failed(front)
    assert "kind: Deployment" in extensa(*DIAGNOSE, "--manifests").out


def test_json_gives_all_and_the_list_names_what_is_kept(extensa: Shell, front: ArmDouble) -> None:
    failed(front)
    whole = json.loads(extensa(*DIAGNOSE, "-o", "json").out)
    assert (KEPT, LISTED["value"]) == (whole["evidence"], whole["kept"])
    failed(front)
    assert "Unschedulable" in extensa(*DIAGNOSE, "--list", "-o", "table").out
    failed(front)
    extensa(*DIAGNOSE, "--id", "ev-1")
    assert {"id": "ev-1"}.items() <= front.requests("POST")[-1].query.items()


@pytest.mark.parametrize(("code", "said"), [("Unschedulable", True), ("Other", False)])
def test_what_was_done_about_it_is_said_of_the_failure_it_followed(code: str, said: bool) -> None:
    told = [
        {"type": "ExtensaFailure", "info": {"code": code}},
        {"type": "ExtensaRemedy", "info": {"message": "The upgrade failed and was rolled back."}},
    ]
    found = {"name": "x", "properties": {"provisioningState": "Failed", "errorInfo": {"additionalInfo": told}}}

    assert said is ("Done    The upgrade failed and was rolled back." in evidence.screen(found, LISTED, KEPT))


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ({"value": [], "lost": "NoEvidence: gone"}, "The evidence was lost: NoEvidence: gone"),
        ({"value": [], "awaited": True}, "on its way"),
        ({"value": []}, "Helm said no"),
    ],
)
def test_without_evidence_what_is_known_is_said(listed: Any, words: str) -> None:
    found = {"name": "x", "properties": {"provisioningState": "Failed", "errorInfo": {"message": "Helm said no"}}}

    assert words in evidence.screen(found, listed, None)
    healthy = {"name": "x", "properties": {"provisioningState": "Succeeded"}}
    assert "No failure is known" in evidence.screen(healthy, {"value": []}, None)


def test_what_is_on_its_way_is_waited_for(extensa: Shell, front: ArmDouble) -> None:
    put_extension(front, provisioningState="Failed")
    waiting = Canned(200, {"value": [], "awaited": True})
    front.answer("POST", f"{EXTENSION}/listEvidence", waiting, waiting, Canned(200, LISTED))
    front.answer("POST", f"{EXTENSION}/getEvidence", Canned(200, KEPT))

    assert "(Unschedulable)" in extensa(*DIAGNOSE).out


CANARIES = {
    "owner": "canary-owner-secret-1",
    "link": "canary-link-secret-22",
    "kek": base64.b64encode(b"canary-kek-of-32-bytes-exactly!!").decode(),
    "token": "canary.access.token-333",
    "agent": "canary-agent-private-key",
    "setting": "canary-password-4444",
    "kubeconfig": base64.b64encode(b"canary-client-key-of-a-cluster").decode(),
    "cluster": "canaryCanaryCanaryServiceAccountKey",
    "encryption": base64.b64encode(b"canary-encryption-of-a-cluster").decode(),
}


def planted(home: Home, front: ArmDouble) -> None:
    """A data folder full of secrets, and logs that print every one of them."""
    owner = {
        "tenantId": "t",
        "clientId": "me",
        "clientSecret": CANARIES["owner"],
        "subscriptionId": SUBSCRIPTION,
        "endpoint": front.url,
    }
    write_file(home.owner_credential, json.dumps(owner).encode())
    write_file(home.link_credential("agent"), json.dumps({"name": "a", "secret": CANARIES["link"]}).encode())
    write_file(home.keys / "vault.json", json.dumps({"active": "k1", "keys": {"k1": CANARIES["kek"]}}).encode())
    write_file(home.agent / "key", CANARIES["agent"].encode())
    write_file(home.token_cache, json.dumps({"x": {"token": CANARIES["token"]}}).encode())
    config = {"users": [{"name": "u", "user": {"client-key-data": CANARIES["kubeconfig"]}}]}
    write_file(home.agent_kubeconfig("uid"), json.dumps(config).encode())
    pki = home.clusters / "uid" / "pki"
    key = f"-----BEGIN KEY-----\n{CANARIES['cluster']}\n-----END KEY-----\n"
    write_file(pki / "service-account.key", key.encode())
    write_file(pki / "encryption.yaml", f"keys:\n- name: k\n  secret: {CANARIES['encryption']}\n".encode())
    for name in ("server", "host", "agent"):
        write_file(home.log(name), "\n".join([*CANARIES.values(), f"a line of {name}"]).encode())


def test_the_archive_tells_much_and_no_secret(extensa: Shell, front: ArmDouble, tmp_path: Path) -> None:
    home = Home(Path(extensa.environ["EXTENSA_HOME"]))
    planted(home, front)
    front.documents[CLUSTER.casefold()] = {"id": CLUSTER, "name": "c", "properties": {"adminKubeconfig": "canary-kube"}}
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    front.answer("GET", everywhere, Canned(200, {"value": [front.documents[CLUSTER.casefold()]]}))
    extensa.environ["EXTENSA_ARM"] = f"https://me:{CANARIES['setting']}@localhost:1"
    target = tmp_path / "bundle.tar.gz"
    ran = extensa("support-bundle", "--output", str(target))

    assert (0, 0o600) == (ran.code, stat.S_IMODE(target.stat().st_mode)), ran.err
    with tarfile.open(target) as archive:
        texts = {
            name.removeprefix("extensa-support/"): (archive.extractfile(name) or io.BytesIO()).read().decode()
            for name in archive.getnames()
        }
    found = "\n".join(texts.values())
    assert {"versions.txt", "settings.txt", "status.json", "doctor.txt", "not-in-here.txt"} <= set(texts)
    assert "a line of agent" in texts["logs/agent.log"]
    hidden = {name: value for name, value in CANARIES.items() if name != "setting"}
    assert [] == [name for name, value in hidden.items() if value in found]
    assert CANARIES["setting"] not in texts["settings.txt"]
    assert "canary-kube" not in found


def test_an_archive_that_exists_is_not_replaced(extensa: Shell, front: ArmDouble, tmp_path: Path) -> None:
    target = tmp_path / "there"
    target.write_text("mine")
    ran = extensa("support-bundle", "--output", str(target))

    assert (1, "mine") == (ran.code, target.read_text())
    assert "(BundleNotWritten)" in ran.err


def test_fields_that_are_named_for_secrets_are_hidden() -> None:
    document = {"clientSecret": "a", "nested": [{"accessToken": "b", "name": "kept"}], "secretCount": 3}

    assert {"clientSecret": "********", "nested": [{"accessToken": "********", "name": "kept"}], "secretCount": 3} == (
        bundle.redacted(document)
    )
