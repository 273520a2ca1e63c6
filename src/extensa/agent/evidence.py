"""Take down what is to be seen of a failed release before anybody puts it right.

Every part is asked for by itself and within a bounded time: a part that cannot be had becomes a note in words, never a
reason to have no evidence. It reads; nothing is changed, and nothing is decided.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import msgspec
import yaml

from extensa.agent import excerpts
from extensa.agent.observed import object_healths, pinned
from extensa.base.ids import new_id
from extensa.base.masking import Masker
from extensa.helm.causes import Finding
from extensa.helm.errors import ClusterError
from extensa.helm.health import Level
from extensa.helm.look import Kube
from extensa.helm.manifest import hidden
from extensa.helm.readiness import Seen
from extensa.helm.release import ObjectRef, RecordCorrupt, read_manifest, read_rendering
from extensa.helm.state import Sighting
from extensa.link.evidence import Container, Evidence, ObjectState, PodState
from extensa.link.extension import DesiredExtension

PATIENCE = 15.0
"""Seconds for all of it together."""
_MOST_PODS = 20
_MOST_LOGS = 10
_MOST_CONDITIONS = 60
_LINES = 50


class Eyes(Kube, Protocol):
    """A cluster's API as evidence needs it."""

    async def log(self, namespace: str, pod: str, container: str, *, lines: int, previous: bool = False) -> str:
        """Return the last lines of a container's log; raises `ClusterError`."""
        ...


@dataclass(frozen=True, slots=True)
class Scene:
    """Which effort failed, with what, and what was seen then. ``followed_by`` is what is done next."""

    desired: DesiredExtension
    failure: Finding
    seen: Sighting
    now: datetime
    mask: Masker
    followed_by: str = ""


async def gather(eyes: Eyes | None, scene: Scene) -> Evidence:
    """Return everything that can be seen; without ``eyes`` (no cluster in reach) what is known without."""
    desired, mask = scene.desired, scene.mask
    states = object_healths(scene.seen.objects, mask)
    bare = Evidence(
        id=f"{excerpts.stamp(scene.now)}-{new_id()[:8]}",
        uid=desired.uid,
        generation=desired.generation,
        time=scene.now,
        cause=excerpts.cause_of(pinned(scene.failure, scene.desired), mask),
        followed_by=scene.followed_by or "nothing: it stays for inspection",
        operation_id=desired.operation_id,
        correlation_id=desired.correlation_id,
        extension_type=desired.extension_type,
        extension_version=desired.extension_version,
        release=excerpts.record_of(scene.seen, desired.release, desired.namespace, mask),
        objects=[
            ObjectState(kind=o.kind, name=o.name, namespace=o.namespace, health=o.health, waits_for=o.waits_for)
            for o in states
        ],
        object_count=len(scene.seen.objects),
    )
    search = _Search(scene, bare)
    if eyes is None or scene.seen.unreachable is not None:
        search.notes.append("Cluster: not in reach, so only what was known before is shown.")
    else:
        try:
            async with asyncio.timeout(PATIENCE):
                await search.run(eyes)
        except TimeoutError:
            search.notes.append(f"Cluster: it did not answer everything within {PATIENCE:g} seconds.")
    return excerpts.bounded(msgspec.structs.replace(search.found, notes=search.notes))


