"""A disk that is full while something is written, settled, remembered or taken down: told, and lost nothing by."""

import asyncio

import pytest

from chaos.run import World
from e2e.small_disk import SmallDisk

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]


async def test_a_full_disk_refuses_a_write_and_keeps_what_was_acknowledged(chaos: World, disk: SmallDisk) -> None:
    if not disk.mounted:
        pytest.skip("no disk of its own can be mounted here")
    before = chaos.history.broken
    driver = chaos.known("full") or chaos.driver("full", "chaos.plain")
    await driver.put()
    await driver.settled(within=60)
    with disk.full():
        chaos.history.fault("full disk", during="PUT")
        answers = [await driver.put() for _ in range(3)]
    await chaos.check(driver)

    assert before == chaos.history.broken, chaos.history.told()
    assert [] != [answer for answer in answers if answer is not None and answer.status == 503], answers


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.6])
async def test_a_disk_that_fills_up_in_the_middle_of_the_work(chaos: World, disk: SmallDisk, delay: float) -> None:
    if not disk.mounted:
        pytest.skip("no disk of its own can be mounted here")
    before = chaos.history.broken
    driver = chaos.known("full") or chaos.driver("full", "chaos.hooked")
    await driver.put()
    await asyncio.sleep(delay)
    with disk.full():
        chaos.history.fault("full disk", during="settle, memory, evidence")
        await asyncio.sleep(2.0)
    await driver.step()
    await chaos.check(driver)

    assert before == chaos.history.broken, chaos.history.told()
