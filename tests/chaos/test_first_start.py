"""A server killed while it makes its keys, certificates and database: the next start finds or makes all of it."""

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from chaos.api import Api
from chaos.installation import Installation
from extensa.base.processes import alive, start_ticks

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("number", range(6))
async def test_a_first_start_that_is_killed_at_any_moment(tmp_path: Path, number: int) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    installation = Installation(tmp_path, chance)
    starting = asyncio.create_task(installation.start("server"))
    try:
        for _ in range(2):
            while not (pids := [each for each in installation.named("server") if alive(each)]):
                await asyncio.sleep(0.01)
            born = start_ticks(pids[0])
            await asyncio.sleep(chance.uniform(0.15, 0.5))
            if start_ticks(pids[0]) == born:
                os.kill(pids[0], signal.SIGKILL)
            while alive(pids[0], started=born):
                await asyncio.sleep(0.01)
        await asyncio.wait_for(starting, 60)
        await installation.serving("server")
        api = Api(installation)
        answer = await api.read(f"/subscriptions/{api.subscription}?api-version=2022-12-01")
        await api.close()

        assert 200 == answer.status, f"seed {seed}"
        assert [] == list(installation.home.keys.glob(".*"))
    finally:
        await installation.stop()