class _Search:
    """One taking of evidence; what is found is kept as it comes, so that being stopped loses only the rest."""

    def __init__(self, scene: Scene, bare: Evidence) -> None:
        self._scene = scene
        self._about: set[tuple[str, str]] = set()
        self._refs: set[ObjectRef] = {seen.ref for seen in scene.seen.objects}
        self.found = bare
        self.notes: list[str] = []

    async def run(self, eyes: Eyes) -> None:
        """Look for every part, what changes soonest first."""
        await self._part("Manifests", self._manifests, eyes)
        await self._part("Pods", self._pods, eyes)
        await self._part("Events", self._events, eyes)
        await self._part("Conditions", self._conditions, eyes)
        await self._part("Container logs", self._logs, eyes)

    async def _part(self, name: str, look: Callable[[Eyes], Awaitable[None]], eyes: Eyes) -> None:
        try:
            await look(eyes)
        except ClusterError as error:
            self.notes.append(f"{name}: could not be read: {self._scene.mask(error.message)}")

    async def _manifests(self, eyes: Eyes) -> None:
        revisions = self._scene.seen.revisions
        if not revisions:
            self.notes.append("Manifests: there is no record of a release; Helm stopped before it made one.")
            return
        desired = self._scene.desired
        secret = await eyes.get(ObjectRef("v1", "Secret", desired.namespace, revisions[-1].secret))
        try:
            text = await asyncio.to_thread(read_rendering, str(((secret or {}).get("data") or {}).get("release", "")))
            shown = await asyncio.to_thread(hidden, text, self._scene.mask)
            self._refs |= set(read_manifest(text, desired.namespace).objects)
        except (RecordCorrupt, yaml.YAMLError) as error:
            self.notes.append(f"Manifests: Helm's record cannot be read ({type(error).__name__}).")
            return
        self.found = msgspec.structs.replace(self.found, manifests=shown)

    async def _pods(self, eyes: Eyes) -> None:
        mask, pods = self._scene.mask, []
        roots = {(ref.kind, ref.name) for ref in self._refs}
        for namespace in self._namespaces():
            sets = await eyes.list("apps/v1", "ReplicaSet", namespace, bare=True)
            jobs = await eyes.list("batch/v1", "Job", namespace, bare=True)
            listed = await eyes.list("v1", "Pod", namespace)
            kinds = (("ReplicaSet", sets), ("Job", jobs), ("Pod", listed))
            about = excerpts.family(roots, [(kind, each) for kind, some in kinds for each in some])
            self._about |= about
            pods += [each for each in listed if ("Pod", each["metadata"]["name"]) in about]
        pods.sort(key=lambda each: (_well(each), each["metadata"]["name"]))
        if len(pods) > _MOST_PODS:
            self.notes.append(f"Pods: {_MOST_PODS} of {len(pods)} are shown, the troubled first.")
        states = [
            PodState(
                name=each["metadata"]["name"],
                namespace=each["metadata"].get("namespace", ""),
                phase=str((each.get("status") or {}).get("phase") or "Unknown"),
                node=str((each.get("spec") or {}).get("nodeName") or ""),
                conditions=excerpts.conditions_of(each, mask),
                containers=excerpts.containers_of(each, mask),
            )
            for each in pods[:_MOST_PODS]
        ]
        self.found = msgspec.structs.replace(self.found, pods=states)

    async def _events(self, eyes: Eyes) -> None:
        about = self._about | {(ref.kind, ref.name) for ref in self._refs}
        listed = [each for space in self._namespaces() for each in await eyes.list("v1", "Event", space)]
        self.found = msgspec.structs.replace(self.found, events=excerpts.events_of(listed, about, self._scene.mask))

    async def _conditions(self, eyes: Eyes) -> None:
        troubled = sorted(self._scene.seen.objects, key=lambda seen: seen.health.level is Level.CURRENT)
        asked = [seen for seen in troubled if seen.ref.kind not in _PLAIN][:_MOST_CONDITIONS]
        objects = await asyncio.gather(*(eyes.get(seen.ref) for seen in asked))
        told = {_key(seen): found for seen, found in zip(asked, objects, strict=True)}
        states = [
            msgspec.structs.replace(
                each,
                conditions=excerpts.conditions_of(told.get((each.kind, each.namespace, each.name)), self._scene.mask),
            )
            for each in self.found.objects
        ]
        self.found = msgspec.structs.replace(self.found, objects=states)

    async def _logs(self, eyes: Eyes) -> None:
        left, pods = _MOST_LOGS, []
        for pod in self.found.pods:
            containers = []
            for each in pod.containers:
                started = each.state in ("running", "terminated") or each.restarts > 0
                if not started:
                    told = msgspec.structs.replace(each, log_note=each.log_note or "It has not started: there is none.")
                elif left <= 0:
                    told = msgspec.structs.replace(each, log_note="Not asked for: enough others were.")
                else:
                    left -= 1
                    told = await self._log(eyes, pod, each)
                containers.append(told)
            pods.append(msgspec.structs.replace(pod, containers=containers))
        self.found = msgspec.structs.replace(self.found, pods=pods)

    async def _log(self, eyes: Eyes, pod: PodState, container: Container) -> Container:
        previous = container.restarts > 0 and container.state == "waiting"
        try:
            async with asyncio.timeout(3.0):
                text = await eyes.log(pod.namespace, pod.name, container.name, lines=_LINES, previous=previous)
        except (ClusterError, TimeoutError) as error:
            why = self._scene.mask(error.message) if isinstance(error, ClusterError) else "no answer in time."
            note = f"There is no log to be had (no kubelet answers for a simulated node): {why}"[:500]
            return msgspec.structs.replace(container, log_note=note)
        return msgspec.structs.replace(container, log=excerpts.log_of(text, self._scene.mask))

    def _namespaces(self) -> list[str]:
        return sorted({ref.namespace for ref in self._refs if ref.namespace} | {self._scene.desired.namespace})[:10]


def _key(seen: Seen) -> tuple[str, str, str]:
    return seen.ref.kind, seen.ref.namespace, seen.ref.name


def _well(pod: excerpts.Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)


_PLAIN = frozenset(
    {"ConfigMap", "Secret", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
)
