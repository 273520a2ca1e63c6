"""What can be wrong, one finding each: seen, told, with a next step."""

import json
import os
import shutil
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from extensa.base import last_words
from extensa.base.certificates import issue, new_authority
from extensa.base.errors import Unavailable
from extensa.base.home import Home, write_file
from extensa.base.processes import start_ticks
from extensa.base.settings import Settings
from extensa.cli import checks, folders, ports, trust
from extensa.cli.doctor import line
from extensa.cli.finding import FAIL, OK, WARN, Check, Finding
from extensa.localcluster.recipe import read_recipe
from unit.cli.conftest import Shell
from unit.client.arm_double import ArmDouble, Canned
from unit.client.test_client_token import keep_owner

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = Settings()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = Home(tmp_path / "home")
    folder.path.mkdir(mode=0o700)
    return folder


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def one(findings: object) -> Finding:
    """Return the only finding."""
    assert isinstance(findings, list)
    (found,) = findings
    assert isinstance(found, Finding)
    return found


def runs_here(home: Home, name: str) -> None:
    """Let this test's own process pass for one of the three."""
    write_file(home.pid_file(name), json.dumps({"pid": os.getpid(), "ticks": start_ticks(os.getpid())}).encode())


def test_only_what_is_tested_passes_for_known(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert OK == one(checks.platform_is_known(SETTINGS, home)).level
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert WARN == one(checks.platform_is_known(SETTINGS, home)).level


def test_settings_that_cannot_be_read_are_told_one_by_one(home: Home) -> None:
    assert OK == one(checks.settings_make_sense(SETTINGS, home)).level
    wrong = Settings(listen="nonsense", log_level="loud", helm_driver="tiller", helm_parallel="many", helm_timeout="-1")
    told = [f.message for f in checks.settings_make_sense(wrong, home)]

    helm = ["EXTENSA_HELM_DRIVER", "EXTENSA_HELM_PARALLEL", "EXTENSA_HELM_TIMEOUT"]
    assert ["EXTENSA_LISTEN", "EXTENSA_LOG_LEVEL", *helm] == [message.partition(" ")[0] for message in told]


def test_a_folder_is_judged_by_its_nearest_parent_until_it_is_there(home: Home) -> None:
    assert OK == one(folders.folder_is_ours(SETTINGS, home)).level
    assert "not there yet" in one(folders.folder_is_ours(SETTINGS, Home(home.path / "a" / "b"))).message
    home.path.chmod(0o755)
    seen = one(folders.folder_is_ours(SETTINGS, home))
    assert (WARN, f"chmod 700 {home.path}") == (seen.level, seen.next_step)


def test_a_file_in_the_place_of_the_folder_is_told(home: Home) -> None:
    (home.path / "file").touch()

    assert "HomeUnusable" == one(folders.folder_is_ours(SETTINGS, Home(home.path / "file"))).code


def test_a_read_only_folder_is_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refused)
    seen = one(folders.folder_is_ours(SETTINGS, home))

    assert (FAIL, "HomeNotWritable") == (seen.level, seen.code)
    assert "read-only file system" in seen.message
    assert "EXTENSA_HOME" in seen.next_step


@pytest.mark.parametrize(("free", "level"), [(0, FAIL), (1 << 30, WARN), (1 << 40, OK)])
def test_a_full_disk_is_told(home: Home, monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: SimpleNamespace(free=free))

    assert level == one(folders.disk_has_room(SETTINGS, home)).level


def test_a_taken_port_is_told_with_who_holds_it_and_another_to_take(home: Home, busy_port: int) -> None:
    seen = one(checks.port_is_free(Settings(listen=f"127.0.0.1:{busy_port}"), home))

    assert (FAIL, "PortTaken") == (seen.level, seen.code)
    assert f"(pid {os.getpid()})" in seen.message
    other = int(seen.next_step.partition("EXTENSA_LISTEN=127.0.0.1:")[2].split()[0])
    assert not ports.taken("127.0.0.1", other)
    runs_here(home, "server")
    assert OK == one(checks.port_is_free(Settings(listen=f"127.0.0.1:{busy_port}"), home)).level


def test_a_free_port_passes_and_a_strange_address_does_not(home: Home, busy_port: int, free_port: int) -> None:
    assert OK == one(checks.port_is_free(Settings(listen=f"127.0.0.1:{free_port}"), home)).level
    assert [] == checks.port_is_free(Settings(listen="nonsense"), home)
    assert "ListenInvalid" == one(checks.port_is_free(Settings(listen="192.0.2.1:80"), home)).code
    assert None is ports.holder(free_port)
    assert 65535 > ports.free_near("127.0.0.1", 65535) >= 1024


