"""Jumps of the clock that the processes go by, hours to and fro, while extensions move: time lost, nothing else."""

import pytest

from chaos.run import World, move

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]

HOUR = 3600


@pytest.mark.parametrize("hours", [5, -5, 26, -26])
async def test_a_jump_of_the_clock_while_an_extension_moves(chaos: World, hours: int) -> None:
    before = dict(chaos.history.violations)
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

    assert before == chaos.history.violations, chaos.history.told()


async def test_a_clock_that_jumps_all_the_time(chaos: World) -> None:
    before = dict(chaos.history.violations)
    drivers = [chaos.known(f"jump{n}") or chaos.driver(f"jump{n}", "chaos.plain") for n in range(3)]
    try:
        for hours in (3, -3, 48, 0, -48, 1):
            chaos.jump(hours * HOUR)
            await move(drivers, seconds=1.5)
    finally:
        chaos.jump(0)
    await chaos.check(*drivers, within=90)

    assert before == chaos.history.violations, chaos.history.told()
