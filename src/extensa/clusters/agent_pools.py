"""Microsoft.ContainerService/managedClusters/agentPools, to read: the pools of a cluster as resources of their own.

They live in their cluster's record and are changed with it; clients only need to see them (``az aks nodepool list``).
"""

from extensa.arm import resource_id
from extensa.arm.binding import Answer, Level, Listing, Request, TypeSpec
from extensa.arm.resource_id import ResourceId, Segment
from extensa.base.errors import ExtensaError, NotFound
from extensa.clusters import records
from extensa.clusters.binding import API_VERSIONS
from extensa.clusters.model import KIND, NAMESPACE
from extensa.clusters.records import Found
from extensa.clusters.render import pool_body
from extensa.store.port import Store

SPEC = TypeSpec(
    type=f"{NAMESPACE}/{KIND}/agentPools",
    levels=(Level.GROUP,),
    api_versions=API_VERSIONS,
    verbs=frozenset({"get", "list"}),
    summary="a pool of nodes of a managed cluster",
)


class AgentPools:
    """The binding."""

    spec = SPEC

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, request: Request) -> Answer:
        """Return one pool (200); raises `NotFound`."""
        found = await self._cluster(request.id)
        body = pool_body(found.record, request.id.name)
        if body is None:
            raise NotFound(
                "NotFound",
                f"The agent pool '{request.id.name}' could not be found.",
                target=request.id.path,
                next_step="`az aks nodepool list` lists those there are; they are changed with their cluster.",
            )
        return Answer(200, body, etag=found.etag)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:  # noqa: ARG002 - one page
        """Return the pools of a cluster in its own order, all on one page (a cluster has at most 100).

        Anything else that is listed has none: pools are no resources of a resource group.
        """
        if not request.id.segments:
            return Listing([])
        record = (await self._cluster(request.id)).record
        named = [pool_body(record, pool["name"]) for pool in record.properties["agentPoolProfiles"]]
        return Listing([body for body in named if body is not None])

    async def put(self, request: Request) -> Answer:
        """Refuse: pools are changed with their cluster."""
        raise _read_only(request)

    async def patch(self, request: Request) -> Answer:
        """Refuse: pools are changed with their cluster."""
        raise _read_only(request)

    async def delete(self, request: Request) -> Answer:
        """Refuse: pools are changed with their cluster."""
        raise _read_only(request)

    async def act(self, request: Request, action: str) -> Answer:
        """Refuse: pools have no actions."""
        raise _read_only(request, action)

    async def _cluster(self, id: ResourceId) -> Found:
        last = id.segments[-1]
        owner = Segment(last.namespace, last.types[:1], last.names[:1])
        cluster = resource_id.build(id.subscription, id.resource_group, (*id.segments[:-1], owner))
        found = await records.find(self._store, cluster.key)
        if found is None:
            raise await records.not_found(self._store, cluster)
        return found


def _read_only(request: Request, action: str = "") -> ExtensaError:
    unknown = f"Agent pools have no action '{action}'. " if action else ""
    return ExtensaError(
        "MethodNotAllowed",
        unknown + "Agent pools are read here; they are changed by a PUT of their cluster.",
        target=request.id.path,
        status=405,
    )
