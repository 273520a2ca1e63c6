"""status, logs, reset, down and the screen: what people see of an installation."""

import json
import threading
import time
from pathlib import Path

import pytest

from extensa.base.errors import Refused
from extensa.base.home import Home, write_file
from extensa.cli.log_lines import interleaved, pretty
from extensa.cli.logs import Tail
from extensa.cli.reset import require_ours
from extensa.cli.screen import Facts, render
from extensa.cli.status import screen
from extensa.client import paths
from unit.cli.conftest import Shell
from unit.cli.test_cli_checks import runs_here
from unit.client.arm_double import SUBSCRIPTION, ArmDouble, Canned
from unit.client.test_client_token import keep_owner

CLUSTER = {
    "id": paths.cluster(SUBSCRIPTION, "demo", "demo"),
    "name": "demo",
    "properties": {
        "provisioningState": "Succeeded",
        "powerState": {"code": "Running"},
        "currentKubernetesVersion": "1.36.1",
        "agentPoolProfiles": [{"count": 2}, {"count": 1}],
    },
}
EXTENSION = {
    "name": "hello",
    "properties": {"extensionType": "extensa.hello", "currentVersion": "1.1.0", "provisioningState": "Succeeded"},
}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_the_last_screen_of_up_tells_everything_and_what_to_try() -> None:
    objects = [{"kind": "ConfigMap", "namespace": "hello", "name": f"c{i}", "health": "Current"} for i in range(13)]
    objects[0] = {"kind": "Deployment", "namespace": "hello", "name": "d", "health": "InProgress", "waitsFor": "a pod"}
    text = render(
        Facts(
            endpoint="https://localhost:9443",
            home="/h",
            cluster=CLUSTER,
            extensions=[EXTENSION],
            objects=objects,
            seconds=[("cluster", 6.24), ("extension", 2.0)],
            command=".venv/bin/extensa",
        )
    )

    for words in (
        "https://localhost:9443",
        "Kubernetes 1.36.1, 3 simulated nodes, Running",
        "extensa.hello 1.1.0, Succeeded",
        "hello/d  InProgress (waits for a pod)",
        "and 1 more",
        "cluster 6.2   extension 2.0",
        '  eval "$(.venv/bin/extensa env)"',
        "  kubectl get deployments,configmaps -n hello",
        "  extensa extension create ",
    ):
        assert words in text
    assert len(text.splitlines()) <= 40


def test_a_screen_of_little_is_no_crash() -> None:
    bare = {"name": "demo", "properties": {"provisioningState": "Succeeded"}}
    plain = {"name": "x", "properties": {"extensionType": "t", "provisioningState": "Succeeded"}}
    text = render(
        Facts(endpoint="e", home="h", cluster=bare, extensions=[plain], objects=[{}], seconds=[], command="extensa")
    )

    assert "Kubernetes ?, 0 simulated nodes, Succeeded" in text


def test_status_before_the_first_start_says_so(shell: Shell) -> None:
    ran = shell("status")

    assert 1 == ran.code
    assert "not set up yet" in ran.out
    assert 3 == ran.out.count("stopped")


def test_status_tells_processes_and_what_the_front_says_there_is(shell: Shell, home: Home, front: ArmDouble) -> None:
    keep_owner(home, front.url)
    for name in ("server", "host", "agent"):
        runs_here(home, name)
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    front.answer("GET", everywhere, Canned(200, {"value": [CLUSTER]}))
    below = f"{CLUSTER['id']}/providers/Microsoft.KubernetesConfiguration/extensions"
    front.answer("GET", below, Canned(200, {"value": [EXTENSION, EXTENSION]}))
    ran = shell("status")

    assert 0 == ran.code
    assert "2 Succeeded" in ran.out
    assert 3 == ran.out.count("serves")
    found = json.loads(shell("status", "-o", "json").out)
    assert [{"resourceGroup": "demo", "name": "demo", "state": "Running", "extensions": "2 Succeeded"}] == found[
        "clusters"
    ]
    write_file(home.pid_file("host"), b'{"pid": 1, "ticks": 1}')
    assert "died" in shell("status").out


