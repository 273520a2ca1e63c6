"""Every way in which Helm itself, its records or its hooks make a release fail, brought about for real."""

import asyncio
import base64
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.cause_stage import Stage, produces
from e2e.charts_made_here import DEPLOYMENT, hook, pack
from e2e.helm_processes import acting
from e2e.small_disk import small_disk
from extensa.helm.driver import CliDriver, Driver, Order, Place

pytestmark = pytest.mark.cluster

CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"
PLAIN = pack("plain", {"c.yaml": CONFIG})
HOOKED = pack("hooked", {"d.yaml": DEPLOYMENT, "h.yaml": hook("pre-install,pre-upgrade")})
STUCK = {"stuck": "true"}


@contextlib.asynccontextmanager
async def meanwhile(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Have ``work`` done over and over for the length of the block."""

    async def again() -> None:
        while True:
            await work()
            await asyncio.sleep(0.05)

    task = asyncio.create_task(again())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@produces("ReleaseNotOurs")
async def test_release_not_ours(stage: Stage) -> None:
    wanted = stage.wanted(PLAIN)
    chart = stage.folder / "theirs.tgz"
    chart.write_bytes(PLAIN)
    named = (wanted.release, "-n", wanted.namespace)
    await stage.world.run_helm("install", wanted.release, str(chart), *named[1:], "--create-namespace")

    await stage.fails(wanted, "ReleaseNotOurs", f"Release {wanted.namespace}/{wanted.release}", leaves=False)
    assert ["deployed"] == await stage.statuses(wanted)
    await stage.world.run_helm("uninstall", *named)
    await stage.leaves(await stage.recovers(wanted))


@produces("ReleaseLocked")
async def test_release_locked(stage: Stage) -> None:
    first = await stage.recovers(stage.wanted(HOOKED, timeout=60))
    chart = stage.folder / "locks.tgz"
    chart.write_bytes(HOOKED)
    named = (first.release, str(chart), "-n", first.namespace, "--set=stuck=true", "--timeout=100s")
    theirs = asyncio.create_task(stage.world.run_helm("upgrade", *named, ok=False))
    while "pending-upgrade" not in await stage.statuses(first):
        await asyncio.sleep(0.1)
    changed = stage.next(first, settings={"replicas": "2"}, timeout=4)

    target = f"Release {first.namespace}/{first.release}"
    await stage.fails(changed, "ReleaseLocked", target, leaves=False)
    for pid in acting(first.release):
        os.kill(pid, signal.SIGTERM)
    await theirs
    await stage.leaves(await stage.recovers(changed, timeout=60))


@produces("ReleaseRecordCorrupt")
async def test_release_record_corrupt(stage: Stage) -> None:
    first = await stage.recovers(stage.wanted(PLAIN))
    secret = f"sh.helm.release.v1.{first.release}.v1"
    path = f"/api/v1/namespaces/{first.namespace}/secrets/{secret}"
    noise = base64.b64encode(b"this is no record").decode()
    await stage.api.patch(path, {"data": {"release": noise}})
    changed = await stage.recovers(first, settings={"a": "2"})

    assert stage.world.memory is not None
    [evidence] = await stage.world.memory.evidence(first.resource_id)
    stage.check(evidence.cause, "ReleaseRecordCorrupt", f"Release {first.namespace}/{first.release}", secret)
    await stage.leaves(changed)


@produces("ReleaseNewer")
async def test_release_newer(stage: Stage) -> None:
    newer = await stage.recovers(await stage.recovers(stage.wanted(PLAIN)), settings={"a": "2"})
    async with stage.another("older") as agent:
        older = stage.wanted(PLAIN, uid=newer.uid, timeout=3)
        target = f"Release {newer.namespace}/{newer.release}"
        await stage.fails(older, "ReleaseNewer", target, "generation 3", of=agent, leaves=False)
    await stage.leaves(newer)


@produces("HookFailed")
async def test_hook_failed(stage: Stage) -> None:
    wanted = stage.wanted(HOOKED, settings={**STUCK, "hookDeadline": "1"}, timeout=30)

    await stage.fails(wanted, "HookFailed", f"Job {wanted.namespace}/{wanted.release}-hook", "pre-install")


@produces("HookTimedOut")
async def test_hook_timed_out(stage: Stage) -> None:
    wanted = stage.wanted(HOOKED, settings=STUCK, timeout=3)

    await stage.fails(wanted, "HookTimedOut", f"Job {wanted.namespace}/{wanted.release}-hook", "pre-install")


class Hasty:
    """A driver that gives every act two seconds, whatever it was given, until it is told to take its time."""

    def __init__(self, stage: Stage) -> None:
        self.inner = CliDriver(stage.cluster.helm, stage.folder / "hasty", spare=1)
        self.hasty = True

    def within(self, timeout: float) -> float:
        return 1 if self.hasty else timeout

    async def install(self, order: Order) -> None:
        await self.inner.install(replace(order, timeout=self.within(order.timeout)))

    async def upgrade(self, order: Order) -> None:
        await self.inner.upgrade(replace(order, timeout=self.within(order.timeout)))

    async def rollback(self, place: Place, *, revision: int, description: str, timeout: float) -> None:
        await self.inner.rollback(place, revision=revision, description=description, timeout=self.within(timeout))

    async def uninstall(self, place: Place, *, timeout: float, skip_hooks: bool = False) -> None:
        await self.inner.uninstall(place, timeout=self.within(timeout), skip_hooks=skip_hooks)


@produces("HelmTimedOut")
async def test_helm_timed_out(stage: Stage) -> None:
    driver = Hasty(stage)
    async with stage.another("stopped", wrap=lambda _: driver) as agent:
        wanted = stage.wanted(HOOKED, settings=STUCK, timeout=5)

        async def stop() -> None:
            if "pending-install" in await stage.statuses(wanted):
                for pid in acting(wanted.release):
                    os.kill(pid, signal.SIGSTOP)

        async with meanwhile(stop):
            target = f"Release {wanted.namespace}/{wanted.release}"
            await stage.fails(wanted, "HelmTimedOut", target, of=agent, leaves=False)
        driver.hasty = False
        await stage.leaves(await stage.recovers(wanted, settings={}, of=agent, timeout=60), of=agent)


@produces("HelmKilled")
async def test_helm_killed(stage: Stage) -> None:
    wanted = stage.wanted(PLAIN, timeout=4)

    async def kill() -> None:
        for pid in acting(wanted.release):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async with stage.another("killed") as agent:  # with a helm an act: the stage's engine is at work for everybody
        async with meanwhile(kill):
            target = f"Release {wanted.namespace}/{wanted.release}"
            await stage.fails(wanted, "HelmKilled", target, "signal 9", of=agent, leaves=False)
        await stage.leaves(await stage.recovers(wanted, of=agent, timeout=60), of=agent)


@produces("HelmMissing")
async def test_helm_missing(stage: Stage) -> None:
    program = stage.folder / "later-helm"
    async with stage.another("no-helm", helm=program) as agent:
        wanted = stage.wanted(PLAIN, timeout=3)
        await stage.fails(wanted, "HelmMissing", "Agent", str(program), of=agent, leaves=False)
        program.symlink_to(stage.cluster.helm)
        await stage.leaves(await stage.recovers(wanted, of=agent, timeout=60), of=agent)


@produces("HelmFailed")
async def test_helm_failed(stage: Stage) -> None:
    odd = pack("odd", {"c.yaml": CONFIG.replace("metadata: {name: one}", "metadata: {}")})
    wanted = stage.wanted(odd)

    await stage.fails(wanted, "HelmFailed", f"Release {wanted.namespace}/{wanted.release}")


@produces("DiskFull")
async def test_disk_full(stage: Stage) -> None:
    with small_disk(stage.folder / "small", mib=4) as disk:
        if not disk.mounted:
            pytest.skip("no disk of its own can be mounted here")
        async with stage.another("unused", folder=disk.path) as agent:
            noise = os.urandom(200_000).hex()
            large = pack("large", {"c.yaml": CONFIG}, files={"files/noise": noise})
            wanted = stage.wanted(large, timeout=3, chart="large")
            filler = disk.path / "filler"
            filler.write_bytes(bytes(_free(disk.path) - 100_000))
            await stage.fails(wanted, "DiskFull", "Agent", "charts", of=agent, leaves=False)
            filler.unlink()
            await stage.leaves(await stage.recovers(wanted, of=agent, timeout=60), of=agent)


def _free(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize


class Undone:
    """A driver behind whose back somebody uninstalls whatever it installs."""

    def __init__(self, inner: Driver) -> None:
        self.inner = inner
        self.rollback = inner.rollback
        self.upgrade = inner.upgrade
        self.uninstall = inner.uninstall
        self.there = False

    async def install(self, order: Order) -> None:
        await self.inner.install(order)
        if not self.there:
            await self.inner.uninstall(order.place, timeout=30)


@produces("GaveUp")
async def test_gave_up(stage: Stage) -> None:
    drivers: list[Undone] = []

    def wrap(inner: Driver) -> Driver:
        drivers.append(Undone(inner))
        return drivers[0]

    async with stage.another("undone", wrap=wrap) as agent:
        wanted = stage.wanted(PLAIN, timeout=90)
        target = f"Release {wanted.namespace}/{wanted.release}"
        await stage.fails(wanted, "GaveUp", target, "8 acts", of=agent, leaves=False)
        drivers[0].there = True
        await stage.leaves(await stage.recovers(wanted, of=agent, timeout=60), of=agent)
