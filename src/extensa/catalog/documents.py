"""Type documents in the store: read by name, listed, changed under guard, and decoded once per state.

The store is asked every time and its etag says whether what was decoded before still holds, so that another replica's
write is seen at once. What a change is, others decide; here it is written against the state it was decided on, and
decided again when another write came between.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from extensa.base.clock import Clock
from extensa.catalog.model import TYPE, ExtensionType, row_key
from extensa.store.port import DeleteResource, Expect, PutResource, Row, StaleWrite, Store

_ROW_TYPE = TYPE.casefold()
_MOST_TYPES = 5000
_TRIES = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """A type with the etag of its document."""

    extension_type: ExtensionType
    etag: str


Change = Callable[[Kept | None, datetime], ExtensionType]
"""Gives the document that is wanted, from the present one (None: there is none); may raise what speaks against it."""


class Documents:
    """All type documents of one store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._decoder = msgspec.json.Decoder(ExtensionType)
        self._decoded: dict[str, Kept] = {}
        self._changing = asyncio.Lock()  # within this process one waits; only other replicas come between

    async def find(self, name: str) -> Kept | None:
        """Return the type of this name, in any letters, or None."""
        row = await self._store.get(row_key(name))
        return self._kept(row) if row is not None else None

    async def list(self) -> list[ExtensionType]:
        """Return every type, by name."""
        rows = await self._store.list(type=_ROW_TYPE, limit=_MOST_TYPES)
        return [self._kept(row).extension_type for row in rows]

    async def change(self, name: str, change: Change) -> tuple[Kept, bool]:
        """Write what ``change`` makes of a type; return it, and whether it is new. An unchanged one is not written.

        Raises what ``change`` raises, and `StaleWrite` when others kept coming between.
        """
        async with self._changing:
            for _ in range(_TRIES - 1):
                with contextlib.suppress(StaleWrite):
                    return await self._change_once(row_key(name), change)
            return await self._change_once(row_key(name), change)

    async def delete(self, kept: Kept) -> None:
        """Remove a type with all its versions; raises `StaleWrite` when it was changed since it was read."""
        key = row_key(kept.extension_type.name)
        await self._store.commit([DeleteResource(key, kept.etag)])
        self._decoded.pop(key, None)

    async def _change_once(self, key: str, change: Change) -> tuple[Kept, bool]:
        row = await self._store.get(key)
        before = self._kept(row) if row is not None else None
        after = change(before, self._clock())
        if before is not None and after is before.extension_type:
            return before, False
        expect = Expect.ABSENT if before is None else before.etag
        etags = await self._store.commit([PutResource(key, _ROW_TYPE, msgspec.json.encode(after), expect)])
        kept = self._decoded[key] = Kept(after, etags[key])
        return kept, before is None

    def _kept(self, row: Row) -> Kept:
        known = self._decoded.get(row.key)
        if known is None or known.etag != row.etag:
            known = self._decoded[row.key] = Kept(self._decoder.decode(row.body), row.etag)
        return known
