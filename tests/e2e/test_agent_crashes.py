"""`kill -9` of Helm or of the agent in the middle of an act: it ends with the truth, once, and nothing is left over."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest

from e2e.agent_fixtures import Begin, begin
from e2e.agent_world import STAY, World
from e2e.charts_made_here import DEPLOYMENT, described, hook, pack
from e2e.helm_processes import acting, engines
from e2e.real_cluster import RealCluster
from extensa.base import processes
from extensa.link.extension import DesiredExtension, ExtensionFeed, ObservedExtension, Phase

pytestmark = pytest.mark.cluster
__all__ = ["begin"]

HOOKED = pack("hooked", {"d.yaml": DEPLOYMENT, "h.yaml": hook("pre-install,pre-upgrade")})
AFTER = pack("after", {"d.yaml": DEPLOYMENT, "h.yaml": hook("post-install,post-upgrade")})
STUCK = {"stuck": "true"}
BEFORE_DELETE = pack("leaving", {"d.yaml": DEPLOYMENT, "h.yaml": hook("pre-delete")})


@pytest.fixture(params=["cli", "engine"])
async def agent(request: pytest.FixtureRequest, begin: Begin, real_cluster: RealCluster) -> World:
    """A running agent with this driver of Helm; what it installs has names of this driver's own."""
    if request.param == "cli":
        return await begin()
    return await begin(engine=real_cluster.engine, suffix="-e")


def acts(world: World, wanted: DesiredExtension) -> list[int]:
    """The processes that work on a release."""
    return acting(wanted.release) if world.engine is None else engines(world.folder)


async def eventually(look: Callable[[], object], *, within: float = 30) -> None:
    """Return when ``look`` finds something."""
    deadline = time.monotonic() + within
    while not look():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def status(world: World, wanted: DesiredExtension) -> list[str]:
    """The statuses of Helm's revisions, oldest first."""
    return [str(revision["status"]) for revision in await world.history(wanted)]


async def until_status(world: World, wanted: DesiredExtension, expected: str) -> None:
    """Return when the newest revision has this status."""
    for _ in range(200):
        if (found := await status(world, wanted)) and found[-1] == expected:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found} and not {expected}")


async def free(world: World, release: str) -> None:
    """Let the release's hook find a node."""
    await world.run_kubectl("label", "nodes", "--all", "--overwrite", f"free-{release}=yes")


async def hook_began(world: World, wanted: DesiredExtension) -> None:
    """Return when the hook's Job is there."""
    for _ in range(200):
        if await world.run_kubectl(
            "get", "job", f"{wanted.release}-hook", "-n", wanted.namespace, "-o", "name", ok=False
        ):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("no hook began")


async def test_helm_killed_in_an_install_is_recovered_by_beginning_anew(agent: World) -> None:
    wanted = agent.desired("dies-first", archive=HOOKED, chart="hooked", settings={"stuck": "true"})
    agent.link.want(wanted)
    await hook_began(agent, wanted)
    assert ["pending-install"] == await status(agent, wanted)
    [victim] = acts(agent, wanted)
    os.kill(victim, signal.SIGKILL)
    await free(agent, wanted.release)

    assert Phase.READY is (await agent.outcome(wanted)).phase
    assert ["deployed"] == await status(agent, wanted)
    assert [] == acting(wanted.release)


async def test_a_death_is_put_right_for_all_that_was_in_hand_and_touches_nothing_else(agent: World) -> None:
    apart = agent.desired("in-peace", archive=HOOKED, chart="hooked")
    agent.link.want(apart)
    await agent.outcome(apart)
    both = [agent.desired(f"in-hand-{number}", archive=HOOKED, chart="hooked", settings=STUCK) for number in (1, 2)]
    for wanted in both:
        agent.link.want(wanted)
    for wanted in both:
        await hook_began(agent, wanted)
    for victim in {pid for wanted in both for pid in acts(agent, wanted)}:
        os.kill(victim, signal.SIGKILL)
    for wanted in both:
        await free(agent, wanted.release)
        assert Phase.READY is (await agent.outcome(wanted)).phase
        assert ["deployed"] == await status(agent, wanted)
    assert ["deployed"] == await status(agent, apart)


