"""Look: what Helm has recorded and what is alive in the cluster, as one `Sighting` for ``state.judge``.

It asks through the `Kube` protocol, in few requests: the revisions' labels first, the newest record only, then each
object by name, those of simple kinds without their content. It reads; nothing is changed and nothing is decided here.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import msgspec

from extensa.helm.causes import of_error
from extensa.helm.errors import ClusterError
from extensa.helm.health import CURRENT, Health, Level, judge, judge_claim, settles, storage_class
from extensa.helm.readiness import Seen
from extensa.helm.release import (
    KEEP,
    Inventory,
    ObjectRef,
    RecordCorrupt,
    Release,
    Revision,
    decode,
    read_revision,
)
from extensa.helm.state import Namespace, Sighting

_PODS_EXAMINED = 50


class _Vanished(Exception):
    """The newest revision went between two requests: someone else is at work, so look again."""


class Kube(Protocol):
    """The cluster's API as this room needs it. Every method raises `ClusterError`; absence is no error."""

    async def get(self, ref: ObjectRef, *, bare: bool = False) -> dict[str, Any] | None:
        """Return the object, or None; ``bare`` asks for its metadata only. A namespace is ignored where a kind has
        none; a kind that the API does not know holds no objects.
        """
        ...

    async def list(
        self, api_version: str, kind: str, namespace: str, *, labels: str = "", bare: bool = False
    ) -> list[dict[str, Any]]:
        """Return the objects of a kind in a namespace that carry ``labels``."""
        ...


class Search(Kube, Protocol):
    """The cluster's API when even the kinds of a release's objects are unknown."""

    async def kinds(self) -> tuple[tuple[str, str], ...]:
        """Return every kind whose objects can be listed and deleted, as (apiVersion, kind)."""
        ...


async def look(
    kube: Kube,
    release: str,
    namespace: str,
    *,
    known: Sighting | None = None,
    leaving: Inventory | None = None,
    crds: bool = False,
) -> Sighting:
    """Return everything there is to see of a release.

    ``known`` is the sighting before: its decoded record is used again when the newest revision is the same. ``leaving``
    is what an uninstalled release consisted of: what of it is still there is reported, with ``crds`` its definitions
    too. An API that does not answer is a sighting too.
    """
    try:
        space, revisions = await asyncio.gather(_namespace(kube, namespace), _revisions(kube, release, namespace))
        if not revisions:
            left = remains(kube, release, namespace, leaving, crds=crds) if leaving is not None else None
            leftovers = await left if left is not None else ()
            return Sighting(space, leftovers=leftovers)
        record, corrupt = await _record(kube, namespace, revisions[-1], known)
        objects = await look_at(kube, record.inventory.objects) if record is not None else ()
        return Sighting(space, revisions, record, corrupt, objects)
    except _Vanished:
        return await look(kube, release, namespace, known=known, leaving=leaving, crds=crds)
    except ClusterError as error:
        return Sighting(unreachable=of_error(error, step="ready"))


async def look_at(kube: Kube, refs: Iterable[ObjectRef]) -> tuple[Seen, ...]:
    """Return the verdict on each of these objects as they are now, in their order; raises `ClusterError`."""
    return tuple(await asyncio.gather(*(_see(kube, ref) for ref in refs)))


async def refreshed(
    kube: Kube,
    seen: Sighting,
    changed: Iterable[ObjectRef],
    *,
    records: tuple[str, str] | None = None,
    leaving: Inventory | None = None,
    crds: bool = False,
) -> Sighting:
    """Return the sighting with ``changed`` looked at again; an API that does not answer is a sighting too.

    ``records`` names a release and namespace whose record may have changed: when it has, everything is looked at.
    """
    again = {(ref.kind, ref.name) for ref in changed}
    stale = [old.ref for old in seen.objects if (old.ref.kind, old.ref.name) in again]
    try:
        if records is not None and await _revisions(kube, *records) != seen.revisions:
            return await look(kube, *records, known=seen, leaving=leaving, crds=crds)
        fresh = dict(zip(stale, await look_at(kube, stale), strict=True))
    except ClusterError as error:
        return replace(seen, unreachable=of_error(error, step="ready"))
    return replace(seen, objects=tuple(fresh.get(old.ref, old) for old in seen.objects), unreachable=None)


