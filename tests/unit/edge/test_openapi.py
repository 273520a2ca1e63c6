"""The description says what the table says, and is valid OpenAPI."""

from typing import Any

import pytest

from unit.edge.front import EXTENSIONS, House


@pytest.fixture
async def description(house: House) -> dict[str, Any]:
    """The document as it is served."""
    body: dict[str, Any] = (await house.client.get("/openapi.json")).json()
    return body


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_every_route_is_described(house: House, description: dict[str, Any]) -> None:
    described = {(method.upper(), path) for path, item in description["paths"].items() for method in item}

    assert described - {("PARAMETERS", path) for path in description["paths"]} == {
        (route.method, route.template) for route in house.front.table
    }


def test_names_are_unique_and_references_lead_somewhere(description: dict[str, Any]) -> None:
    operations = [op for item in description["paths"].values() for verb, op in item.items() if verb != "parameters"]

    assert len(operations) == len({op["operationId"] for op in operations})
    for reference in references(description):
        found: Any = description
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_places_are_declared(description: dict[str, Any]) -> None:
    for path, item in description["paths"].items():
        places = [word[1:-1] for word in path.split("/") if word.startswith("{")]
        assert places == [each["name"] for each in item.get("parameters", [])]


def test_who_may_ask_is_said(description: dict[str, Any]) -> None:
    extension = next(path for path in description["paths"] if path.endswith("/extensions/{extensionName}"))

    assert [{"token": []}] == description["paths"][extension]["get"]["security"]
    assert [] == description["paths"]["/healthz"]["get"]["security"]
    assert [{"link": []}] == description["paths"]["/link/v1/clusters"]["get"]["security"]


def test_every_verb_of_a_type_is_there(description: dict[str, Any]) -> None:
    extension = next(path for path in description["paths"] if path.endswith("/extensions/{extensionName}"))

    assert EXTENSIONS.verbs - {"list"} <= set(description["paths"][extension])
    assert "post" in description["paths"][f"{extension}/listObjects"]
