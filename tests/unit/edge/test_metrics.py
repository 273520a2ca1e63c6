"""What `/metrics` shows beside the front's own counters."""

from typing import cast

from extensa.edge.exchange import Exchange
from extensa.edge.handlers.metrics import Family, MetricsHandler
from extensa.edge.meters import Meters


async def test_a_family_shows_what_there_is_now_and_nothing_of_before() -> None:
    numbers: dict[tuple[str, ...], float] = {("Succeeded", "Healthy"): 2, ("Failed", "Unknown"): 1}

    async def read() -> dict[tuple[str, ...], float]:
        return numbers

    async def open_now() -> float:
        return 3

    families = {"things": Family("Things.", ("state", "health"), read)}
    handler = MetricsHandler(Meters(), {"open": ("Open.", open_now)}, families)
    first = (await handler.show(cast("Exchange", None))).body.decode()
    del numbers["Failed", "Unknown"]
    second = (await handler.show(cast("Exchange", None))).body.decode()

    assert 'things{health="Healthy",state="Succeeded"} 2.0' in first
    assert 'things{health="Unknown",state="Failed"} 1.0' in first
    assert "open 3.0" in first
    assert "Failed" not in second
