"""Extension types and their versions for the ARM front: reads from everywhere, writes from the subscription.

Azure lets nobody write here; ours is an additive path for those who publish. Versions are published by the archive
itself (``service.publish_version``), never by JSON, so their binding only reads.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn

from extensa.arm import etags
from extensa.arm.binding import Answer, Level, Listing, Request, TypeSpec
from extensa.base.errors import NotFound, Problems
from extensa.catalog import filters, intake, wire
from extensa.catalog.documents import Documents, Kept
from extensa.catalog.model import TYPE, VERSION_TYPE, ExtensionType
from extensa.catalog.places import Place, of
from extensa.catalog.source import Clusters

_READ = TypeSpec(
    type=TYPE,
    levels=(Level.LOCATION, Level.CLUSTER),
    api_versions=wire.API_VERSIONS,
    verbs=frozenset({"get", "list"}),
    summary="what can be installed",
)
_WRITE = TypeSpec(
    type=TYPE,
    levels=(Level.SUBSCRIPTION,),
    api_versions=wire.API_VERSIONS,
    verbs=frozenset({"get", "put", "delete", "list"}),
    summary="what can be installed, for publishers",
)
_VERSIONS = TypeSpec(
    type=VERSION_TYPE,
    levels=(Level.LOCATION, Level.CLUSTER, Level.SUBSCRIPTION),
    api_versions=wire.API_VERSIONS,
    verbs=frozenset({"get", "list"}),
    summary="versions and their release trains",
)


class Window:
    """The catalog as it is seen from a place: what stands there, and whether the place exists."""

    def __init__(self, documents: Documents, clusters: Clusters | None) -> None:
        self._documents = documents
        self._clusters = clusters

    async def type(self, place: Place) -> Kept:
        """Return the type that ``place`` names, if it may be installed there.

        Raises `NotFound` when the cluster is missing, the type is unknown, or it is not made for that kind of cluster.
        """
        await self._require_cluster(place)
        found = await self._documents.find(place.extension_type or "")
        if found is None:
            raise type_not_found(place)
        if not _fits(found.extension_type, place):
            raise type_not_found(place, f" for clusters of the type {place.cluster_type}")
        return found

    async def types(self, place: Place) -> list[ExtensionType]:
        """Return every type, by name, that may be installed at ``place``; raises `NotFound` for a missing cluster."""
        await self._require_cluster(place)
        return [each for each in await self._documents.list() if _fits(each, place)]

    async def _require_cluster(self, place: Place) -> None:
        cluster = place.scope
        if place.level is not Level.CLUSTER or self._clusters is None:
            return
        if await self._clusters.find(cluster.key) is None:
            raise NotFound(
                "ResourceNotFound",
                f"The Resource '{cluster.type}/{cluster.name}' under resource group '{cluster.resource_group}' was not "
                "found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                target=cluster.path,
                next_step=f"az resource list --resource-group {cluster.resource_group} --resource-type {cluster.type} "
                "lists those there are.",
            )


class TypesBinding:
    """Extension types; ``writable`` at the subscription, read elsewhere. ``regions`` stand in the newest shapes."""

    def __init__(self, window: Window, documents: Documents, *, writable: bool, regions: Sequence[str] = ()) -> None:
        self.spec = _WRITE if writable else _READ
        self._window = window
        self._documents = documents
        self._regions = regions

    async def get(self, request: Request) -> Answer:
        """Return the type (200)."""
        place = of(request.id)
        return self._answer(200, await self._window.type(place), place, request)

    async def put(self, request: Request) -> Answer:
        """Make (201) or change (200) a type's facts; its versions stay as they are.

        Raises `Refused` with every fault of the body, `Conflict` for a condition that does not hold.
        """
        place = of(request.id)
        name = place.extension_type or ""
        problems = Problems()
        intake.check_name(name, problems)
        facts = intake.read_facts(name, request.body, problems)
        problems.refuse_if_any()

        def change(before: Kept | None, now: datetime) -> ExtensionType:
            etags.check(request.condition, before.etag if before else None, target=request.id.path)
            return intake.with_facts(before.extension_type if before else None, name, facts, request.caller, now)

        kept, is_new = await self._documents.change(name, change)
        return self._answer(201 if is_new else 200, kept, place, request)

    async def delete(self, request: Request) -> Answer:
        """Take a type with all its versions off the catalog (200; 204 when it was not there).

        What is installed from it goes on, for its chart is kept. Raises `Conflict` for a condition that does not hold.
        """
        found = await self._documents.find(of(request.id).extension_type or "")
        etags.check(request.condition, found.etag if found else None, target=request.id.path)
        if found is None:
            return Answer(204)
        await self._documents.delete(found)
        return Answer(200)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of the types that pass the filters, by name."""
        place = of(request.id)
        found = filters.types(await self._window.types(place), request.query)
        rest = [each for each in found if after is None or each.name.casefold() > after]
        bodies = [self._body(each, place, request) for each in rest[:limit]]
        return Listing(bodies, rest[limit - 1].name.casefold() if len(rest) > limit else None)

    async def patch(self, request: Request) -> Answer:
        """Never called: a type is changed by PUT."""
        _no_verb(request)

    async def act(self, request: Request, action: str) -> Answer:
        """Never called: a type has no actions."""
        _no_verb(request, action)

    def _body(self, extension_type: ExtensionType, place: Place, request: Request) -> dict[str, Any]:
        return wire.type_body(extension_type, place, api_version=request.api_version, regions=self._regions)

    def _answer(self, status: int, kept: Kept, place: Place, request: Request) -> Answer:
        return Answer(status, self._body(kept.extension_type, place, request), etag=kept.etag)


