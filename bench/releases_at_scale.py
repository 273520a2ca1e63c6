"""A hundred releases on one cluster through the agent, with each of its Helm drivers, against `helm --wait` in a pool.

All three install, upgrade and remove the same light chart (a Deployment of no replicas, a ServiceAccount, a Service and
an Ingress) in the same light cluster, four at a time, and wait until it is ready or gone. CPU is that of all processes
of the contender: agent and engine, agent and helms, or helms alone; the API server's is not counted.
"""

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.light import ACTS, AIM, AT_ONCE, MANY, Took, archive, by_hand
from bench.table import Row
from e2e.agent_world import World, world
from e2e.helm_processes import engines
from e2e.real_cluster import LoopThread, bring_up, open_cluster, spec
from extensa.base.log import configure
from extensa.base.settings import load_settings
from extensa.link.extension import DesiredExtension, Phase
from extensa.localcluster.binaries import find_binaries
from extensa.localcluster.model import Binaries, Profile

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Ground:
    """Where it is measured."""

    kubeconfig: Path
    binaries: Binaries
    folder: Path


def measure(say: Callable[[str], None], *, parallel: int = AT_ONCE) -> list[Row]:
    """Return a row for the wall and one for the CPU time of every kind of act; ``parallel`` is the agent's."""
    configure("bench", level="error")
    with _ground() as ground:
        say("a hundred releases through the agent, with the engine")
        engine = asyncio.run(_by_agent(ground, ground.binaries.engine, "engine", parallel))
        say("the same with a helm process an act")
        cli = asyncio.run(_by_agent(ground, None, "cli", parallel))
        say("the same with helm --wait by hand")
        pool = by_hand(ground.binaries.helm, ground.kubeconfig, ground.folder)
        hand = {act: run() for act, run in pool.items()}
    rows = []
    for act in ACTS:
        ours, other, theirs = engine[act], cli[act], hand[act]
        for what, unit in (("wall", "s"), ("cpu", "CPU s")):
            one, two, three = (getattr(took, what) for took in (ours, other, theirs))
            rows.append(
                Row(
                    what=f"{MANY} {act}, {what}",
                    ours=f"{one:.1f} {unit} (cli driver {two:.1f})",
                    peer=f"helm --wait, {AT_ONCE} at a time {three:.1f} {unit}",
                    found=one / three,
                    aim=AIM,
                )
            )
    return rows


@contextmanager
def _ground() -> Iterator[Ground]:
    binaries = asyncio.run(find_binaries(load_settings(os.environ)))
    if binaries.engine is None:
        raise RuntimeError("there is no Helm engine to measure: it is built where there is Go")
    with tempfile.TemporaryDirectory(prefix="extensa-bench-") as name, LoopThread() as loop:
        uid = "00000000-0000-4000-8000-0000000000be"
        cluster = open_cluster(spec(uid, nodes=0, profile=Profile.LIGHT), Path(name) / uid)
        try:
            loop.call(bring_up(cluster, binaries), timeout=120)
            yield Ground(cluster.layout.kubeconfig("admin"), binaries, Path(name))
        finally:
            loop.call(cluster.stop(), timeout=60)


async def _by_agent(ground: Ground, engine: Path | None, name: str, parallel: int) -> dict[str, Took]:
    folder = ground.folder / name
    folder.mkdir()
    programs = (ground.binaries.helm, ground.binaries.kubectl)
    async with world(folder, ground.kubeconfig, *programs, parallel=parallel, engine=engine) as agent:
        chart = archive()

        def wanted(number: int, generation: int, *, present: bool = True) -> DesiredExtension:
            return agent.desired(
                f"{name}-{number}",
                archive=chart,
                chart="light",
                generation=generation,
                settings={"turn": str(generation)},
                present=present,
                namespace=f"scale-{name}",
                timeout=600,
            )

        async def all_at_once(generation: int, phase: Phase) -> None:
            asked = [wanted(number, generation, present=phase is Phase.READY) for number in range(MANY)]
            for each in asked:
                agent.link.want(each)
            for each in asked:
                assert phase is (await agent.outcome(each, within=300)).phase

        warm = wanted(MANY, 1)
        agent.link.want(warm)
        await agent.outcome(warm)
        return {
            "installs": await _timed(agent, all_at_once(1, Phase.READY)),
            "upgrades": await _timed(agent, all_at_once(2, Phase.READY)),
            "removals": await _timed(agent, all_at_once(3, Phase.GONE)),
        }


async def _timed(agent: World, work: Awaitable[None]) -> Took:
    began, before = time.perf_counter(), _cpu(agent.folder)
    await work
    return Took(time.perf_counter() - began, _cpu(agent.folder) - before)


def _cpu(folder: Path) -> float:
    """CPU seconds of this process, of the children that have ended, and of the engine of the agent in ``folder``."""
    ended = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    living = 0
    for pid in engines(folder):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        living += int(fields[11]) + int(fields[12])
    return sum(used.ru_utime + used.ru_stime for used in ended) + living / _TICK
