"""A crash at every named point, and of Helm at every moment of its record: what follows is the truth, once."""

import pytest

from chaos import scenes
from chaos.run import World
from extensa.base.crash_points import POINTS
from extensa.client import paths

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("point", scenes.SCENES)
async def test_a_crash_at_a_named_point_costs_nothing(chaos: World, point: str) -> None:
    before = chaos.history.broken
    if (driver := chaos.known("crashing")) is None:
        driver = chaos.driver("crashing", "chaos.hooked")
    await scenes.SCENES[point](chaos, driver, point)
    await chaos.check(driver)

    assert before == chaos.history.broken, chaos.history.told()


@pytest.mark.parametrize("moment", scenes.HELM)
async def test_a_helm_killed_at_any_moment_is_recovered(chaos: World, moment: str) -> None:
    before = chaos.history.broken
    driver = chaos.known("held") or chaos.driver("held", "chaos.hooked")
    await scenes.helm_dies(chaos, driver, moment)
    await chaos.check(driver)

    assert before == chaos.history.broken, chaos.history.told()


async def test_a_host_that_dies_at_every_step_of_a_clusters_life_ends_it_well(chaos: World) -> None:
    before = chaos.history.broken
    driver = chaos.known("crashing") or chaos.driver("crashing", "chaos.plain")
    cluster = paths.cluster(chaos.api.subscription, "chaos", "extra")
    body = {
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {"agentPoolProfiles": [{"name": "nodepool1", "count": 1, "mode": "System"}]},
    }
    operations = []

    async def make() -> None:
        operations.append(await scenes.cluster_request(chaos, "PUT", cluster, body))

    async def stop() -> None:
        operations.append(await scenes.cluster_request(chaos, "POST", f"{cluster}/stop"))

    async def remove() -> None:
        operations.append(await scenes.cluster_request(chaos, "DELETE", cluster))

    await scenes.cluster_work(chaos, scenes.COMING, make)
    assert "Succeeded" == await driver.ended(operations[-1] or "")
    await scenes.cluster_work(chaos, scenes.STOPPING, stop)
    assert "Succeeded" == await driver.ended(operations[-1] or "")
    await scenes.cluster_work(chaos, scenes.GOING, remove)
    assert "Succeeded" == await driver.ended(operations[-1] or "")
    await make()
    assert "Succeeded" == await driver.ended(operations[-1] or "")
    await scenes.cluster_work(chaos, scenes.HALF_GONE, remove)
    assert "Succeeded" == await driver.ended(operations[-1] or "")

    assert 404 == (await chaos.api.read(cluster)).status
    assert 1 == sum(1 for each in chaos.installation.home.clusters.iterdir())
    await chaos.check(driver)
    assert before == chaos.history.broken, chaos.history.told()


async def test_every_named_point_has_its_scene() -> None:
    played = [*scenes.SCENES, *scenes.COMING, *scenes.STOPPING, *scenes.GOING, *scenes.HALF_GONE]

    assert sorted(POINTS) == sorted(played)