class VersionsBinding:
    """The versions of extension types."""

    def __init__(self, window: Window) -> None:
        self.spec = _VERSIONS
        self._window = window

    async def get(self, request: Request) -> Answer:
        """Return the version (200); raise `NotFound` for a type or a version that is not there."""
        place = of(request.id)
        extension_type = (await self._window.type(place)).extension_type
        found = extension_type.find(place.version or "")
        if found is None:
            raise NotFound(
                "ResourceNotFound",
                f"Extension type '{extension_type.name}' has no version '{place.version}'.",
                target=request.id.path,
                next_step=f"List what there is: extensa type versions -n {extension_type.name}",
            )
        return Answer(200, wire.version_body(extension_type, found, place, api_version=request.api_version))

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of the versions that pass the filters, newest first."""
        place = of(request.id)
        extension_type = (await self._window.type(place)).extension_type
        found = filters.versions(extension_type, request.query, every_train=place.level is Level.SUBSCRIPTION)
        names = [each.version for each in found]
        start = names.index(after) + 1 if after in names else 0
        page = found[start : start + limit]
        bodies = wire.version_list(extension_type, page, place, api_version=request.api_version)
        return Listing(bodies, page[-1].version if start + limit < len(found) else None)

    async def put(self, request: Request) -> Answer:
        """Never called: a version is published by its archive."""
        _no_verb(request)

    async def patch(self, request: Request) -> Answer:
        """Never called: a version never changes."""
        _no_verb(request)

    async def delete(self, request: Request) -> Answer:
        """Never called: a version goes with its type."""
        _no_verb(request)

    async def act(self, request: Request, action: str) -> Answer:
        """Never called: a version has no actions."""
        _no_verb(request, action)


def type_not_found(place: Place, beyond: str = "") -> NotFound:
    """Return the refusal of a type that is not there, or not at ``place``."""
    name = place.extension_type or ""
    return NotFound(
        "ResourceNotFound",
        f"Extension type '{name}' was not found{beyond}.",
        target=place.type_path(name),
        next_step="List what there is: extensa type list. Publish your own: extensa type publish.",
    )


def _fits(extension_type: ExtensionType, place: Place) -> bool:
    return place.cluster_type is None or extension_type.supports(place.cluster_type)


def _no_verb(request: Request, action: str = "") -> NoReturn:
    raise NotImplementedError(f"{request.id.path} {action}".strip())
