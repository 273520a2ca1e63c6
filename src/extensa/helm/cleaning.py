"""What Helm leaves undone, by our own hand: objects that stay behind, their finalizers, a record nobody can read.

Each of these is an act that the plan chose and is done once; whether it has helped, the next look shows. It touches
nothing but what the act names, and nothing of Helm's but a record that it sets aside, with its content kept beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from extensa.helm.look import Search
from extensa.helm.release import LABEL_OWNER, ObjectRef

LABEL_ASIDE = "extensa.dev/set-aside"
_PREFIX = "extensa.aside."
_CRD = "CustomResourceDefinition"
_LONGEST_NAME = 253


class Hands(Search, Protocol):
    """The cluster's API as far as something is changed in it. Every method raises `ClusterError`."""

    async def apply(self, manifest: Mapping[str, Any]) -> None:
        """Make an object as the manifest says."""
        ...

    async def delete(self, ref: ObjectRef) -> None:
        """Delete an object; one that is not there is no error."""
        ...

    async def free(self, ref: ObjectRef) -> None:
        """Take every finalizer off an object; one that is not there is no error."""
        ...


async def clean(hands: Hands, objects: Sequence[ObjectRef], *, remove_finalizers: bool) -> None:
    """Delete ``objects``; with ``remove_finalizers`` take off what holds those that are being deleted already.

    Raises `ClusterError`.
    """
    for ref in objects:
        found = await hands.get(ref, bare=True)
        if found is None:
            continue
        if not found["metadata"].get("deletionTimestamp"):
            await hands.delete(ref)
        elif remove_finalizers and ref.kind == _CRD:
            await _free_instances(hands, ref)
        elif remove_finalizers:
            await hands.free(ref)


async def set_aside(hands: Hands, namespace: str, secret: str, owner: str) -> None:
    """Take a record out of Helm's sight: its Secret is copied under another name and deleted. Raises `ClusterError`."""
    ref = ObjectRef("v1", "Secret", namespace, secret)
    found = await hands.get(ref)
    if found is None:
        return
    metadata = {
        "name": f"{_PREFIX}{secret}"[:_LONGEST_NAME],
        "namespace": namespace,
        "labels": {LABEL_ASIDE: secret[-60:].strip("-."), LABEL_OWNER: owner},
    }
    content = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": found.get("data") or {}}
    await hands.apply({**content, "metadata": metadata})
    await hands.delete(ref)


async def drop_aside(hands: Hands, namespace: str, owner: str) -> None:
    """Delete every record of this owner's that was set aside. Raises `ClusterError`."""
    for found in await hands.list("v1", "Secret", namespace, labels=f"{LABEL_OWNER}={owner}", bare=True):
        metadata = found["metadata"]
        if LABEL_ASIDE in (metadata.get("labels") or {}):
            await hands.delete(ObjectRef("v1", "Secret", namespace, metadata["name"]))


async def _free_instances(hands: Hands, ref: ObjectRef) -> None:
    """Free the instances that hold a definition back; its own finalizer goes with the last of them."""
    found = await hands.get(ref)
    spec = (found or {}).get("spec") or {}
    served = [each["name"] for each in spec.get("versions") or () if each.get("served")]
    if not served:
        return
    api_version, kind = f"{spec['group']}/{served[0]}", str(spec["names"]["kind"])
    for each in await hands.list(api_version, kind, "", bare=True):
        metadata = each["metadata"]
        if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
            await hands.free(ObjectRef(api_version, kind, metadata.get("namespace", ""), metadata["name"]))