async def remains(
    kube: Kube, release: str, namespace: str, leaving: Inventory, *, crds: bool = False
) -> tuple[Seen, ...]:
    """Return which objects of an uninstalled release are still there and still its own, its hooks' included; with
    ``crds`` those of its definitions that it alone has brought. Raises `ClusterError`.
    """
    kept = set(leaving.kept)
    own = [_left(kube, ref, release, namespace) for ref in leaving.objects if ref not in kept]
    bare = [*leaving.hooks, *(leaving.crds if crds else ())]  # Helm puts no mark on these
    found = await asyncio.gather(*own, *(_left(kube, ref, release, namespace, marked=False) for ref in bare))
    return tuple(seen for seen in found if seen is not None)


async def inventories(kube: Kube, namespace: str, revisions: Iterable[Revision]) -> Inventory:
    """Return all that these revisions consist of together; one that cannot be read adds nothing.

    Raises `ClusterError`.
    """
    whole = Inventory()
    for revision in revisions:
        with contextlib.suppress(_Vanished):
            record, _ = await _record(kube, namespace, revision, None)
            whole |= record.inventory if record is not None else Inventory()
    return whole


async def search(kube: Search, release: str, namespace: str) -> Inventory:
    """Return every object in the cluster that says it is the release's, for when no record tells.

    It asks for each kind there is, so it is for the rare case. Raises `ClusterError`.
    """

    async def of_kind(api_version: str, kind: str) -> list[ObjectRef]:
        found = await kube.list(api_version, kind, "", labels="app.kubernetes.io/managed-by=Helm", bare=True)
        metadata = [each["metadata"] for each in found]
        return [
            ObjectRef(api_version, kind, each.get("namespace", ""), each["name"])
            for each in metadata
            if _owner(each) == (release, namespace) and (each.get("annotations") or {}).get(KEEP) != "keep"
        ]

    found = await asyncio.gather(*(of_kind(*each) for each in await kube.kinds()))
    return Inventory(tuple(ref for refs in found for ref in refs))


async def kept(kube: Kube, leaving: Inventory) -> tuple[ObjectRef, ...]:
    """Return what stays behind by rule: kept objects, CRDs, and claims of StatefulSets; raises `ClusterError`."""
    alive = [ref for ref in dict.fromkeys(leaving.kept) if await kube.get(ref, bare=True) is not None]
    for namespace in {claim.namespace for claim in leaving.claims}:
        prefixes = tuple(f"{claim.name}-" for claim in leaving.claims if claim.namespace == namespace)
        for found in await kube.list("v1", "PersistentVolumeClaim", namespace, bare=True):
            name = found["metadata"]["name"]
            if name.startswith(prefixes):
                alive.append(ObjectRef("v1", "PersistentVolumeClaim", namespace, name))
    return tuple(alive)


async def examine(kube: Kube, objects: Sequence[Seen]) -> tuple[Seen, ...]:
    """Return the verdicts on the Pods beneath those workloads that are not ready; raises `ClusterError`."""
    details: list[Seen] = []
    for seen in objects:
        if seen.health.level is Level.CURRENT or seen.ref.kind not in _OWNERS:
            continue
        owner = await kube.get(seen.ref)
        labels = _selector(owner)
        if not labels:
            continue
        for pod in (await kube.list("v1", "Pod", seen.ref.namespace, labels=labels))[:_PODS_EXAMINED]:
            ref = ObjectRef("v1", "Pod", seen.ref.namespace, pod["metadata"]["name"])
            details.append(Seen(ref, judge({"apiVersion": "v1", "kind": "Pod", **pod})))
    return tuple(details)


