"""Orphans as a resource type of their own: who may read a cluster finds what forced deletes have left there.

They are no extensions: an orphan has no desired state to write, only a release that is to go. So the type can be
listed, shown and cleaned, and nothing else; what happens to an orphan is decided in ``orphans``.
"""

from typing import Any

from extensa.arm.binding import Answer, Level, Listing, Request, TypeSpec
from extensa.base.clock import Clock
from extensa.base.errors import Conflict, NotFound, Problem, Refused
from extensa.clusters.model import Cluster
from extensa.extensions import records
from extensa.extensions.decision import Denied, missing_cluster
from extensa.extensions.model import TYPE as EXTENSIONS
from extensa.extensions.orphans import TYPE, again, render
from extensa.extensions.reports import ATTEMPTS
from extensa.extensions.source import Clusters
from extensa.extensions.versions import KNOWN
from extensa.extensions.versions.reader import read_removal
from extensa.store.port import Row, StaleWrite, Store


class Orphans:
    """The binding of orphans: listed, shown, and cleaned."""

    spec = TypeSpec(
        type=TYPE,
        levels=(Level.CLUSTER,),
        api_versions=KNOWN,
        verbs=frozenset({"get", "list"}),
        actions=("clean",),
        summary="a release that a forced delete has left",
    )

    def __init__(self, store: Store, *, clusters: Clusters, clock: Clock) -> None:
        self._store = store
        self._clusters = clusters
        self._clock = clock

    async def get(self, request: Request) -> Answer:
        """Return the orphan (200); raises `NotFound`."""
        cluster, row = await self._find(request)
        return Answer(200, await self._body(row, cluster), etag=row.etag)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of the orphans of the cluster ``request.id``; raises `NotFound` without a cluster."""
        cluster = await self._clusters.find(request.id.key)
        if cluster is None:
            raise Denied((missing_cluster(request.id),), 404).error()
        prefix = records.below(request.id.key)
        rows = await self._store.list(prefix=prefix, type=records.ORPHAN_TYPE, after=after, limit=limit + 1)
        value = [await self._body(row, cluster) for row in rows[:limit]]
        return Listing(value, rows[limit - 1].key if len(rows) > limit else None)

    async def act(self, request: Request, action: str) -> Answer:  # noqa: ARG002 - there is one
        """Ask the agent again to remove the release (200); ``removeFinalizers=true`` and ``deleteCrds=true`` allow
        more.

        Raises `NotFound`, `Refused` for words that are neither true nor false, and `Conflict`.
        """
        flags = read_removal(request.query)
        if flags.problems:
            raise Refused.because(flags.problems)
        for _ in range(ATTEMPTS):
            cluster, row = await self._find(request)
            before = records.extension_of(row.body)
            after = again(before, remove_finalizers=flags.remove_finalizers, delete_crds=flags.delete_crds)
            try:
                await self._store.commit(records.orphan_kept(before, after, row.etag))
            except StaleWrite:
                continue
            return Answer(200, render(after, cluster, ()))
        raise Conflict("TooManyWrites", f"'{request.id}' was changed each time it was about to be written.")

    async def put(self, request: Request) -> Answer:
        """Refuse: an orphan is made by a forced delete only."""
        raise _not_here(request)

    async def patch(self, request: Request) -> Answer:
        """Refuse: there is nothing to change about an orphan."""
        raise _not_here(request)

    async def delete(self, request: Request) -> Answer:
        """Refuse: an orphan goes when its release was seen gone."""
        raise _not_here(request)

    async def _find(self, request: Request) -> tuple[Cluster, Row]:
        cluster = await self._clusters.find(request.id.scope.key)
        if cluster is None:
            raise Denied((missing_cluster(request.id.scope),), 404).error()
        key = records.below(request.id.scope.key) + request.id.name.casefold()
        row = await self._store.get(records.orphan_key(key))
        if row is None or records.extension_of(row.body).cluster_uid != cluster.uid:
            problem = Problem(
                "ResourceNotFound",
                f"No forced delete has left a release of an extension '{request.id.name}' behind, or it is gone.",
                target=str(request.id),
                next_step="`extensa extension orphans` lists those there are.",
            )
            raise Denied((problem,), 404).error()
        return cluster, row

    async def _body(self, row: Row, cluster: Cluster) -> dict[str, Any]:
        orphan = records.extension_of(row.body)
        kept = await self._store.get(records.objects_key(orphan))
        return render(orphan, cluster, () if kept is None else records.objects_of(kept.body).objects)


def _not_here(request: Request) -> NotFound:
    return NotFound(
        "ResourceNotFound",
        f"'{request.id}' can be read and cleaned, and nothing else.",
        target=str(request.id),
        next_step=f"Create or delete the extension itself ({EXTENSIONS}).",
    )
