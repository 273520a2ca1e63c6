"""A cluster's API over the wire: paths, discovery, errors with causes, watches, kubeconfigs of every sort."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from extensa.agent.kube import Change, KubeClient
from extensa.agent.kubeconfig import Access, read_kubeconfig
from extensa.base.certificates import issue, new_authority
from extensa.helm.errors import ClusterError
from extensa.helm.release import ObjectRef
from unit.agent.loopback import Answered, Asked, Loopback, loopback

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")
ROLE = ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "ns", "admin")
CONFIGS = [{"name": "configmaps", "kind": "ConfigMap", "namespaced": True}]
KINDS = {
    "/api/v1": [{"name": "pods/log", "kind": "Pod", "namespaced": True}, *CONFIGS],
    "/apis/apps/v1": [{"name": "deployments", "kind": "Deployment", "namespaced": True}],
    "/apis/rbac.authorization.k8s.io/v1": [{"name": "clusterroles", "kind": "ClusterRole", "namespaced": False}],
}


class Server:
    """Our double of an API server: discovery, and whatever else a test puts here."""

    def __init__(self) -> None:
        self.found: dict[str, Answered] = {"/version": Answered(body=b'{"gitVersion": "v1.37.1"}')}
        self.kinds = dict(KINDS)

    async def answer(self, asked: Asked) -> Answered:
        if asked.path in self.kinds:
            return Answered(body=json.dumps({"resources": self.kinds[asked.path]}).encode())
        watched = self.found.get(f"{asked.path}?watch") if asked.query.get("watch") else None
        return watched or self.found.get(asked.path, Answered(status=404))

    def put(self, path: str, content: Any) -> None:
        self.found[path] = Answered(body=json.dumps(content).encode())


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def wire(server: Server) -> AsyncIterator[Loopback]:
    async with loopback(server.answer) as made:
        yield made


@pytest.fixture
async def kube(wire: Loopback) -> AsyncIterator[KubeClient]:
    made = KubeClient(Access(wire.url, False, {"authorization": "Bearer t"}))
    yield made
    await made.close()


async def test_an_object_is_found_by_its_kind(kube: KubeClient, server: Server, wire: Loopback) -> None:
    server.put("/apis/apps/v1/namespaces/ns/deployments/web", {"metadata": {"name": "web"}})

    assert {"metadata": {"name": "web"}} == await kube.get(WEB)
    assert "Bearer t" == wire.asked[-1].headers["authorization"]


async def test_a_kind_without_namespaces_is_found_without_one(kube: KubeClient, server: Server) -> None:
    server.put("/apis/rbac.authorization.k8s.io/v1/clusterroles/admin", {"metadata": {}})

    assert {"metadata": {}} == await kube.get(ROLE)


async def test_kinds_are_asked_for_once(kube: KubeClient, wire: Loopback) -> None:
    for _ in range(3):
        assert await kube.get(WEB) is None

    assert 1 == sum(asked.path == "/apis/apps/v1" for asked in wire.asked)


async def test_a_kind_that_comes_later_is_found(kube: KubeClient, server: Server) -> None:
    widget = ObjectRef("example.com/v1", "Widget", "ns", "w")
    assert await kube.get(widget) is None
    server.kinds["/apis/example.com/v1"] = [{"name": "widgets", "kind": "Widget", "namespaced": True}]
    server.put("/apis/example.com/v1/namespaces/ns/widgets/w", {"metadata": {}})

    assert await kube.get(widget) is not None


async def test_only_metadata_is_asked_for_when_that_is_enough(kube: KubeClient, server: Server, wire: Loopback) -> None:
    server.put("/api/v1/namespaces/ns/configmaps", {"items": [{"metadata": {"name": "a"}}]})
    await kube.get(WEB, bare=True)
    assert wire.asked[-1].headers["accept"].startswith("application/json;as=PartialObjectMetadata;")
    found = await kube.list("v1", "ConfigMap", "ns", labels="a=b", bare=True)

    assert ["a"] == [item["metadata"]["name"] for item in found]
    assert {"labelSelector": "a=b"} == wire.asked[-1].query
    assert wire.asked[-1].headers["accept"].startswith("application/json;as=PartialObjectMetadataList;")


async def test_a_list_of_nothing_is_empty(kube: KubeClient) -> None:
    assert [] == await kube.list("v1", "ConfigMap", "ns")
    assert [] == await kube.list("none/v1", "Nothing", "ns")


async def test_apply_is_server_side_and_has_the_last_word(kube: KubeClient, server: Server, wire: Loopback) -> None:
    server.put("/api/v1/namespaces/ns/configmaps/a", {})
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "ns"}}
    await kube.apply(manifest)
    asked = wire.asked[-1]

    assert ("PATCH", {"fieldManager": "extensa-agent", "force": "true"}) == (asked.method, asked.query)
    assert "application/apply-patch+yaml" == asked.headers["content-type"]
    assert manifest == json.loads(asked.body)
    with pytest.raises(ClusterError, match="does not know the kind"):
        await kube.apply({**manifest, "kind": "Nothing"})


async def test_deleting_what_is_not_there_is_no_error(kube: KubeClient, wire: Loopback) -> None:
    await kube.delete(WEB)

    assert "DELETE" == wire.asked[-1].method


async def test_finalizers_are_taken_off_by_a_merge(kube: KubeClient, server: Server, wire: Loopback) -> None:
    server.put("/apis/apps/v1/namespaces/ns/deployments/web", {})
    await kube.free(WEB)
    asked = wire.asked[-1]

    assert ("PATCH", "application/merge-patch+json") == (asked.method, asked.headers["content-type"])
    assert {"metadata": {"finalizers": None}} == json.loads(asked.body)


async def test_every_kind_that_can_be_listed_and_deleted_is_known(kube: KubeClient, server: Server) -> None:
    whole = {"verbs": ["list", "delete", "get"], "namespaced": True}
    server.kinds["/api/v1"] = [
        {"name": "pods", "kind": "Pod", **whole},
        {"name": "pods/log", "kind": "Pod", **whole},
        {"name": "bindings", "kind": "Binding", "namespaced": True, "verbs": ["create"]},
    ]
    server.kinds["/apis/apps/v1"] = [{"name": "deployments", "kind": "Deployment", **whole}]
    groups = [{"preferredVersion": {"groupVersion": version}} for version in ("apps/v1", "away.example.com/v1")]
    server.put("/apis", {"groups": groups})
    server.found["/apis/away.example.com/v1"] = Answered(status=503)

    assert (("v1", "Pod"), ("apps/v1", "Deployment")) == await kube.kinds()


async def test_the_version_is_told(kube: KubeClient) -> None:
    assert "v1.37.1" == await kube.version()


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (401, "CredentialsRejected", True),
        (403, "Forbidden", True),
        (409, "FieldConflict", True),
        (422, "ObjectInvalid", False),
        (429, "ApiServerThrottling", True),
        (500, "ApiServerError", True),
        (503, "ApiServerError", True),
    ],
)
async def test_a_refusal_has_a_cause(
    kube: KubeClient, server: Server, status: int, code: str, *, transient: bool
) -> None:
    path = "/apis/apps/v1/namespaces/ns/deployments/web"
    server.found[path] = Answered(status=status, body=b'{"message": "because"}')
    with pytest.raises(ClusterError) as caught:
        await kube.get(WEB)

    assert (code, transient, status) == (caught.value.code, caught.value.transient, caught.value.http)
    assert "because" in caught.value.message


async def test_an_answer_that_is_not_the_apis_is_an_error(kube: KubeClient, server: Server) -> None:
    path = "/apis/apps/v1/namespaces/ns/deployments/web"
    for answered in (Answered(body=b"<html>"), Answered(status=502, body=b"<html>")):
        server.found[path] = answered
        with pytest.raises(ClusterError) as caught:
            await kube.get(WEB)
        assert ("ApiServerError", True) == (caught.value.code, caught.value.transient)


async def test_silence_is_an_error_that_may_pass() -> None:
    kube = KubeClient(Access("http://127.0.0.1:1", False, {}))
    with pytest.raises(ClusterError) as caught:
        await kube.version()
    assert ("ApiServerUnreachable", True, 0) == (caught.value.code, caught.value.transient, caught.value.http)
    await kube.close()
    with pytest.raises(ClusterError):
        await kube.version()


def event(kind: str, name: str, edition: str, **more: Any) -> bytes:
    return json.dumps(
        {"type": kind, "object": {"metadata": {"name": name, "resourceVersion": edition, **more}}}
    ).encode()


async def heard(kube: KubeClient, since: str = "") -> list[Change | None]:
    async with aclosing(kube.watch("apps/v1", "Deployment", labels="a=b", since=since)) as changes:
        return [change async for change in changes]


async def test_a_watch_stands_then_brings_changes_until_it_ends(
    kube: KubeClient, server: Server, wire: Loopback
) -> None:
    first = event("MODIFIED", "web", "8", namespace="ns", labels={"x": "y"}) + b"\n" + event("BOOKMARK", "", "9")[:20]
    rest = event("BOOKMARK", "", "9")[20:] + b"\n"
    server.found["/apis/apps/v1/deployments"] = Answered(lines=[first, rest])

    assert [None, Change("ns", "web", {"x": "y"}, "8"), Change("", "", {}, "9")] == await heard(kube, since="7")
    assert {
        "watch": "1",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "290",
        "resourceVersion": "7",
        "labelSelector": "a=b",
    } == wire.asked[-1].query


async def test_a_watch_from_now_on_first_asks_what_now_is(kube: KubeClient, server: Server, wire: Loopback) -> None:
    server.put("/apis/apps/v1/deployments", {"metadata": {"resourceVersion": "41"}})
    server.found["/apis/apps/v1/deployments?watch"] = Answered(lines=[])
    await heard(kube)

    assert "41" == wire.asked[-1].query["resourceVersion"]


@pytest.mark.parametrize(
    ("answered", "http"),
    [
        (Answered(status=410), 410),
        (Answered(status=403), 403),
        (Answered(lines=[b'{"type": "ERROR", "object": {"code": 410, "message": "too old"}}\n']), 410),
        (Answered(lines=[b"no event\n"]), 0),
    ],
)
async def test_a_watch_that_breaks_says_how(kube: KubeClient, server: Server, answered: Answered, http: int) -> None:
    server.found["/apis/apps/v1/deployments"] = answered
    with pytest.raises(ClusterError) as caught:
        await heard(kube, since="7")

    assert http == caught.value.http


async def test_an_unknown_kind_cannot_be_watched(kube: KubeClient) -> None:
    with pytest.raises(ClusterError) as caught:
        async for _ in kube.watch("none/v1", "Nothing", labels=""):
            pass

    assert ("KindUnknown", 404) == (caught.value.code, caught.value.http)


def kubeconfig(cluster: dict[str, Any], user: dict[str, Any]) -> str:
    return yaml.safe_dump(
        {
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/", **cluster}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "other", "context": {}}, {"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
    )


def inline(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_a_kubeconfig_with_certificates_inline_or_in_files(tmp_path: Path) -> None:
    authority = new_authority("test", now=NOW)
    client = issue(authority, common_name="agent", now=NOW, usage="client")
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    text = kubeconfig(
        {"certificate-authority": "ca.crt"},
        {"client-certificate-data": inline(client.certificate), "client-key-data": inline(client.key)},
    )
    access = read_kubeconfig(text, tmp_path)

    assert "https://127.0.0.1:6443" == access.server
    assert not isinstance(access.tls, bool)
    assert 1 == len(access.tls.get_ca_certs())


def test_a_kubeconfig_with_a_token(tmp_path: Path) -> None:
    access = read_kubeconfig(kubeconfig({"insecure-skip-tls-verify": True}, {"token": "t"}), tmp_path)

    assert {"authorization": "Bearer t"} == access.headers
    assert not isinstance(access.tls, bool)
    assert not access.tls.check_hostname


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: b: c",
        "{}",
        kubeconfig({"certificate-authority": "none.crt"}, {}),
        kubeconfig({"certificate-authority-data": "%"}, {}),
        kubeconfig({}, {"client-certificate-data": inline(b"x"), "client-key-data": inline(b"y")}),
        kubeconfig({}, {}).replace("current-context: x", "current-context: none"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ClusterError) as caught:
        read_kubeconfig(text, tmp_path)

    assert "CredentialsRejected" == caught.value.code


CONFLICT = {
    "message": "Apply failed with 1 conflict",
    "details": {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using v1', "field": ".data.a"},
            {"reason": "Other", "message": 'conflict with "nobody"', "field": ".data.b"},
        ]
    },
}


async def test_an_apply_is_rehearsed_under_another_name_and_never_done(
    kube: KubeClient, server: Server, wire: Loopback
) -> None:
    server.put("/apis/apps/v1/namespaces/ns/deployments/web", {"spec": {"replicas": 1}})

    found = await kube.rehearse(WEB, {"spec": {}}, manager="helm")

    assert ({"spec": {"replicas": 1}}, {}) == (found.after, found.owners)
    asked = wire.asked[-1]
    assert ("PATCH", "All", "helm", None) == (
        asked.method, asked.query["dryRun"], asked.query["fieldManager"], asked.query.get("force")
    )  # fmt: skip


async def test_a_rehearsal_tells_whose_fields_it_would_take(kube: KubeClient, server: Server, wire: Loopback) -> None:
    place = "/apis/apps/v1/namespaces/ns/deployments/web"
    answer = server.answer

    async def refused_at_first(asked: Asked) -> Answered:
        if asked.path == place and "force" not in asked.query:
            return Answered(status=409, body=json.dumps(CONFLICT).encode())
        return await answer(asked)

    wire.answer = refused_at_first
    server.put(place, {"spec": {"replicas": 1}})

    found = await kube.rehearse(WEB, {"spec": {}}, manager="helm")

    assert ({"spec": {"replicas": 1}}, {".data.a": "kubectl-edit"}) == (found.after, found.owners)
    assert {"All"} == {asked.query["dryRun"] for asked in wire.asked if asked.path == place}


async def test_a_rehearsal_of_what_is_not_there_comes_to_nothing(kube: KubeClient, server: Server) -> None:
    assert (await kube.rehearse(WEB, {}, manager="helm")).after is None
    nowhere = ObjectRef("apps/v1", "Nonsense", "ns", "x")
    assert (await kube.rehearse(nowhere, {}, manager="helm")).after is None


async def test_another_refusal_of_a_rehearsal_is_an_error(kube: KubeClient, server: Server) -> None:
    server.found["/apis/apps/v1/namespaces/ns/deployments/web"] = Answered(status=422, body=b'{"message": "no"}')

    with pytest.raises(ClusterError, match="no"):
        await kube.rehearse(WEB, {}, manager="helm")


async def test_editions_are_listed_page_by_page(kube: KubeClient, server: Server, wire: Loopback) -> None:
    def page(name: str, more: str = "") -> Answered:
        items = [{"metadata": {"name": name, "namespace": "ns", "resourceVersion": "7", "labels": {"a": "b"}}}]
        return Answered(body=json.dumps({"metadata": {"continue": more}, "items": items}).encode())

    async def answer(asked: Asked) -> Answered:
        if asked.path != "/api/v1/configmaps":
            return await server.answer(asked)
        return page("two") if "continue" in asked.query else page("one", "further")

    wire.answer = answer
    found = await kube.editions("v1", "ConfigMap", labels="x=y")

    assert [Change("ns", name, {"a": "b"}, "7") for name in ("one", "two")] == list(found)
    assert [None, "further"] == [asked.query.get("continue") for asked in wire.asked[-2:]]
    assert {"x=y"} == {asked.query["labelSelector"] for asked in wire.asked[-2:]}
    assert [] == list(await kube.editions("v1", "Nonsense", labels=""))
