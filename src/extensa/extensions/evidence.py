"""Evidence of failures: fetched from the agent as soon as it says that it has some, kept sealed, shown to who may ask.

A report of a failure that names evidence writes a row that says so, in the same commit; the `Collector` asks until the
agent has answered, however often either side restarts. What is kept stays with the extension, whatever becomes of its
release, and goes with it. It is sealed at rest, for a chart may render a secret that nobody could recognise.
"""

import asyncio
import zlib
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from extensa.base.clock import Clock, arm_time
from extensa.base.errors import ExtensaError, NotFound, Unavailable
from extensa.base.ids import new_id
from extensa.base.log import correlated, get_logger
from extensa.base.masking import masker
from extensa.extensions import records
from extensa.extensions.masking import blotted
from extensa.extensions.model import Extension
from extensa.extensions.reports import opened
from extensa.extensions.source import Questions
from extensa.link.evidence import LARGEST_EVIDENCE, MOST_KEPT, Evidence
from extensa.link.question import Kind, Question
from extensa.store.port import DeleteResource, Expect, PutResource, Require, Row, StaleWrite, Store, Write
from extensa.store.vault import Vault

_PATIENCE = timedelta(seconds=20)
_PAGE = 50
_LARGEST_UNPACKED = 4 * LARGEST_EVIDENCE
_log = get_logger("extensions")


class Entry(Struct, frozen=True, kw_only=True):
    """One piece of evidence, as the list tells of it. ``number`` says in which row it lies."""

    number: int
    id: str
    time: datetime
    generation: int
    step: str
    code: str
    message: str
    target: str
    size: int
    operation_id: str
    correlation_id: str
    requested_by: str


class Index(Struct, frozen=True, kw_only=True):
    """Which evidence there is of one extension, the oldest first; ``lost`` says why the newest is not there."""

    entries: list[Entry] = []
    lost: str = ""

    @property
    def next_number(self) -> int:
        """The number of the piece that comes next."""
        return self.entries[-1].number + 1 if self.entries else 0


_index = msgspec.json.Decoder(Index)