def test_processes_are_stopped_dead_or_serving(home: Home) -> None:
    write_file(home.pid_file("host"), b'{"pid": 1, "ticks": 1}')
    write_file(home.log("host"), b"first\nout of memory\n")
    runs_here(home, "agent")
    server, host, agent = checks.processes_live(SETTINGS, home)

    assert [WARN, FAIL, OK] == [server.level, host.level, agent.level]
    assert "out of memory" in host.message


def test_a_process_that_could_not_run_is_told_in_its_own_words(home: Home) -> None:
    why = Unavailable("StoreDamaged", "The database is damaged.", next_step="Put it back.")
    write_file(home.log("server"), f"words\n{last_words.line('server', why, NOW)}\n".encode())
    server = checks.processes_live(SETTINGS, home)[0]

    assert (FAIL, "StoreDamaged", "Put it back.") == (server.level, server.code, server.next_step)
    assert "could not run: The database is damaged." == server.message
    write_file(home.log("server"), b'{"event": "ended"}\n')
    assert WARN == checks.processes_live(SETTINGS, home)[0].level


def test_credentials_are_whole_torn_or_missing(home: Home) -> None:
    assert [] == folders.credentials_are_whole(SETTINGS, home)
    write_file(home.database, b"")
    keep_owner(home, "https://localhost:1")
    for name in ("host", "agent"):
        write_file(home.link_credential(name), b'{"name": "n", "secret": "s", "endpoint": "e"}')
    assert OK == one(folders.credentials_are_whole(SETTINGS, home)).level
    write_file(home.link_credential("host"), b'{"name": "n", "secret": "", "endpoint": "e"}')
    write_file(home.link_credential("agent"), b"{")
    seen = one(folders.credentials_are_whole(SETTINGS, home))
    assert (FAIL, "CredentialUnreadable") == (seen.level, seen.code)
    assert f"{home.link_credential('host')} (incomplete)" in seen.message
    assert f"{home.link_credential('agent')} (unreadable)" in seen.message
    assert "s3cret" not in seen.message