def test_status_tells_what_has_failed_and_what_to_do(shell: Shell, home: Home, front: ArmDouble) -> None:
    keep_owner(home, front.url)
    for name in ("server", "host", "agent"):
        runs_here(home, name)
    everywhere = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerService/managedClusters"
    step = {"type": "ExtensaNextStep", "info": {"nextStep": "Make it anew."}}
    error = {"code": "EtcdDataDamaged", "message": "etcd ended.", "additionalInfo": [step]}
    failed = {"provisioningState": "Failed", "status": {"provisioningError": {"error": error}}}
    bare = {"provisioningState": "Failed"}
    clusters = [{**CLUSTER, "properties": failed}, {**CLUSTER, "name": "bare", "properties": bare}]
    front.answer("GET", everywhere, Canned(200, {"value": clusters}))
    below = f"{CLUSTER['id']}/providers/Microsoft.KubernetesConfiguration/extensions"
    front.answer("GET", below, Canned(200, {"value": []}))
    front.answer("GET", "/readyz", Canned(200, {}))
    ran = shell("status")

    assert 1 == ran.code
    assert "(EtcdDataDamaged) Cluster demo/demo: etcd ended.\n  next: Make it anew." in ran.out
    assert "(ClusterFailed) Cluster demo/bare has failed\n  next: extensa cluster show -g demo -n bare" in ran.out
    told = shell("doctor").out
    assert "fail  cluster       demo/demo: etcd ended.\n" in told
    assert "next: Make it anew." in told
    front.answer("GET", everywhere, Canned(500, {"error": {"code": "Broken", "message": "It broke."}}))
    assert "(Broken) It broke." in shell("status").out
    assert "warn  clusters      cannot be asked about: It broke." in shell("doctor").out
    front.answer("GET", everywhere, Canned(200, {"value": [CLUSTER]}))
    assert "ok    clusters      1, none has failed" in shell("doctor").out


def test_a_credential_that_cannot_be_read_hides_nothing_else(shell: Shell, home: Home) -> None:
    write_file(home.owner_credential, b'{"clientId": "x')
    write_file(home.database, b"")
    write_file(home.pid_file("host"), b'{"pid": 1, "ticks": 1}')
    ran = shell("status")

    assert 1 == ran.code
    assert "(CredentialUnreadable)" in ran.out
    assert "(ProcessDied)" in ran.out
    assert ("(not known)", 2) == (ran.out.split("Endpoint     ")[1].splitlines()[0], ran.out.count("stopped"))
    told = shell("doctor")
    assert 1 == told.code
    assert "fail  credentials   not whole: " in told.out
    assert "owner.json (unreadable)" in told.out
    assert "agent.json (missing)" in told.out
    assert "clock" in told.out


def test_a_status_without_clusters_says_so() -> None:
    process = {"name": "server", "state": "serves", "pid": 1, "uptime": "1 s", "memory": None}

    assert "No clusters." in screen(
        {"endpoint": "e", "home": "h", "processes": [process], "clusters": [], "problems": []}
    )


def test_a_log_line_reads_time_level_process_event_and_the_rest() -> None:
    line = '{"room": "edge", "n": 1, "event": "served", "process": "server", "level": "info", "time": "T"}'

    assert "T  info  server  served  room=edge  n=1" == pretty(line)
    assert ["plain text", "[1]"] == [pretty("plain text"), pretty("[1]")]
    assert "e\nTraceback…" == pretty('{"event": "e", "exception": "Traceback…"}')


def test_logs_of_processes_and_of_clusters_are_shown(shell: Shell, home: Home) -> None:
    assert 3 == shell("logs").code
    write_file(home.log("server"), b'{"event": "one"}\n{"event": "two"}\n')
    write_file(home.log("agent"), b'{"event": "three"}\n')
    assert "two\n" == shell("logs", "server", "-n", "1").out
    assert ["server | one", "server | two", "agent | three"] == shell("logs").out.splitlines()
    assert '{"event": "three"}\n' == shell("logs", "agent", "--raw").out
    write_file(home.clusters / "uid-1" / "desired.json", b'{"name": "demo"}')
    write_file(home.clusters / "uid-1" / "logs" / "etcd.log", b"ready\n")
    write_file(home.clusters / "uid-2345678" / "logs" / "etcd.log", b"raft\n")
    assert ["demo/etcd | ready", "uid-2345/etcd | raft"] == shell("logs", "cluster").out.splitlines()