class Shelf:
    """Shows what is kept."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def list(self, extension: Extension) -> dict[str, Any]:
        """Return which evidence there is, the newest first; ``awaited`` says that more is on its way."""
        row = await self._store.get(records.evidence_key(extension.key))
        index = Index() if row is None else _index.decode(row.body)
        due = await self._store.get(records.evidence_due_key(extension.key))
        value = [_shown(entry) for entry in reversed(index.entries)]
        return {"value": value, "awaited": due is not None, "lost": index.lost or None}

    async def get(self, extension: Extension, evidence_id: str) -> dict[str, Any]:
        """Return one piece of evidence, the newest for an empty id.

        Raises `NotFound` (``EvidenceNotFound``), and `ExtensaError` (``SealBroken``).
        """
        row = await self._store.get(records.evidence_key(extension.key))
        entries = [] if row is None else _index.decode(row.body).entries
        chosen = next((each for each in reversed(entries) if evidence_id in ("", each.id)), None)
        slot = records.evidence_slot(extension.key, chosen.number) if chosen is not None else ""
        kept = await self._store.get(slot)
        if chosen is None or kept is None:
            raise NotFound(
                "EvidenceNotFound",
                f"There is no evidence '{evidence_id}' of '{extension.name}'."
                if evidence_id
                else f"There is no evidence of a failure of '{extension.name}'.",
                target=extension.id,
                next_step="listEvidence tells what there is; the extension's errorInfo and statuses tell the cause.",
            )
        packed = self._vault.open(records.text_of(kept.body), bound_to=_seal(extension, chosen.id))
        found: dict[str, Any] = msgspec.json.decode(zlib.decompressobj().decompress(packed, _LARGEST_UNPACKED))
        return {**found, "requestedBy": chosen.requested_by, "size": chosen.size}


class Collector:
    """Asks agents for the evidence they have."""

    def __init__(self, store: Store, vault: Vault, questions: Questions, *, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._questions = questions
        self._clock = clock
        self._after: str | None = None

    async def turn(self) -> None:
        """Ask for what is due, a page of it at a time; who does not answer is asked again at a later turn."""
        page = await self._store.list(type=records.EVIDENCE_DUE_TYPE, after=self._after, limit=_PAGE)
        self._after = page[-1].key if len(page) == _PAGE else None
        for outcome in await asyncio.gather(*(self._collect(due) for due in page), return_exceptions=True):
            if isinstance(outcome, Unavailable | StaleWrite):
                _log.debug("evidence is still to come", code=outcome.code)
            elif isinstance(outcome, BaseException):
                raise outcome

    async def _collect(self, due: Row) -> None:
        while await self._collect_one(due):
            pass

    async def _collect_one(self, due: Row) -> bool:
        """Ask once and keep what comes; return whether the agent has more of this failure."""
        wanted = records.due_of(due.body)
        row = await self._store.get(wanted.extension)
        if row is None:
            await self._store.commit([DeleteResource(due.key, due.etag)])
            return False
        extension = records.extension_of(row.body)
        kept = await self._store.get(records.evidence_key(extension.key))
        index = Index() if kept is None else _index.decode(kept.body)
        with correlated(extension.correlation_id):
            found, why, more = await self._ask(extension, index, wanted)
            done = Require(due.key, due.etag) if more else DeleteResource(due.key, due.etag)
            writes: list[Write] = [Require(row.key, row.etag), done]
            if found is None:
                fresh = msgspec.structs.replace(index, lost=why)
            else:
                number, size, envelope = index.next_number, *self._sealed(extension, found)
                entries = [*index.entries, _entry(found, extension, number, size)][-MOST_KEPT:]
                fresh = Index(entries=entries)
                slot = records.evidence_slot(extension.key, number)
                writes.append(PutResource(slot, "extensa/extensionevidencebodies", envelope, Expect.ANYTHING))
            key = records.evidence_key(extension.key)
            expect = Expect.ABSENT if kept is None else kept.etag
            writes.append(PutResource(key, records.EVIDENCE_TYPE, msgspec.json.encode(fresh), expect))
            await self._store.commit(writes)
            _log.info("evidence kept" if found else "no more evidence", extension=extension.id, why=why)
            return more

    async def _ask(
        self, extension: Extension, index: Index, wanted: records.EvidenceDue
    ) -> tuple[Evidence | None, str, bool]:
        """Return what the agent has, or why it has nothing, and whether it has more.

        Raises `Unavailable` when it does not answer.
        """
        now = self._clock()
        question = Question(
            id=new_id(),
            kind=Kind.EVIDENCE,
            cluster_uid=extension.cluster_uid,
            subject=extension.uid,
            deadline=now + _PATIENCE,
            correlation_id=extension.correlation_id,
            arguments={
                "have": [entry.id for entry in index.entries],
                "generation": wanted.generation,
            },
        )
        answer = await self._questions.ask(extension.agent, question, now)
        if answer.failure_code == "QuestionTimedOut":
            raise Unavailable(answer.failure_code, answer.failure_message)
        if answer.failure_code:
            return None, f"{answer.failure_code}: {answer.failure_message}", False
        told = answer.body.get("evidence")
        if not told:
            known = any(entry.id == wanted.id for entry in index.entries)
            return None, "" if known else "NoEvidence: the agent has nothing of this failure (any more).", False
        try:
            found = msgspec.convert(told, Evidence)
        except msgspec.ValidationError as error:
            return None, f"EvidenceUnreadable: {error}", False
        return self._masked(extension, found), "", answer.body.get("more") is True

    def _masked(self, extension: Extension, found: Evidence) -> Evidence:
        """The second look for protected values; when they cannot be known, foreign words are not kept."""
        try:
            blot = masker(opened(self._vault, extension).values())
        except ExtensaError:
            cause = msgspec.structs.replace(found.cause, raw="")
            notes = [
                *found.notes,
                "Manifests, logs and Helm's words: left out, the protected settings cannot be opened.",
            ]
            return msgspec.structs.replace(found, cause=cause, manifests="", pods=[], events=[], notes=notes)
        if blot is None:
            return found
        return msgspec.convert(blotted(msgspec.to_builtins(found), blot), Evidence)

    def _sealed(self, extension: Extension, found: Evidence) -> tuple[int, bytes]:
        """Return the size of the evidence, and the body of its row."""
        text = msgspec.json.encode(found)
        envelope = self._vault.seal(zlib.compress(text), bound_to=_seal(extension, found.id))
        return len(text), msgspec.json.encode(envelope)


def _seal(extension: Extension, evidence_id: str) -> str:
    return f"{extension.seal}#evidence#{evidence_id}"


def _entry(found: Evidence, extension: Extension, number: int, size: int) -> Entry:
    return Entry(
        number=number,
        id=found.id,
        time=found.time,
        generation=found.generation,
        step=found.cause.step,
        code=found.cause.code,
        message=found.cause.message,
        target=found.cause.target,
        size=size,
        operation_id=found.operation_id,
        correlation_id=found.correlation_id,
        requested_by=extension.system_data.modified_by if found.generation == extension.generation else "",
    )


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "time": arm_time(entry.time),
        "generation": entry.generation,
        "step": entry.step,
        "causeCode": entry.code,
        "message": entry.message,
        "target": entry.target or None,
        "size": entry.size,
        "operationId": entry.operation_id,
        "correlationId": entry.correlation_id,
        "requestedBy": entry.requested_by or None,
    }
