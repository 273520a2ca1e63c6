"""Charts by content: fetched once over the link, verified against the digest, kept.

A chart whose bytes do not hash to what the desired document promises never reaches the disk.
"""

import asyncio
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from extensa.agent.control import LinkError
from extensa.agent.memory import Memory, MemoryError_
from extensa.base.crash_points import reached
from extensa.helm.chart import ChartFacts, read_chart
from extensa.helm.errors import HelmError
from extensa.link.extension import Chart


class ChartSource(Protocol):
    """Where charts come from (`control.LinkClient.chart`)."""

    async def chart(self, digest: str) -> bytes:
        """Return the archive with this digest; raises `LinkError`."""
        ...


@dataclass(frozen=True, slots=True)
class LocalChart:
    """A chart on this machine, and what is known of it."""

    path: Path
    facts: ChartFacts


class Charts:
    """The charts of this agent."""

    def __init__(self, source: ChartSource, memory: Memory) -> None:
        """Nothing is fetched yet."""
        self._source = source
        self._memory = memory
        self._facts: dict[str, ChartFacts] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def obtain(self, chart: Chart | None) -> LocalChart:
        """Return the chart, fetched if it is not here.

        Raises `HelmError`: ``ChartNotFound`` (for the moment, when the control plane does not answer),
        ``ChartDigestMismatch``, ``ChartUnreadable``, ``DiskFull``.
        """
        if chart is None:
            raise HelmError("ChartNotFound", "The extension's version names no chart.")
        async with self._locks[chart.digest]:
            path = await self._memory.chart(chart.digest)
            if path is None:
                archive = await self._fetch(chart)
                self._facts[chart.digest] = await asyncio.to_thread(read_chart, archive)
                path = await self._keep(chart.digest, archive)
                reached("agent.chart-kept")
            elif chart.digest not in self._facts:
                self._facts[chart.digest] = await asyncio.to_thread(_read_file, path)
        return LocalChart(path, self._facts[chart.digest])

    async def _keep(self, digest: str, archive: bytes) -> Path:
        try:
            return await self._memory.keep_chart(digest, archive)
        except MemoryError_ as error:
            raise HelmError(error.code, error.message, next_step=error.next_step or "", transient=True) from error

    async def _fetch(self, chart: Chart) -> bytes:
        name = f"{chart.name} {chart.version}"
        try:
            archive = await self._source.chart(chart.digest)
        except LinkError as error:
            message = f"The chart {name} could not be fetched: {error.message}"
            raise HelmError("ChartNotFound", message, transient=error.transient) from error
        found = "sha256:" + hashlib.sha256(archive).hexdigest()
        if found != chart.digest:
            raise HelmError("ChartDigestMismatch", f"The chart {name} is {found}, not {chart.digest}.")
        return archive


def _read_file(path: Path) -> ChartFacts:
    return read_chart(path.read_bytes())