def test_programs_that_could_not_be_made_are_a_failure_with_the_reason(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    failure = b'{"code": "BuildFailed", "message": "go:\\n no route", "next_step": "See GOPROXY."}'
    write_file(tmp_path / "cache/extensa/kubernetes" / read_recipe().name / "failure.json", failure)
    seen = one(folders.binaries_are_there(SETTINGS, home))

    assert (FAIL, "BuildFailed", "See GOPROXY.") == (seen.level, seen.code, seen.next_step)
    assert "the programs could not be made: go: no route" == seen.message
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    seen = one(folders.binaries_are_there(SETTINGS, home))
    assert (FAIL, "CacheUnusable") == (seen.level, seen.code)
    assert "XDG_CACHE_HOME" in seen.next_step


def test_secrets_that_others_can_read_are_told(home: Home) -> None:
    keep_owner(home, "https://localhost:1")
    assert OK == one(folders.secrets_are_private(SETTINGS, home)).level
    home.owner_credential.chmod(0o644)
    seen = one(folders.secrets_are_private(SETTINGS, home))

    assert (FAIL, f"chmod 600 {home.owner_credential}") == (seen.level, seen.next_step)


def test_missing_programs_are_a_warning_and_a_named_folder_without_them_a_failure(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    seen = one(folders.binaries_are_there(SETTINGS, home))
    assert WARN == seen.level
    assert "extensa kubernetes install" in seen.next_step
    named = one(folders.binaries_are_there(Settings(kubernetes_binaries=str(tmp_path)), home))
    assert (FAIL, "BinariesMissing") == (named.level, named.code)


def test_what_fails_before_the_start_is_told_all_at_once(home: Home) -> None:
    def bad(subject: str) -> Check:
        return lambda _s, _h: [Finding(FAIL, subject, f"{subject} is bad", "mend it", subject.title())]

    checks.require(SETTINGS, home, [lambda _s, _h: [Finding(WARN, "x", "y")]])
    with pytest.raises(Unavailable) as told:
        checks.require(SETTINGS, home, [bad("disk"), bad("port")])

    assert ("Disk", "Disk is bad.", "mend it") == (told.value.code, told.value.message, told.value.next_step)
    assert ["Port"] == [d.code for d in told.value.details]


def test_certificates_are_judged_by_the_time_they_have_left(home: Home) -> None:
    assert "none made yet" == one(trust.certificates_last(SETTINGS, home)).message
    authority = new_authority("ca", now=NOW)
    leaf = issue(authority, common_name="x", now=NOW, dns=("localhost",), usage="server", days=20)
    write_file(home.ca_certificate, authority.certificate)
    write_file(home.keys / "front.pem", leaf.key + leaf.certificate)

    def at(days: int) -> Finding:
        return one(trust.certificates_last(SETTINGS, home, clock=lambda: NOW + timedelta(days=days)))

    assert (OK, "2 valid") == (at(1).level, at(1).message)
    assert WARN == at(10).level
    assert (FAIL, "CertificateExpired") == (at(21).level, at(21).code)
    assert "keys/front.pem expired on 2026-01-21" in at(21).message
    write_file(home.keys / "front.pem", b"torn")
    assert "CertificateUnreadable" == at(1).code
    assert at(1).message.endswith("cannot be read: it is damaged")


def test_a_clusters_authority_cannot_be_renewed(home: Home) -> None:
    write_file(home.clusters / "uid/pki/ca.crt", new_authority("ca", now=NOW, days=1).certificate)
    seen = one(trust.certificates_last(SETTINGS, home, clock=lambda: NOW + timedelta(days=2)))

    assert "CertificateExpired" == seen.code
    assert "create it again" in seen.next_step


def test_a_clock_that_went_back_is_told(home: Home) -> None:
    assert OK == one(trust.clock_is_sane(SETTINGS, home)).level
    keep_owner(home, "https://localhost:1")
    assert OK == one(trust.clock_is_sane(SETTINGS, home)).level
    seen = one(trust.clock_is_sane(SETTINGS, home, clock=lambda: NOW - timedelta(days=9000)))
    assert (FAIL, "ClockBehind") == (seen.level, seen.code)


def test_a_running_server_is_asked_whether_it_is_ready(home: Home, front: ArmDouble) -> None:
    assert [] == trust.server_answers(SETTINGS, home)
    runs_here(home, "server")
    assert "NotSetUp" == one(trust.server_answers(SETTINGS, home)).code
    write_file(home.owner_credential, b"{")
    assert "CredentialUnreadable" == one(trust.server_answers(SETTINGS, home)).code
    keep_owner(home, front.url)
    front.answer("GET", "/readyz", Canned(200, {}), Canned(503, {"store": "full"}))

    assert OK == one(trust.server_answers(SETTINGS, home)).level
    ailing = one(trust.server_answers(SETTINGS, home))
    assert (FAIL, "NotReady") == (ailing.level, ailing.code)
    assert "full" in ailing.message


def test_a_finding_reads_level_subject_message_and_next_step() -> None:
    assert "ok    disk          fine" == line(Finding(OK, "disk", "fine"))
    told = line(Finding(FAIL, "port", "taken", "stop it"), colour=True)
    assert "\x1b[31m" in told
    assert "next: stop it" in told.splitlines()[1]


def test_a_check_that_cannot_be_made_is_a_finding(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_settings: Settings, _home: Home) -> list[Finding]:
        raise Unavailable("Own", "Its own.", next_step="Mend it.")

    def stumbling(_settings: Settings, _home: Home) -> list[Finding]:
        raise PermissionError(13, "Permission denied", "/x")

    monkeypatch.setattr("extensa.cli.doctor._CHECKS", (refused, stumbling, checks.platform_is_known))
    ran = shell("doctor")

    assert 1 == ran.code
    assert "fail  doctor        Its own.\n                    next: Mend it." in ran.out
    assert "stumbling: [Errno 13] Permission denied: '/x'" in ran.out
    assert "platform" in ran.out


def test_the_doctor_shows_every_check_and_fails_when_one_does(shell: Shell, busy_port: int, free_port: int) -> None:
    shell.environ["EXTENSA_LISTEN"] = f"127.0.0.1:{free_port}"  # the usual one may be a running installation's
    well = shell("doctor")
    assert 0 == well.code, well.out
    for subject in (
        "platform",
        "data folder",
        "disk",
        "secrets",
        "kubernetes",
        "port",
        "server",
        "certificates",
        "clock",
    ):
        assert f"  {subject}" in well.out
    shell.environ["EXTENSA_LISTEN"] = f"127.0.0.1:{busy_port}"
    assert 1 == shell("doctor").code
