"""Looking asks for little, believes nothing that may be old, and takes silence for a sighting."""

import base64
import gzip
import json
from typing import Any

import pytest

from extensa.helm.errors import ClusterError
from extensa.helm.health import Level
from extensa.helm.look import examine, kept, look, look_at, refreshed
from extensa.helm.readiness import Seen
from extensa.helm.release import Inventory, ObjectRef
from extensa.helm.state import Namespace

WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")
CONFIG = ObjectRef("v1", "ConfigMap", "ns", "config")
ROLE = ObjectRef("rbac.authorization.k8s.io/v1", "ClusterRole", "ns", "role")
READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: role}
"""


class Cluster:
    """Our double of the API: objects by kind and name, and a list of what was asked."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.asked: list[str] = []
        self.silent = False

    def put(
        self, kind: str, name: str, *, status: Any = None, spec: Any = None, namespace: str = "ns", **metadata: Any
    ) -> None:
        place = {"namespace": namespace} if namespace else {}
        self.objects[kind, name] = {
            "metadata": {"name": name, **place, **metadata},
            "status": status or {},
            "spec": spec or {},
        }

    def record(self, version: int, status: str, *, manifest: str = MANIFEST, data: str = "") -> None:
        text = {"name": "r", "namespace": "ns", "version": version, "info": {"status": status}, "manifest": manifest}
        packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(text).encode()))).decode()
        labels = {"owner": "helm", "name": "r", "version": str(version), "status": status}
        name = f"sh.helm.release.v1.r.v{version}"
        self.put("Secret", name, labels=labels, resourceVersion=f"{version}-{status}")
        self.objects["Secret", name]["data"] = {"release": data or packed}

    async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        self._hear(f"get {ref.kind} {ref.name}{' bare' if bare else ''}")
        found = self.objects.get((ref.kind, ref.name))
        return {"metadata": found["metadata"]} if found is not None and bare else found

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", bare: bool = False
    ) -> list[dict[str, Any]]:
        self._hear(f"list {kind} {labels}")
        pairs = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            found
            for (of, _), found in self.objects.items()
            if of == kind and pairs.items() <= (found["metadata"].get("labels") or {}).items()
        ]

    def _hear(self, words: str) -> None:
        self.asked.append(words)
        if self.silent:
            raise ClusterError("ApiServerUnreachable", "no answer", transient=True)


@pytest.fixture
def cluster() -> Cluster:
    made = Cluster()
    made.put("Namespace", "ns", namespace="")
    return made


@pytest.fixture
def full(cluster: Cluster) -> Cluster:
    cluster.record(1, "superseded", manifest="never read")
    cluster.record(2, "deployed")
    cluster.put("Deployment", "web", status=READY)
    cluster.put("ConfigMap", "config")
    cluster.put("ClusterRole", "role", namespace="")
    return cluster


async def test_where_nothing_is_two_questions_suffice(cluster: Cluster) -> None:
    seen = await look(cluster, "r", "ns")

    assert (Namespace.ACTIVE, (), None) == (seen.namespace, seen.revisions, seen.release)
    assert 2 == len(cluster.asked)


@pytest.mark.parametrize(
    ("metadata", "expected"), [({}, Namespace.ACTIVE), ({"deletionTimestamp": "x"}, Namespace.TERMINATING)]
)
async def test_the_namespace_is_seen(cluster: Cluster, metadata: dict[str, str], expected: Namespace) -> None:
    cluster.put("Namespace", "ns", **metadata)

    assert expected is (await look(cluster, "r", "ns")).namespace
    assert Namespace.ABSENT is (await look(Cluster(), "r", "ns")).namespace


async def test_revisions_come_in_order_and_only_the_newest_is_read(full: Cluster) -> None:
    seen = await look(full, "r", "ns")

    assert [1, 2] == [revision.version for revision in seen.revisions]
    assert seen.release is not None
    assert 2 == seen.release.version
    assert not any("v1.r.v1" in words for words in full.asked)


async def test_objects_are_seen_where_they_really_are(full: Cluster) -> None:
    seen = await look(full, "r", "ns")

    assert [("Deployment", "ns"), ("ConfigMap", "ns"), ("ClusterRole", "")] == [
        (found.ref.kind, found.ref.namespace) for found in seen.objects
    ]
    assert {Level.CURRENT} == {found.health.level for found in seen.objects}


async def test_the_content_of_simple_kinds_is_not_asked_for(full: Cluster) -> None:
    await look(full, "r", "ns")

    assert "get ConfigMap config bare" in full.asked
    assert "get Deployment web" in full.asked


async def test_an_object_that_is_missing_is_not_found(full: Cluster) -> None:
    del full.objects["ConfigMap", "config"]

    seen = await look(full, "r", "ns")

    assert Level.NOT_FOUND is next(found.health.level for found in seen.objects if found.ref == CONFIG)


async def test_a_record_known_already_is_not_read_again(full: Cluster) -> None:
    known = await look(full, "r", "ns")
    full.asked.clear()

    again = await look(full, "r", "ns", known=known)

    assert known.release is again.release
    assert not any("get Secret" in words for words in full.asked)


async def test_another_edition_of_the_record_is_read(full: Cluster) -> None:
    known = await look(full, "r", "ns")
    full.record(2, "failed")

    again = await look(full, "r", "ns", known=known)

    assert again.release is not None
    assert "failed" == again.release.status


