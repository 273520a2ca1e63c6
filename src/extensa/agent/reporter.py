"""What is to be told to the control plane: the newest word on each extension, sent in batches until it has arrived.

An older word that was not sent yet gives way to a newer one. When the line is down words wait here; they are not kept
over a restart, for then every extension is looked at and told anew.
"""

import asyncio
from typing import Protocol

from msgspec import Struct

from extensa.agent.control import Backoff, LinkError
from extensa.base.crash_points import reached
from extensa.base.log import get_logger
from extensa.link.extension import ExtensionReports, ObservedExtension

_log = get_logger("agent")

_PATH = "/link/v1/extensions"
_MOST_AT_ONCE = 100


class Sink(Protocol):
    """Where reports go (`control.LinkClient.report`)."""

    async def report(self, path: str, struct: Struct) -> None:
        """Send a document; raises `LinkError`."""
        ...


class Reporter:
    """The one who tells."""

    def __init__(self, sink: Sink) -> None:
        """Nothing is sent before `run`."""
        self._sink = sink
        self._waiting: dict[str, ObservedExtension] = {}
        self._something = asyncio.Event()
        self._nothing = asyncio.Event()
        self._nothing.set()

    def tell(self, observed: ObservedExtension) -> None:
        """Have this said; it replaces what was not yet said of the same extension."""
        self._waiting[observed.uid] = observed
        self._nothing.clear()
        self._something.set()

    async def run(self) -> None:
        """Send until cancelled."""
        pace = Backoff()
        while True:
            await self._something.wait()
            batch = dict(list(self._waiting.items())[:_MOST_AT_ONCE])
            try:
                await self._sink.report(_PATH, ExtensionReports(observed=list(batch.values())))
            except LinkError as error:
                _log.warning("reports wait", count=len(self._waiting), code=error.code, message=error.message)
                await asyncio.sleep(pace.failed())
                continue
            reached("agent.report-sent")
            pace.succeeded()
            for uid, sent in batch.items():
                if self._waiting.get(uid) is sent:
                    del self._waiting[uid]
            if not self._waiting:
                self._something.clear()
                self._nothing.set()

    async def drained(self, *, within: float) -> bool:
        """Return True once everything was said, False when ``within`` seconds were not enough."""
        try:
            async with asyncio.timeout(within):
                await self._nothing.wait()
        except TimeoutError:
            return False
        return True
