"""Requests that are wrong in every way, over TLS: each is told in ARM's shape, and none is a crash."""

import json

import pytest

from scenarios.front_process import OTHER, Front, V, told

pytestmark = pytest.mark.usefixtures("nothing_crashes")

WISH = b'{"properties":{"extensionType":"no.such"}}'
LARGE = b'{"properties":{"x":"%s"}}' % (b"x" * (4 * 1024 * 1024))


# -- what is not there

INSIDE = ["cluster", "extension"]


@pytest.mark.parametrize("what", INSIDE)
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_a_missing_group_is_told_as_such_whatever_is_asked_of_it(front: Front, method: str, what: str) -> None:
    body = b'{"location":"westeurope","properties":{}}' if method in ("PUT", "PATCH") else None
    answer = front.ask(method, front.path(what, g="absent"), body)

    assert (404, "ResourceGroupNotFound") == told(answer)
    assert "Resource group 'absent' could not be found." == answer.error["message"]
    assert "az group create --name absent" in (answer.next_step or "")


@pytest.mark.parametrize("what", ["clusters", "extensions", "types", "pools"])
def test_a_missing_group_is_told_to_whoever_lists_what_is_inside(front: Front, what: str) -> None:
    assert (404, "ResourceGroupNotFound") == told(front.ask("GET", front.path(what, g="absent")))


def test_a_missing_group_is_told_to_whoever_acts_inside(front: Front) -> None:
    path = front.path("extension", g="absent").replace("?", "/listObjects?")
    resources = front.path("group", g="absent").replace("?", "/resources?")

    assert (404, "ResourceGroupNotFound") == told(front.ask("POST", path))
    assert (404, "ResourceGroupNotFound") == told(front.ask("GET", resources))


@pytest.mark.parametrize(
    ("method", "what"),
    [(m, w) for m in ("GET", "PUT", "DELETE") for w in V] + [("PATCH", w) for w in V if w != "type"],
)
def test_a_missing_subscription_is_told_as_such(front: Front, method: str, what: str) -> None:
    body = b'{"location":"westeurope","properties":{}}' if method in ("PUT", "PATCH") else None
    answer = front.ask(method, front.path(what, s=OTHER), body)

    assert (404, "SubscriptionNotFound") == told(answer)
    assert OTHER == answer.error["target"]
    assert answer.next_step


@pytest.mark.parametrize(
    ("method", "what", "body"),
    [
        ("GET", "extension", None),
        ("PUT", "extension", WISH),
        ("PATCH", "extension", b'{"properties":{}}'),
        ("DELETE", "extension", None),
        ("GET", "extensions", None),
        ("GET", "types", None),
        ("GET", "pools", None),
        ("GET", "cluster", None),
        ("PATCH", "cluster", b'{"tags":{}}'),
    ],
)
def test_a_missing_cluster_is_told_with_its_id_and_where_to_look(
    front: Front, method: str, what: str, body: bytes | None
) -> None:
    answer = front.ask(method, front.path(what, c="absent"), body)

    assert (404, "ResourceNotFound") == told(answer)
    assert "managedClusters/absent' under resource group 'demo' was not found" in answer.error["message"]
    assert front.path("cluster", c="absent").partition("?")[0] == answer.error["target"]
    assert "az resource list --resource-group demo" in (answer.next_step or "")


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", b'{"properties":{}}')])
def test_a_missing_extension_is_told_in_its_providers_words(front: Front, method: str, body: bytes | None) -> None:
    answer = front.ask(method, front.path("extension"), body)

    assert (404, "ResourceNotFound") == told(answer)
    assert "Extension instance with name 'hello' not found." == answer.error["message"]
    assert front.path("extension").partition("?")[0] == answer.error["target"]
    assert "az k8s-extension list" in (answer.next_step or "")


def test_what_is_not_there_is_deleted_already(front: Front) -> None:
    assert 204 == front.ask("DELETE", front.path("extension")).status
    assert 204 == front.ask("DELETE", front.path("cluster", c="absent")).status


def test_an_unknown_type_is_told_with_where_to_find_one(front: Front) -> None:
    answer = front.ask("PUT", front.path("extension"), WISH)

    assert (400, "ExtensionTypeRegistrationGetFailed") == told(answer)
    assert "properties.extensionType" == answer.error["target"]
    assert "extension-types list" in (answer.next_step or "")