async def test_a_record_that_cannot_be_read_is_a_sighting(full: Cluster) -> None:
    full.record(3, "deployed", data="%%%")

    seen = await look(full, "r", "ns")

    assert seen.release is None
    assert "Error" in seen.corrupt


async def test_a_record_that_vanishes_between_two_questions_is_looked_for_again(full: Cluster) -> None:
    class Racing(Cluster):
        async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
            if ref.name.endswith("v2"):
                self.objects.pop(("Secret", ref.name), None)
                self.objects.pop(("Secret", "sh.helm.release.v1.r.v1"), None)
            return await super().get(ref, bare=bare)

    racing = Racing()
    racing.objects = dict(full.objects)

    assert () == (await look(racing, "r", "ns")).revisions


async def test_silence_is_a_sighting(full: Cluster) -> None:
    known = await look(full, "r", "ns")
    full.silent = True

    assert (await look(full, "r", "ns")).unreachable is not None
    assert (await refreshed(full, known, [WEB])).unreachable is not None


async def test_only_what_changed_is_looked_at_again(full: Cluster) -> None:
    known = await look(full, "r", "ns")
    full.put("Deployment", "web", status={**READY, "availableReplicas": 0})
    full.asked.clear()

    again = await refreshed(full, known, [WEB])

    assert ["get Deployment web"] == full.asked
    assert [Level.IN_PROGRESS, Level.CURRENT, Level.CURRENT] == [found.health.level for found in again.objects]


async def test_records_that_did_not_change_cost_one_question(full: Cluster) -> None:
    known = await look(full, "r", "ns")
    full.asked.clear()

    assert known == await refreshed(full, known, [], records=("r", "ns"))
    assert 1 == len(full.asked)


async def test_records_that_changed_bring_a_whole_look(full: Cluster) -> None:
    known = await look(full, "r", "ns")
    full.record(3, "pending-upgrade")

    again = await refreshed(full, known, [], records=("r", "ns"))

    assert 3 == again.revisions[-1].version


async def test_what_is_left_of_a_release_is_seen_until_it_is_gone(cluster: Cluster) -> None:
    mine = {"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "ns"}
    cluster.put("Deployment", "web", annotations=mine, deletionTimestamp="x", finalizers=["a/b"])
    cluster.put("ConfigMap", "config", annotations={**mine, "meta.helm.sh/release-name": "another"})
    cluster.put("ClusterRole", "role", annotations=mine)
    leaving = Inventory((WEB, CONFIG, ROLE), kept=(ROLE,))

    seen = await look(cluster, "r", "ns", leaving=leaving)

    assert [(WEB, "FinalizerStuck")] == [(found.ref, found.health.code) for found in seen.leftovers]
    cluster.put("Deployment", "web", annotations=mine)
    assert ["ObjectsRemain"] == [
        found.health.code for found in (await look(cluster, "r", "ns", leaving=leaving)).leftovers
    ]
    del cluster.objects["Deployment", "web"]
    assert () == (await look(cluster, "r", "ns", leaving=leaving)).leftovers


async def test_what_stays_by_rule_is_named(cluster: Cluster) -> None:
    cluster.put("ClusterRole", "role")
    cluster.put("PersistentVolumeClaim", "data-db-0")
    cluster.put("PersistentVolumeClaim", "other")
    claim = ObjectRef("v1", "PersistentVolumeClaim", "ns", "data-db")

    found = await kept(cluster, Inventory((), kept=(ROLE, CONFIG), claims=(claim,)))

    assert (ROLE, ObjectRef("v1", "PersistentVolumeClaim", "ns", "data-db-0")) == found


async def test_pods_beneath_what_is_not_ready_are_examined(full: Cluster) -> None:
    full.put("Deployment", "web", spec={"selector": {"matchLabels": {"app": "web"}}}, status={})
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "name": "m"}
    full.put("Pod", "web-1", labels={"app": "web"}, status={"phase": "Pending", "containerStatuses": [waiting]})
    full.put("Pod", "other", labels={"app": "other"})
    seen = await look(full, "r", "ns")

    details = await examine(full, seen.objects)

    assert [("web-1", "ImagePullFailed")] == [(found.ref.name, found.health.code) for found in details]


async def test_what_is_ready_is_not_examined(full: Cluster) -> None:
    seen = await look(full, "r", "ns")

    assert () == await examine(full, seen.objects)
    assert () == await examine(full, [Seen(CONFIG, found.health) for found in seen.objects])


async def test_a_pending_claim_is_judged_by_its_storage_class(cluster: Cluster) -> None:
    claim = ObjectRef("v1", "PersistentVolumeClaim", "ns", "data")
    cluster.put("PersistentVolumeClaim", "data", spec={"storageClassName": "late"}, status={"phase": "Pending"})

    (missing,) = await look_at(cluster, [claim])
    cluster.put("StorageClass", "late", namespace="")
    cluster.objects["StorageClass", "late"]["volumeBindingMode"] = "WaitForFirstConsumer"
    (unused,) = await look_at(cluster, [claim])
    cluster.put("PersistentVolumeClaim", "data", spec={"storageClassName": "late"}, status={"phase": "Bound"})
    cluster.asked.clear()
    (bound,) = await look_at(cluster, [claim])

    assert "a volume: there is no StorageClass late" == missing.health.waits_for
    assert [Level.CURRENT, Level.CURRENT] == [unused.health.level, bound.health.level]
    assert ["get PersistentVolumeClaim data"] == cluster.asked
