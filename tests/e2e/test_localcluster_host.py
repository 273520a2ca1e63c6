"""A host with real clusters: it reaches what is desired, keeps it, and survives what may happen to it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from control_plane_double import MemoryControlPlane, desired_cluster
from e2e import host_process
from extensa.base import processes
from extensa.base.certificates import expires
from extensa.base.clock import Clock, utc_now
from extensa.base.home import Home, write_file
from extensa.link.cluster import ClusterPhase, DesiredCluster, ObservedCluster, Power
from extensa.localcluster.host import Host
from extensa.localcluster.keeper import kept_desired
from extensa.localcluster.keys import read_identity
from extensa.localcluster.layout import Layout
from extensa.localcluster.model import Binaries, Profile
from extensa.localcluster.progress import Progress

pytestmark = pytest.mark.cluster


@contextlib.asynccontextmanager
async def host(
    path: Path,
    control: MemoryControlPlane,
    binaries: Binaries,
    *,
    profile: Profile = Profile.LIGHT,
    clock: Clock = utc_now,
) -> AsyncIterator[Home]:
    """Run a host for the length of the block."""

    async def find(version: str, progress: Progress) -> Binaries:
        return binaries

    home = Home(path)
    running = asyncio.create_task(
        Host(home, control, find, versions=[binaries.version], clock=clock, profile=profile).run()
    )
    try:
        yield home
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [] == children_of(path)


def children_of(path: Path) -> list[str]:
    """Return the programs that run with ``path`` in their command line or as their working directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            here = process.joinpath("cwd").readlink()
            if here.is_relative_to(path) and processes.alive(int(process.name)):
                found.append(process.joinpath("comm").read_text().strip())
    return sorted(found)


def pid_of(path: Path, program: str) -> int:
    """Return the process id of a cluster's program."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            argv = process.joinpath("cmdline").read_bytes().split(b"\0")
            if process.joinpath("cwd").readlink().is_relative_to(path) and argv[0].endswith(program.encode()):
                return int(process.name)
    raise AssertionError(f"{program} does not run")


class Kubectl:
    """Kubectl with the kubeconfig that the host sealed for the control plane."""

    def __init__(self, binaries: Binaries, kubeconfig: bytes, folder: Path) -> None:
        self._program = binaries.kubectl
        self._kubeconfig = folder / "sealed.kubeconfig"
        write_file(self._kubeconfig, kubeconfig)

    async def __call__(self, *arguments: str) -> str:
        argv = [str(self._program), f"--kubeconfig={self._kubeconfig}", *arguments]
        done = await processes.run(argv, timeout=60)
        assert done.code == 0, done.stderr.decode()
        return done.stdout.decode()


async def until(what: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until ``what`` holds; fail the test when it does not come true."""
    async with asyncio.timeout(seconds):
        while True:
            if what():
                return
            await asyncio.sleep(0.05)


def seconds_between(first: ObservedCluster, last: ObservedCluster) -> float:
    return (last.observed_at - first.observed_at).total_seconds()


async def test_a_cluster_is_created_scaled_stopped_started_and_deleted(tmp_path: Path, binaries: Binaries) -> None:
    control = MemoryControlPlane()
    first = desired_cluster(count=1)
    async with host(tmp_path, control, binaries, profile=Profile.FULL) as home:
        await control.want(first)
        running = await control.seen(first, ClusterPhase.RUNNING)
        assert 20 > seconds_between(control.of(first.uid)[0], running)
        assert ("1.37.1", 1, "correlation-1") == (
            running.kubernetes_version,
            running.node_count,
            running.correlation_id,
        )
        assert running.api_server == running.oidc_issuer
        assert ["1.37.1"] == (control.reports[0].host or pytest.fail("no host status")).kubernetes_versions
        kubectl = Kubectl(binaries, control.open(running.admin_kubeconfig, first.uid), tmp_path)
        assert "demo-admin\n" == await kubectl("config", "current-context")
        assert 0o600 == home.agent_kubeconfig(first.uid).stat().st_mode & 0o777
        await kubectl("create", "configmap", "kept")

        scaled = desired_cluster(generation=2, count=3)
        await control.want(scaled)
        assert 3 == (await control.seen(scaled, ClusterPhase.RUNNING)).node_count
        smaller = desired_cluster(generation=3, count=2)
        await control.want(smaller)
        assert 2 == (await control.seen(smaller, ClusterPhase.RUNNING)).node_count
        assert 2 == len((await kubectl("get", "nodes", "--no-headers")).splitlines())
        assert smaller == kept_desired(home.clusters / first.uid)

        stopped = desired_cluster(generation=4, count=2, power=Power.STOPPED)
        await control.want(stopped)
        await control.seen(stopped, ClusterPhase.STOPPED)
        assert [] == children_of(tmp_path)

        started = desired_cluster(generation=5, count=2)
        await control.want(started)
        again = await control.seen(started, ClusterPhase.RUNNING)
        assert running.api_server == again.api_server
        await kubectl("get", "configmap", "kept")

        absent = desired_cluster(generation=6, power=Power.ABSENT)
        await control.want(absent)
        await control.seen(absent, ClusterPhase.GONE)
        assert [] == list(home.clusters.iterdir())
        assert [] == children_of(tmp_path)


