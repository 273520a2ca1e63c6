"""The host without a cluster: what it reports when nothing can be started, and what it does when nobody listens."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from control_plane_double import MemoryControlPlane, desired_cluster
from extensa.base.clock import utc_now
from extensa.base.home import Home, write_file
from extensa.link.cluster import ClusterPhase, DesiredCluster, NodePool, Power
from extensa.localcluster.errors import BinariesError
from extensa.localcluster.host import Host
from extensa.localcluster.keeper import kept_desired, spec_of
from extensa.localcluster.model import Binaries, Profile
from extensa.localcluster.progress import Progress


class Programs:
    """Finds programs, or not: ``errors`` are raised first, one a call; then ``found`` is given out."""

    def __init__(self, *errors: BinariesError, found: Binaries | None = None) -> None:
        self.errors = list(errors)
        self.found = found
        self.asked: list[str] = []

    async def __call__(self, version: str, progress: Progress) -> Binaries:
        self.asked.append(version)
        progress("Building kube-apiserver (1 of 8)")
        if self.errors:
            raise self.errors.pop(0)
        if self.found is None:
            await asyncio.sleep(3600)
        assert self.found is not None
        return self.found


def failing_programs(folder: Path, complaint: str) -> Binaries:
    """Make programs that say ``complaint`` and end."""
    folder.mkdir()
    for name in ("etcd", "kube-apiserver"):
        program = folder / name
        program.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
        program.chmod(0o755)
    return Binaries(folder, "1.37.1", folder)


@contextlib.asynccontextmanager
async def host(
    path: Path, control: MemoryControlPlane, programs: Programs, *, heartbeat: float = 20.0
) -> AsyncIterator[Home]:
    home = Home(path)
    made = Host(
        home,
        control,
        programs,
        versions=["1.37.1"],
        clock=utc_now,
        profile=Profile.LIGHT,
        heartbeat=heartbeat,
    )
    running = asyncio.create_task(made.run())
    try:
        yield home
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def build_failed() -> BinariesError:
    return BinariesError("BuildFailed", "kubectl could not be built: x.", next_step="Do this.")


async def test_a_host_says_at_once_that_it_is_there(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    async with host(tmp_path, control, Programs()), asyncio.timeout(5):
        while not control.reports:
            await asyncio.sleep(0.01)
    assert control.reports[0].host is not None
    assert ["1.37.1"] == control.reports[0].host.kubernetes_versions


async def test_progress_of_a_build_is_passed_on(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    async with host(tmp_path, control, Programs()):
        seen = await control.seen(wanted, ClusterPhase.WORKING, timeout=5)
    assert "Building kube-apiserver (1 of 8)" == seen.progress
    assert ("correlation-1", None) == (seen.correlation_id, seen.failure)


async def test_a_failed_build_is_told_with_its_code_and_tried_again(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    programs = Programs(build_failed())
    async with host(tmp_path, control, programs):
        seen = await control.seen(wanted, ClusterPhase.FAILED, timeout=5)
        async with asyncio.timeout(5):
            while len(programs.asked) < 2:
                await asyncio.sleep(0.01)
    assert seen.failure is not None
    assert ("BuildFailed", "Do this.") == (seen.failure.code, seen.failure.next_step)
    assert ["1.37.1", "1.37.1"] == programs.asked


async def test_a_new_wish_is_not_held_up_by_an_old_failure(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    programs = Programs(*[build_failed() for _ in range(9)])
    async with host(tmp_path, control, programs) as home:
        await control.seen(wanted, ClusterPhase.FAILED, timeout=5)
        absent = desired_cluster(generation=2, power=Power.ABSENT)
        await control.want(absent)
        seen = await control.seen(absent, ClusterPhase.GONE, timeout=5)
        assert None is seen.failure
        assert [] == list_of(home.clusters)


async def test_an_older_document_is_not_a_step_back(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    newer = desired_cluster(generation=5, power=Power.STOPPED)
    await control.want(newer)
    async with host(tmp_path, control, Programs()):
        await control.seen(newer, ClusterPhase.STOPPED, timeout=5)
        await control.want(desired_cluster(generation=4))
        await asyncio.sleep(0.3)
    assert {5} == {each.generation for each in control.of(newer.uid)}


async def test_what_a_program_says_before_it_ends_again_and_again_is_told(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    complaint = "open /data/member/wal/0.wal: no space left on device"
    programs = Programs(found=failing_programs(tmp_path / "programs", complaint))
    async with host(tmp_path / "home", control, programs):
        seen = await control.seen(wanted, ClusterPhase.FAILED, timeout=20)
    assert seen.failure is not None
    assert "DiskFull" == seen.failure.code
    assert complaint in seen.failure.message


async def test_a_read_only_folder_is_told_plainly(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    wanted = desired_cluster()
    await control.want(wanted)
    blocked = Home(tmp_path).clusters / wanted.uid
    write_file(blocked, b"a file where a folder should be")
    async with host(tmp_path, control, Programs()):
        seen = await control.seen(wanted, ClusterPhase.FAILED, timeout=5)
    assert seen.failure is not None
    assert "DataFolderFailed" == seen.failure.code
    assert str(blocked) in seen.failure.message


async def test_what_could_not_be_reported_is_reported_later(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    stopped = desired_cluster(power=Power.STOPPED)
    keep(Home(tmp_path), stopped)
    control.answering = False
    async with host(tmp_path, control, Programs()):
        await asyncio.sleep(0.3)
        assert [] == control.reports
        await control.want(stopped)
        control.answering = True
        await control.seen(stopped, ClusterPhase.STOPPED, timeout=10)


async def test_everything_is_told_again_now_and_then(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    stopped = desired_cluster(power=Power.STOPPED)
    await control.want(stopped)
    async with host(tmp_path, control, Programs(), heartbeat=0.05), asyncio.timeout(5):
        while len(control.of(stopped.uid)) < 4:
            await asyncio.sleep(0.01)


async def test_a_half_removed_folder_is_removed_for_good(tmp_path: Path) -> None:
    control = MemoryControlPlane()
    left = Home(tmp_path).clusters / ".uid.removed" / "etcd"
    left.mkdir(parents=True)
    async with host(tmp_path, control, Programs()) as home:
        async with asyncio.timeout(5):
            while not control.reports:
                await asyncio.sleep(0.01)
        assert [] == list_of(home.clusters)


def list_of(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def keep(home: Home, desired: DesiredCluster) -> None:
    """Leave behind what an earlier host would have kept."""
    write_file(home.clusters / desired.uid / "desired.json", msgspec.json.encode(desired))


def test_a_kept_document_is_read_and_anything_else_is_not_there(tmp_path: Path) -> None:
    desired = desired_cluster()
    home = Home(tmp_path)
    assert None is kept_desired(home.clusters / desired.uid)
    keep(home, desired)
    assert desired == kept_desired(home.clusters / desired.uid)
    keep(home, desired_cluster(power=Power.ABSENT))
    assert None is kept_desired(home.clusters / desired.uid)
    write_file(home.clusters / desired.uid / "desired.json", b"half a docu")
    assert None is kept_desired(home.clusters / desired.uid)


def test_the_group_is_read_from_the_resource_id_in_any_case() -> None:
    spec = spec_of(desired_cluster(), Profile.FULL)
    assert ("rg", "demo", (NodePool(name="nodepool1", count=1),)) == (spec.group, spec.name, spec.pools)
    odd = msgspec.structs.replace(desired_cluster(), resource_id="/subscriptions/s/RESOURCEGROUPS/Big/x")
    assert "Big" == spec_of(odd, Profile.FULL).group
    none = msgspec.structs.replace(desired_cluster(), resource_id="/x")
    assert "" == spec_of(none, Profile.FULL).group
