"""The route table: what paths mean, in any case, and how a path that means nothing is refused."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extensa.base.errors import ExtensaError
from extensa.edge.exchange import Access, Route
from extensa.edge.routes import RouteTable, WrongVerb
from unit.edge.front import CLUSTER, EXTENSION, G, House, S

KC = "Microsoft.KubernetesConfiguration"
AKS = "Microsoft.ContainerService/managedClusters"
REGION = f"{S}/providers/{KC}/locations/westeurope"
OF_CLUSTER = f"{CLUSTER}/providers/{KC}/extensionTypes/a.b"
PUBLISHED = f"{S}/providers/{KC}/extensionTypes/a.b/versions/1.0.0"


def meaning(house: House, method: str, path: str) -> tuple[str, str, str | None]:
    match = house.front.table.match(method, path)
    return match.route.name, match.route.verb, None if match.resource is None else match.resource.path


# method, path, route, verb, the id that is meant
MEANINGS = [
    ("GET", EXTENSION, f"{KC}/extensions", "get", EXTENSION),
    ("PUT", EXTENSION, f"{KC}/extensions", "put", EXTENSION),
    ("HEAD", EXTENSION, f"{KC}/extensions", "head", EXTENSION),
    ("POST", EXTENSION + "/listobjects", f"{KC}/extensions", "listObjects", EXTENSION),
    ("GET", f"{CLUSTER}/providers/{KC}/extensions", f"{KC}/extensions", "list", CLUSTER),
    ("GET", CLUSTER, AKS, "get", CLUSTER),
    ("GET", f"{G}/providers/{AKS}", AKS, "list", G),
    ("GET", f"{S}/providers/{AKS}", AKS, "list", S),
    ("GET", f"{REGION}/extensionTypes", f"{KC}/extensionTypes", "list", REGION),
    ("GET", f"{REGION}/extensionTypes/a.b", f"{KC}/extensionTypes", "get", f"{REGION}/extensionTypes/a.b"),
    ("GET", f"{S}/providers/{KC}/extensionTypes", f"{KC}/extensionTypes", "list", S),
    ("GET", f"{OF_CLUSTER}/versions", f"{KC}/extensionTypes/versions", "list", OF_CLUSTER),
    ("PUT", PUBLISHED, f"{KC}/extensionTypes/versions", "publish", PUBLISHED),
    ("GET", "/subscriptions", "Microsoft.Resources/subscriptions", "list", ""),
    ("GET", S, "Microsoft.Resources/subscriptions", "get", S),
    ("GET", f"{S}/resourcegroups", "Microsoft.Resources/resourceGroups", "list", S),
    ("DELETE", f"{S}/RESOURCEGROUPS/rg/", "Microsoft.Resources/resourceGroups", "delete", G),
    ("GET", f"{G}/resources", "resources", "list", G),
    ("GET", f"{S}/providers", "providers", "list", S),
    ("GET", f"{S}/providers/{KC}", "providers", "get", S),
    ("POST", f"{S}/providers/{KC}/register", "providers", "register", S),
    ("GET", f"{EXTENSION}/operations/op", "operations", "get", None),
    ("GET", f"{S}/operationresults/op", "operations", "get", None),
    ("POST", "/adfs/oauth2/token/", "login.token", "post", None),
    ("GET", "/TENANT/v2.0/.well-known/openid-configuration", "login.discovery", "get", None),
]


@pytest.mark.parametrize("expected", MEANINGS, ids=lambda each: f"{each[0]} {each[2]} {each[3]}")
def test_a_path_leads_to_its_route(house: House, expected: tuple[str, str, str, str, str | None]) -> None:
    method, path, *found = expected

    assert tuple(found) == meaning(house, method, path)


def test_fixed_words_and_types_take_their_own_spelling_and_names_keep_theirs(house: House) -> None:
    shouted = EXTENSION.upper().replace("HELLO", "HeLLo")

    match = house.front.table.match("GET", shouted)

    assert match.resource is not None
    assert match.path == match.resource.path
    assert (
        "/subscriptions/0000/resourceGroups/RG/providers/Microsoft.ContainerService/managedClusters/C"
        "/providers/Microsoft.KubernetesConfiguration/extensions/HeLLo" == match.path
    )


def test_an_extension_is_attached_to_a_cluster_of_any_provider(house: House) -> None:
    path = f"{G}/providers/Microsoft.HybridContainerService/provisionedClusters/c/providers/{KC}/extensions/e"

    assert (f"{KC}/extensions", "get", path) == meaning(house, "GET", path)


def test_names_stand_under_the_templates_words(house: House) -> None:
    names = house.front.table.match("GET", EXTENSION).names

    assert "hello" == names["extensionName"]
    assert "c" == names["clusterName"]


def test_a_name_may_be_a_fixed_word_elsewhere(house: House) -> None:
    path = f"{CLUSTER}/providers/{KC}/extensions/operations"

    assert (f"{KC}/extensions", "get", path) == meaning(house, "GET", path)


def test_a_wrong_verb_is_told_which_are_right(house: House) -> None:
    with pytest.raises(WrongVerb) as refusal:
        house.front.table.match("POST", EXTENSION)

    assert 405 == refusal.value.status
    assert ("DELETE", "GET", "HEAD", "PATCH", "PUT") == refusal.value.allow


def test_head_is_get_without_the_body_outside_arms_own_rules(house: House) -> None:
    assert ("health.live", "get", None) == meaning(house, "HEAD", "/healthz")
    with pytest.raises(WrongVerb):
        house.front.table.match("HEAD", f"{CLUSTER}/providers/{KC}/extensions")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{G}/providers/Microsoft.Nothing/things/x", 404, "InvalidResourceNamespace"),
        (f"{G}/providers/Microsoft.ContainerService/fleets/x", 404, "InvalidResourceType"),
        (f"{CLUSTER}/providers/{KC}/fluxConfigurations/x", 404, "InvalidResourceType"),
        (f"{G}/providers/{KC}/extensions/x", 404, "InvalidResourceType"),
        (f"{S}/nothing", 404, "NotFound"),
        ("/", 404, "NotFound"),
        (f"{G}/providers/providers", 404, "InvalidResourceNamespace"),
        ("/" + "/".join("x" * 40), 404, "NotFound"),
        (f"{S}/resourceGroups/{'x' * 3000}", 414, "RequestUriTooLong"),
        (f"{S}/resourceGroups/a%2fb", 400, "InvalidResourceName"),
        (f"{S}/resourceGroups/a\nb", 400, "InvalidResourceName"),
        (f"{S}/resourceGroups/..", 400, "InvalidResourceName"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_in_arms_words(house: House, path: str, status: int, code: str) -> None:
    with pytest.raises(ExtensaError) as refusal:
        house.front.table.match("GET", path)

    assert (status, code) == (refusal.value.status, refusal.value.code)


def test_a_type_at_the_wrong_place_is_told_the_right_one(house: House) -> None:
    with pytest.raises(ExtensaError) as refusal:
        house.front.table.match("GET", f"{G}/providers/{KC}/extensions/x")

    assert refusal.value.next_step is not None
    assert "{clusterName}/providers/Microsoft.KubernetesConfiguration/extensions" in refusal.value.next_step


WORDS = st.sampled_from(
    ["subscriptions", "resourceGroups", "providers", KC, "extensions", "operations", "", "..", "é", "x"]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(method=st.sampled_from(["GET", "PUT", "OPTIONS", "HEAD"]), words=st.lists(WORDS | st.text(), max_size=30))
def test_whatever_is_asked_for_is_found_or_refused_in_words(house: House, method: str, words: list[str]) -> None:
    status = 200
    try:
        house.front.table.match(method, "/" + "/".join(words))
    except ExtensaError as refusal:
        status = refusal.status

    assert status in (200, 400, 404, 405, 414)


def test_the_same_way_twice_is_a_mistake(house: House) -> None:
    route = next(iter(house.front.table))

    with pytest.raises(ValueError, match="two routes"):
        RouteTable([route, route])


def test_only_these_routes_are_public(house: House) -> None:
    public = {route.template for route in house.front.table if route.access is Access.PUBLIC}

    assert public == {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/metadata/endpoints",
        "/{tenant}/v2.0/.well-known/openid-configuration",
        "/{tenant}/.well-known/openid-configuration",
        "/{tenant}/discovery/v2.0/keys",
        "/{tenant}/discovery/keys",
        "/{tenant}/oauth2/v2.0/token",
        "/{tenant}/oauth2/token",
    }


def test_a_route_that_says_nothing_wants_a_token() -> None:
    assert Access.TOKEN is Route.__dataclass_fields__["access"].default