async def test_a_delete_that_was_asked_before_is_answered_again(tmp_path: Path, binaries: Binaries) -> None:
    control = MemoryControlPlane()
    absent = desired_cluster(generation=7, power=Power.ABSENT)
    await control.want(absent)
    async with host(tmp_path, control, binaries):
        await control.seen(absent, ClusterPhase.GONE)


@pytest.mark.parametrize("program", ["kube-apiserver", "etcd"])
async def test_a_killed_component_is_started_again_and_nothing_is_lost(
    tmp_path: Path, binaries: Binaries, program: str
) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    async with host(tmp_path, control, binaries) as home:
        await control.want(wanted)
        running = await control.seen(wanted, ClusterPhase.RUNNING)
        kubectl = Kubectl(binaries, control.open(running.user_kubeconfig, wanted.uid), tmp_path)
        await kubectl("create", "configmap", "kept")
        killed = pid_of(tmp_path, program)
        os.kill(killed, signal.SIGKILL)
        await until(lambda: pid_of_or_none(tmp_path, program) not in (None, killed))
        await ready(tmp_path, wanted.uid, binaries)
        await kubectl("get", "configmap", "kept")
        assert home.agent_kubeconfig(wanted.uid).exists()
    assert ClusterPhase.FAILED not in {each.phase for each in control.of(wanted.uid)}


def pid_of_or_none(path: Path, program: str) -> int | None:
    with contextlib.suppress(AssertionError):
        return pid_of(path, program)
    return None


async def test_a_cluster_the_control_plane_does_not_know_is_stopped_and_kept(
    tmp_path: Path, binaries: Binaries
) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    async with host(tmp_path, control, binaries):
        await control.seen(wanted, ClusterPhase.RUNNING)
    await control.forget(wanted.uid)
    async with host(tmp_path, control, binaries) as home:
        await asyncio.sleep(1)
        await until(lambda: [] == children_of(tmp_path))
        assert (home.clusters / wanted.uid / "etcd").is_dir()


def keep(path: Path, desired: DesiredCluster) -> None:
    """Leave behind what an earlier host would have kept."""
    write_file(Home(path).clusters / desired.uid / "desired.json", msgspec.json.encode(desired))


async def ready(path: Path, uid: str, binaries: Binaries) -> None:
    """Wait until the cluster in ``path`` answers with the agent's kubeconfig."""
    kubeconfig = Home(path).agent_kubeconfig(uid)
    argv = [str(binaries.kubectl), f"--kubeconfig={kubeconfig}", "get", "serviceaccount", "default"]
    async with asyncio.timeout(60):
        while True:
            if kubeconfig.exists() and (await processes.run(argv, timeout=20)).code == 0:
                return
            await asyncio.sleep(0.1)


async def test_no_orphan_after_the_host_is_killed_and_a_new_one_goes_on_by_itself(
    tmp_path: Path, binaries: Binaries
) -> None:
    wanted = desired_cluster()
    keep(tmp_path, wanted)
    program = [sys.executable, host_process.__file__]
    argv = [*program, str(tmp_path), str(binaries.folder), str(binaries.stages), binaries.version]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(argv, env=env, cwd="/", stderr=subprocess.DEVNULL)

    with start() as doomed:
        try:
            await ready(tmp_path, wanted.uid, binaries)
            assert 3 == len(children_of(tmp_path))
        finally:
            doomed.kill()
    await until(lambda: [] == children_of(tmp_path), seconds=5)
    kubeconfig = Home(tmp_path).agent_kubeconfig(wanted.uid).read_bytes()
    with start() as second:
        try:
            await ready(tmp_path, wanted.uid, binaries)
            assert kubeconfig == Home(tmp_path).agent_kubeconfig(wanted.uid).read_bytes()
        finally:
            second.kill()
    await until(lambda: [] == children_of(tmp_path), seconds=5)


async def test_certificates_near_their_end_are_renewed_at_the_next_start(tmp_path: Path, binaries: Binaries) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)

    def a_year_ago() -> datetime:
        return utc_now() - timedelta(days=350)

    async with host(tmp_path, control, binaries, clock=a_year_ago) as home:
        await control.seen(wanted, ClusterPhase.RUNNING)
        layout = Layout(home.clusters / wanted.uid)
        assert expires(read_identity(layout, "agent").certificate) < utc_now() + timedelta(days=16)
    began = utc_now()
    async with host(tmp_path, control, binaries):
        await control.seen(wanted, ClusterPhase.RUNNING, after=began)
        assert expires(read_identity(layout, "agent").certificate) > utc_now() + timedelta(days=300)
        await ready(tmp_path, wanted.uid, binaries)


async def test_a_port_that_somebody_took_meanwhile_is_left_to_them(tmp_path: Path, binaries: Binaries) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    async with host(tmp_path, control, binaries):
        before = (await control.seen(wanted, ClusterPhase.RUNNING)).api_server
    with socket.create_server(("127.0.0.1", int(before.rpartition(":")[2]))):
        began = utc_now()
        async with host(tmp_path, control, binaries):
            moved = await control.seen(wanted, ClusterPhase.RUNNING, after=began)
            assert before != moved.api_server
            await ready(tmp_path, wanted.uid, binaries)
            kept = Layout(Home(tmp_path).clusters / wanted.uid).read_kept()
            assert kept is not None
            assert [moved.api_server, before] == kept.issuers