def test_a_version_of_a_type_that_is_not_there_cannot_be_published(front: Front) -> None:
    path = front.path("type", t="ab.sent").replace("?", "/versions/1.0.0?train=stable&")
    answer = front.ask("PUT", path, b"no chart", Content_Type="application/gzip")

    assert (404, "ResourceNotFound") == told(answer)
    assert "extensa type" in (answer.next_step or "")


# -- api-version


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("", "MissingApiVersionParameter"),
        ("?api-version=", "MissingApiVersionParameter"),
        ("?api-version=yesterday", "InvalidApiVersionParameter"),
        ("?api-version=2025-13-01", "InvalidApiVersionParameter"),
        ("?api-version=%ff", "InvalidApiVersionParameter"),
        ("?api-version=2025-03-01&api-version=x", "InvalidApiVersionParameter"),
        ("?api-version=2001-01-01", "NoRegisteredProviderFound"),
        ("?api-version=2001-11-01-preview", "NoRegisteredProviderFound"),
    ],
)
@pytest.mark.parametrize("what", ["group", "cluster", "extension", "type"])
def test_an_api_version_that_is_none_is_told(front: Front, what: str, version: str, code: str) -> None:
    answer = front.ask("GET", front.path(what).partition("?")[0] + version)

    assert (400, code) == told(answer)
    assert "api-version" == answer.error["target"]
    assert "?api-version=" in (answer.next_step or "")


# -- bodies

BROKEN = {
    "malformed": b'{"properties":',
    "trailing": b"{} {}",
    "an array": b"[]",
    "text": b'"x"',
    "null": b"null",
    "blank": b"  ",
    "not UTF-8": b'{"properties":{"extensionType":"\xff\xfe"}}',
    "half a pair": b'{"properties":{"extensionType":"\\ud800"}}',
    "NaN": b'{"properties":{"x":NaN}}',
    "a number without end": b'{"properties":{"x":%s}}' % (b"9" * 10_000),
    "a number beyond all": b'{"properties":{"x":1e999}}',
    "deep": b'{"a":' * 500 + b"1" + b"}" * 500,
    "very deep": b"[" * 1_000_000 + b"]" * 1_000_000,
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize(("method", "what"), [("PUT", w) for w in V] + [("PATCH", "extension")])
def test_a_body_that_is_no_json_object_is_told(front: Front, method: str, what: str, body: bytes) -> None:
    answer = front.ask(method, front.path(what), body)

    assert (400, "InvalidRequestContent") == told(answer)
    assert "body" == answer.error["target"]
    assert "Send one JSON object" in (answer.next_step or "")


def test_where_json_breaks_is_told_by_line_and_column(front: Front) -> None:
    answer = front.ask("PUT", front.path("extension"), b'{\n  "properties": {,}\n}')

    assert "at line 2, column 18" in answer.error["message"]


def test_of_two_keys_of_one_name_the_last_counts(front: Front) -> None:
    body = b'{"properties":{"extensionType":"first.one"},"properties":{"extensionType":"second.one"}}'
    answer = front.ask("PUT", front.path("extension"), body)

    assert "second.one" in answer.error["message"]
    assert "first.one" not in answer.error["message"]


def test_everything_wrong_with_a_wish_is_told_at_once(front: Front) -> None:
    wrong = {"extensionType": 5, "scope": 7, "configurationSettings": {"a": {}}, "autoUpgradeMinorVersion": "x"}
    answer = front.ask("PUT", front.path("extension"), json.dumps({"properties": wrong}).encode())

    assert 400 == answer.status
    targets = {each["target"] for each in answer.error["details"]}
    assert {
        "properties.extensionType",
        "properties.scope",
        "properties.configurationSettings.a",
        "properties.autoUpgradeMinorVersion",
    } <= targets


@pytest.mark.parametrize("chunked", [False, True], ids=["announced", "in chunks"])
def test_a_body_beyond_four_megabytes_is_refused(front: Front, chunked: bool) -> None:
    pieces = [LARGE[at : at + 65536] for at in range(0, len(LARGE), 65536)]
    answer = front.ask("PUT", front.path("extension"), pieces if chunked else LARGE)

    assert (413, "RequestContentTooLarge") == told(answer)
    assert "4 MB" in answer.error["message"]
    assert answer.next_step


@pytest.mark.parametrize("media", ["text/plain", "application/xml", "multipart/form-data; boundary=x", "nonsense"])
def test_another_kind_of_content_is_refused(front: Front, media: str) -> None:
    answer = front.ask("PUT", front.path("extension"), WISH, Content_Type=media)

    assert (415, "UnsupportedMediaType") == told(answer)
    assert "Content-Type" == answer.error["target"]
    assert "application/json" in (answer.next_step or "")


# -- names, paths, verbs, queries

PARTS = [("extension", "n"), ("cluster", "c"), ("type", "t"), ("group", "g")]
NAMES = ["-bad-", "%2e%2e", "..", ".", "a%00b", "a%0d%0ab", "%ff", "a%20b", "%25", "%3Cx%3E", "a%5cb", "x" * 300]


@pytest.mark.parametrize(
    ("what", "part", "name"),
    [(what, part, name) for what, part in PARTS for name in NAMES if (what, name) != ("group", "-bad-")],
)
def test_a_name_that_cannot_be_is_told(front: Front, what: str, part: str, name: str) -> None:
    answer = front.ask("PUT", front.path(what, **{part: name}), b'{"location":"westeurope","properties":{}}')

    assert 400 == answer.status
    assert "name" in (answer.error["target"] or "").casefold()
    assert "name" in answer.error["message"]


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "a%2fb", "../../../../etc/passwd"])
@pytest.mark.parametrize(("what", "part"), PARTS)
def test_a_path_that_climbs_leads_nowhere(front: Front, what: str, part: str, name: str) -> None:
    answer = front.ask("PUT", front.path(what, **{part: name}), b'{"location":"westeurope"}')

    assert 404 == answer.status
    assert answer.error["target"]
    assert answer.next_step
    assert not list(front.home.path.rglob("passwd"))


