"""From a type's facts to its routes: where its resources lie, and what can be done there.

Every route of every type comes out of `resource_routes`; a type has no route of its own anywhere else. Templates use
ARM's words for their places, and are what the API description shows.
"""

from collections.abc import Iterator

from extensa.arm.binding import Level, TypeSpec
from extensa.edge.exchange import Handler, Route
from extensa.edge.handlers.resource import ResourceHandler

SUBSCRIPTION = "/subscriptions/{subscriptionId}"
GROUP = SUBSCRIPTION + "/resourceGroups/{resourceGroupName}"
CLUSTER = GROUP + "/providers/{clusterRp}/{clusterResourceName}/{clusterName}"
_SCOPES = {
    Level.TENANT: "",
    Level.SUBSCRIPTION: SUBSCRIPTION,
    Level.LOCATION: SUBSCRIPTION,
    Level.GROUP: GROUP,
    Level.CLUSTER: CLUSTER,
}
_ITEM_VERBS = (("GET", "get"), ("HEAD", "head"), ("PUT", "put"), ("PATCH", "patch"), ("DELETE", "delete"))


def resource_routes(spec: TypeSpec, handler: ResourceHandler) -> Iterator[Route]:
    """Give every route of a type, level by level: its items, their actions, its collections."""
    for level in spec.levels:
        collection, cut = _collection(spec, level)
        item = f"{collection}/{{{_place(spec.kind.split('/')[-1])}}}"
        yield from _item_routes(spec, handler, item)
        if "list" in spec.verbs:
            yield _route(spec, handler.list, method="GET", template=collection, verb="list", cut=cut)
        if level is Level.GROUP and spec.listed_in_subscription:
            whole = f"{SUBSCRIPTION}/providers/{spec.type}"
            yield _route(spec, handler.list, method="GET", template=whole, verb="list", cut=cut)


def _item_routes(spec: TypeSpec, handler: ResourceHandler, item: str) -> Iterator[Route]:
    for method, verb in _ITEM_VERBS:
        if verb in spec.verbs or (verb == "head" and "get" in spec.verbs):
            does: Handler = getattr(handler, verb)
            yield _route(spec, does, method=method, template=item, verb=verb, cut=0)
    for action in spec.actions:
        template = f"{item}/{action}"
        yield _route(spec, handler.act, method="POST", template=template, verb="act", cut=1, action=action)


def _route(
    spec: TypeSpec, does: Handler, *, method: str, template: str, verb: str, cut: int, action: str = ""
) -> Route:
    return Route(
        method=method,
        template=template,
        name=spec.type,
        verb=action or verb,
        handler=does,
        summary=_summary(spec, verb, action),
        spec=spec,
        action=action,
        cut=cut,
    )


def _collection(spec: TypeSpec, level: Level) -> tuple[str, int]:
    """Return a collection's template, and how many of its last words are no part of the scope that is listed."""
    if level is Level.ROOT:
        return "/subscriptions", 1
    if level is Level.GROUPS:
        return f"{SUBSCRIPTION}/resourceGroups", 1
    *parents, last = spec.kind.split("/")
    stretch = f"/providers/{spec.namespace}"
    if level is Level.LOCATION:
        stretch += "/locations/{location}"
    for parent in parents:
        stretch += f"/{parent}/{{{_place(parent)}}}"
    nested = bool(parents) or level is Level.LOCATION
    return f"{_SCOPES[level]}{stretch}/{last}", 1 if nested else 3


def _place(kind: str) -> str:
    """Return the word for a name of ``kind``: ``extensionName`` of ``extensions``."""
    if kind == "subscriptions":
        return "subscriptionId"
    if kind == "resourceGroups":
        return "resourceGroupName"
    singular = kind.removesuffix("ies") + "y" if kind.endswith("ies") else kind.removesuffix("s")
    return f"{singular}Name"


def _summary(spec: TypeSpec, verb: str, action: str) -> str:
    does = {
        "get": "Get",
        "head": "Check the existence of",
        "put": "Create or replace",
        "patch": "Change",
        "delete": "Delete",
        "list": "List",
        "act": f"{action} on",
    }[verb]
    return f"{does} {spec.type}" + (f" ({spec.summary})" if spec.summary else "")
