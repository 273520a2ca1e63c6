"""Doubles of a cluster's API and of Helm at work on it: records as Helm writes them, objects ready when told."""

import asyncio
import base64
import gzip
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from extensa.agent.clusters import Cluster
from extensa.agent.kube import Change, Rehearsal
from extensa.agent.watches import Watches
from extensa.helm.driver import Order, Place
from extensa.helm.errors import ClusterError, HelmError
from extensa.helm.release import ObjectRef

READY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
UNREADY = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
UID = "cluster-1"

_BARE = {"ClusterRole", "Namespace"}


class FakeApi:
    """Objects by kind, namespace and name; everyone who watches hears of each change."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.silent = False
        self.logs: dict[str, str] = {}
        self.asked = 0
        self.rehearsed = 0
        self.owners: dict[str, str] = {}
        self.closed = False
        self._edition = 0
        self._ears: list[tuple[str, asyncio.Queue[Change | ClusterError | None]]] = []

    def put(
        self,
        kind: str,
        name: str,
        *,
        namespace: str = "ns",
        status: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
        **metadata: Any,
    ) -> None:
        """Have this object, and let it be heard."""
        self._edition += 1
        place = {} if kind in _BARE else {"namespace": namespace}
        found = {"metadata": {"name": name, **place, "resourceVersion": str(self._edition), **metadata}}
        self.objects[kind, place.get("namespace", ""), name] = {**found, "status": status or {}, "data": data or {}}
        self._tell(kind, place.get("namespace", ""), name, metadata.get("labels"))

    def remove(self, kind: str, name: str, *, namespace: str = "ns") -> None:
        """Have this object no more, and let it be heard."""
        found = self.objects.pop((kind, "" if kind in _BARE else namespace, name), None)
        if found is not None:
            self._edition += 1
            self._tell(kind, namespace, name, found["metadata"].get("labels"))

    def names(self, kind: str) -> list[str]:
        """The names of all objects of a kind."""
        return sorted(name for of, _, name in self.objects if of == kind)

    def cut_watches(self) -> None:
        """End every watch as a server that goes down does."""
        for _, ear in self._ears:
            ear.put_nowait(ClusterError("ApiServerUnreachable", "cut", transient=True))

    async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        self._hear()
        found = self.objects.get((ref.kind, "" if ref.kind in _BARE else ref.namespace, ref.name))
        return found if found is None or not bare else {"metadata": found["metadata"]}

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", bare: bool = False
    ) -> list[dict[str, Any]]:
        self._hear()
        pairs = dict(pair.split("=") for pair in labels.split(",") if pair)
        return [
            found
            for (of, place, _), found in self.objects.items()
            if (of, place) == (kind, namespace) and pairs.items() <= (found["metadata"].get("labels") or {}).items()
        ]

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        self._hear()
        metadata, data = dict(manifest["metadata"]), manifest.get("data")
        self.put(manifest["kind"], metadata.pop("name"), namespace=metadata.pop("namespace", ""), data=data, **metadata)

    async def delete(self, ref: ObjectRef) -> None:
        self._hear()
        found = self.objects.get((ref.kind, "" if ref.kind in _BARE else ref.namespace, ref.name))
        if found is not None and found["metadata"].get("finalizers"):
            found["metadata"]["deletionTimestamp"] = "now"
        else:
            self.remove(ref.kind, ref.name, namespace=ref.namespace)

    async def kinds(self) -> tuple[tuple[str, str], ...]:
        self._hear()
        return ("apps/v1", "Deployment"), ("v1", "ConfigMap"), ("v1", "Secret")

    async def free(self, ref: ObjectRef) -> None:
        self._hear()
        found = self.objects.get((ref.kind, "" if ref.kind in _BARE else ref.namespace, ref.name))
        if found is not None:
            found["metadata"].pop("finalizers", None)
            if found["metadata"].get("deletionTimestamp"):
                self.remove(ref.kind, ref.name, namespace=ref.namespace)

    async def editions(self, api_version: str, kind: str, *, labels: str) -> Sequence[Change]:
        """All objects of a kind, whatever their labels."""
        self._hear()
        return [
            Change(place, name, found["metadata"].get("labels") or {}, found["metadata"]["resourceVersion"])
            for (of, place, name), found in self.objects.items()
            if of == kind
        ]

    async def rehearse(self, ref: ObjectRef, manifest: Mapping[str, Any], *, manager: str) -> Rehearsal:
        """What an object would be if nobody but `FakeHelm` had ever touched it."""
        self._hear()
        self.rehearsed += 1
        found = self.objects.get((ref.kind, "" if ref.kind in _BARE else ref.namespace, ref.name))
        if found is None:
            return Rehearsal(None, {})
        after = {**found, **{part: manifest[part] for part in ("data", "spec") if part in manifest}}
        return Rehearsal(after, self.owners)

    async def version(self) -> str:
        self._hear()
        return "v1.37.1"

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        self._hear()
        if pod not in self.logs:
            raise ClusterError("ApiServerError", "no preferred addresses found", http=500)
        return self.logs[pod]

    async def close(self) -> None:
        self.closed = True

    async def watch(
        self, api_version: str, kind: str, *, labels: str, since: str = ""
    ) -> AsyncGenerator[Change | None, None]:
        self._hear()
        ear: asyncio.Queue[Change | ClusterError | None] = asyncio.Queue()
        self._ears.append((kind, ear))
        try:
            yield None
            while (heard := await ear.get()) is not None:
                if isinstance(heard, ClusterError):
                    raise heard
                yield heard
        finally:
            self._ears.remove((kind, ear))

    def _tell(self, kind: str, namespace: str, name: str, labels: Mapping[str, str] | None) -> None:
        for of, ear in self._ears:
            if of == kind:
                ear.put_nowait(Change(namespace, name, labels or {}, str(self._edition)))

    def _hear(self) -> None:
        self.asked += 1
        if self.silent:
            raise ClusterError("ApiServerUnreachable", "no answer", transient=True)


class FakeHelm:
    """Our double of the driver: every release is a Deployment and a ConfigMap. ``script`` says what goes wrong next."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.acts: list[str] = []
        self.orders: list[Order] = []
        self.script: deque[Callable[[], Awaitable[None]] | None] = deque()
        self.status: Mapping[str, Any] = READY

    async def install(self, order: Order) -> None:
        self._begin("install", order)
        place = order.place
        if order.create_namespace and place.namespace not in self.api.names("Namespace"):
            self.api.put("Namespace", place.namespace)
        await self._apply(order, "pending-install")

    async def upgrade(self, order: Order) -> None:
        self._begin("upgrade", order)
        await self._apply(order, "pending-upgrade")

    async def rollback(self, place: Place, *, revision: int, description: str, timeout: float) -> None:
        self._begin("rollback", None)
        await self._next()
        labels = self.api.objects["Secret", place.namespace, self._secret(place, revision)]["metadata"]["labels"]
        self._supersede(place)
        self.record(place, self._newest(place) + 1, "deployed", labels=labels, description=description)

    async def uninstall(self, place: Place, *, timeout: float, skip_hooks: bool = False) -> None:
        self._begin("uninstall without hooks" if skip_hooks else "uninstall", None)
        await self._next()
        for kind, name in (("Deployment", place.release), ("ConfigMap", place.release)):
            found = self.api.objects.get((kind, place.namespace, name))
            if found is None or not found["metadata"].get("finalizers"):
                self.api.remove(kind, name, namespace=place.namespace)
            else:
                found["metadata"]["deletionTimestamp"] = "now"
        for version in self._versions(place):
            self.api.remove("Secret", self._secret(place, version), namespace=place.namespace)

    def fails(self, code: str, *, transient: bool = False) -> None:
        """Have the next act fail before it has written anything."""

        async def fail() -> None:
            raise HelmError(code, f"{code} it is", transient=transient)

        self.script.append(fail)

    def works(self) -> None:
        """Have the next act work."""
        self.script.append(None)

    def hangs(self) -> asyncio.Event:
        """Have the next act hang until it is cancelled; the event says that it has begun."""
        began = asyncio.Event()

        async def hang() -> None:
            began.set()
            await asyncio.sleep(3600)

        self.script.append(hang)
        return began

    def record(
        self, place: Place, version: int, status: str, *, labels: Mapping[str, str] | None = None, description: str = ""
    ) -> None:
        """Write a revision as Helm does."""
        manifest = (
            f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {place.release}}}\n---\n"
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {place.release}}}\n"
        )
        content = {
            "name": place.release,
            "namespace": place.namespace,
            "version": version,
            "info": {"status": status, "description": description, "last_deployed": "2026-11-25T00:00:00Z"},
            "chart": {"metadata": {"name": "c", "version": "1.0.0"}},
            "manifest": manifest,
        }
        packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(content).encode()))).decode()
        own = {"owner": "helm", "name": place.release, "version": str(version), "status": status}
        name = self._secret(place, version)
        self.api.put(
            "Secret", name, namespace=place.namespace, labels={**(labels or {}), **own}, data={"release": packed}
        )

    async def _apply(self, order: Order, pending: str) -> None:
        place, version = order.place, self._newest(order.place) + 1
        failure: BaseException | None = None
        try:
            await self._next()
        except (HelmError, asyncio.CancelledError) as error:
            failure = error
        if isinstance(failure, HelmError) and failure.code not in _RECORDED:
            raise failure
        left = "failed" if failure is not None and getattr(failure, "code", "") != "HelmKilled" else pending
        self._supersede(place) if failure is None else None
        status = left if failure is not None else "deployed"
        self.record(place, version, status, labels=order.labels, description=str(failure) if failure else "")
        if failure is not None:
            raise failure
        marks = {"meta.helm.sh/release-name": place.release, "meta.helm.sh/release-namespace": place.namespace}
        self.api.put("ConfigMap", place.release, namespace=place.namespace, annotations=marks)
        self.api.put("Deployment", place.release, namespace=place.namespace, status=self.status, annotations=marks)

    async def _next(self) -> None:
        await asyncio.sleep(0)
        step = self.script.popleft() if self.script else None
        if step is not None:
            await step()

    def _begin(self, verb: str, order: Order | None) -> None:
        self.acts.append(verb)
        if order is not None:
            self.orders.append(order)

    def _versions(self, place: Place) -> list[int]:
        prefix = f"sh.helm.release.v1.{place.release}.v"
        found = [name for kind, _, name in self.api.objects if kind == "Secret" and name.startswith(prefix)]
        return sorted(int(name.removeprefix(prefix)) for name in found)

    def _newest(self, place: Place) -> int:
        return max(self._versions(place), default=0)

    def _supersede(self, place: Place) -> None:
        for version in self._versions(place):
            found = self.api.objects["Secret", place.namespace, self._secret(place, version)]
            if found["metadata"]["labels"]["status"] == "deployed":
                self.record(place, version, "superseded", labels=found["metadata"]["labels"])

    def _secret(self, place: Place, version: int) -> str:
        return f"sh.helm.release.v1.{place.release}.v{version}"


_RECORDED = {"HelmKilled", "HookFailed", "QuotaExceeded"}


class FakeReach:
    """Our double of the clusters: those that were added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.found: dict[str, Cluster] = {}
        self.changed: set[str] = set()
        self.gone: set[str] = set()

    def add(self, uid: str, api: FakeApi) -> None:
        """Bring a cluster within reach."""
        self.found[uid] = Cluster(uid, self.folder / "kubeconfig", self.folder / "cache", api, Watches(api), (0, 0, 0))

    def drop(self, uid: str) -> None:
        """Take it away again."""
        del self.found[uid]
        self.gone.add(uid)

    def reach(self, uid: str) -> Cluster | None:
        return self.found.get(uid)

    async def scan(self) -> tuple[set[str], set[str]]:
        changed, gone = self.changed, self.gone
        self.changed, self.gone = set(), set()
        return changed, gone

    async def close(self) -> None:
        for cluster in self.found.values():
            await cluster.close()
