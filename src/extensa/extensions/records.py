"""How an extension lies in the store: its rows, their keys, and the writes that each decision comes to. Pure.

    {extension id}                             the record itself
    {extension id}/objects                     the objects last seen, apart because they are many and seldom read
    {extension id}/drift                       which of their fields were not what the release says
    {extension id}/revisions/…                 what was accepted and what became of it, see ``revisions``
    {extension id}/evidence                    which failures there is evidence of, and below it /0 to /4: the evidence
    {extension id}/evidence/due                evidence the agent has and was not asked for yet
    {extension id}/orphan                      a record forgotten by force whose release the agent has yet to remove
    {cluster id}/extensioninstances/{type}     the one place that a single-instance type has on a cluster
    extension-uid/{uid}                        which record or orphan an agent's report speaks of
    feed extensions:{agent}                    desired documents, under the extension's id: one wish per id at any time

All but the last two lie below their cluster, so that who removes a cluster removes them without knowing them.
Whatever belongs together is one list of writes, so that it becomes one commit.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from extensa.arm.operations import Operation
from extensa.extensions import revisions
from extensa.extensions.decision import Accepted, Removed
from extensa.extensions.model import TYPE, Extension
from extensa.extensions.project import AtRest, project
from extensa.extensions.settle import Settled
from extensa.link.evidence import MOST_KEPT
from extensa.link.extension import Drift, ObjectHealth
from extensa.store.port import (
    DeleteFeed,
    DeleteResource,
    Expect,
    PutFeed,
    PutOperation,
    PutResource,
    Require,
    Write,
)

ROW_TYPE = TYPE.casefold()
ORPHAN_TYPE = "extensa/extensionorphans"
UID_TYPE = "extensa/extensionuids"
EVIDENCE_TYPE = "extensa/extensionevidence"
EVIDENCE_DUE_TYPE = "extensa/extensionevidencedue"
_BELOW = f"/providers/{ROW_TYPE}/"

_encode = msgspec.json.Encoder().encode
_extension = msgspec.json.Decoder(Extension)
_operation = msgspec.json.Decoder(Operation)
_at_rest = msgspec.json.Decoder(AtRest)


class SeenObjects(Struct, frozen=True, kw_only=True):
    """The objects of a release as the agent last saw them, and when we heard of it."""

    heard_at: datetime
    objects: list[ObjectHealth]


class SeenDrift(Struct, frozen=True, kw_only=True):
    """The fields that were last seen to be others than the release says, and when we heard of it."""

    heard_at: datetime
    drift: list[Drift]


class EvidenceDue(Struct, frozen=True, kw_only=True):
    """Evidence that an agent has said it keeps: of which extension (its row key), generation, and under which id."""

    extension: str
    generation: int
    id: str


_objects = msgspec.json.Decoder(SeenObjects)
_drift = msgspec.json.Decoder(SeenDrift)
_due = msgspec.json.Decoder(EvidenceDue)
_text = msgspec.json.Decoder(str)


def below(cluster_key: str) -> str:
    """Return the prefix of the keys of all extensions of a cluster."""
    return cluster_key + _BELOW


def is_extension(resource_key: str) -> bool:
    """Whether a row key is that of an extension."""
    return _BELOW in resource_key


def lane(agent: str) -> str:
    """Return the feed that ``agent`` reads."""
    return f"extensions:{agent}"


def uid_key(uid: str) -> str:
    """Return the row that tells which extension has this uid."""
    return f"extension-uid/{uid}"


def objects_key(extension: Extension) -> str:
    """Return the row of the objects last seen."""
    return f"{extension.key}/objects"


def drift_key(extension: Extension) -> str:
    """Return the row of the drift last seen."""
    return f"{extension.key}/drift"


def evidence_key(extension_key: str) -> str:
    """Return the row that tells which evidence there is."""
    return f"{extension_key}/evidence"


def evidence_slot(extension_key: str, number: int) -> str:
    """Return the row of the evidence that came as the ``number``-th: there are only so many, used in turn."""
    return f"{extension_key}/evidence/{number % MOST_KEPT}"


def evidence_due_key(extension_key: str) -> str:
    """Return the row that says that the agent is to be asked for evidence."""
    return f"{extension_key}/evidence/due"


def orphan_key(extension_key: str) -> str:
    """Return the row of the orphan that an extension of this key has left, if any."""
    return f"{extension_key}/orphan"


def claim_key(cluster_key: str, extension_type: str) -> str:
    """Return the row of the one place that a type has on a cluster."""
    return f"{cluster_key}/extensioninstances/{extension_type.casefold()}"


def extension_of(body: bytes) -> Extension:
    """Return the extension (or orphan) in a row."""
    return _extension.decode(body)


def operation_of(body: bytes) -> Operation:
    """Return the operation in a row."""
    return _operation.decode(body)


def at_rest_of(body: bytes) -> AtRest:
    """Return the desired document in a feed row."""
    return _at_rest.decode(body)


def objects_of(body: bytes) -> SeenObjects:
    """Return the objects in their row."""
    return _objects.decode(body)


def drift_of(body: bytes) -> SeenDrift:
    """Return the drift in its row."""
    return _drift.decode(body)


def due_of(body: bytes) -> EvidenceDue:
    """Return the evidence that is due, from its row."""
    return _due.decode(body)


def text_of(body: bytes) -> str:
    """Return the id or key in a row that holds nothing else."""
    return _text.decode(body)


def accepted(
    decision: Accepted,
    etag: str | None,
    previous_agent: str | None,
    orphan: tuple[Extension, str] | None,
    kept: revisions.Kept | None = None,
) -> list[Write]:
    """Return the writes of an accepted PUT, PATCH, DELETE or action over the record at ``etag`` (None: there is none).

    ``kept`` is the configuration that is new, if one is, for the history. A new extension takes the place of the
    ``orphan`` of its id, given with the etag of its row: its document in the feed takes the place of the orphan's, so
    that an agent is never told two things about one id.
    """
    extension = decision.extension
    writes: list[Write] = [
        _record(extension, Expect.ABSENT if etag is None else etag),
        *_operations(decision.operation, decision.superseded),
        _desired(extension),
    ]
    if decision.superseded is not None:
        before = extension.revision - (kept is not None)
        writes += revisions.overtaken(extension, before, decision.superseded)
    if kept is not None:
        writes.append(revisions.begun(extension, kept))
    if decision.created:
        writes += _replaced(orphan, extension)
        writes.append(_row(uid_key(extension.uid), UID_TYPE, extension.key))
        if extension.claim:
            claim = _row(extension.claim, "extensa/extensioninstances", extension.id)
            writes.append(msgspec.structs.replace(claim, expect=Expect.ABSENT))
    if previous_agent is not None and previous_agent != extension.agent:
        writes.append(DeleteFeed(lane(previous_agent), extension.key))
    return writes


def removed(decision: Removed, etag: str) -> list[Write]:
    """Return the writes of a forced delete: the record goes now, the release is left to the agent."""
    orphan = msgspec.structs.replace(decision.orphan, protected=None, settings={})
    key = orphan_key(orphan.key)
    return [
        *_gone(orphan, etag),
        *_operations(decision.superseded),
        PutResource(key, ORPHAN_TYPE, _encode(orphan), Expect.ANYTHING),
        _row(uid_key(orphan.uid), UID_TYPE, key),
        _desired(orphan),
    ]


def settled(before: Extension, etag: str, outcome: Settled, now: datetime) -> list[Write]:
    """Return the writes of what a report, a deadline or a lost cluster came to."""
    if outcome.extension is None:
        return [*_gone(before, etag), *_operations(outcome.operation)]
    writes = [
        _record(outcome.extension, etag),
        *_operations(outcome.operation),
        *revisions.settled(before, outcome.extension, outcome.operation, now),
    ]
    if outcome.extension.generation != before.generation:
        writes.append(_desired(outcome.extension))
    if outcome.objects is not None:
        writes.append(_objects_row(before, outcome.objects, now))
    if outcome.drift is not None:
        drifted = _encode(SeenDrift(heard_at=now, drift=outcome.drift))
        writes.append(PutResource(drift_key(before), "extensa/extensiondrift", drifted, Expect.ANYTHING))
    known = before.observed.evidence if before.observed is not None else ""
    fresh = outcome.extension.observed.evidence if outcome.extension.observed is not None else ""
    if fresh and fresh != known:
        due = _encode(EvidenceDue(extension=before.key, generation=before.generation, id=fresh))
        writes.append(PutResource(evidence_due_key(before.key), EVIDENCE_DUE_TYPE, due, Expect.ANYTHING))
    return writes


def mended(extension: Extension, etag: str, previous_agent: str) -> list[Write]:
    """Return the writes that put right what the feed holds for ``extension``."""
    writes = [_record(extension, etag), _desired(extension)]
    if previous_agent != extension.agent:
        writes.append(DeleteFeed(lane(previous_agent), extension.key))
    return writes


def orphan_kept(
    before: Extension,
    after: Extension,
    etag: str,
    objects: list[ObjectHealth] | None = None,
    heard_at: datetime | None = None,
) -> list[Write]:
    """Return the writes that change an orphan whose row is at ``etag``; ``objects``, if given, are what is left."""
    writes: list[Write] = [PutResource(orphan_key(after.key), ORPHAN_TYPE, _encode(after), etag)]
    if after.generation != before.generation or after.agent != before.agent:
        writes.append(_desired(after))
    if objects is not None and heard_at is not None:
        writes.append(_objects_row(after, objects, heard_at))
    return writes


def orphan_gone(orphan: Extension, etag: str) -> list[Write]:
    """Return the writes that forget an orphan whose row is at ``etag``: not one that a new extension has replaced."""
    return [
        DeleteResource(orphan_key(orphan.key), etag),
        DeleteResource(uid_key(orphan.uid)),
        DeleteResource(objects_key(orphan)),
        DeleteFeed(lane(orphan.agent), orphan.key),
    ]


def ended(operation: Operation, etag: str | None) -> list[Write]:
    """Return the writes that end an operation which the record at ``etag`` (None: there is none) does not name."""
    key = operation.resource_id.casefold()
    return [Require(key, Expect.ABSENT if etag is None else etag), *_operations(operation)]


def _replaced(orphan: tuple[Extension, str] | None, extension: Extension) -> list[Write]:
    if orphan is None:
        return [Require(orphan_key(extension.key), Expect.ABSENT)]
    before, etag = orphan
    writes: list[Write] = [
        DeleteResource(orphan_key(before.key), etag),
        DeleteResource(uid_key(before.uid)),
        DeleteResource(objects_key(before)),
    ]
    if before.agent != extension.agent:
        writes.append(DeleteFeed(lane(before.agent), before.key))
    return writes


def _gone(extension: Extension, etag: str) -> list[Write]:
    writes: list[Write] = [
        DeleteResource(extension.key, etag),
        DeleteResource(uid_key(extension.uid)),
        DeleteResource(objects_key(extension)),
        DeleteResource(drift_key(extension)),
        *revisions.forgotten(extension),
        DeleteResource(evidence_key(extension.key)),
        DeleteResource(evidence_due_key(extension.key)),
        *(DeleteResource(evidence_slot(extension.key, number)) for number in range(MOST_KEPT)),
        DeleteFeed(lane(extension.agent), extension.key),
    ]
    if extension.claim:
        writes.append(DeleteResource(extension.claim))
    return writes


def _record(extension: Extension, expect: str | Expect) -> Write:
    return PutResource(extension.key, ROW_TYPE, _encode(extension), expect)


def _objects_row(extension: Extension, objects: list[ObjectHealth], now: datetime) -> Write:
    seen = SeenObjects(heard_at=now, objects=objects)
    return PutResource(objects_key(extension), "extensa/extensionobjects", _encode(seen), Expect.ANYTHING)


def _desired(extension: Extension) -> Write:
    return PutFeed(lane(extension.agent), extension.key, _encode(project(extension)))


def _row(key: str, kind: str, text: str) -> PutResource:
    return PutResource(key, kind, _encode(text), Expect.ANYTHING)


def _operations(*written: Operation | None) -> Sequence[Write]:
    return [
        PutOperation(each.id, each.resource_id.casefold(), _encode(each), each.ended)
        for each in written
        if each is not None
    ]
