"""Jumps of the clock that the processes go by, hours to and fro, while extensions move: time lost, nothing else."""

import asyncio
import os
import signal

import pytest

from chaos.kubelet import played
from chaos.run import World, move

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]

HOUR = 3600


@pytest.mark.parametrize("hours", [5, -26])
async def test_a_jump_of_the_clock_while_an_extension_moves(chaos: World, hours: int) -> None:
    before = chaos.history.broken
    driver = chaos.known("jumping") or chaos.driver("jumping", "chaos.hooked")
    try:
        await driver.put()
        chaos.jump(hours * HOUR)
        await driver.settled(within=60)
        await driver.patch()
        await chaos.check(driver, within=60)
    finally:
        chaos.jump(0)
    await driver.put()
    await chaos.check(driver, within=60)

    assert before == chaos.history.broken, chaos.history.told()


@pytest.mark.parametrize(
    ("seconds", "whose"),
    [
        (-20, ()),
        (5 * HOUR, ()),
        (-5 * HOUR, ("server",)),
        (5 * HOUR, ("server",)),
        (-20, ("agent",)),
        (-5 * HOUR, ("agent",)),
        (5 * HOUR, ("agent",)),
    ],
)
async def test_a_jump_of_the_clock_after_progress_was_told(chaos: World, seconds: int, whose: tuple[str, ...]) -> None:
    before = chaos.history.broken
    driver = chaos.known("told") or chaos.driver("told", "chaos.hooked")
    try:
        await driver.put(held="before")
        await driver.told_progress()
        chaos.jump(seconds, *whose)
        async with played(chaos.eyes):
            await chaos.check(driver, within=60)
    finally:
        chaos.jump(0)

    assert before == chaos.history.broken, chaos.history.told()


@pytest.mark.parametrize("seconds", [-5 * HOUR, 5 * HOUR])
async def test_a_jump_of_the_clock_while_the_cluster_is_out_of_reach(chaos: World, seconds: int) -> None:
    before = chaos.history.broken
    driver = chaos.known("told") or chaos.driver("told", "chaos.hooked")
    (victim,) = chaos.installation.named("kube-apiserver")
    try:
        os.kill(victim, signal.SIGSTOP)
        await driver.put()
        await asyncio.sleep(2.0)
        chaos.jump(seconds)
        await asyncio.sleep(4.0)
        os.kill(victim, signal.SIGCONT)
        await chaos.check(driver, within=90)
    finally:
        chaos.jump(0)

    assert before == chaos.history.broken, chaos.history.told()


async def test_a_clock_that_jumps_all_the_time(chaos: World) -> None:
    before = chaos.history.broken
    drivers = [chaos.known(f"jump{n}") or chaos.driver(f"jump{n}", "chaos.plain") for n in range(3)]
    try:
        for hours in (3, -3, 48, 0, -48, 1):
            chaos.jump(hours * HOUR)
            await move(drivers, seconds=1.0)
    finally:
        chaos.jump(0)
    await chaos.check(*drivers, within=90)

    assert before == chaos.history.broken, chaos.history.told()
