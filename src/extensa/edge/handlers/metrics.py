"""The counters of this process, as Prometheus reads them.

What is counted is decided in ``meters.py`` and in the gauges handed in here; this file only shows it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Gauge, generate_latest

from extensa.edge.exchange import Exchange, Reply
from extensa.edge.meters import Meters

Reading = Callable[[], Awaitable[float]]
"""Reads one number off the running service, at the moment it is asked for."""


@dataclass(frozen=True, slots=True)
class Family:
    """A gauge with ``labels``: ``read`` returns its number for every combination of their values that there is."""

    says: str
    labels: tuple[str, ...]
    read: Callable[[], Awaitable[Mapping[tuple[str, ...], float]]]


class MetricsHandler:
    """``/metrics``: the front's meters, each of ``gauges`` (name → what it says, how to read it), each family."""

    def __init__(
        self, meters: Meters, gauges: Mapping[str, tuple[str, Reading]], families: Mapping[str, Family]
    ) -> None:
        self._registry = meters.registry
        self._gauges = [
            (Gauge(name, says, registry=meters.registry), reading) for name, (says, reading) in gauges.items()
        ]
        self._families = [
            (Gauge(name, family.says, family.labels, registry=meters.registry), family)
            for name, family in families.items()
        ]

    async def show(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - a handler
        """Answer with everything in Prometheus' text format."""
        for gauge, reading in self._gauges:
            gauge.set(await reading())
        for gauge, family in self._families:
            found = await family.read()
            gauge.clear()  # what there was and is no more must not be shown for ever
            for values, number in found.items():
                gauge.labels(*values).set(number)
        return Reply(200, generate_latest(self._registry), [(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode())])
