"""Publishing types: one's own chart, and the samples once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from extensa.cli.samples import publish_samples
from extensa.cli.session import Session
from unit.cli.conftest import Shell
from unit.client.arm_double import SUBSCRIPTION, ArmDouble, Canned

BASE = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KubernetesConfiguration/extensionTypes"
TAKEN = Canned(201, {"name": "1.0.0", "properties": {"version": "1.0.0", "releaseTrains": ["stable"]}})


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "mychart"
    folder.mkdir()
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: mine\nversion: 1.0.0\ndescription: What it does\n")
    return folder


@pytest.fixture
def session(extensa: Shell) -> Iterator[Session]:
    made = Session(extensa.environ)
    yield made
    made.close()


def test_a_chart_is_published_with_its_own_version_and_words(extensa: Shell, front: ArmDouble, chart: Path) -> None:
    front.answer("PUT", f"{BASE}/my.app/versions/1.0.0", TAKEN)
    ran = extensa("type", "publish", str(chart), "--type", "my.app", "-o", "tsv")

    assert (0, "1.0.0\tstable\n") == (ran.code, ran.out)
    made, version = front.requests("PUT")
    assert {"properties": {"description": "What it does"}} == made.json
    assert ("application/gzip", "stable") == (version.headers["content-type"], version.query["train"])
    assert b"\x1f\x8b" == version.body[:2]


def test_a_type_that_is_there_keeps_what_is_not_named(extensa: Shell, front: ArmDouble, chart: Path) -> None:
    present = {"properties": {"description": "Old", "publisher": "me", "isSystemExtension": False}}
    front.answer("GET", f"{BASE}/my.app", Canned(200, present))
    front.answer("PUT", f"{BASE}/my.app/versions/2.0.0", TAKEN)
    publish = ["type", "publish", str(chart), "--type", "my.app", "--version", "2.0.0"]
    assert 0 == extensa(*publish, "--train", "stable", "--train", "preview").code
    assert [f"{BASE}/my.app/versions/2.0.0"] == [a.path for a in front.requests("PUT")]
    assert "stable,preview" == front.requests("PUT")[0].query["train"]
    assert 0 == extensa(*publish, "--description", "New").code
    assert {"description": "New", "publisher": "me", "isSystemExtension": False} == front.requests("PUT")[1].json[
        "properties"
    ]


def test_a_folder_that_is_no_chart_is_refused_before_anything_is_sent(
    extensa: Shell, front: ArmDouble, tmp_path: Path, chart: Path
) -> None:
    ran = extensa("type", "publish", str(tmp_path), "--type", "my.app")
    assert (1, []) == (ran.code, front.asked)
    assert "(ChartCannotBePacked)" in ran.err
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: mine\n")
    assert "(VersionMissing)" in extensa("type", "publish", str(chart), "--type", "my.app").err


def test_samples_are_published_once(session: Session, front: ArmDouble) -> None:
    said: list[str] = []
    for name in ("hello", "crds", "fails"):
        listed = Canned(200, {"value": [{"properties": {"version": "1.0.0"}}]})
        front.answer("GET", f"{BASE}/extensa.{name}/versions", Canned(404, {"error": {"code": "N", "message": "n"}}))
        if name == "fails":
            front.answer("GET", f"{BASE}/extensa.{name}/versions", listed)
    publish_samples(session, said.append)

    puts = [a.path.removeprefix(f"{BASE}/extensa.") for a in front.requests("PUT")]
    assert [
        "hello",
        "hello/versions/1.0.0",
        "hello/versions/1.1.0",
        "crds",
        "crds/versions/1.0.0",
        "crds/versions/1.1.0",
        "fails/versions/1.1.0",
    ] == puts
    assert 5 == len(said)
    hello = front.requests("PUT")[0].json["properties"]
    assert "hello-system" == hello["supportedScopes"]["clusterScopeSettings"]["defaultReleaseNamespace"]


def test_samples_that_are_there_are_left_alone(session: Session, front: ArmDouble) -> None:
    both = Canned(200, {"value": [{"properties": {"version": v}} for v in ("1.0.0", "1.1.0")]})
    for name in ("hello", "crds", "fails"):
        front.answer("GET", f"{BASE}/extensa.{name}/versions", both)
    publish_samples(session, lambda _words: None)

    assert [] == front.requests("PUT")
    assert json.dumps([]) == json.dumps(front.requests("PATCH"))
