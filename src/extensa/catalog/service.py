"""The catalog as the rooms around it see it: find a type, publish a version, hand out a chart.

What is decided is decided in pure functions beside it. A chart is kept before the version that names it, and never
removed: what is installed may need its chart when nobody can install it any more.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from extensa.arm.binding import Answer, Binding, Request
from extensa.base.clock import Clock, utc_now
from extensa.base.errors import Problem, Problems
from extensa.catalog import publishing, wire
from extensa.catalog.archive import ChartFacts, inspect
from extensa.catalog.bindings import TypesBinding, VersionsBinding, Window, type_not_found
from extensa.catalog.documents import Documents, Kept
from extensa.catalog.model import ExtensionType
from extensa.catalog.places import of
from extensa.catalog.source import Clusters
from extensa.store.port import Store


class Catalog:
    """Extension types, their versions and charts.

    ``clusters`` says whether a cluster exists whose types are asked for; ``regions`` are the installation's own.
    """

    def __init__(
        self, store: Store, *, clusters: Clusters | None = None, clock: Clock = utc_now, regions: Sequence[str] = ()
    ) -> None:
        self._store = store
        self._clock = clock
        self._documents = Documents(store, clock)
        self._window = Window(self._documents, clusters)
        self._inspecting = asyncio.Lock()
        self._bindings: tuple[Binding, ...] = (
            TypesBinding(self._window, self._documents, writable=False, regions=regions),
            TypesBinding(self._window, self._documents, writable=True, regions=regions),
            VersionsBinding(self._window),
        )

    @property
    def bindings(self) -> Sequence[Binding]:
        """What the ARM front serves: types at locations and clusters, types for publishers, and versions."""
        return self._bindings

    async def find(self, extension_type: str) -> ExtensionType | None:
        """Return the type of this name, in any letters, with all its versions, or None."""
        found = await self._documents.find(extension_type)
        return found.extension_type if found is not None else None

    async def chart(self, digest: str) -> bytes | None:
        """Return the chart archive with this digest (``sha256:…``), or None."""
        return await self._store.get_blob(digest)

    async def publish_version(self, request: Request, archive: bytes) -> Answer:
        """Keep ``archive`` as the version that ``request.id`` names, on the trains of its query (``train=a,b``).

        201 with the new version, 200 when that very chart was there. Raises `NotFound` for an unknown type, `Refused`
        with everything that is wrong with the names or the chart, `Conflict` for another chart under a taken version.
        """
        place = of(request.id)
        version, trains = place.version or "", publishing.read_trains(request.query.get("train"))
        problems = Problems()
        publishing.check_names(version, trains, problems)
        before = (await self._window.type(place)).extension_type
        facts = await self._facts(archive, problems)
        publishing.published(before, version, trains, facts, self._clock())  # refused before anything is kept
        await self._store.put_blob(facts.digest, archive)

        def change(found: Kept | None, now: datetime) -> ExtensionType:
            if found is None:  # withdrawn while the archive was looked at
                raise type_not_found(place)
            return publishing.published(found.extension_type, version, trains, facts, now)

        kept, _ = await self._documents.change(before.name, change)
        after = kept.extension_type
        body = wire.version_body(after, after.version(version), place, api_version=request.api_version)
        return Answer(200 if before.find(version) else 201, body)

    async def _facts(self, archive: bytes, problems: Problems) -> ChartFacts:
        """Look into an archive, off the event loop and one at a time: each takes up to 64 MiB while it is looked at.

        Raises `Refused` with what was wrong before and what is wrong with the archive.
        """
        async with self._inspecting:
            found = await asyncio.to_thread(inspect, archive)
        faults: list[Problem] = [] if isinstance(found, ChartFacts) else found
        problems.found.extend(faults)
        problems.refuse_if_any()
        if not isinstance(found, ChartFacts):
            raise TypeError("an archive without faults has facts")
        return found
