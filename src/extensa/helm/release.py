"""Helm's own record of a release: the Secrets named ``sh.helm.release.v1.NAME.vN``, read at the door.

Each Secret holds one revision: its labels say the essentials (status, version, and what we put there), its data the
whole release as base64(gzip(JSON)), wrapped in base64 once more by the API. Only what is needed is decoded: the values
a release was made with never enter this process from here. It reads; writing is Helm's alone.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import msgspec
import yaml
from msgspec import Struct

LABEL_UID = "extensa.dev/uid"
LABEL_OWNER = "extensa.dev/owner"
LABEL_GENERATION = "extensa.dev/generation"
LABEL_DIGEST = "extensa.dev/digest"
LABEL_ACT = "extensa.dev/act"
ACT_MARK = "extensa act "
"""Stands before the act's id in a rollback's description: `helm rollback` takes no labels."""

_LARGEST = 64 * 1024 * 1024
KEEP = "helm.sh/resource-policy"
_HEAD = re.compile(r"^(apiVersion|kind|metadata)\s*:", re.MULTILINE)
_NEXT_KEY = re.compile(r"^[^\s#-]", re.MULTILINE)
_SEPARATOR = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)


class RecordCorrupt(Exception):
    """A Secret of Helm's could not be read as a release."""


class ReleaseStatus(StrEnum):
    """Helm's words for where a revision stands."""

    UNKNOWN = "unknown"
    DEPLOYED = "deployed"
    UNINSTALLED = "uninstalled"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    UNINSTALLING = "uninstalling"
    PENDING_INSTALL = "pending-install"
    PENDING_UPGRADE = "pending-upgrade"
    PENDING_ROLLBACK = "pending-rollback"


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision as its Secret's metadata tells it, without the record itself."""

    secret: str
    version: int
    status: ReleaseStatus
    labels: Mapping[str, str]
    modified: datetime | None = None
    edition: str = ""
    """The Secret's resource version: another edition is another record."""

    @property
    def generation(self) -> int:
        """The generation we wrote on it, 0 when it is none of ours."""
        text = self.labels.get(LABEL_GENERATION, "")
        return int(text) if text.isdigit() else 0


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Names one Kubernetes object; ``namespace`` is empty for what has none."""

    api_version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Inventory:
    """What a release consists of: its objects, and those that stay behind by rule when it goes (`kept`).

    ``crds`` are those of the chart's ``crds/`` folder, which are among the kept; ``hooks`` are objects that Helm makes
    and leaves to themselves.
    """

    objects: tuple[ObjectRef, ...] = ()
    kept: tuple[ObjectRef, ...] = ()
    claims: tuple[ObjectRef, ...] = ()
    """StatefulSets' claims as ``<template>-<set>``: the names of their PersistentVolumeClaims begin so."""
    hooks: tuple[ObjectRef, ...] = ()
    crds: tuple[ObjectRef, ...] = ()

    def __or__(self, other: "Inventory") -> "Inventory":
        """Return what either consists of."""
        pairs = ((getattr(self, each), getattr(other, each)) for each in _INVENTORY)
        return Inventory(*(tuple(dict.fromkeys((*mine, *theirs))) for mine, theirs in pairs))


_INVENTORY = ("objects", "kept", "claims", "hooks", "crds")


@dataclass(frozen=True, slots=True)
class Release:
    """One decoded record."""

    name: str
    namespace: str
    version: int
    status: ReleaseStatus
    description: str
    chart_name: str
    chart_version: str
    last_deployed: datetime | None
    install_hooks: bool
    inventory: Inventory


class _Time(Struct):
    status: str = ""
    description: str = ""
    last_deployed: str | None = None


class _Metadata(Struct):
    name: str = ""
    version: str = ""


class _File(Struct):
    name: str = ""
    data: str = ""


