"""The whole agent over doubles, when somebody changes what it has made: told, put right, or left alone."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from extensa.agent.ledger import MOST_CORRECTIONS
from extensa.link.extension import DesiredExtension, DriftMode, DriftPolicy, ObservedExtension, Phase
from unit.agent.test_agent_loop import Stage

CORRECT = DriftPolicy(mode=DriftMode.CORRECT)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    made = Stage(tmp_path)
    await made.start()
    yield made
    await made.stop()


def words(stage: Stage, desired: DesiredExtension) -> list[ObservedExtension]:
    return [told for _, told in stage.link.reports if told.generation == desired.generation]


async def installed(stage: Stage, generation: int = 1, *, policy: DriftPolicy = DriftPolicy()) -> DesiredExtension:  # noqa: B008
    desired = stage.want(generation, drift_policy=policy)
    await stage.link.until(lambda: next((w for w in words(stage, desired) if w.phase is Phase.READY), None), within=10)
    return desired


async def test_an_object_that_vanishes_is_told_and_left(stage: Stage) -> None:
    desired = await installed(stage)
    stage.api.remove("ConfigMap", "r")

    told = await stage.link.until(lambda: next((w for w in words(stage, desired) if w.drift), None), within=5)

    assert (Phase.READY, 1, ["ConfigMap"]) == (told.phase, told.drift_count, [each.kind for each in told.drift])
    assert ["install"] == stage.helm.acts


async def test_an_object_that_vanishes_is_made_again_when_asked(stage: Stage) -> None:
    await installed(stage, policy=CORRECT)
    stage.api.remove("ConfigMap", "r")

    await stage.link.until(lambda: stage.api.names("ConfigMap") or None, within=5)
    assert ["install", "upgrade"] == stage.helm.acts
    assert stage.helm.orders[-1].force


async def test_what_is_changed_again_each_time_is_left_alone_and_told(stage: Stage) -> None:
    desired = await installed(stage, policy=CORRECT)
    stop = asyncio.Event()

    async def stubborn() -> None:
        while not stop.is_set():
            stage.api.remove("ConfigMap", "r")
            await asyncio.sleep(0.05)

    other = asyncio.create_task(stubborn())
    told = await stage.link.until(
        lambda: next((w for w in words(stage, desired) if any(s.code == "DriftContested" for s in w.statuses)), None),
        within=20,
    )
    acts = list(stage.helm.acts)
    await asyncio.sleep(1)
    stop.set()
    await other

    assert Phase.READY is told.phase
    assert acts == stage.helm.acts
    assert MOST_CORRECTIONS <= acts.count("upgrade")
    (line,) = (s.message for s in told.statuses if s.code == "DriftContested")
    assert "ConfigMap r" in line


async def test_an_outage_of_the_watch_is_bridged_by_lists(stage: Stage) -> None:
    desired = await installed(stage)
    cluster = stage.reach.found["cluster-1"]
    del stage.api.objects["ConfigMap", "ns", "r"]  # and no watch says so

    await cluster.watches.list_all()

    await stage.link.until(lambda: next((w for w in words(stage, desired) if w.drift), None), within=5)
