"""Whatever keeps `extensa up` from working is told by it and by `extensa doctor`: cause, code and next step.

One installation is broken and mended over and over. A fault leaves nothing half-written: with it gone, `extensa up`
works again.
"""

import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from e2e.broken_place import THREE, Place, age_certificate, lying_mirror, set_aside
from e2e.product import ROOT, Product, eventually, free_port
from e2e.small_disk import small_disk
from extensa.base.certificates import new_authority
from extensa.localcluster.model import Binaries

pytestmark = pytest.mark.cluster

DEMO = ("-g", "demo", "-n", "demo")


@pytest.fixture(scope="module")
def place(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """An installation that was up once."""
    with small_disk(tmp_path_factory.mktemp("disk") / "disk", mib=1200) as disk:
        made = Place(Product(disk.path / "home", free_port()), disk)
        try:
            made.up()
            yield made
        finally:
            made.product.run("down", ok=False)


@pytest.fixture
def running(place: Place) -> Place:
    """The installation, up and well."""
    place.up()
    return place


@pytest.fixture
def stopped(place: Place) -> Iterator[Place]:
    """The installation with nothing running; nothing half-written may be there afterwards."""
    if any(place.pids().values()):
        place.product.run("down")
    before = place.kept()
    yield place
    assert [] == [name for name in place.kept().keys() - before.keys() if Path(name).name.startswith(".")]


# -- before anything starts: told, and nothing touched


@pytest.fixture
def untouched(stopped: Place) -> Iterator[Place]:
    """The installation with nothing running, of which nothing may have changed afterwards."""
    before = stopped.kept()
    yield stopped
    assert before == stopped.kept()
    assert dict.fromkeys(THREE) == stopped.pids()


def test_a_taken_port_is_told_with_who_has_it_and_another_to_take(untouched: Place) -> None:
    port = untouched.product.port
    with socket.create_server(("127.0.0.1", port)):
        untouched.told("up").refuses("(PortTaken)", f"127.0.0.1:{port} is taken by", f"(pid {os.getpid()})")
        untouched.told("doctor").refuses("fail  port", f"(pid {os.getpid()})", "EXTENSA_LISTEN=127.0.0.1:")


@pytest.mark.parametrize(
    ("listen", "code", "words"),
    [
        ("9443", "SettingInvalid", "must be ADDRESS:PORT"),
        ("127.0.0.1:https", "SettingInvalid", "must be ADDRESS:PORT"),
        ("127.0.0.1:99999", "SettingInvalid", "must be from 1 to 65535"),
        ("127.0.0.1:0", "SettingInvalid", "must be from 1 to 65535"),
        ("192.0.2.1:9443", "ListenInvalid", "cannot be listened on"),
        ("no-such-name.invalid:9443", "ListenInvalid", "cannot be listened on"),
    ],
)
def test_a_wrong_address_is_told(untouched: Place, listen: str, code: str, words: str) -> None:
    untouched.told("up", EXTENSA_LISTEN=listen).refuses(f"({code})", words)
    untouched.told("doctor", EXTENSA_LISTEN=listen).refuses("fail  ", words)


def test_a_full_disk_is_told(untouched: Place, tmp_path: Path) -> None:
    if untouched.disk.mounted:
        with untouched.disk.full():
            untouched.told("up").refuses("(DiskFull)", "0 MiB free at", "EXTENSA_HOME")
            untouched.told("doctor").refuses("fail  disk", "0 MiB free at")
        return
    # No disk can be mounted here: a process that may not write a byte more meets the same refusal at the same place.
    script = 'ulimit -f 0; trap "" XFSZ; exec "$0" server'
    env = {**untouched.product.env, "EXTENSA_HOME": str(tmp_path / "home")}
    argv = ["bash", "-c", script, str(untouched.product.program)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_data_folder_is_told(untouched: Place) -> None:
    if untouched.disk.mounted:
        with untouched.disk.read_only():
            untouched.told("up").refuses("(HomeNotWritable)", "read-only file system", "EXTENSA_HOME")
            untouched.told("doctor").refuses("fail  data folder", "read-only file system")
            make = ["make", "--no-print-directory", "-o", ".venv/.ready", "up"]
            env = untouched.product.env
            done = subprocess.run(make, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
            assert 2 == done.returncode  # make's own word for a recipe that failed
            assert "(HomeNotWritable)" in done.stderr
            assert "EXTENSA_HOME" in done.stderr
        return
    # No disk can be mounted here: nobody may make a folder in /proc.
    untouched.told("up", EXTENSA_HOME="/proc/extensa").refuses("(HomeNotWritable)", "EXTENSA_HOME")
    untouched.told("doctor", EXTENSA_HOME="/proc/extensa").refuses("fail  data folder")


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"HOME": "/proc"}, "HomeNotWritable"),
        ({"HOME": "/dev/null"}, "HomeUnusable"),
        ({"EXTENSA_HOME": "~nobody-of-this-name/extensa"}, "HomeUnknown"),
    ],
)
def test_a_home_that_cannot_be_written_is_told(untouched: Place, settings: dict[str, str], code: str) -> None:
    nothing = {"XDG_DATA_HOME": "", "XDG_CACHE_HOME": "", "EXTENSA_HOME": ""}
    elsewhere = Place(Product(untouched.product.home, untouched.product.port, cwd=Path("/")), untouched.disk)

    elsewhere.told("up", **{**nothing, **settings}).refuses(f"({code})", "EXTENSA_HOME")
    elsewhere.told("doctor", **{**nothing, **settings}).refuses("EXTENSA_HOME")


