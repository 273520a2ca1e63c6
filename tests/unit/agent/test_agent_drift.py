"""Objects are held against Helm's record in few requests: only what has changed, and a rehearsal only in doubt."""

import asyncio
import base64
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from extensa.agent.drift import compared
from extensa.agent.ledger import Ledger
from extensa.helm.errors import ClusterError
from extensa.helm.health import Level
from extensa.helm.look import look
from extensa.helm.release import ObjectRef
from extensa.helm.state import Sighting
from extensa.link.extension import Chart, DesiredExtension, DriftMode, DriftPolicy, Presence

NOW = datetime(2026, 11, 25, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {a: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two}
data: {a: "1"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}
data: {a: "1"}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: role}
rules: []
"""
MARKS = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ns"},
}


@dataclass
class Rehearsal:
    after: dict[str, Any] | None
    owners: Mapping[str, str]


@dataclass
class Api:
    """Our double of a cluster with one release in it."""

    manifest: str = MANIFEST
    status: str = "deployed"
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    after: dict[str, Any] | None = None
    owners: dict[str, str] = field(default_factory=dict)
    refusal: ClusterError | None = None
    edition: int = 0

    def put(self, kind: str, name: str, content: Mapping[str, Any], **metadata: Any) -> None:
        self.edition += 1
        place = {} if kind in ("ClusterRole", "Namespace") else {"namespace": "ns"}
        whole = {"name": name, "resourceVersion": str(self.edition), **place, **MARKS, **metadata}
        self.objects[kind, name] = {"metadata": whole, **content}

    def record(self) -> None:
        info = {"name": "r", "namespace": "ns", "version": 1, "info": {"status": self.status}}
        text = json.dumps({**info, "manifest": self.manifest}).encode()
        data = base64.b64encode(base64.b64encode(gzip.compress(text))).decode()
        labels = {"owner": "helm", "name": "r", "version": "1", "status": self.status}
        self.put("Secret", "sh.helm.release.v1.r.v1", {"data": {"release": data}}, labels=labels)

    async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        if self.refusal is not None and self.refusal.transient:
            raise self.refusal
        self.asked.append(f"get {ref.name}")
        return self.objects.get((ref.kind, ref.name))

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", bare: bool = False
    ) -> list[dict[str, Any]]:
        return [found for (of, _), found in self.objects.items() if of == kind]

    async def rehearse(self, ref: ObjectRef, manifest: Mapping[str, Any], *, manager: str) -> Rehearsal:
        self.asked.append(f"rehearse {ref.name} as {manager}")
        if self.refusal is not None:
            raise self.refusal
        found = self.objects[ref.kind, ref.name]
        return Rehearsal(self.after or {**found, "data": manifest["data"]}, self.owners)


@pytest.fixture
def api() -> Api:
    made = Api()
    made.put("Namespace", "ns", {})
    made.record()
    for name in ("one", "two", "kept"):
        made.put("ConfigMap", name, {"data": {"a": "1"}})
    made.put("ClusterRole", "role", {"rules": []})
    return made


def desired(mode: DriftMode = DriftMode.REPORT, *ignore: str) -> DesiredExtension:
    return DesiredExtension(
        uid="u", generation=1, resource_id="/x", cluster_uid="c", presence=Presence.PRESENT, release="r",
        namespace="ns", create_namespace=False, extension_type="t", extension_version="1", settings={},
        chart=Chart(name="c", version="1", digest="d", size=1), protected=None, injected={}, correlation_id="",
        operation_id="", drift_policy=DriftPolicy(mode=mode, ignore=list(ignore)),
    )  # fmt: skip


@dataclass
class Looks:
    """One who looks and compares, and remembers."""

    api: Api
    wanted: DesiredExtension = field(default_factory=desired)
    ledger: Ledger = field(default_factory=Ledger)
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    async def paths(self, now: datetime = LATER, *, changed: str = "", at_once: bool = False) -> list[str]:
        seen = await self.look(now, changed=changed, at_once=at_once)
        return [f"{each.name} {each.path}" for each in seen.drift]

    async def look(self, now: datetime = LATER, *, changed: str = "", at_once: bool = False) -> Sighting:
        refusal, self.api.refusal = self.api.refusal, None
        seen = await look(self.api, "r", "ns")
        self.api.refusal = refusal
        self.api.asked.clear()
        return await compared(
            self.api, seen, self.ledger, self.wanted, now, mask=str, at_once=at_once, turn=self.turn,
            changed={("ConfigMap", changed)} if changed else set(),
        )  # fmt: skip


@pytest.fixture
async def looks(api: Api) -> Looks:
    """One who has just made the release."""
    made = Looks(api)
    assert [] == await made.paths(NOW)
    assert [] == api.asked
    return made


async def test_what_was_just_made_is_compared_a_little_later_and_then_no_more(api: Api, looks: Looks) -> None:
    assert [] == await looks.paths()
    assert 1 + 3 == len(api.asked), "the record, and every object but the one that is kept by rule"
    assert [] == await looks.paths()
    assert [] == api.asked


async def test_what_has_changed_is_compared_at_once_and_alone(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    api.owners = {".data.a": "kubectl-edit"}

    (found,) = (await looks.look(NOW, changed="one")).drift

    assert ("ConfigMap", "one", "ns", "/data/a") == (found.kind, found.name, found.namespace, found.path)
    assert ('"1"', '"2"', "kubectl-edit") == (found.wanted, found.found, found.manager)
    assert ["get sh.helm.release.v1.r.v1", "get one", "rehearse one as helm", "get one"] == api.asked


async def test_what_a_controller_writes_while_it_is_rehearsed_is_no_drift(
    api: Api, looks: Looks, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    rehearse = api.rehearse

    async def meanwhile(ref: ObjectRef, manifest: Mapping[str, Any], *, manager: str) -> Rehearsal:
        if api.objects["ConfigMap", "one"]["data"].get("by") is None:
            api.put("ConfigMap", "one", {"data": {"a": "2", "by": "a controller"}})
        after = await rehearse(ref, manifest, manager=manager)
        assert after.after is not None
        return Rehearsal({**after.after, "data": {"a": "1", "by": "a controller"}}, {})

    monkeypatch.setattr(api, "rehearse", meanwhile)

    assert ["/data/a"] == [each.path for each in (await looks.look(NOW, changed="one")).drift]


async def test_everything_is_compared_at_once_where_that_is_asked_for(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "two", {"data": {}})

    assert ["two /data/a"] == await looks.paths(NOW, at_once=True)


async def test_drift_is_remembered_without_asking_and_goes_when_it_is_put_right(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    assert ["one /data/a"] == await looks.paths()
    assert ["one /data/a"] == await looks.paths()
    assert [] == api.asked
    api.put("ConfigMap", "one", {"data": {"a": "1"}})
    assert [] == await looks.paths()
    assert not any(words.startswith("rehearse") for words in api.asked)


async def test_what_the_api_would_not_change_is_no_drift(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "altered on its way in"}})
    api.after = api.objects["ConfigMap", "one"]

    assert [] == await looks.paths()


async def test_an_object_that_is_gone_is_told_without_asking_more(api: Api, looks: Looks) -> None:
    await looks.paths()
    del api.objects["ConfigMap", "one"], api.objects["ConfigMap", "kept"], api.objects["ClusterRole", "role"]

    assert ["one ", "role "] == await looks.paths()
    assert [] == api.asked


async def test_rules_leave_fields_and_objects_out_and_spare_the_rehearsal(api: Api, looks: Looks) -> None:
    looks.wanted = desired(DriftMode.REPORT, "ConfigMap/one:/data", "ClusterRole:")
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    api.put("ConfigMap", "two", {"data": {"a": "2"}})
    del api.objects["ClusterRole", "role"]

    assert ["two /data/a"] == await looks.paths()
    assert "rehearse one as helm" not in api.asked


async def test_nothing_is_compared_where_drift_is_no_matter(api: Api, looks: Looks) -> None:
    looks.wanted = desired(DriftMode.OFF)
    api.put("ConfigMap", "one", {"data": {"a": "2"}})

    assert [] == await looks.paths(at_once=True)
    assert [] == api.asked


async def test_a_release_that_is_not_deployed_is_not_compared(api: Api, looks: Looks) -> None:
    api.status = "failed"
    api.record()
    api.put("ConfigMap", "one", {"data": {"a": "2"}})

    assert [] == await looks.paths(at_once=True)


async def test_an_api_that_falls_silent_changes_nothing_and_is_asked_again_soon(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    await looks.paths()
    api.put("ConfigMap", "two", {"data": {"a": "2"}})
    api.refusal = ClusterError("ApiServerUnreachable", "no answer", transient=True)

    assert ["one /data/a"] == await looks.paths()
    assert 15 == looks.ledger.waits(LATER)
    api.refusal = None
    assert ["one /data/a", "two /data/a"] == await looks.paths(LATER + timedelta(seconds=15))


async def test_what_cannot_be_rehearsed_is_not_called_drift(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    api.refusal = ClusterError("ObjectInvalid", "a webhook knows no dry run", http=400)

    assert [] == await looks.paths()
    assert [] == await looks.paths()
    assert [] == api.asked


async def test_a_manifest_that_cannot_be_read_ends_nothing(api: Api, looks: Looks) -> None:
    api.manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\ndata: {a: [}\n"
    api.record()

    seen = await looks.look(at_once=True)

    assert ((), [Level.CURRENT]) == (seen.drift, [each.health.level for each in seen.objects])


async def test_what_is_in_no_hurry_waits_its_turn_and_lets_a_change_go_first(api: Api, looks: Looks) -> None:
    api.put("ConfigMap", "one", {"data": {"a": "2"}})
    api.put("ConfigMap", "two", {"data": {"a": "2"}})
    async with looks.turn:
        assert ["one /data/a"] == await looks.paths(changed="one")
        assert 2 <= (looks.ledger.waits(LATER) or 0) <= 4
        assert ["one /data/a", "two /data/a"] == await looks.paths(LATER, at_once=True)
    api.put("ConfigMap", "two", {"data": {"a": "1"}})
    assert ["one /data/a"] == await looks.paths(LATER + timedelta(seconds=5))
    assert looks.ledger.waits(LATER + timedelta(seconds=5)) is None
