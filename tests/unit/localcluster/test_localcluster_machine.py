"""Ports, sockets, children and files of a cluster on this machine: small real ones."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from pathlib import Path

import pytest

from extensa.base import processes
from extensa.localcluster.commands import Command
from extensa.localcluster.diagnose import STARTED
from extensa.localcluster.egress import listen
from extensa.localcluster.layout import Kept, Layout
from extensa.localcluster.ports import reserve
from extensa.localcluster.progress import told
from extensa.localcluster.supervisor import Child, ChildState, bound_log, pause_after


async def until(child: Child, **wanted: object) -> ChildState:
    """Wait until the child stands as wanted."""
    async with asyncio.timeout(10):
        while True:
            state = child.state
            if all(getattr(state, name) == value for name, value in wanted.items()):
                return state
            await asyncio.sleep(0.01)


async def test_a_reserved_port_is_nobody_else_s_but_a_sharing_child_s() -> None:
    reservation = await reserve()
    try:
        with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", reservation.port))
        with socket.socket() as child:
            child.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            child.bind(("127.0.0.1", reservation.port))
            child.listen()
            with socket.create_connection(("127.0.0.1", reservation.port), timeout=5):
                accepted, _ = child.accept()
                accepted.close()
    finally:
        reservation.release()


async def test_a_free_preferred_port_is_taken_again() -> None:
    first = await reserve()
    first.release()
    second = await reserve(first.port)
    second.release()
    second.release()
    assert first.port == second.port


async def test_a_preferred_port_that_others_keep_is_left_to_them() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        reservation = await reserve(taken, patience=0.1)
        reservation.release()
    assert taken != reservation.port


async def test_a_preferred_port_may_become_free_a_moment_later() -> None:
    stranger = socket.create_server(("127.0.0.1", 0))
    taken = stranger.getsockname()[1]
    asyncio.get_running_loop().call_later(0.1, stranger.close)
    reservation = await reserve(taken, patience=5)
    reservation.release()
    assert taken == reservation.port


async def test_calls_into_the_cluster_are_refused_in_words(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 40)
    folder.mkdir()
    egress = await listen(folder, "egress.sock")
    handle = os.open(folder, os.O_RDONLY)
    try:
        reader, writer = await asyncio.open_unix_connection(f"/proc/self/fd/{handle}/egress.sock")
        writer.write(b"CONNECT 10.0.0.7:443 HTTP/1.1\r\nHost: 10.0.0.7:443\r\n\r\n")
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
    finally:
        os.close(handle)
        await egress.close()
    assert answer.startswith(b"HTTP/1.1 502 the nodes of this local cluster are simulated")
    assert not (folder / "egress.sock").exists()


async def test_a_socket_left_by_a_killed_host_is_no_obstacle(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "egress.sock"))
    egress = await listen(tmp_path, "egress.sock")
    assert 0o600 == (tmp_path / "egress.sock").stat().st_mode & 0o777
    await egress.close()


def child(folder: Path, script: str, *, news: list[str] | None = None) -> Child:
    command = Command("tool", (sys.executable, "-c", script), {"TOLD": "by the environment"})
    heard = news if news is not None else []
    return Child(command, cwd=folder, log=folder / "tool.log", changed=lambda: heard.append("news"))


async def test_a_child_runs_in_its_folder_with_its_environment(tmp_path: Path) -> None:
    started = child(tmp_path, "import os,time; print(os.getcwd(), os.environ['TOLD'], flush=True); time.sleep(60)")
    started.start()
    started.start()
    state = await until(started, running=True)
    async with asyncio.timeout(10):
        while "by the environment" not in (tmp_path / "tool.log").read_text():
            await asyncio.sleep(0.01)
    assert f"{STARTED}\n{tmp_path} by the environment\n" == (tmp_path / "tool.log").read_text()
    assert state.pid is not None
    await started.stop()
    assert not processes.alive(state.pid)
    assert not started.state.running


async def test_a_child_that_ends_is_started_again(tmp_path: Path) -> None:
    news: list[str] = []
    flapping = child(tmp_path, "raise SystemExit(3)", news=news)
    flapping.start()
    state = await until(flapping, quick_ends=2)
    assert 3 == state.last_exit
    assert not state.failing
    assert 4 <= len(news)
    await flapping.stop()


async def test_a_child_that_ends_again_and_again_is_failing(tmp_path: Path) -> None:
    flapping = child(tmp_path, "raise SystemExit(3)")
    flapping.start()
    assert (await until(flapping, quick_ends=4)).failing
    await flapping.stop()


async def test_a_killed_child_comes_back(tmp_path: Path) -> None:
    killed = child(tmp_path, "import time; time.sleep(60)")
    killed.start()
    first = (await until(killed, running=True)).pid
    assert first is not None
    os.kill(first, 9)
    assert -9 == (await until(killed, running=True, quick_ends=1)).last_exit
    assert first != killed.state.pid
    await killed.stop()


async def test_a_program_that_is_not_there_is_a_reason_not_a_crash(tmp_path: Path) -> None:
    absent = Child(Command("tool", ("/nowhere/tool",)), cwd=tmp_path, log=tmp_path / "l", changed=lambda: None)
    absent.start()
    state = await until(absent, quick_ends=1)
    assert "/nowhere/tool: No such file or directory" == state.reason
    await absent.stop()


async def test_a_child_stopped_while_it_starts_is_stopped(tmp_path: Path) -> None:
    hasty = child(tmp_path, "import time; time.sleep(60)")
    hasty.start()
    await asyncio.sleep(0)
    await hasty.stop()
    assert not hasty.state.running


@pytest.mark.parametrize(("ends", "expected"), [(0, 0.2), (1, 0.2), (2, 0.4), (5, 3.2), (9, 15.0), (1000, 15.0)])
def test_pauses_double_up_to_a_quarter_of_a_minute(ends: int, expected: float) -> None:
    assert expected == pytest.approx(pause_after(ends))


def test_a_child_that_has_been_up_for_a_while_is_not_failing() -> None:
    assert not ChildState(running=True, quick_ends=6, last_exit=1, pid=1, uptime=11.0).failing
    assert ChildState(running=True, quick_ends=6, last_exit=1, pid=1, uptime=1.0).failing


def test_a_log_that_has_grown_large_is_put_aside_and_cut(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("x" * 100)
    bound_log(log, largest=100)
    assert not (tmp_path / "a.log.1").exists()
    bound_log(log, largest=99)
    assert ("", "x" * 100) == (log.read_text(), (tmp_path / "a.log.1").read_text())
    bound_log(tmp_path / "absent.log")


def test_what_a_cluster_remembers_survives_and_damage_counts_as_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    kept = Kept(port=6443, issuers=["https://127.0.0.1:6443"], kubernetes_version="1.37.1")
    assert None is layout.read_kept()
    layout.write_kept(kept)
    assert kept == layout.read_kept()
    layout.kept.write_text(json.dumps({"port": "x"}))
    assert None is layout.read_kept()


def test_the_end_of_a_log_is_read_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert "" == layout.log_tail("etcd")
    layout.log("etcd").parent.mkdir()
    layout.log("etcd").write_text("a" * 100 + "end")
    assert "aend" == layout.log_tail("etcd", size=4)


async def test_a_long_step_tells_of_itself() -> None:
    said: list[str] = []
    async with told(said.append, "Building x", "x is built", every=0.05):
        await asyncio.sleep(0.12)
    assert ["Building x", "Building x: 0 s so far", "Building x: 0 s so far"] == said[:-1]
    assert said[-1].startswith("x is built in 0.")


async def test_a_failed_step_does_not_say_that_it_is_done() -> None:
    said: list[str] = []
    with contextlib.suppress(ValueError):
        async with told(said.append, "Building x", "x is built"):
            raise ValueError
    assert ["Building x"] == said