def test_several_logs_are_told_in_the_order_they_were_written() -> None:
    logs = {
        "server": ['{"time": "T1", "event": "a"}', "  a traceback's line", '{"time": "T3", "event": "d"}'],
        "agent": ['{"time": "T2", "event": "c"}', '{"time": "T1", "event": "a clock set back"}', '{"time": "T4"}'],
        "host": [],
    }

    assert [
        ("server", '{"time": "T1", "event": "a"}'),
        ("server", "  a traceback's line"),
        ("agent", '{"time": "T2", "event": "c"}'),
        ("agent", '{"time": "T1", "event": "a clock set back"}'),
        ("server", '{"time": "T3", "event": "d"}'),
        ("agent", '{"time": "T4"}'),
    ] == interleaved(logs)


def test_a_log_is_followed_through_cuts_and_replacements(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    tail = Tail(log, "x")
    assert [] == list(tail.fresh())
    log.write_text("a\nhalf")
    assert ["a"] == list(tail.fresh())
    with log.open("a") as sink:
        sink.write(" line\n")
    assert ["half line"] == list(tail.fresh())
    log.write_text("n\n")
    assert ["n"] == list(tail.fresh())
    log.unlink()
    assert [] == list(tail.fresh())
    log.write_text("anew\n")
    assert ["anew"] == list(tail.fresh())
    old = Tail(log, "x")
    assert [] == list(old.fresh())
    for each in (tail, old):
        each.close()


def test_following_ends_with_ctrl_c(shell: Shell, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(home.log("server"), b"early\n")
    turns: list[float] = []

    def turn(seconds: float) -> None:
        turns.append(seconds)
        if len(turns) > 1:
            raise KeyboardInterrupt
        with home.log("server").open("a") as sink:
            sink.write("late\n")

    monkeypatch.setattr(time, "sleep", turn)
    ran = shell("logs", "server", "-f")

    assert (0, "early\nlate\n") == (ran.code, ran.out)


def test_reset_removes_what_is_ours_after_asking(shell: Shell, home: Home) -> None:
    assert "no data folder" in shell("reset").err
    write_file(home.marker, b"")
    assert 1 == shell("reset", typed="n\n").code
    assert home.path.exists()
    ran = shell("reset", "--yes")
    assert 0 == ran.code
    assert not home.path.exists()


def test_reset_refuses_any_other_folder(tmp_path: Path, home: Home) -> None:
    elsewhere = tmp_path / "elsewhere"
    home.path.mkdir()

    def refused(folder: Home, *, user_home: Path = elsewhere, cwd: Path = elsewhere) -> str:
        with pytest.raises(Refused) as told:
            require_ours(folder, user_home=user_home, cwd=cwd)
        return told.value.message

    assert "is not in it" in refused(home)
    write_file(home.marker, b"")
    require_ours(home, user_home=elsewhere, cwd=elsewhere)
    assert "holds your home" in refused(home, user_home=home.path / "me")
    assert "holds your home" in refused(home, cwd=home.path)
    assert "holds your home" in refused(Home(Path("/")))
    (home.path / ".git").mkdir()
    assert "git repository" in refused(home)
    link = tmp_path / "link"
    link.symlink_to(home.path)
    assert "not a folder" in refused(Home(link))


def test_a_folder_whose_server_ran_alone_is_ours_too(home: Home, tmp_path: Path) -> None:
    keep_owner(home, "https://localhost:1")
    write_file(home.database, b"")

    require_ours(home, user_home=tmp_path / "u", cwd=tmp_path / "c")


def test_down_with_nothing_running_says_so_and_forgets_the_dead(shell: Shell, home: Home) -> None:
    write_file(home.pid_file("agent"), b'{"pid": 1, "ticks": 1}')
    ran = shell("down")

    assert 0 == ran.code
    assert "Nothing runs" in ran.err
    assert not home.pid_file("agent").exists()
    assert threading.active_count() < 10
