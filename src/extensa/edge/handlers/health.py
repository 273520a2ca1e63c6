"""Is it alive, and is it ready: two questions that anyone may ask.

``/healthz`` says that the process answers; ``/readyz`` asks each part it needs and names the one that fails. Neither
says anything about a single extension or cluster.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from extensa.base.errors import ExtensaError
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.render import json_reply

Probe = Callable[[], Awaitable[None]]
"""Returns quietly when its part works; raises `ExtensaError` when not."""

_PATIENCE = 2.0


class HealthHandler:
    """The two probes; ``parts`` are asked by name for ``/readyz``."""

    def __init__(self, parts: Mapping[str, Probe]) -> None:
        self._parts = parts

    async def live(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - a handler
        """Answer 200 as long as the process can answer at all."""
        return json_reply(200, {"status": "ok"})

    async def ready(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - a handler
        """Answer 200 when every part works, 503 with the reason of each that does not."""
        reasons = dict(zip(self._parts, await asyncio.gather(*map(_ask, self._parts.values())), strict=True))
        well = all(reason is None for reason in reasons.values())
        parts = {name: reason or "ok" for name, reason in reasons.items()}
        return json_reply(200 if well else 503, {"status": "ok" if well else "unavailable", "parts": parts})


async def _ask(probe: Probe) -> str | None:
    try:
        await asyncio.wait_for(probe(), _PATIENCE)
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} s"
    except ExtensaError as error:
        return error.message
    return None
