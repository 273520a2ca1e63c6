"""The counters of this process, as Prometheus reads them.

What is counted is decided in ``meters.py`` and in the gauges handed in here; this file only shows it.
"""

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Gauge, generate_latest

from extensa.edge.exchange import Exchange, Reply
from extensa.edge.meters import Meters

Reading = Callable[[], Awaitable[float]]
"""Reads one number off the running service, at the moment it is asked for."""


class MetricsHandler:
    """``/metrics``: the front's meters, and each of ``gauges`` (name → what it says, how to read it)."""

    def __init__(self, meters: Meters, gauges: Mapping[str, tuple[str, Reading]]) -> None:
        self._registry = meters.registry
        self._gauges = [
            (Gauge(name, says, registry=meters.registry), reading) for name, (says, reading) in gauges.items()
        ]

    async def show(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - a handler
        """Answer with everything in Prometheus' text format."""
        for gauge, reading in self._gauges:
            gauge.set(await reading())
        return Reply(200, generate_latest(self._registry), [(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())])
