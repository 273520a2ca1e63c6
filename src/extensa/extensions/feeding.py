"""Serving desired documents to agents that call in: at once when there is news, else as soon as there is.

A document rests in the feed with its protected settings in the Vault's envelope; they are opened here, at the last
moment, and sealed to the agent's own key. One document that cannot be opened never holds up the others.
"""

import asyncio
import contextlib

from msgspec.structs import replace

from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.errors import ExtensaError, Refused
from extensa.base.log import get_logger
from extensa.extensions import failures, records
from extensa.extensions.project import AtRest
from extensa.extensions.reports import active_operation
from extensa.extensions.settle import unserved
from extensa.link.extension import DesiredExtension, ExtensionFeed
from extensa.link.sealing import Sealed, seal
from extensa.store.port import FeedRow, StaleWrite, Store
from extensa.store.vault import Vault

PAGE = 100
"""Documents in one answer at the most; the agent asks again with the new cursor."""
WHOLE = 100_000
"""Documents of one agent at the most: what a whole answer does not name, the agent forgets."""

_log = get_logger("extensions")


class Feeding:
    """The giving side of the first pair."""

    def __init__(self, store: Store, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock

    async def feed(self, agent: str, *, after: int, wait: float, agent_key: str) -> ExtensionFeed:
        """Return what ``agent`` should know after the cursor ``after``, waiting up to ``wait`` seconds for something.

        The answer is whole when everything was asked for and nothing had to be left out. Raises `Refused`
        (``InvalidAgentKey``) when ``agent_key`` is no key to seal to.
        """
        lane = records.lane(agent)
        loop = asyncio.get_running_loop()
        until = loop.time() + wait
        with self._store.topic_changed(f"feed:{lane}") as changed:
            limit = PAGE if after else WHOLE
            rows = await self._store.feed(lane, after=after, limit=limit)
            while not rows and (left := until - loop.time()) > 0:
                await changed.wait(left)
                rows = await self._store.feed(lane, after=after, limit=limit)
        desired: list[DesiredExtension] = []
        for number, row in enumerate(rows):
            if (document := await self._served(row, agent_key)) is not None:
                desired.append(document)
            if number % PAGE == PAGE - 1:
                await asyncio.sleep(0)  # sealing thousands of documents must not hold up everybody else
        if desired:
            reached("server.feed-read")
        whole = after == 0 and len(desired) == len(rows) < limit
        return ExtensionFeed(cursor=rows[-1].sequence if rows else after, desired=desired, whole=whole)

    async def _served(self, row: FeedRow, agent_key: str) -> DesiredExtension | None:
        kept = records.at_rest_of(row.body)
        try:
            return replace(kept.desired, protected=self._sealed(kept, agent_key))
        except ExtensaError as error:
            if isinstance(error, Refused):
                raise
            _log.error("a desired document cannot be served", extension=kept.desired.resource_id, code=error.code)
            if error.code == "SealBroken":
                with contextlib.suppress(StaleWrite):  # who wrote in the meantime has another document
                    await self._give_up(row.key, kept.desired, error)
            return None

    async def _give_up(self, key: str, desired: DesiredExtension, error: ExtensaError) -> None:
        """End the operation that waits for a document which can never be served: it would run into its deadline."""
        row = await self._store.get(key)
        extension = None if row is None else records.extension_of(row.body)
        if row is None or extension is None or extension.generation != desired.generation:
            return
        failure = failures.found("SealBroken", error.message, extension.id)
        now = self._clock()
        outcome = unserved(extension, await active_operation(self._store, extension), failure, now)
        if outcome is not None:
            await self._store.commit(records.settled(extension, row.etag, outcome, now))

    def _sealed(self, kept: AtRest, agent_key: str) -> Sealed | None:
        if kept.envelope is None:
            return None
        plaintext = self._vault.open(kept.envelope, bound_to=kept.seal)
        try:
            return seal(plaintext, recipient=agent_key, purpose=kept.desired.uid)
        except ValueError as error:
            raise Refused(
                "InvalidAgentKey",
                "The agent's key is not an X25519 public key in base64.",
                target="Extensa-Agent-Key",
            ) from error