@pytest.mark.parametrize("path", ["/nowhere", "/../../etc/passwd", "/%00", "/%ff", "//", "/{x}"])
def test_a_path_that_leads_nowhere_is_told(front: Front, path: str) -> None:
    assert (404, "NotFound") == told(front.ask("GET", path))
    assert (401, "AuthenticationFailed") == told(front.raw.ask("GET", path, headers={}))


def test_a_path_that_is_too_long_is_told(front: Front) -> None:
    assert (414, "RequestUriTooLong") == told(front.ask("GET", front.path("extension", n="a" * 3000)))


@pytest.mark.parametrize(
    ("method", "what"),
    [("POST", "extension"), ("TRACE", "extension"), ("OPTIONS", "group"), ("PUT", "extensions"), ("PATCH", "type")],
)
def test_a_wrong_verb_is_told_with_those_there_are(front: Front, method: str, what: str) -> None:
    answer = front.ask(method, front.path(what))

    assert (405, "MethodNotAllowed") == told(answer)
    assert "GET" in answer.headers["allow"]
    assert answer.headers["allow"] in answer.error["message"]


def test_an_unknown_namespace_and_an_unknown_type_are_told(front: Front) -> None:
    namespace = front.ask("GET", front.path("cluster").replace("Microsoft.ContainerService", "Microsoft.Nope"))
    kind = front.ask("GET", front.path("cluster").replace("managedClusters", "nopes"))

    assert (404, "InvalidResourceNamespace") == told(namespace)
    assert (404, "InvalidResourceType") == told(kind)
    assert "managedClusters" in (kind.next_step or "")


@pytest.mark.parametrize(
    ("query", "code", "target"),
    [
        ("$top=x", "InvalidTop", "$top"),
        ("$top=-1", "InvalidTop", "$top"),
        ("$top=0", "InvalidTop", "$top"),
        ("$top=%C2%B2", "InvalidTop", "$top"),
        ("$skiptoken=%25%25", "InvalidSkipToken", "$skipToken"),
        ("$skiptoken=%ff", "InvalidSkipToken", "$skipToken"),
        ("$skiptoken=_w", "InvalidSkipToken", "$skipToken"),
    ],
)
def test_a_page_that_cannot_be_is_told(front: Front, query: str, code: str, target: str) -> None:
    answer = front.ask("GET", f"{front.path('clusters')}&{query}")

    assert (400, code) == told(answer)
    assert target == answer.error["target"]


def test_a_page_of_any_size_is_a_page(front: Front) -> None:
    assert 200 == front.ask("GET", f"{front.path('clusters')}&$top={'9' * 5000}").status


def test_a_filter_that_is_none_is_told(front: Front) -> None:
    path = front.path("group").replace("?", "/resources?")
    answer = front.ask("GET", f"{path}&$filter=zzz(")

    assert (400, "InvalidFilterInQueryString") == told(answer)
    assert answer.next_step