class _Chart(Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    files: list[_File] | None = None


class _Hook(Struct):
    events: list[str] | None = None
    manifest: str = ""


class _Record(Struct):
    name: str
    version: int
    namespace: str = ""
    info: _Time = msgspec.field(default_factory=_Time)
    chart: _Chart | None = None
    manifest: str = ""
    hooks: list[_Hook] | None = None


def read_revision(metadata: Mapping[str, Any]) -> Revision | None:
    """Return the revision that a Secret's ``metadata`` tells of, or None when it is no release of Helm's."""
    labels: dict[str, str] = metadata.get("labels") or {}
    version = labels.get("version", "")
    if labels.get("owner") != "helm" or not version.isdigit():
        return None
    modified = labels.get("modifiedAt") or labels.get("createdAt") or ""
    return Revision(
        secret=str(metadata.get("name", "")),
        version=int(version),
        status=_status(labels.get("status", "")),
        labels=labels,
        modified=datetime.fromtimestamp(int(modified), UTC) if modified.isdigit() else None,
        edition=str(metadata.get("resourceVersion", "")),
    )


def decode(data: str) -> Release:
    """Return the release in a Secret's ``data.release`` as the API gives it; raises `RecordCorrupt`."""
    record = _unpacked(data)
    try:
        return _release(record)
    except (binascii.Error, yaml.YAMLError, ValueError) as error:
        raise RecordCorrupt(f"{type(error).__name__}: {error}"[:300]) from error


def read_rendering(data: str) -> str:
    """Return what Helm rendered for the release in a Secret's ``data.release``: its objects and its hooks.

    It is not kept with a `Release`, for it is large and seldom wanted. Secrets stand in it in the open. Raises
    `RecordCorrupt`.
    """
    record = _unpacked(data)
    hooks = (hook for hook in record.hooks or () if hook.manifest)
    parts = [record.manifest, *(f"# hook: {', '.join(hook.events or ())}\n{hook.manifest}" for hook in hooks)]
    return "\n---\n".join(part.strip("\n") for part in parts if part.strip())


def read_manifest_text(data: str) -> str:
    """Return the rendered objects of the release in a Secret's ``data.release``, its hooks left out; raises
    `RecordCorrupt`.
    """
    return _unpacked(data).manifest


def _unpacked(data: str) -> _Record:
    try:
        packed = base64.b64decode(base64.b64decode(data, validate=True), validate=True)
        text = _unzip(packed) if packed[:2] == b"\x1f\x8b" else packed
        return msgspec.json.decode(text, type=_Record)
    except (binascii.Error, zlib.error, msgspec.MsgspecError, ValueError) as error:
        raise RecordCorrupt(f"{type(error).__name__}: {error}"[:300]) from error


def _release(record: _Record) -> Release:
    chart = record.chart or _Chart()
    events = {event for hook in record.hooks or () for event in hook.events or ()}
    inventory = read_manifest(record.manifest, record.namespace)
    crds = tuple(_crds(chart))
    hooks = [read_manifest(hook.manifest, record.namespace) for hook in record.hooks or ()]
    return Release(
        name=record.name,
        namespace=record.namespace,
        version=record.version,
        status=_status(record.info.status),
        description=record.info.description,
        chart_name=chart.metadata.name,
        chart_version=chart.metadata.version,
        last_deployed=_moment(record.info.last_deployed),
        install_hooks=bool(events & {"pre-install", "post-install"}),
        inventory=Inventory(
            inventory.objects,
            inventory.kept + crds,
            inventory.claims,
            tuple(dict.fromkeys(ref for each in hooks for ref in each.objects if ref not in each.kept)),
            crds,
        ),
    )


def read_manifest(manifest: str, namespace: str) -> Inventory:
    """Return what a rendered ``manifest`` holds; objects that name no namespace get ``namespace``.

    Only the head of each document is parsed (a megabyte of CRDs would cost a second). Raises `yaml.YAMLError`.
    """
    objects: list[ObjectRef] = []
    kept: list[ObjectRef] = []
    claims: list[ObjectRef] = []
    for document in _documents(manifest):
        metadata = document.get("metadata") or {}
        ref = _ref(document, metadata, namespace)
        if ref is None:
            continue
        objects.append(ref)
        if (metadata.get("annotations") or {}).get(KEEP) == "keep":
            kept.append(ref)
        if ref.kind == "StatefulSet":
            claims.extend(_claims(document, ref))
    return Inventory(tuple(dict.fromkeys(objects)), tuple(kept), tuple(claims))


def _ref(document: Mapping[str, Any], metadata: Mapping[str, Any], namespace: str) -> ObjectRef | None:
    kind, name = document.get("kind"), metadata.get("name")
    if not kind or not name:
        return None
    return ObjectRef(
        str(document.get("apiVersion", "v1")), str(kind), str(metadata.get("namespace") or namespace), str(name)
    )


def _claims(document: Mapping[str, Any], ref: ObjectRef) -> Iterator[ObjectRef]:
    for template in (document.get("spec") or {}).get("volumeClaimTemplates") or ():
        name = (template.get("metadata") or {}).get("name", "")
        yield ObjectRef("v1", "PersistentVolumeClaim", ref.namespace, f"{name}-{ref.name}")


def _crds(chart: _Chart) -> Iterator[ObjectRef]:
    for file in chart.files or ():
        if file.name.startswith("crds/") and file.name.endswith((".yaml", ".yml", ".json")):
            text = base64.b64decode(file.data).decode("utf-8", "replace")
            for ref in read_manifest(text, "").objects:
                yield ObjectRef(ref.api_version, ref.kind, "", ref.name)


def _documents(manifest: str) -> Iterator[dict[str, Any]]:
    for text in _SEPARATOR.split(manifest):
        document = _parse(text)
        if not isinstance(document, dict):
            continue
        items = document.get("items")
        if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
            yield from (item for item in items if isinstance(item, dict))
        else:
            yield document


def _parse(text: str) -> Any:
    head = _head(text)
    if head is not None:
        try:
            document = yaml.load(head, Loader=yaml.CSafeLoader)
        except yaml.YAMLError:
            document = None
        kind = str(document.get("kind", "")) if isinstance(document, dict) else ""
        if kind and kind != "StatefulSet" and not kind.endswith("List"):
            return document
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _head(text: str) -> str | None:
    """Return the lines of the three top-level keys that name an object, or None when the text is not laid out so."""
    parts = []
    for found in _HEAD.finditer(text):
        following = _NEXT_KEY.search(text, found.end())
        parts.append(text[found.start() : following.start() if following else len(text)])
    return "\n".join(parts) if len(parts) == 3 else None


def _unzip(packed: bytes) -> bytes:
    stream = zlib.decompressobj(wbits=31)
    text = stream.decompress(packed, _LARGEST)
    if stream.unconsumed_tail:
        raise RecordCorrupt("the record is larger than 64 MiB when unpacked")
    if not stream.eof:
        raise RecordCorrupt("the record ends early")
    return text


def _status(text: str) -> ReleaseStatus:
    try:
        return ReleaseStatus(text)
    except ValueError:
        return ReleaseStatus.UNKNOWN


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
