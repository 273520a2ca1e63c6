"""How each named crash point is reached: one scene each, played on an installation that is up.

A scene orders the crash, does what leads to the point and returns when the process has died there. What follows is the
same for all: the process comes back, everything comes to rest, and every invariant is looked at.
"""

import asyncio
import base64
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable

from chaos.api import NoAnswer
from chaos.driver import Driver
from chaos.kubelet import played
from chaos.run import World
from extensa.client import paths
from extensa.helm.errors import ClusterError
from extensa.helm.release import ObjectRef, ReleaseStatus

Scene = Callable[[World, Driver, str], Awaitable[None]]


async def crash(world: World, point: str, *lead: Callable[[], Awaitable[object]]) -> None:
    """Order a crash at ``point``, do what leads there, and return when it has happened."""
    world.installation.crash_at(point)
    for each in lead:
        await each()
    await crashed(world, point)


async def crashed(world: World, point: str) -> None:
    """Return when the order has been obeyed."""
    deadline = time.monotonic() + 60
    while not world.installation.crashed:
        assert time.monotonic() < deadline, f"nothing has come to {point}"
        await asyncio.sleep(0.02)
    world.history.fault("crash", point=point)


async def changed(world: World, driver: Driver, point: str) -> None:
    """A change of an extension that is there."""
    await _there(driver)
    await crash(world, point, driver.put)


async def fetched(world: World, driver: Driver, point: str) -> None:
    """A change that needs a chart which is not kept."""
    await _there(driver)
    for chart in (world.installation.home.agent / "charts").iterdir():
        chart.unlink()
    await crash(world, point, driver.put)


async def removed(world: World, driver: Driver, point: str) -> None:
    """The removal of an extension that is there."""
    await _there(driver)
    await crash(world, point, driver.delete)


async def broken(world: World, driver: Driver, point: str) -> None:
    """A change of an extension of which Helm's record cannot be read."""
    await _there(driver)
    (*_, newest) = (await world.eyes.release(driver.name, driver.namespace)).revisions
    ref = ObjectRef("v1", "Secret", driver.namespace, newest.secret)
    await world.eyes.kube().apply(
        {
            "apiVersion": ref.api_version,
            "kind": ref.kind,
            "metadata": {"name": ref.name, "namespace": ref.namespace},
            "data": {"release": base64.b64encode(b"no record").decode()},
        }
    )
    await crash(world, point, driver.put)


async def remedied(world: World, driver: Driver, point: str) -> None:
    """An upgrade whose Helm is killed, so that something is to be put right."""
    await _there(driver)
    await driver.put(held="before")
    await until_status(world, driver, ReleaseStatus.PENDING_UPGRADE)
    world.installation.crash_at(point)
    kill_helm(world)
    async with played(world.eyes):
        await crashed(world, point)
        await driver.settled(within=90)


async def _there(driver: Driver) -> None:
    if driver.wish.mark is None:
        await driver.put()
    assert "Succeeded" == await driver.settled(within=90)


SCENES: dict[str, Scene] = {
    "server.accept-decided": changed,
    "server.accept-kept": changed,
    "server.store-committed": changed,
    "server.feed-read": changed,
    "server.settle-decided": changed,
    "server.settle-kept": changed,
    "agent.document-heard": changed,
    "agent.document-kept": changed,
    "agent.chart-kept": fetched,
    "agent.act-due": changed,
    "agent.act-ended": changed,
    "agent.remedy-due": remedied,
    "agent.evidence-kept": remedied,
    "agent.leaving-kept": removed,
    "agent.aside-kept": broken,
    "agent.outcome-kept": changed,
    "agent.report-sent": changed,
    "agent.release-gone": removed,
    "agent.memory-forgotten": removed,
}
"""The points of server and agent."""

COMING = (
    "host.desired-kept",
    "host.keys-made",
    "host.kubeconfig-written",
    "host.store-started",
    "host.cluster-filled",
    "host.report-sent",
)
"""The host's points, in the order in which a cluster that comes meets them."""
STOPPING = ("host.cluster-stopped",)
GOING = ("host.kubeconfig-removed", "host.cluster-removed")
"""The same of a cluster that goes."""
HALF_GONE = ("host.folder-set-aside",)
"""The same of one whose remains the next host finds and clears away."""

HELM = ("pending-install", "pending-upgrade", "pending-rollback", "uninstalling")
"""The moments of Helm at which it is killed from outside: what its record says then."""


# -- the host: one cluster comes, stops and goes, and the host dies at every step


async def cluster_work(world: World, points: tuple[str, ...], begin: Callable[[], Awaitable[object]]) -> None:
    """Have the host die at each of ``points`` in turn, while it does one thing."""
    world.installation.crash_at(points[0])
    await begin()
    for point, following in zip(points, (*points[1:], None), strict=True):
        await crashed(world, point)
        if following is not None:
            world.installation.crash_at(following)


async def cluster_request(world: World, method: str, path: str, body: object = None) -> str | None:
    """Send a request about a cluster until it is answered; return where its operation is followed."""
    while True:
        with contextlib.suppress(NoAnswer):
            answer = await world.api.send(method, f"{path}?api-version={paths.CLUSTERS_API}", body)
            assert answer.status < 300, answer
            return answer.operation
        await asyncio.sleep(0.2)


# -- Helm: held up in a hook, and killed there


async def until_status(world: World, driver: Driver, status: str) -> None:
    """Return when Helm's newest revision has this status."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(ClusterError):
            revisions = (await world.eyes.release(driver.name, driver.namespace)).revisions
            if revisions and revisions[-1].status == status:
                return
        assert time.monotonic() < deadline, f"Helm's record never said {status}"
        await asyncio.sleep(0.05)


def kill_helm(world: World) -> None:
    """Kill every Helm there is."""
    for pid in world.installation.named("helm"):
        os.kill(pid, signal.SIGKILL)
        world.history.kill("kill", "helm", pid)


async def helm_dies(world: World, driver: Driver, moment: str) -> None:
    """Have Helm killed at ``moment``, then let everything take its course."""
    if moment == "pending-install":
        await driver.put(held="before")
    elif moment == "pending-upgrade":
        await _there(driver)
        await driver.put(held="before")
    elif moment == "pending-rollback":
        await driver.put(held="back")
        await driver.settled(within=90)
        await driver.put(held="before")
        await until_status(world, driver, "pending-upgrade")
        kill_helm(world)
    else:
        await driver.put(held="leaving")
        await driver.settled(within=90)
        await driver.delete()
    await until_status(world, driver, moment)
    kill_helm(world)
    async with played(world.eyes):
        await driver.settled(within=90)