# -- the programs


def fake_go(folder: Path, *lines: str) -> str:
    """A Go that answers as told; what to put before PATH."""
    folder.mkdir()
    go = folder / "go"
    go.write_text("\n".join(("#!/bin/sh", *lines, "")), encoding="ascii")
    go.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def programs_left(cache: Path) -> list[str]:
    """What of the programs was left in a cache: nothing but notes, if nothing could be made."""
    return [f.name for f in cache.rglob("*") if f.is_file() and f.name not in (".lock", "failure.json")]


def test_a_failed_build_is_told_and_remembered(untouched: Place, tmp_path: Path) -> None:
    path = fake_go(
        tmp_path / "go",
        'if [ "$1" = env ]; then echo go1.99.0; exit 0; fi',
        "echo 'go: downloading k8s.io/kubernetes v1' >&2",
        "echo 'go: k8s.io/kubernetes@v1: dial tcp: no route to host' >&2",
        "exit 1",
    )
    settings = {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    untouched.told("up", **settings).refuses("(BuildFailed)", "could not be built: go: k8s.io", "no route", "GOPROXY")
    untouched.told("doctor", **settings).refuses("fail  kubernetes", "could not be built", "no route", "GOPROXY")
    assert [] == programs_left(tmp_path / "cache")


def test_no_go_at_all_is_told(untouched: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pip = {"INDEX_URL": "http://127.0.0.1:9/", "RETRIES": "0", "NO_CACHE_DIR": "1", "CONFIG_FILE": "/dev/null"}
    settings = {"PATH": str(tmp_path / "empty"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    settings |= {f"PIP_{name}": value for name, value in pip.items()}
    untouched.told("up", **settings).refuses("(GoMissing)", "There is no Go", "Install Go")
    untouched.told("doctor", **settings).refuses("fail  kubernetes", "There is no Go")
    assert [] == programs_left(tmp_path / "cache")


def test_a_wrong_checksum_is_told_and_the_file_is_refused(untouched: Place, tmp_path: Path) -> None:
    with lying_mirror() as address:
        settings = {"EXTENSA_KUBERNETES_RELEASES": address, "XDG_CACHE_HOME": str(tmp_path / "cache")}
        untouched.told("up", **settings).refuses("(ChecksumMismatch)", "the file was refused", address)
        untouched.told("doctor", **settings).refuses("fail  kubernetes", "the file was refused")
    assert [] == programs_left(tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_told(untouched: Place) -> None:
    untouched.told("up", XDG_CACHE_HOME="/proc").refuses("(CacheUnusable)", "XDG_CACHE_HOME")
    untouched.told("doctor", XDG_CACHE_HOME="/proc").refuses("fail  kubernetes", "XDG_CACHE_HOME")


def test_a_folder_without_the_programs_is_told(untouched: Place, tmp_path: Path) -> None:
    settings = {"EXTENSA_KUBERNETES_BINARIES": str(tmp_path)}
    untouched.told("up", **settings).refuses("(BinariesMissing)", str(tmp_path))
    untouched.told("doctor", **settings).refuses("fail  kubernetes", "kube-apiserver")


# -- what is kept


def test_a_damaged_database_is_told_and_left_as_it_is(stopped: Place) -> None:
    file = stopped.home.database
    with set_aside(file):
        file.write_bytes(b"this is no database" * 500)
        stopped.told("up").refuses("(StoreDamaged)", "The server cannot run.", str(file), "put back the last good copy")
        stopped.told("doctor").refuses(
            "fail  server", "is damaged or no SQLite database", "put back the last good copy"
        )
        assert dict.fromkeys(THREE) == stopped.pids()
        assert file.read_bytes() == b"this is no database" * 500
    stopped.up()


def test_a_database_of_a_newer_extensa_is_told_and_left_as_it_is(stopped: Place) -> None:
    file = stopped.home.database
    with set_aside(file):
        connection = sqlite3.connect(file)
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
        connection.close()
        stopped.told("up").refuses("(StoreTooNew)", "written by a newer Extensa", "'9999'", "Start the newer Extensa")
        stopped.told("doctor").refuses("fail  server", "written by a newer Extensa", "Start the newer Extensa")
        assert dict.fromkeys(THREE) == stopped.pids()
        assert [] == list(stopped.home.path.glob("*.before-*"))
    stopped.up()


def test_a_key_file_that_is_damaged_is_told_and_left_as_it_is(stopped: Place) -> None:
    file = stopped.home.keys / "vault.json"
    with set_aside(file):
        file.write_bytes(b"{")
        stopped.told("up").refuses("(VaultKeyDamaged)", str(file), "Put it back")
        stopped.told("doctor").refuses("fail  server", str(file))
        assert b"{" == file.read_bytes()
    stopped.up()


@pytest.mark.parametrize("authority", [False, True], ids=["certificate", "authority"])
def test_an_expired_certificate_is_renewed_by_the_next_start(stopped: Place, authority: bool) -> None:
    age_certificate(stopped.home, authority=authority)
    stopped.told("doctor").refuses("fail  certificates", "keys/front.pem expired on", "renewed at the start")
    stopped.up()
    stopped.product.run("group", "list")


def test_an_expired_authority_of_a_cluster_is_told_as_what_nobody_can_renew(stopped: Place) -> None:
    file = stopped.cluster() / "pki" / "ca.crt"
    with set_aside(file):
        long_ago = datetime.now(UTC) - timedelta(days=5000)
        file.write_bytes(new_authority("old", now=long_ago).certificate)
        stopped.told("doctor").refuses("fail  certificates", "pki/ca.crt expired on", "create it again")
        stopped.told("up").refuses("CertificateExpired", "certificate authority", "create it again")
        stopped.told("status").refuses("CertificateExpired", "create it again")
        stopped.product.run("down")
    stopped.up()


# -- while it runs


def test_a_running_server_that_is_no_longer_trusted_is_started_anew(running: Place) -> None:
    before = running.pids()
    age_certificate(running.home, authority=True)
    running.told("group", "list").refuses("(CertificateNotTrusted)", "extensa doctor")
    running.told("doctor").refuses("fail  endpoint", "is not trusted", "next: extensa up")
    running.up()

    assert ["server"] == [name for name, pid in running.pids().items() if pid != before[name]]
    running.product.run("group", "list")


@pytest.mark.parametrize("whose", ["owner", *THREE[1:]])
def test_a_half_written_credential_is_told_and_mended(running: Place, whose: str) -> None:
    file = running.home.path / "credentials" / f"{whose}.json"
    file.write_bytes(file.read_bytes()[:40])
    running.told("doctor").refuses("fail  credentials", f"{whose}.json (unreadable)", "next: extensa up")
    if whose == "owner":
        running.told("group", "list").refuses("(CredentialUnreadable)", str(file), "extensa doctor")
        running.told("status").refuses("(CredentialUnreadable)")
    running.up()

    assert json.loads(file.read_bytes())["endpoint"].endswith(f":{running.product.port}")
    assert 0o600 == file.stat().st_mode & 0o777
    running.product.run("group", "list")


@pytest.mark.parametrize("name", THREE)
def test_a_dead_process_is_told_and_started_again(running: Place, name: str) -> None:
    before = running.pids()
    running.kill(name)
    running.told("status").refuses(f"{name}", "died", "(ProcessDied)", "extensa up")
    running.told("doctor").refuses(f"fail  {name}", "died", "next: extensa up")
    if name == "server":
        running.told("group", "list").refuses("(ServerUnreachable)", "extensa up")
    running.up()

    assert [name] == [each for each, pid in running.pids().items() if pid != before[each]]


@contextmanager
def no_room(place: Place) -> Iterator[str]:
    """Let the server write no more; gives the code it tells of that."""
    if place.disk.mounted:
        with place.disk.full():
            yield "StoreFull"
        return
    # No disk can be mounted here: the kernel refuses the same writes to a process whose files may not grow.
    pid = place.pids()["server"]
    assert pid is not None
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield "StoreFailing"
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_up_is_told_and_no_reason_to_start_anything_anew(running: Place) -> None:
    before = running.pids()
    create = ["group", "create", "-l", "westeurope", "--tags", *(f"t{n}={'x' * 250}" for n in range(40)), "-n"]
    with no_room(running) as code:
        told = next(t for n in range(30) if (t := running.told(*create, f"full-{n}")).code)
        told.refuses(f"({code})", str(running.home.database))
        running.product.run("group", "list")
        if running.disk.mounted:
            running.told("doctor").refuses("fail  disk", "0 MiB free")
            running.told("up").refuses("(DiskFull)", "0 MiB free")
    running.product.run(*create, "roomy")
    running.up()

    assert before == running.pids()


def failed(place: Place) -> Any:
    """The demo cluster's failure as ARM shows it, None while there is none."""
    properties = place.product.json("cluster", "show", *DEMO)["properties"]
    shown = properties["provisioningState"] == "Failed"
    return properties["status"]["provisioningError"]["error"] if shown else None


def test_a_cluster_with_damaged_data_is_told_and_its_next_step_works(running: Place) -> None:
    with (running.cluster() / "etcd/member/snap/db").open("r+b") as data:
        data.write(os.urandom(65536))
    (etcd,) = [pid for pid, line in running.product.running() if Path(line.split(" ")[0]).name == "etcd"]
    os.kill(etcd, signal.SIGKILL)
    error = eventually(lambda: failed(running), within=60, wanted=lambda found: found is not None)

    assert "EtcdDataDamaged" == error["code"]
    advice = "delete the cluster and create it again"
    assert advice in error["additionalInfo"][0]["info"]["nextStep"]
    running.told("status").refuses("(EtcdDataDamaged) Cluster demo/demo: etcd ended", advice)
    running.told("doctor").refuses("fail  cluster       demo/demo: etcd ended", advice)
    running.told("up").refuses("(EtcdDataDamaged)", advice)

    running.product.run("cluster", "delete", *DEMO, "--yes")
    running.up()
