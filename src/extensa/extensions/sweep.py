"""The night watch over extensions: whatever the fast path left undone is found by looking, and put right.

Each turn looks at the operations that run, at one page of all extensions and at the orphans; nothing is remembered but
where the page ended. A cluster that is gone takes its extensions with it, an operation without an answer ends with the
reason, and a feed that does not hold what ``project`` says is written again.
"""

import asyncio
import contextlib
from collections.abc import Sequence

from msgspec.structs import replace

from extensa.base.clock import Clock, Jumps
from extensa.base.log import correlated, get_logger
from extensa.clusters.model import Cluster
from extensa.extensions import orphans, records
from extensa.extensions.model import Extension
from extensa.extensions.project import project
from extensa.extensions.reports import active_operation
from extensa.extensions.settle import Settled, abandoned, expire, orphaned, patience
from extensa.extensions.source import Clusters
from extensa.store.port import DeleteResource, OperationRow, Row, StaleWrite, Store

PAGE = 200
"""Rows looked at in one turn, of each kind."""

_log = get_logger("extensions")


class Sweep:
    """One turn at a time; two processes may sweep at once, for every write is guarded."""

    def __init__(self, store: Store, clusters: Clusters, clock: Clock, steady: Clock | None = None) -> None:
        self._store = store
        self._clusters = clusters
        self._clock = clock
        self._jumps = Jumps(clock, steady)
        self._after: dict[str, str | None] = {}

    async def turn(self) -> None:
        """Look at what may be overdue, then at the next page of everything."""
        known: dict[str, Cluster | None] = {}
        for operation in await self._store.open_operations(limit=PAGE):
            if records.is_extension(operation.resource_key):
                await self._follow(operation, known)
        for row in await self._page(records.ROW_TYPE):
            await self._mend(row, known)
            await asyncio.sleep(0)
        for row in await self._page(records.ORPHAN_TYPE):
            orphan = records.extension_of(row.body)
            cluster = await self._cluster(orphan, known)
            with contextlib.suppress(StaleWrite):
                if cluster is None:
                    await self._store.commit(records.orphan_gone(orphan, row.etag))
                elif orphans.due(orphan, self._clock()):
                    await self._store.commit(records.orphan_kept(orphan, orphans.again(orphan), row.etag))
                    _log.info("asked again to remove an orphan", extension=orphan.id, uid=orphan.uid)
        for row in await self._page(records.UID_TYPE):
            if await self._store.get(records.text_of(row.body)) is None:
                with contextlib.suppress(StaleWrite):
                    await self._store.commit([DeleteResource(row.key, row.etag)])

    async def _page(self, kind: str) -> Sequence[Row]:
        """The next rows of a type after those of the turn before; past the last one it starts over."""
        page = await self._store.list(type=kind, after=self._after.get(kind), limit=PAGE)
        self._after[kind] = page[-1].key if len(page) == PAGE else None
        return page

    async def cluster_gone(self, cluster_key: str) -> None:
        """Remove the extensions of a cluster that is no more."""
        after: str | None = None
        below = records.below(cluster_key)
        while page := await self._store.list(prefix=below, type=records.ROW_TYPE, after=after, limit=PAGE):
            known: dict[str, Cluster | None] = {}
            for row in page:
                await self._mend(row, known)
            after = page[-1].key

    async def _follow(self, listed: OperationRow, known: dict[str, Cluster | None]) -> None:
        """Look at who has an open operation; one that nobody has any more is ended here, for nobody else would."""
        kept, row = await self._store.operation(listed.id), await self._store.get(listed.resource_key)
        if kept is None or kept.ended is not None:
            return
        extension = None if row is None else records.extension_of(row.body)
        if row is not None and extension is not None and extension.operation == kept.id:
            await self._mend(row, known)
            return
        ended = abandoned(records.operation_of(kept.body), extension, self._clock())
        with contextlib.suppress(StaleWrite):
            await self._store.commit(records.ended(ended, None if row is None else row.etag))
            _log.warning("an operation without an extension was ended", operation=ended.id, status=ended.status)

    async def _mend(self, row: Row, known: dict[str, Cluster | None]) -> None:
        extension = records.extension_of(row.body)
        cluster = await self._cluster(extension, known)
        operation = await active_operation(self._store, extension)
        now = self._clock()
        outcome: Settled | None = None
        if cluster is None:
            outcome = orphaned(extension, operation, now)
        elif operation is not None and self._jumps.even_for() > patience(extension):  # asked after the date was
            outcome = expire(extension, operation, cluster, now)
        try:
            if outcome is not None:
                await self._store.commit(records.settled(extension, row.etag, outcome, now))
                with correlated(extension.correlation_id):
                    _log.warning(
                        "extension lost its cluster" if cluster is None else "no answer in time",
                        extension=extension.id,
                        operation=extension.operation,
                    )
            elif cluster is not None:
                await self._mend_feed(extension, row.etag, cluster)
        except StaleWrite:
            return  # someone wrote in the meantime; the next turn looks again

    async def _mend_feed(self, extension: Extension, etag: str, cluster: Cluster) -> None:
        kept = await self._store.feed_row(records.lane(extension.agent), extension.key)
        moved = extension.agent != cluster.agent
        wanted = project(extension)
        if kept is not None and not moved and records.at_rest_of(kept.body) == wanted:
            return
        # A document of the same generation that says something else would not be noticed: it needs a new one.
        altered = kept is not None and records.at_rest_of(kept.body) != wanted
        mended = replace(extension, agent=cluster.agent, generation=extension.generation + altered)
        await self._store.commit(records.mended(mended, etag, extension.agent))
        _log.info("feed put right", extension=extension.id, generation=mended.generation, agent=mended.agent)

    async def _cluster(self, extension: Extension, known: dict[str, Cluster | None]) -> Cluster | None:
        """The very cluster that ``extension`` was put on; a later one of the same name is another."""
        key = extension.cluster_key
        if key not in known:
            known[key] = await self._clusters.find(key)
        cluster = known[key]
        return cluster if cluster is not None and cluster.uid == extension.cluster_uid else None