async def test_helm_killed_in_an_upgrade_goes_back_and_forward_again(agent: World) -> None:
    first = agent.desired("dies-next", archive=HOOKED, chart="hooked")
    agent.link.want(first)
    await agent.outcome(first)
    wanted = agent.desired("dies-next", archive=HOOKED, chart="hooked", generation=2, settings={"stuck": "true"})
    agent.link.want(wanted)
    await until_status(agent, wanted, "pending-upgrade")
    await eventually(lambda: acts(agent, wanted))
    os.kill(acts(agent, wanted)[0], signal.SIGKILL)
    await free(agent, wanted.release)
    ready = await agent.outcome(wanted)

    assert (Phase.READY, 4) == (ready.phase, ready.revision)
    assert ["superseded", "pending-upgrade", "superseded", "deployed"] == await status(agent, wanted)


async def test_helm_killed_in_an_uninstall_ends_gone(agent: World) -> None:
    first = agent.desired("dies-last", archive=BEFORE_DELETE, chart="leaving", settings={"stuck": "true"})
    agent.link.want(first)
    await agent.outcome(first)
    going = agent.desired("dies-last", archive=BEFORE_DELETE, chart="leaving", generation=2, present=False)
    agent.link.want(going)
    await hook_began(agent, going)
    os.kill(acts(agent, going)[0], signal.SIGKILL)
    await free(agent, going.release)

    assert Phase.GONE is (await agent.outcome(going)).phase
    assert [] == await status(agent, going)


async def test_hooks_that_come_after_find_what_they_would_with_helm_by_hand(agent: World) -> None:
    wanted = agent.desired("hooks-after", archive=AFTER, chart="after", settings={"replicas": "2"})
    agent.link.want(wanted)

    assert Phase.READY is (await agent.outcome(wanted)).phase
    job = await agent.get("job", f"{wanted.release}-hook", "-n", wanted.namespace)
    deployment = await agent.get("deployment", wanted.release, "-n", wanted.namespace)
    [available] = [c for c in deployment["status"]["conditions"] if c["type"] == "Available"]
    assert available["lastTransitionTime"] <= job["metadata"]["creationTimestamp"]


async def test_a_hook_that_fails_is_the_cause_and_a_new_generation_begins_anew(agent: World) -> None:
    settings = {"stuck": "true", "hookDeadline": "1"}
    wanted = agent.desired("hook-fails", archive=HOOKED, chart="hooked", settings=settings, failure_policy=STAY)
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)

    assert failed.failure is not None
    assert ("HookFailed", f"Job {wanted.namespace}/{wanted.release}-hook") == (
        failed.failure.code,
        failed.failure.target,
    )
    assert ["failed"] == await status(agent, wanted)
    healed = agent.desired("hook-fails", archive=HOOKED, chart="hooked", generation=2)
    agent.link.want(healed)
    assert Phase.READY is (await agent.outcome(healed)).phase
    assert ["deployed"] == await status(agent, healed)


async def test_something_newer_ends_an_act_of_helms_in_time(agent: World) -> None:
    stuck = agent.desired("overtaken", archive=HOOKED, chart="hooked", settings={"stuck": "true"}, timeout=300)
    agent.link.want(stuck)
    await hook_began(agent, stuck)
    newer = agent.desired("overtaken", archive=HOOKED, chart="hooked", generation=2)
    agent.link.want(newer)

    assert Phase.READY is (await agent.outcome(newer, within=40)).phase
    assert [] == acting(newer.release)


async def test_stopping_the_agent_ends_helm_cleanly_first(agent: World) -> None:
    wanted = agent.desired("stopped", archive=HOOKED, chart="hooked", settings={"stuck": "true"}, timeout=300)
    agent.link.want(wanted)
    await hook_began(agent, wanted)
    await agent.stop()

    assert [] == acts(agent, wanted)
    assert ["failed"] == await status(agent, wanted)
    await free(agent, wanted.release)
    await agent.start()
    assert Phase.READY is (await agent.outcome(wanted)).phase


