"""A network between agent, host and server that loses, delays, repeats, reorders and cuts: nothing is lost by it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from chaos.driver import Driver
from chaos.fault_proxy import KINDS, FaultProxy, Message
from chaos.history import HISTORIES
from chaos.run import World, move, world
from e2e.product import free_port

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="session")]

WAYS = {"GET": "/link/v1/extensions", "POST": "/link/v1/extensions"}
SECONDS = 15.0


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def network(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[World, FaultProxy]]:
    """An installation whose agent and host speak through the proxy."""
    port = free_port()
    proxy = FaultProxy(upstream=port)
    await proxy.start()
    settings = {"EXTENSA_PLAIN_HTTP": "yes", "EXTENSA_PUBLIC_URL": f"http://localhost:{proxy.port}"}
    try:
        async with world(tmp_path_factory.mktemp("network"), port=port, settings=settings) as made:
            request.config.stash[HISTORIES].append(made.history)
            yield made, proxy
        assert {} == made.history.violations, made.history.told()
    finally:
        await proxy.stop()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_a_fault_of_the_network_costs_nothing(network: tuple[World, FaultProxy], kind: str, way: str) -> None:
    made, proxy = network
    driver = made.known("netted") or made.driver("netted", "chaos.plain")
    hit: list[Message] = []

    def once(message: Message) -> str:
        if hit or (message.method, message.path) != (way, WAYS[way]):
            return ""
        hit.append(message)
        made.history.fault(kind, path=message.path, method=way)
        return kind

    await driver.put()
    await driver.settled(within=60)
    proxy.plan = once
    await driver.put()  # ends the feed that is held, so that the next one meets the fault
    await made.check(driver)
    await driver.put()
    await made.check(driver)

    assert 1 == len(hit)
    assert {} == made.history.violations, made.history.told()


async def test_a_network_that_is_never_well(network: tuple[World, FaultProxy]) -> None:
    made, proxy = network
    drivers: list[Driver] = [made.driver(f"net{number}", "chaos.plain") for number in range(3)]

    def often(message: Message) -> str:
        if not message.path.startswith("/link/") or made.chance.random() > 0.4:
            return ""
        kind = made.chance.choice(KINDS)
        made.history.fault(kind, path=message.path, method=message.method)
        return kind

    proxy.plan = often
    await move(drivers, seconds=SECONDS)
    proxy.plan = lambda _message: ""
    await made.check()

    assert 20 < made.history.faults
    assert {} == made.history.violations, made.history.told()
