"""``/openapi.json``: the description of this API, written from the route table and nothing else.

Valid OpenAPI 3.1. It says where things are, who may ask, and what every answer has in common; the shape of a type's
properties belongs to the type's own manual and is not repeated here.
"""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from extensa.edge.exchange import Access, Exchange, Reply, Route
from extensa.edge.render import json_reply

_ERROR = {"$ref": "#/components/responses/Error"}
_RESOURCE = {"$ref": "#/components/schemas/Resource"}
_SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.TOKEN: [{"token": []}],
    Access.LINK: [{"link": []}],
    Access.PUBLIC: [],
}
_SUCCESSES = {
    "get": ("200",),
    "list": ("200",),
    "head": ("204",),
    "put": ("200", "201"),
    "patch": ("200", "202"),
    "delete": ("200", "202", "204"),
}


class OpenApiHandler:
    """Holds the description; `write` it once the table is whole."""

    def __init__(self) -> None:
        self._document = b"{}"

    def write(self, routes: Iterable[Route], *, base_url: str) -> None:
        """Describe ``routes`` from now on."""
        self._document = msgspec.json.encode(describe(routes, base_url=base_url))

    async def show(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - a handler
        """Answer with the description."""
        return json_reply(200, self._document)


def describe(routes: Iterable[Route], *, base_url: str) -> dict[str, Any]:
    """Return the OpenAPI document of ``routes``."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        item = paths.setdefault(route.template, _path_item(route.template))
        item[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Extensa", "version": version("extensa"), "summary": "Azure cluster extensions in the open."},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": _components(base_url),
    }


def _path_item(template: str) -> dict[str, Any]:
    places = [word[1:-1] for word in template.split("/") if word.startswith("{")]
    if not places:
        return {}
    return {"parameters": [{"name": p, "in": "path", "required": True, "schema": {"type": "string"}} for p in places]}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.name.partition("/")[0] if route.spec else route.name.partition(".")[0]],
        "security": _SECURITY[route.access],
        "responses": _responses(route),
    }
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.spec is not None and route.method in ("PUT", "PATCH", "POST"):
        schema = _RESOURCE if route.method in ("PUT", "PATCH") else {"type": "object"}
        operation["requestBody"] = {
            "required": route.method != "POST",
            "content": {"application/json": {"schema": schema}},
        }
    return operation


def _operation_id(route: Route) -> str:
    """Return a name no other route has: the verb and the whole template."""
    words = (word.strip("{}").replace(".", "_") for word in route.template.split("/") if word)
    return "_".join((route.method.lower(), *words)).replace("-", "_")


def _parameters(route: Route) -> list[dict[str, str]]:
    if not route.arm:
        return []
    named = ["ApiVersion"]
    if route.verb == "list":
        named += ["Top", "SkipToken"]
    if route.spec is not None and route.method in ("PUT", "PATCH", "DELETE"):
        named += ["IfMatch", "IfNoneMatch"]
    return [{"$ref": f"#/components/parameters/{name}"} for name in named]


def _responses(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {}
    changes = bool(route.action) and not route.action.startswith(("list", "get"))  # and the rest of the work may go on
    for status in _SUCCESSES.get(route.verb, ("200", "202") if changes else ("200",)):
        found[status] = {"description": {"201": "Created", "202": "Accepted", "204": "No content"}.get(status, "OK")}
        if status in ("200", "201") and route.spec is not None:
            schema = {"$ref": "#/components/schemas/Page"} if route.verb == "list" else _RESOURCE
            found[status]["content"] = {"application/json": {"schema": schema}}
        if status in ("201", "202") and route.spec is not None:
            found[status]["headers"] = {
                "Azure-AsyncOperation": {"$ref": "#/components/headers/AsyncOperation"},
                "Retry-After": {"$ref": "#/components/headers/RetryAfter"},
            }
    found["default"] = _ERROR
    return found


def _components(base_url: str) -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "securitySchemes": {
            "token": {
                "type": "oauth2",
                "flows": {"clientCredentials": {"tokenUrl": f"{base_url}/common/oauth2/v2.0/token", "scopes": {}}},
            },
            "link": {"type": "http", "scheme": "bearer", "description": "NAME.SECRET of a host or an agent."},
        },
        "parameters": {
            "ApiVersion": _query("api-version", "A date such as 2025-03-01.", required=True),
            "Top": _query("$top", "Items on a page, at most 1000."),
            "SkipToken": _query("$skipToken", "Where the page starts; taken from nextLink."),
            "IfMatch": {"name": "If-Match", "in": "header", "schema": text},
            "IfNoneMatch": {"name": "If-None-Match", "in": "header", "schema": text},
        },
        "headers": {
            "AsyncOperation": {"description": "Where the operation is polled.", "schema": text},
            "RetryAfter": {"description": "Whole seconds until the next poll.", "schema": {"type": "integer"}},
        },
        "responses": {
            "Error": {
                "description": "A refusal, in ARM's envelope.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
            }
        },
        "schemas": _schemas(),
    }


def _query(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": required,
        "description": description,
        "schema": {"type": "string"},
    }


def _schemas() -> dict[str, Any]:
    text, anything = {"type": "string"}, {"type": "object"}
    return {
        "Resource": {
            "type": "object",
            "properties": {"id": text, "name": text, "type": text, "properties": anything, "systemData": anything},
        },
        "Page": {
            "type": "object",
            "required": ["value", "nextLink"],
            "properties": {
                "value": {"type": "array", "items": {"$ref": "#/components/schemas/Resource"}},
                "nextLink": {"type": ["string", "null"]},
            },
        },
        "ErrorResponse": {
            "type": "object",
            "required": ["error"],
            "properties": {"error": {"$ref": "#/components/schemas/ErrorDetail"}},
        },
        "ErrorDetail": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": text,
                "message": text,
                "target": text,
                "details": {"type": "array", "items": {"$ref": "#/components/schemas/ErrorDetail"}},
                "additionalInfo": {"type": "array", "items": anything},
            },
        },
    }
