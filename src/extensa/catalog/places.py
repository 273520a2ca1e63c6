"""Which types a request is about: where it stands, and what of the catalog is seen from there.

Extension types are one catalog, looked at from a location, from a cluster or from the subscription as a whole; the id
of a request says which. Pure. Whether the cluster exists is for the service to ask.
"""

from dataclasses import dataclass

from extensa.arm.binding import Level
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import NotFound


@dataclass(frozen=True, slots=True)
class Place:
    """A point of view, and the type and version that are named there (None for the collection).

    ``path`` is that of the collection of types, as the request spells it. ``scope`` is the cluster or subscription.
    """

    level: Level
    scope: ResourceId
    path: str
    extension_type: str | None = None
    version: str | None = None

    @property
    def cluster_type(self) -> str | None:
        """The cluster's type as spelled, such as ``managedClusters``; None anywhere but at a cluster."""
        return self.scope.segments[-1].types[-1] if self.level is Level.CLUSTER else None

    def type_path(self, name: str) -> str:
        """Return the id of a type, seen from here."""
        return f"{self.path}/{name}"


def of(request_id: ResourceId) -> Place:
    """Return the place of a request: ``request_id`` is a type, a version, or the scope whose types are listed.

    Raises `NotFound` for an id that names something else.
    """
    segment = request_id.segments[-1] if request_id.segments else None
    if segment is None or segment.namespace.casefold() != "microsoft.kubernetesconfiguration":
        level = Level.CLUSTER if segment is not None else Level.SUBSCRIPTION
        return Place(level, request_id, f"{request_id.path}/providers/Microsoft.KubernetesConfiguration/extensionTypes")
    scope, names = request_id.scope, dict(zip(map(str.casefold, segment.types), segment.names, strict=True))
    location = names.pop("locations", None)
    extension_type, version = names.pop("extensiontypes", None), names.pop("versions", None)
    if names or (location is None and extension_type is None):
        raise NotFound("NotFound", f"There are no extension types at '{request_id.path}'.", target=request_id.path)
    if location is not None:
        level, middle = Level.LOCATION, f"/locations/{location}"
    else:
        level, middle = (Level.CLUSTER if scope.segments else Level.SUBSCRIPTION), ""
    path = f"{scope.path}/providers/{segment.namespace}{middle}/extensionTypes"
    return Place(level, scope, path, extension_type, version)
