"""`extensa up`: what it makes, what it leaves alone, and what it tells when a step fails."""

import base64
import fcntl
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from extensa.base.errors import ExtensaError, Unavailable
from extensa.base.home import Home, write_file
from extensa.cli import daemons, up
from extensa.cli.demo import Demo
from extensa.cli.session import Session
from extensa.client import paths
from extensa.client.errors import OperationFailed
from extensa.localcluster.model import Binaries
from unit.cli.conftest import Shell
from unit.cli.test_cli_daemons import STAND_IN
from unit.client.arm_double import SUBSCRIPTION, ArmDouble, Canned
from unit.client.test_client_token import keep_owner

GROUP = paths.group(SUBSCRIPTION, "demo")
CLUSTER = paths.cluster(SUBSCRIPTION, "demo", "demo")
HELLO = paths.extension(CLUSTER, "hello")
SEEN = [{"kind": "Deployment", "namespace": "hello", "name": "hello", "health": "Current"}]


def quiet(_words: str = "") -> None:
    """Hear and say nothing."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def ready(shell: Shell, home: Home, front: ArmDouble, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """Return a shell in which processes are stand-ins and the front is a double."""
    programs = home.path.parent / "programs"
    programs.mkdir()
    monkeypatch.setattr(daemons, "PROGRAM", (str(STAND_IN),))
    found = Binaries(programs, "1.36.1", programs)
    monkeypatch.setattr("extensa.cli.kubernetes.ready", lambda _settings, _say: found)
    monkeypatch.setattr("extensa.cli.samples.publish_samples", lambda _session, _say: None)
    keep_owner(home, front.url)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        shell.environ["EXTENSA_LISTEN"] = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {"clusters": [{"name": "demo"}], "users": [], "contexts": [{"name": "demo"}], "current-context": "demo"}
    value = base64.b64encode(json.dumps(config).encode()).decode()
    front.answer("POST", f"{CLUSTER}/listClusterUserCredential", Canned(200, {"kubeconfigs": [{"value": value}]}))
    front.answer("POST", f"{HELLO}/listObjects", Canned(200, {"value": SEEN}))
    yield shell
    for name in daemons.NAMES:
        daemons.stop(home, name)


@pytest.fixture
def demo(extensa: Shell, front: ArmDouble) -> Iterator[Demo]:
    session = Session(extensa.environ)
    yield Demo(session, watch=quiet)
    session.close()


def writes(front: ArmDouble) -> list[str]:
    """Return what was written, as method and path."""
    return [f"{a.method} {a.path}" for m in ("PUT", "PATCH", "DELETE") for a in front.requests(m)]


def keep(front: ArmDouble, path: str, **properties: Any) -> None:
    """Store a resource as the front would show it."""
    front.documents[path.casefold()] = {"id": path, "name": path.rpartition("/")[2], "properties": properties}


def test_the_first_up_makes_everything_and_the_second_nothing(ready: Shell, home: Home, front: ArmDouble) -> None:
    first = ready("up")

    assert 0 == first.code, first.err
    assert [f"PUT {GROUP}", f"PUT {CLUSTER}", f"PUT {HELLO}"] == writes(front)
    for words in (front.url, "extensa.hello", "Deployment  hello/hello  Current", 'eval "$(EXTENSA_HOME='):
        assert words in first.out
    for title in ("Kubernetes programs", "Server, host and agent", "Cluster demo", "Extension hello"):
        assert title in first.err
    assert home.marker.is_file()
    assert home.kubeconfig.is_file()
    assert (home.azure_config / "config").is_file()
    assert {"extensa", "kubectl", "helm"} == {link.name for link in home.bin.iterdir()}
    running = [daemons.running(home, name) for name in daemons.NAMES]

    second = ready("up")
    assert 0 == second.code, second.err
    assert 3 == len(writes(front))
    assert running == [daemons.running(home, name) for name in daemons.NAMES]
    down = ready("down")
    assert "Stopping Extensa" in down.err
    assert [None] * 3 == [daemons.running(home, name) for name in daemons.NAMES]
    assert home.database.parent.is_dir()


def test_a_process_that_dies_is_told_and_nothing_else_is_tried(ready: Shell, home: Home, front: ArmDouble) -> None:
    (home.path / "how").write_text("die agent")
    ran = ready("up")

    assert (1, "") == (ran.code, ran.out)
    assert "The agent ended before it was ready. The last lines of its log:" in ran.err
    assert "something is amiss" in ran.err
    assert "next: Run `extensa doctor`" in ran.err
    assert [] == writes(front)


def test_a_server_that_lost_what_it_is_reached_by_is_started_anew(ready: Shell, home: Home, front: ArmDouble) -> None:
    front.answer("GET", "/readyz", Canned(200, {}))
    assert 0 == ready("up").code
    before = {name: daemons.running(home, name) for name in daemons.NAMES}
    write_file(home.database, b"")
    for name in ("host", "agent"):
        write_file(home.link_credential(name), b'{"name": "n", "secret": "s", "endpoint": "e"}')
    assert 0 == ready("up").code
    assert before == {name: daemons.running(home, name) for name in daemons.NAMES}
    home.link_credential("agent").write_bytes(b"{")
    assert 0 == ready("up").code

    assert ["server"] == [name for name, process in before.items() if daemons.running(home, name) != process]


def test_what_is_wrong_with_the_machine_is_told_before_anything_starts(shell: Shell, home: Home) -> None:
    shell.environ["EXTENSA_LISTEN"] = "nonsense"
    ran = shell("up")

    assert 1 == ran.code
    assert "(SettingInvalid)" in ran.err
    assert not home.path.exists()


def test_a_shell_set_up_for_another_installation_does_not_matter(ready: Shell, front: ArmDouble) -> None:
    ready.environ |= {"EXTENSA_ARM": "https://elsewhere:1", "AZURE_CLIENT_ID": "x", "AZURE_CLIENT_SECRET": "stale"}

    assert 0 == ready("up").code


def test_a_second_up_waits_for_the_first(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    entered: list[str] = []
    home.up_lock.parent.mkdir(parents=True)
    with home.up_lock.open("w") as first:
        fcntl.flock(first, fcntl.LOCK_EX)

        def second() -> None:
            with up._alone(home):
                entered.append("second")

        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        assert [] == entered
    thread.join(5)

    assert ["second"] == entered
    assert "Another `extensa up`" in capsys.readouterr().err


def test_a_stopped_cluster_is_started_and_a_failed_one_made_again(demo: Demo, front: ArmDouble) -> None:
    keep(front, GROUP)
    keep(front, CLUSTER, provisioningState="Succeeded", powerState={"code": "Stopped"})
    front.answer("POST", f"{CLUSTER}/start", Canned(202, None, {"Location": f"{CLUSTER}/operations/1"}))
    demo.make_cluster(quiet)
    assert [f"{CLUSTER}/start"] == [a.path for a in front.requests("POST")]
    assert [] == writes(front)
    keep(front, CLUSTER, provisioningState="Failed")
    assert "Succeeded" == demo.make_cluster(quiet)["properties"]["provisioningState"]
    assert [f"PUT {CLUSTER}"] == writes(front)


def test_earlier_work_is_waited_for_and_not_repeated(demo: Demo, front: ArmDouble) -> None:
    creating = {"id": HELLO, "name": "hello", "properties": {"provisioningState": "Creating", "statuses": []}}
    done = {**creating, "properties": {"provisioningState": "Succeeded"}}
    front.answer("GET", HELLO, Canned(200, creating), Canned(200, creating), Canned(200, done))
    said: list[str] = []

    assert done == demo.make_extension(said.append)
    assert ["Creating", "Creating"] == said
    assert [] == writes(front)


def test_a_failed_installation_is_an_error(demo: Demo, front: ArmDouble) -> None:
    front.outcome = {"status": "Failed", "error": {"code": "Broken", "message": "It broke."}}
    with pytest.raises(OperationFailed):
        demo.make_extension(quiet)


def test_waiting_in_vain_ends_at_once(extensa: Shell, front: ArmDouble) -> None:
    def gone() -> None:
        raise Unavailable("ProcessNotReady", "The host has ended.")

    session = Session(extensa.environ)
    keep(front, HELLO, provisioningState="Creating")
    with pytest.raises(Unavailable):
        Demo(session, watch=gone).make_extension(quiet)
    session.close()


def test_objects_are_asked_for_until_the_cluster_answers(demo: Demo, front: ArmDouble) -> None:
    busy = Canned(503, {"error": {"code": "AgentSilent", "message": "Not yet."}})
    front.answer("POST", f"{HELLO}/listObjects", busy, busy, Canned(200, {"value": SEEN}))
    said: list[str] = []

    assert SEEN == demo.objects(said.append)
    assert 2 == len(said)
    assert "AgentSilent" in said[0]


def test_a_cluster_that_fails_while_its_objects_are_awaited_is_told(demo: Demo, front: ArmDouble) -> None:
    busy = Canned(503, {"error": {"code": "ApiServerUnreachable", "message": "Not yet."}})
    front.answer("POST", f"{HELLO}/listObjects", busy)
    cause = {"error": {"code": "CertificateExpired", "message": "Its certificate authority has expired."}}
    keep(front, CLUSTER, provisioningState="Failed", status={"provisioningError": cause})

    with pytest.raises(ExtensaError, match="certificate authority") as caught:
        demo.objects(quiet)
    assert "CertificateExpired" == caught.value.code


def test_a_cluster_that_never_answers_is_not_called_up(
    demo: Demo, front: ArmDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.cli.demo._LIVE", 0.0)
    busy = Canned(503, {"error": {"code": "ApiServerUnreachable", "message": "Not yet."}})
    front.answer("POST", f"{HELLO}/listObjects", busy)

    with pytest.raises(ExtensaError) as caught:
        demo.objects(quiet)
    assert "ApiServerUnreachable" == caught.value.code


def test_a_cluster_that_has_failed_is_not_waited_for(demo: Demo, front: ArmDouble) -> None:
    failed = Canned(409, {"error": {"code": "ClusterNotRunning", "message": "etcd ended. (EtcdDataDamaged)"}})
    front.answer("POST", f"{CLUSTER}/listClusterUserCredential", failed)
    with pytest.raises(ExtensaError, match="EtcdDataDamaged"):
        demo.kubeconfig(quiet)


def test_a_cluster_on_its_way_up_is_waited_for(demo: Demo, front: ArmDouble) -> None:
    action = f"{CLUSTER}/listClusterUserCredential"
    early = Canned(409, {"error": {"code": "ClusterNotReady", "message": "Not yet."}})
    given = Canned(200, {"kubeconfigs": [{"value": base64.b64encode(b"config").decode()}]})
    front.answer("POST", action, early, given)
    said: list[str] = []

    assert b"config" == demo.kubeconfig(said.append)
    assert ["its host is bringing it up (ClusterNotReady)"] == said
    front.answer("POST", action, Canned(403, {"error": {"code": "AuthorizationFailed", "message": "No."}}))
    with pytest.raises(ExtensaError):
        demo.kubeconfig(quiet)


def test_what_cannot_be_asked_live_is_told_as_last_seen(demo: Demo, front: ArmDouble) -> None:
    refused = Canned(400, {"error": {"code": "NotLive", "message": "No."}})
    front.answer("POST", f"{HELLO}/listObjects", refused, Canned(200, {"value": SEEN}))
    assert SEEN == demo.objects(quiet)
    front.answer("POST", f"{HELLO}/listObjects", refused)
    with pytest.raises(ExtensaError):
        demo.objects(quiet)
