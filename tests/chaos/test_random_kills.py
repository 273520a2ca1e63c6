"""A hundred and fifty kills at random while extensions move; each invariant has its test, named after it."""

import pytest
import pytest_asyncio

from chaos import invariants
from chaos.killer import CLUSTER_SIDE
from chaos.run import World, rounds

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]

KILLS = 150
CLUSTER_SIDE_KILLS = 15


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def survivor(chaos: World) -> World:
    """The installation after all of that."""
    chaos.counted_before = chaos.history.kills
    await rounds(chaos, kills=KILLS, least=CLUSTER_SIDE_KILLS, batch=15, pause=0.8)
    return chaos


async def test_as_many_kills_as_promised(survivor: World) -> None:
    assert KILLS <= survivor.history.kills - survivor.counted_before, survivor.history.told()
    assert CLUSTER_SIDE_KILLS <= survivor.history.below(*CLUSTER_SIDE)


async def test_extensions_moved_meanwhile(survivor: World) -> None:
    assert KILLS // 2 < sum(driver.writes for driver in survivor.drivers)


async def test_no_acknowledged_write_is_lost(survivor: World) -> None:
    assert [] == survivor.history.violations.get(invariants.NO_WRITE_LOST, []), survivor.history.told()


async def test_one_effective_act_per_generation(survivor: World) -> None:
    assert [] == survivor.history.violations.get(invariants.ONE_ACT, []), survivor.history.told()


async def test_no_orphan_process(survivor: World) -> None:
    assert [] == survivor.history.violations.get(invariants.NO_ORPHAN, []), survivor.history.told()


async def test_no_lock_of_the_dead(survivor: World) -> None:
    assert [] == survivor.history.violations.get(invariants.NO_LOCK, []), survivor.history.told()


async def test_the_final_state_is_as_desired(survivor: World) -> None:
    assert [] == survivor.history.violations.get(invariants.AS_DESIRED, []), survivor.history.told()


async def test_every_operation_has_ended(survivor: World) -> None:
    metrics = (await survivor.api.text("/metrics")).splitlines()

    assert [] == survivor.history.violations.get(invariants.ALL_ENDED, []), survivor.history.told()
    assert "extensa_operations_open 0.0" in metrics


async def test_no_secret_in_the_open(survivor: World) -> None:
    assert [] == invariants.no_secret(survivor.installation.home.path, survivor.canary)
