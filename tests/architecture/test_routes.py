"""Every route is in the manual and asks for a permission that its provider tells of; no page is written from memory."""

from pathlib import Path

import pytest

from extensa.arm.api_versions import require
from extensa.base.clock import utc_now
from extensa.base.home import Home
from extensa.edge.exchange import Access, Route
from extensa.entry.server import Plan, assemble
from extensa.store.sqlite import open_store

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api.md"
WHO = {Access.TOKEN: "token", Access.LINK: "link credential", Access.PUBLIC: "anybody"}


@pytest.fixture
async def routes(tmp_path: Path) -> list[Route]:
    """Every route of the real control plane."""
    store = await open_store(tmp_path / "routes.sqlite3")
    plan = Plan(
        home=Home(tmp_path / "home"),
        base_url="https://localhost:9443",
        address="127.0.0.1",
        port=9443,
        plain=False,
        release_timeout=600,
    )
    try:
        return list((await assemble(store, plan, clock=utc_now)).front.table)
    finally:
        await store.close()


def line(route: Route) -> str:
    """A route as a row of the page's table."""
    return f"| {route.method} | `{route.template}` | {route.summary} | {WHO[route.access]} |"


def test_the_manual_lists_every_route_and_no_other(routes: list[Route]) -> None:
    told = [row for row in PAGE.read_text(encoding="utf-8").splitlines() if row.startswith("| ") and "`/" in row]

    assert [line(route) for route in routes] == told


def test_who_may_do_without_a_token_is_a_short_list(routes: list[Route]) -> None:
    public = {route.template.replace("{tenant}/", "") for route in routes if route.access is Access.PUBLIC}

    assert {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/metadata/endpoints",
        "/v2.0/.well-known/openid-configuration",
        "/.well-known/openid-configuration",
        "/discovery/v2.0/keys",
        "/discovery/keys",
        "/oauth2/v2.0/token",
        "/oauth2/token",
    } == public


def test_every_type_answers_to_well_formed_api_versions_in_order(routes: list[Route]) -> None:
    for spec in {route.spec.type: route.spec for route in routes if route.spec is not None}.values():
        assert list(spec.api_versions) == [require(version) for version in spec.api_versions]
        stable = [version for version in spec.api_versions if len(version) == 10]
        assert sorted(stable) == stable, spec.type
