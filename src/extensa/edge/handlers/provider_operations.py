"""``/providers/NAMESPACE/operations``: what a role may allow or deny in a provider, written from the route table.

ARM's list of a provider's operations (RPC v1.0, "Exposing available operations"): whoever writes a custom role finds
every action here, because nothing but the route table says what there is. What a caller may do is identity's business.
"""

from collections.abc import Iterable
from typing import Any

from extensa.arm import api_versions
from extensa.base.errors import NotFound
from extensa.edge.actions import action
from extensa.edge.exchange import Exchange, Reply, Route
from extensa.edge.render import json_reply

_WORDS = {"get": "read", "head": "read", "list": "read", "put": "write", "patch": "write", "publish": "write"}
_SAYS = {"read": "Read", "write": "Create or change", "delete": "Delete"}


class ProviderOperationsHandler:
    """Holds the operations of every provider; `write` them once the table is whole."""

    def __init__(self) -> None:
        self._providers: dict[str, tuple[str, list[dict[str, Any]]]] = {}

    def write(self, routes: Iterable[Route]) -> None:
        """Tell of the actions that ``routes`` need from now on."""
        found: dict[str, dict[str, str]] = {}
        for route in routes:
            if route.spec is not None or route.verb == "publish":  # the one route that names a type without its spec
                namespace, _, kind = route.name.partition("/")
                found.setdefault(namespace, {})[_action(route)] = kind
        self._providers = {
            namespace.casefold(): (namespace, [_entry(namespace, kind, name) for name, kind in sorted(actions.items())])
            for namespace, actions in found.items()
        }

    async def show(self, exchange: Exchange) -> Reply:
        """Answer with one provider's operations; raises `NotFound` (``InvalidResourceNamespace``) for one not there."""
        api_versions.require(exchange.query.get("api-version"))
        namespace = exchange.names["resourceProviderNamespace"]
        if namespace.casefold() not in self._providers:
            known = ", ".join(sorted(name for name, _ in self._providers.values()))
            raise NotFound(
                "InvalidResourceNamespace",
                f"The resource namespace '{namespace}' is invalid.",
                target=namespace,
                next_step=f"There are {known}.",
            )
        return json_reply(200, {"value": self._providers[namespace.casefold()][1], "nextLink": None})


def _action(route: Route) -> str:
    if route.action:
        return action(route.name, f"{route.action}/action")
    return action(route.name, _WORDS.get(route.verb, route.verb))


def _entry(namespace: str, kind: str, name: str) -> dict[str, Any]:
    verb = name.rpartition("/")[2]
    does = _SAYS.get(verb) or f"Perform {name.split('/')[-2]} on"
    return {
        "name": name,
        "isDataAction": False,
        "display": {
            "provider": namespace,
            "resource": kind,
            "operation": f"{does} {kind}",
            "description": f"{does} {namespace}/{kind}.",
        },
    }
