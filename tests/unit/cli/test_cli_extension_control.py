"""Policies, commands, history, drift and orphans on the command line: what each sends, and what people read."""

import json
from typing import Any

import pytest

from extensa.client.extensions import duration
from unit.cli.conftest import Shell
from unit.cli.test_cli_nouns import CLUSTER, CREATE, EXTENSION, NAMED, ON, put_extension
from unit.client.arm_double import ArmDouble, Canned

ORPHANS = f"{CLUSTER}/providers/Microsoft.KubernetesConfiguration/orphanedExtensions"
REMEDY = "The upgrade failed and was rolled back to revision 3 (version 1.2.0)."


def promised(front: ArmDouble, path: str) -> dict[str, str]:
    return {"Azure-AsyncOperation": f"{front.url}{path}/operations/1?api-version=x", "Retry-After": "0"}


def test_policies_are_sent_as_they_are_named(extensa: Shell, front: ArmDouble) -> None:
    flags = ["--on-failure", "Stay", "--retries", "2", "--timeout", "1h30m", "--drift", "correct", "--adopt"]
    ran = extensa(*CREATE, *flags, "--drift-ignore", "/a", "Deployment/web:/b", "--no-wait")

    assert 0 == ran.code, ran.err
    sent = front.requests("PUT")[0].json["properties"]
    assert {"onFailure": "Stay", "retries": 2, "timeout": "PT1H30M"} == sent["failurePolicy"]
    assert {"mode": "Correct", "ignore": ["/a", "Deployment/web:/b"]} == sent["driftPolicy"]
    assert "Adopt" == sent["adoption"]