class Apart:
    """An agent in a process of its own."""

    def __init__(self, folder: Path, cluster: RealCluster, engine: Path | None) -> None:
        self.folder = folder
        self._engine = engine
        self._cluster = cluster
        self._child: asyncio.subprocess.Process | None = None
        (folder / "charts").mkdir()
        self.want(1)

    def want(self, cursor: int, *desired: DesiredExtension) -> None:
        content = msgspec.json.encode(ExtensionFeed(cursor=cursor, desired=list(desired), whole=True))
        (self.folder / "wants.new").write_bytes(content)
        (self.folder / "wants.new").replace(self.folder / "wants.json")

    def chart(self, archive: bytes) -> None:
        (self.folder / "charts" / described(archive, "x").digest).write_bytes(archive)

    async def start(self) -> None:
        program = str(Path(__file__).with_name("agent_process.py"))
        argv = [sys.executable, program, str(self.folder), str(self._cluster.kubeconfig), str(self._cluster.helm)]
        argv += [str(self._engine)] if self._engine is not None else []
        self._child = await processes.spawn(argv, log=self.folder / "log")

    async def kill(self) -> None:
        assert self._child is not None
        if self._child.returncode is None:
            os.kill(self._child.pid, signal.SIGKILL)
        await self._child.wait()

    def last_word(self, desired: DesiredExtension) -> ObservedExtension | None:
        try:
            lines = (self.folder / "words.jsonl").read_bytes().splitlines()
        except FileNotFoundError:
            return None
        words = [msgspec.json.decode(line, type=ObservedExtension) for line in lines]
        mine = [w for w in words if (w.uid, w.generation) == (desired.uid, desired.generation)]
        return mine[-1] if mine and mine[-1].phase is not Phase.WORKING else None


@pytest.fixture
async def apart(real_cluster: RealCluster, agent: World, tmp_path: Path) -> AsyncIterator[Apart]:
    folder = tmp_path / "apart"
    folder.mkdir()
    made = Apart(folder, real_cluster, agent.engine)
    await made.start()
    yield made
    await made.kill()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.12, 0.2, 0.3, 0.45])
async def test_an_agent_killed_at_any_moment_of_an_install_and_upgrade(
    apart: Apart, agent: World, delay: float
) -> None:
    name = f"killed-{int(delay * 100)}"
    archive = pack("plain", {"d.yaml": DEPLOYMENT})
    apart.chart(archive)
    first = agent.desired(name, archive=archive, chart="plain")
    second = agent.desired(name, archive=archive, chart="plain", generation=2, settings={"replicas": "2"})
    for cursor, wanted in ((2, first), (3, second)):
        apart.want(cursor, wanted)
        await asyncio.sleep(delay)
        await apart.kill()
        await eventually(lambda wanted=wanted: not acts(agent, wanted), within=2)  # type: ignore[misc]
        await apart.start()
        await eventually(lambda wanted=wanted: apart.last_word(wanted))  # type: ignore[misc]
        found = apart.last_word(wanted)
        assert found is not None
        assert Phase.READY is found.phase
        assert "deployed" == (await status(agent, wanted))[-1]
        assert 1 == (await status(agent, wanted)).count("deployed")


async def test_an_agent_killed_inside_a_hook_leaves_no_helm_and_no_lock(apart: Apart, agent: World) -> None:
    apart.chart(HOOKED)
    wanted = agent.desired("killed-hook", archive=HOOKED, chart="hooked", settings={"stuck": "true"})
    apart.want(2, wanted)
    await hook_began(agent, wanted)
    await apart.kill()
    await eventually(lambda: not acts(agent, wanted), within=2)
    assert await status(agent, wanted) in (["pending-install"], ["failed"])  # an engine may have heard that we are gone
    await free(agent, wanted.release)
    await apart.start()
    await eventually(lambda: apart.last_word(wanted))

    assert ["deployed"] == await status(agent, wanted)


async def test_an_agent_killed_after_helm_uninstalled_still_sees_what_is_left(apart: Apart, agent: World) -> None:
    archive = pack("plain", {"d.yaml": DEPLOYMENT})
    apart.chart(archive)
    first = agent.desired("killed-going", archive=archive, chart="plain")
    apart.want(2, first)
    await eventually(lambda: apart.last_word(first))
    held = '{"metadata":{"finalizers":["test.example.com/held"]}}'
    await agent.run_kubectl("patch", f"deploy/{first.release}", "-n", first.namespace, "--type=merge", "-p", held)
    going = agent.desired("killed-going", archive=archive, chart="plain", generation=2, present=False)
    apart.want(3, going)
    for _ in range(200):
        if not await status(agent, going):
            break
        await asyncio.sleep(0.05)
    await apart.kill()
    await apart.start()
    await asyncio.sleep(2)
    assert apart.last_word(going) is None
    free_it = '{"metadata":{"finalizers":null}}'
    await agent.run_kubectl("patch", f"deploy/{first.release}", "-n", first.namespace, "--type=merge", "-p", free_it)
    await eventually(lambda: apart.last_word(going))

    found = apart.last_word(going)
    assert found is not None
    assert Phase.GONE is found.phase


async def test_a_second_agent_in_the_same_folder_is_refused(agent: World, begin: Begin) -> None:
    with pytest.raises(Exception, match="Another agent works"):
        await begin()
