"""The route table: a tree of path words that finds a route by dictionary look-ups, and the ids that paths mean.

A path is matched word by word: a fixed word or type (in any case) first, a name in its place second, stepping back when
a way ends nowhere. What a path means is kept for the next request with the same path. There are no regular expressions
and no second table: the API description, the metrics and the tests read this one. It calls nobody.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from extensa.arm import resource_id
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import ExtensaError, NotFound, Refused
from extensa.edge.exchange import Match, Route

_DEEPEST = 24  # words in a path; the deepest template has 16
_LONGEST = 2048  # characters in a path, ARM's own limit
_TYPE_PLACES = ("clusterRp", "clusterResourceName")
_ROOT_ID = resource_id.build(None, None)
_REFUSED_IN_NAMES = frozenset('<>%&\\?#"') | frozenset(map(chr, range(32))) | {"\x7f"}


class WrongVerb(ExtensaError):
    """The path is known and the method is not one it takes; ``allow`` lists those it does."""

    status = 405

    def __init__(self, method: str, path: str, allow: Sequence[str]) -> None:
        self.allow = tuple(sorted(allow))
        super().__init__(
            "MethodNotAllowed",
            f"The method '{method}' is not supported at '{path}'. It takes {', '.join(self.allow)}.",
            target=path,
        )


@dataclass(slots=True)
class _Word:
    """One place in the tree: what may follow, and the routes that end here."""

    spelled: str = ""
    fixed: "dict[str, _Word]" = field(default_factory=dict)
    name: "_Word | None" = None
    routes: dict[str, Route] = field(default_factory=dict)


class RouteTable:
    """All routes of the front, in the order they were given."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Word()
        self._routes: list[Route] = []
        self._types: dict[str, str] = {}
        for route in routes:
            self._add(route)
        self._kept = lru_cache(maxsize=2048)(self._find)

    def __iter__(self) -> Iterator[Route]:
        """Give every route in order."""
        return iter(self._routes)

    def _add(self, route: Route) -> None:
        word = self._root
        for part in _words(route.template):
            if part.startswith("{"):
                word.name = word.name or _Word(part)
                word = word.name
            else:
                word = word.fixed.setdefault(part.casefold(), _Word(part))
        if route.method in word.routes:
            raise ValueError(f"two routes for {route.method} {route.template}")
        word.routes[route.method] = route
        self._routes.append(route)
        if route.spec is not None:
            for spelled in (route.spec.namespace, *route.spec.kind.split("/")):
                self._types.setdefault(spelled.casefold(), spelled)

    def match(self, method: str, path: str) -> Match:
        """Return where a request goes; what was found is kept for the next one, what was refused is not.

        Raises `WrongVerb`, `NotFound` in ARM's words (``InvalidResourceNamespace``, ``InvalidResourceType`` or
        ``NotFound``), and `Refused` (``InvalidResourceName``) for a name that no resource may have.
        """
        return self._kept(method, path)

    def _find(self, method: str, path: str) -> Match:
        if len(path) > _LONGEST:
            raise Refused(
                "RequestUriTooLong",
                f"The path has {len(path)} characters; at most {_LONGEST} are taken.",
                target="path",
                status=414,
            )
        asked = _words(path)
        found = _walk(self._root, asked, 0) if len(asked) <= _DEEPEST else None
        if found is None:
            raise self._nowhere(path, asked)
        route = found.routes.get(method)
        if route is None and method == "HEAD" and (shown := found.routes.get("GET")) is not None and not shown.arm:
            route = shown  # outside ARM's own rules HEAD is GET without the body
        if route is None:
            raise WrongVerb(method, path, list(found.routes))
        return self._meaning(route, asked)

    def _meaning(self, route: Route, asked: list[str]) -> Match:
        """Return what the path means on ``route``: fixed words and types in their own spelling, names as they came."""
        words: list[str] = []
        names: dict[str, str] = {}
        for template, word in zip(_words(route.template), asked, strict=True):
            if not template.startswith("{"):
                words.append(template)
                continue
            place = template[1:-1]
            if _REFUSED_IN_NAMES.intersection(word) or word in (".", ".."):
                raise Refused("InvalidResourceName", f"'{word}' cannot be the name of a resource.", target=place)
            names[place] = self._types.get(word.casefold(), word) if place in _TYPE_PLACES else word
            words.append(names[place])
        path = "/" + "/".join(words)
        return Match(route, names, path, _resource(words, route.cut))

    def _nowhere(self, path: str, asked: list[str]) -> NotFound:
        """Return the refusal of a path that leads nowhere, as precise as ARM's own."""
        starts = [at for at, word in enumerate(asked[:-1], start=1) if word.casefold() == "providers"]
        if starts:
            namespace, *pairs = asked[starts[-1] :]
            return self._unknown_type(path, namespace, pairs[::2])
        return NotFound(
            "NotFound",
            f"There is nothing at '{path}'.",
            target=path,
            next_step="GET /openapi.json lists every path of this service.",
        )

    def _unknown_type(self, path: str, namespace: str, types: Sequence[str]) -> NotFound:
        wanted = "/".join((namespace, *types)).casefold()
        specs = {route.spec.type.casefold(): route for route in self._routes if route.spec is not None}
        if known := specs.get(wanted):
            return NotFound(
                "InvalidResourceType",
                f"The resource type '{'/'.join(types)}' of '{namespace}' does not exist at '{path}'.",
                target=path,
                next_step=f"Its resources are found at {known.template}.",
            )
        beside = sorted(
            {r.spec.kind for r in specs.values() if r.spec and r.spec.namespace.casefold() == namespace.casefold()}
        )
        if not beside:
            return NotFound(
                "InvalidResourceNamespace",
                f"The resource namespace '{namespace}' is invalid.",
                target=namespace,
                next_step="GET /subscriptions/{subscriptionId}/providers lists the namespaces there are.",
            )
        return NotFound(
            "InvalidResourceType",
            f"The resource type '{'/'.join(types)}' could not be found in the namespace '{namespace}'.",
            target="/".join(types),
            next_step=f"The types there are: {', '.join(beside)}.",
        )


def _walk(word: _Word, asked: list[str], at: int) -> _Word | None:
    if at == len(asked):
        return word if word.routes else None
    follower = word.fixed.get(asked[at].casefold())
    if follower is not None and (found := _walk(follower, asked, at + 1)) is not None:
        return found
    return _walk(word.name, asked, at + 1) if word.name is not None else None


def _words(path: str) -> list[str]:
    return [word for word in path.split("/") if word]


def _resource(words: Sequence[str], cut: int | None) -> ResourceId | None:
    if cut is None:
        return None
    kept = words[: len(words) - cut]
    return resource_id.parse("/".join(kept)) if kept else _ROOT_ID
