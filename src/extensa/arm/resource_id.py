"""Resource ids: the paths by which ARM names everything.

Case is kept for people and ignored for comparison (ARM RPC: case-insensitive, case-preserving), so an id carries
both its spelling and its ``key``. Parsing is here once; whether a type exists is for the route table to say.
"""

from dataclasses import dataclass, field

from extensa.base.errors import Refused


@dataclass(frozen=True, slots=True)
class Segment:
    """One ``/providers/NAMESPACE/type/name[/type/name…]`` stretch of an id."""

    namespace: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def type(self) -> str:
        """The full type, ``Namespace/type[/type…]``, as spelled."""
        return "/".join((self.namespace, *self.types))

    @property
    def path(self) -> str:
        """The stretch as it stands in the id."""
        pairs = "/".join(f"{kind}/{name}" for kind, name in zip(self.types, self.names, strict=True))
        return f"/providers/{self.namespace}/{pairs}"


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A parsed id: subscription, resource group, then provider stretches, the last being the resource itself."""

    subscription: str | None = None
    resource_group: str | None = None
    segments: tuple[Segment, ...] = ()
    path: str = field(default="", compare=False)
    key: str = ""

    @property
    def type(self) -> str:
        """The resource's full type; for a bare group or subscription ARM's own type name."""
        if self.segments:
            return self.segments[-1].type
        if self.resource_group is not None:
            return "Microsoft.Resources/resourceGroups"
        return "Microsoft.Resources/subscriptions"

    @property
    def name(self) -> str:
        """The last name in the path."""
        if self.segments:
            return self.segments[-1].names[-1]
        return self.resource_group or self.subscription or ""

    @property
    def scope(self) -> "ResourceId":
        """What an extension resource is attached to, or the group or subscription a plain resource lies in."""
        return build(self.subscription, self.resource_group, self.segments[:-1])

    @property
    def group_path(self) -> str:
        """``/subscriptions/S/resourceGroups/G`` of this resource, as spelled; raises `ValueError` outside a group."""
        if self.resource_group is None:
            raise ValueError(f"{self.path} lies in no resource group")
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    def child(self, namespace: str, kind: str, name: str) -> "ResourceId":
        """Return the id of an extension resource ``namespace/kind/name`` attached to this one."""
        return build(self.subscription, self.resource_group, (*self.segments, Segment(namespace, (kind,), (name,))))

    def __str__(self) -> str:
        return self.path


def build(subscription: str | None, group: str | None, segments: tuple[Segment, ...] = ()) -> ResourceId:
    """Put an id together from its parts, in ARM's canonical spelling of the fixed words."""
    path = ""
    if subscription is not None:
        path += f"/subscriptions/{subscription}"
    if group is not None:
        path += f"/resourceGroups/{group}"
    path += "".join(s.path for s in segments)
    return ResourceId(subscription, group, segments, path, path.casefold())


def parse(path: str) -> ResourceId:
    """Read an id such as ``/subscriptions/S/resourceGroups/G/providers/N/t/name``.

    The fixed words may be in any case. Raises `Refused` (code ``InvalidResourceId``) when the path is none.
    """
    parts = path.strip("/").split("/")
    if any(not part for part in parts):
        raise _malformed(path)
    position = 0
    subscription = group = None
    if parts[position].casefold() == "subscriptions":
        subscription, position = _value(parts, position, path), position + 2
        if position < len(parts) and parts[position].casefold() == "resourcegroups":
            group, position = _value(parts, position, path), position + 2
    segments: list[Segment] = []
    while position < len(parts):
        if parts[position].casefold() != "providers":
            raise _malformed(path)
        namespace, position = _value(parts, position, path), position + 2
        types: list[str] = []
        names: list[str] = []
        while position < len(parts) and parts[position].casefold() != "providers":
            types.append(parts[position])
            names.append(_value(parts, position, path))
            position += 2
        if not types:
            raise _malformed(path)
        segments.append(Segment(namespace, tuple(types), tuple(names)))
    if subscription is None and not segments:
        raise _malformed(path)
    return build(subscription, group, tuple(segments))


def _value(parts: list[str], position: int, path: str) -> str:
    if position + 1 >= len(parts):
        raise _malformed(path)
    return parts[position + 1]


def _malformed(path: str) -> Refused:
    return Refused(
        "InvalidResourceId",
        f"'{path}' is not a resource id.",
        target=path,
        next_step="Write it as /subscriptions/{id}/resourceGroups/{group}/providers/{namespace}/{type}/{name}.",
    )