async def _see(kube: Kube, ref: ObjectRef) -> Seen:
    slow = settles(ref.api_version, ref.kind)
    found = await kube.get(ref, bare=not slow)
    if found is None:
        return Seen(ref, judge(None))
    metadata = found["metadata"]
    named = replace(ref, namespace=metadata.get("namespace", ""))
    edition = str(metadata.get("resourceVersion", ""))
    if not slow:
        return Seen(named, judge({"metadata": metadata}), edition, mark(ref, metadata))
    whole = {"apiVersion": ref.api_version, "kind": ref.kind, **found}
    health = judge(whole)
    if ref.kind == "PersistentVolumeClaim" and (name := storage_class(whole)) is not None:
        known = await kube.get(ObjectRef("storage.k8s.io/v1", "StorageClass", "", name))
        health = judge_claim(whole, name, known)
    return Seen(named, health, edition, mark(ref, metadata))


def mark(ref: ObjectRef, metadata: Mapping[str, Any]) -> str:
    """Return what is another when anything but an object's status is: its resource version, or where a controller
    writes its status all the time and the API counts the changes of the rest, that count and the rest of the metadata.
    """
    generation = metadata.get("generation")
    if not generation or not settles(ref.api_version, ref.kind):
        return str(metadata.get("resourceVersion", ""))
    own = [metadata.get(part) for part in ("uid", "labels", "annotations", "finalizers", "ownerReferences")]
    return f"{generation} {hashlib.blake2b(msgspec.json.encode(own), digest_size=12).hexdigest()}"


async def _left(kube: Kube, ref: ObjectRef, release: str, namespace: str, *, marked: bool = True) -> Seen | None:
    found = await kube.get(ref, bare=True)
    if found is None:
        return None
    owner = _owner(found["metadata"])
    if owner != (release, namespace) and (marked or owner != (None, None)):
        return None
    health = judge({"metadata": found["metadata"]})
    if health is CURRENT:
        health = Health(Level.IN_PROGRESS, "its deletion", "ObjectsRemain")
    return Seen(ref, health)


def _owner(metadata: Mapping[str, Any]) -> tuple[str | None, str | None]:
    marks: Mapping[str, str] = metadata.get("annotations") or {}
    return marks.get("meta.helm.sh/release-name"), marks.get("meta.helm.sh/release-namespace")


async def _namespace(kube: Kube, name: str) -> Namespace:
    found = await kube.get(ObjectRef("v1", "Namespace", "", name), bare=True)
    if found is None:
        return Namespace.ABSENT
    return Namespace.TERMINATING if found["metadata"].get("deletionTimestamp") else Namespace.ACTIVE


async def _revisions(kube: Kube, release: str, namespace: str) -> tuple[Revision, ...]:
    secrets = await kube.list("v1", "Secret", namespace, labels=f"owner=helm,name={release}", bare=True)
    revisions = [read_revision(secret["metadata"]) for secret in secrets]
    return tuple(sorted((found for found in revisions if found is not None), key=lambda found: found.version))


async def _record(kube: Kube, namespace: str, revision: Revision, known: Sighting | None) -> tuple[Release | None, str]:
    if known is not None and known.release is not None and known.revisions[-1] == revision:
        return known.release, ""
    secret = await kube.get(ObjectRef("v1", "Secret", namespace, revision.secret))
    if secret is None:
        raise _Vanished
    try:
        data = str((secret.get("data") or {}).get("release", ""))
        return (await asyncio.to_thread(decode, data) if len(data) > _LARGE else decode(data)), ""
    except RecordCorrupt as error:
        return None, str(error)


def _selector(owner: Mapping[str, Any] | None) -> str:
    selector = ((owner or {}).get("spec") or {}).get("selector") or {}
    return ",".join(f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items())


_LARGE = 200_000
_OWNERS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
