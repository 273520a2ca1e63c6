"""What is counted: requests by route, verb and status, how long they took, how many are being served; and the process.

A registry of its own per front, so that two in one process (tests) never share a number. Children of a metric are
looked up once and kept: this is on every request's path. It counts; ``handlers/metrics.py`` shows.
"""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


disable_created_metrics()  # type: ignore[no-untyped-call] # twice the lines, for nobody here


class Meters:
    """The front's own metrics, in ``registry``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "extensa_requests", "Requests answered.", ["route", "verb", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "extensa_request_seconds",
            "Seconds from the first byte of a request to the last of its answer, waiting included.",
            ["route", "verb"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._in_flight = Gauge("extensa_requests_in_flight", "Requests being served now.", registry=self.registry)
        self._counters: dict[tuple[str, str, int], Counter] = {}
        self._histograms: dict[tuple[str, str], Histogram] = {}

    def began(self) -> None:
        """A request has come in."""
        self._in_flight.inc()

    def ended(self, route: str, verb: str, status: int, seconds: float) -> None:
        """A request has been answered."""
        self._in_flight.dec()
        counter = self._counters.get((route, verb, status))
        if counter is None:
            counter = self._counters[route, verb, status] = self._requests.labels(route, verb, str(status))
        counter.inc()
        histogram = self._histograms.get((route, verb))
        if histogram is None:
            histogram = self._histograms[route, verb] = self._seconds.labels(route, verb)
        histogram.observe(seconds)