def test_what_is_not_named_is_not_sent(extensa: Shell, front: ArmDouble) -> None:
    put_extension(front)
    extensa("extension", "update", *NAMED, "--retries", "0", "--no-wait")
    extensa("extension", "update", *NAMED, "--drift-ignore", "", "--adopt", "false", "--no-wait")
    first, second = (asked.json["properties"] for asked in front.requests("PATCH"))

    assert ({"retries": 0}, None, None) == (first["failurePolicy"], first.get("driftPolicy"), first.get("adoption"))
    assert ({"ignore": []}, "Refuse", None) == (
        second["driftPolicy"],
        second["adoption"],
        second.get("failurePolicy"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", "PT90S"), ("90s", "PT90S"), ("10m", "PT10M"), ("1h30m", "PT1H30M"), ("pt10m", "PT10M"), ("P1D", "P1D")],
)
def test_a_length_of_time_is_written_in_many_ways(text: str, expected: str) -> None:
    assert expected == duration(text)


@pytest.mark.parametrize("text", ["", "soon", "-1", "10 m m", "1.5h", "m", "²"])
def test_what_is_no_length_of_time(extensa: Shell, front: ArmDouble, text: str) -> None:
    ran = extensa(*CREATE, f"--timeout={text}", "--version", "1", "--auto-upgrade")

    assert (1, []) == (ran.code, front.requests("PUT"))
    assert "(InvalidTimeout)" in ran.err
    assert "(InvalidVersionChoice)" in ran.err, "all that is wrong is told at once"


@pytest.mark.parametrize("verb", ["retry", "resume", "rollback"])
def test_a_verb_that_begins_work_waits_for_its_end(extensa: Shell, front: ArmDouble, verb: str) -> None:
    put_extension(front)
    answer = Canned(202, {"name": "x", "properties": {"provisioningState": "Updating"}}, promised(front, EXTENSION))
    front.answer("POST", f"{EXTENSION}/{verb}", answer)
    more = ["--to", "3"] if verb == "rollback" else []
    ran = extensa("extension", verb, *NAMED, *more)

    assert (0, "Succeeded") == (ran.code, json.loads(ran.out)["properties"]["provisioningState"])
    assert ({"revision": 3} if more else None) == (json.loads(front.requests("POST")[0].body or b"null"))
    unwaited = extensa("extension", verb, *NAMED, *more, "--no-wait")
    assert "Updating" == json.loads(unwaited.out)["properties"]["provisioningState"]


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
def test_a_verb_that_begins_nothing_shows_the_extension(extensa: Shell, front: ArmDouble, verb: str) -> None:
    front.answer("POST", f"{EXTENSION}/{verb}", Canned(200, {"name": "x", "properties": {"paused": True}}))
    ran = extensa("extension", verb, *NAMED)

    assert (0, {"paused": True}) == (ran.code, json.loads(ran.out)["properties"])


def test_a_refusal_says_the_way_out(extensa: Shell, front: ArmDouble) -> None:
    step = {"type": "ExtensaNextStep", "info": {"nextStep": "Resume it."}}
    error = {"code": "ExtensionPaused", "message": "It is paused.", "additionalInfo": [step]}
    front.answer("POST", f"{EXTENSION}/retry", Canned(409, {"error": error}))
    ran = extensa("extension", "retry", *NAMED)

    assert 1 == ran.code
    assert "(ExtensionPaused) It is paused.\n  next: Resume it.\n" in ran.err


def test_a_failure_is_told_with_what_was_done_about_it(extensa: Shell, front: ArmDouble) -> None:
    info = [{"type": "ExtensaRemedy", "info": {"step": "rollback", "message": REMEDY}}]
    front.outcome = {"status": "Failed", "error": {"code": "E", "message": "It broke.", "additionalInfo": info}}
    ran = extensa(*CREATE)

    assert f"(E) It broke.\n  at:   {EXTENSION}\n  - (Remedy) {REMEDY}\n" in ran.err


def revision(number: int, **more: Any) -> dict[str, Any]:
    digest = "sha256:0123456789abcdef"
    return {"revision": number, "result": "Succeeded", "version": "1.0.0", "settingsDigest": digest, **more}


def test_the_history_is_a_table_with_short_digests(extensa: Shell, front: ArmDouble) -> None:
    value = [revision(2, reason="Retry", createdBy="me", errorCode=None), revision(1, result="Failed", errorCode="E")]
    front.answer("POST", f"{EXTENSION}/listRevisions", Canned(200, {"value": value}))
    table = extensa("extension", "history", *NAMED, "-o", "table").out

    assert ["2", "Succeeded", "Retry", "1.0.0", "0123456789ab", "me"] == table.splitlines()[2].split()
    assert ["1", "Failed", "1.0.0", "0123456789ab", "E"] == table.splitlines()[3].split()
    assert value == json.loads(extensa("extension", "history", *NAMED).out)


def test_drift_is_listed_and_its_absence_told(extensa: Shell, front: ArmDouble) -> None:
    one = {"kind": "Deployment", "namespace": "n", "name": "web", "path": "/spec/replicas", "wanted": "3", "found": "5"}
    answers = [
        Canned(200, {"value": [one], "count": 7, "observedAt": "t"}),
        Canned(200, {"value": [], "count": 0, "observedAt": "noon"}),
        Canned(200, {"value": [], "count": 0, "observedAt": None}),
    ]
    front.answer("POST", f"{EXTENSION}/listDrift", *answers)
    drifted = extensa("extension", "drift", *NAMED, "-o", "table")

    assert ["Deployment", "n", "web", "/spec/replicas", "3", "5"] == drifted.out.splitlines()[2].split()
    assert "1 of 7 fields are shown." in drifted.err
    assert "No drift, as last seen noon." in extensa("extension", "drift", *NAMED).err
    assert "has not looked yet" in extensa("extension", "drift", *NAMED).err


def orphan(name: str, **more: Any) -> dict[str, Any]:
    kept = {"state": "Failed", "leftCount": 2, "releaseNamespace": "n", **more}
    return {"id": f"{ORPHANS}/{name}", "name": name, "properties": kept}


def test_orphans_are_listed_and_cleaned(extensa: Shell, front: ArmDouble) -> None:
    assert "have left nothing here" in extensa("extension", "orphans", *ON, "-n", "x").err
    for name in ("x", "y"):
        front.documents[f"{ORPHANS}/{name}".casefold()] = orphan(name)
        front.answer("POST", f"{ORPHANS}/{name}/clean", Canned(200, orphan(name, state="Waiting")))
    assert "x\tn\tFailed\t2\t\t\t\n" == extensa("extension", "orphans", *ON, "-n", "x", "-o", "tsv").out
    assert ["x", "y"] == [o["name"] for o in json.loads(extensa("extension", "orphans", *ON).out)]

    cleaned = extensa("extension", "orphans", *ON, "--clean")
    assert ["Waiting", "Waiting"] == [o["properties"]["state"] for o in json.loads(cleaned.out)]
    assert "asked again" in cleaned.err
    assert 1 == extensa("extension", "orphans", *ON, "--clean", "--remove-finalizers", typed="n\n").code
    assert 2 == len(front.requests("POST"))
    assert 0 == extensa("extension", "orphans", *ON, "-n", "x", "--clean", "--remove-finalizers", "-y").code
    asked = front.requests("POST")[-1].query
    assert ("true", None) == (asked["removefinalizers"], asked.get("deletecrds"))
    assert 2 == extensa("extension", "orphans", *ON, "--delete-crds").code


def test_a_removal_takes_along_what_was_asked_for(extensa: Shell, front: ArmDouble) -> None:
    put_extension(front)
    assert 0 == extensa("extension", "delete", *NAMED, "--delete-crds", "--remove-finalizers", "-y").code
    put_extension(front)
    forced = extensa("extension", "delete", *NAMED, "--force", "-y")
    first, second = (asked.query for asked in front.requests("DELETE"))

    assert ("true", "true", "false") == (first["deletecrds"], first["removefinalizers"], first["forcedelete"])
    assert ("true", None) == (second["forcedelete"], second.get("deletecrds"))
    assert "extensa extension orphans" in forced.err


def test_every_verb_teaches(extensa: Shell) -> None:
    said = {
        verb: extensa("extension", verb, "--help").out
        for verb in ("cancel", "retry", "pause", "resume", "rollback", "history", "drift", "orphans", "create")
    }

    assert [] == [verb for verb, text in said.items() if "Examples:" not in text]
    assert "next safe point" in said["cancel"]
    assert "pins that version" in said["rollback"]
    assert "--on-failure [rollback|uninstall|stay]" in said["create"]
