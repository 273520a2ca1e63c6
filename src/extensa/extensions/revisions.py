"""The history of an extension: what each accepted configuration was and what became of it, and the way back to one.

    {extension id}/revisions/{n mod 20}           one configuration; settings sealed, so that what was once written into
                                                  the wrong map cannot be read here either
    {extension id}/revisions/{n mod 20}/result    what became of it, written when that is known

Two rows, because the first never changes and the second is written without reading anything, guarded by the record's
etag. A row speaks of the revision it names: what stands in a slot from twenty revisions ago says nothing of this one.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from extensa.arm.operations import Operation
from extensa.base.clock import arm_time
from extensa.extensions.decision import Recalled
from extensa.extensions.model import Extension, Protected, State
from extensa.link.extension import Chart, Presence, Remedy
from extensa.store.port import DeleteResource, Expect, PutResource, Row, Store, Write
from extensa.store.vault import Vault

MOST_KEPT = 20
"""Configurations that are kept; the oldest goes first."""
TYPE = "extensa/extensionrevisions"
RESULT_TYPE = "extensa/extensionrevisionresults"
RUNNING = "Running"

_encode = msgspec.json.Encoder(order="sorted").encode


class Kept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One accepted configuration: ``settings`` is a Vault envelope around the JSON map."""

    revision: int
    generation: int
    reason: str
    version: str
    chart: Chart | None
    release_train: str
    created_at: datetime
    created_by: str
    created_by_type: str
    operation: str
    settings: str
    settings_digest: str
    protected: Protected | None = None


class Result(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a configuration; ``code`` is the cause of a failure."""

    revision: int
    result: str
    ended_at: datetime
    code: str = ""
    helm_revision: int = 0
    remedy: Remedy | None = None


_kept = msgspec.json.Decoder(Kept)
_result = msgspec.json.Decoder(Result)
_settings = msgspec.json.Decoder(dict[str, str])


def sealed(extension: Extension, reason: str, seal: Callable[..., str]) -> Kept:
    """Return the newest configuration of ``extension`` as it is kept; ``seal`` is the Vault's."""
    data, secret = extension.system_data, extension.protected
    digested = {"settings": extension.settings, "protected": None if secret is None else secret.envelope}
    return Kept(
        revision=extension.revision,
        generation=extension.generation,
        reason=reason,
        version=extension.version,
        chart=extension.chart,
        release_train=extension.release_train,
        created_at=data.modified_at,
        created_by=data.modified_by,
        created_by_type=data.modified_by_type,
        operation=extension.operation_id,
        settings=seal(_encode(extension.settings), bound_to=_bound(extension, extension.revision)),
        settings_digest="sha256:" + hashlib.sha256(_encode(digested)).hexdigest(),
        protected=secret,
    )


def opened(kept: Kept, extension: Extension, vault: Vault) -> Recalled:
    """Return ``kept`` with its settings opened; raises `ExtensaError` (``SealBroken``) when that cannot be."""
    plain = vault.open(kept.settings, bound_to=_bound(extension, kept.revision))
    return Recalled(
        revision=kept.revision,
        version=kept.version,
        chart=kept.chart,
        release_train=kept.release_train,
        settings=_settings.decode(plain),
        protected=kept.protected,
    )


def begun(extension: Extension, kept: Kept) -> Write:
    """Return the write that keeps a new configuration."""
    return PutResource(_slot(extension.key, kept.revision), TYPE, _encode(kept), Expect.ANYTHING)


def overtaken(extension: Extension, revision: int, ended: Operation) -> list[Write]:
    """Return the write that says that ``revision`` was given up for another request, which ended its operation."""
    if revision < 1 or ended.ended is None or ended.doing == State.DELETING:
        return []
    code = str((ended.error or {}).get("code", ""))
    word = "Canceled" if code == "OperationCanceled" else "Superseded"
    return [_put(extension, Result(revision=revision, result=word, ended_at=ended.ended, code=code))]


def settled(before: Extension, after: Extension, ended: Operation | None, now: datetime) -> list[Write]:
    """Return the write that says what became of the newest configuration, if that is news."""
    seen, known = after.observed, before.observed
    remedy = None if seen is None else seen.remedy
    news = ended is not None or after.state is not before.state or remedy != (known and known.remedy)
    if before.revision < 1 or not news or after.presence is Presence.ABSENT:
        return []
    if after.state not in (State.SUCCEEDED, State.FAILED):
        return []
    result = Result(
        revision=before.revision,
        result=after.state,
        ended_at=now,
        code=_cause(after),
        helm_revision=0 if seen is None else seen.revision,
        remedy=remedy if after.state is State.FAILED else None,
    )
    return [_put(before, result)]


def forgotten(extension: Extension) -> list[Write]:
    """Return the writes that remove the whole history."""
    slots = [_slot(extension.key, number) for number in range(1, min(extension.revision, MOST_KEPT) + 1)]
    return [DeleteResource(key) for slot in slots for key in (slot, f"{slot}/result")]


class History:
    """Reads what is kept."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store = store
        self._vault = vault

    async def list(self, extension: Extension) -> dict[str, Any]:
        """Return every configuration that is kept and what became of it, the newest first."""
        rows = await self._rows(extension, RESULT_TYPE)
        results = {each.revision: each for each in (_result.decode(row.body) for row in rows)}
        value = [_shown(each, results.get(each.revision)) for each in await self._configurations(extension)]
        return {"value": value}

    async def recall(self, extension: Extension, revision: int | None) -> tuple[Recalled | None, tuple[int, ...]]:
        """Return the configuration ``revision``, opened, if it is kept, and the numbers of all that are.

        Nothing is read when none is asked for. Raises `ExtensaError` (``SealBroken``).
        """
        if revision is None:
            return None, ()
        kept = await self._configurations(extension)
        found = next((each for each in kept if each.revision == revision), None)
        numbers = tuple(each.revision for each in kept)
        return (None if found is None else opened(found, extension, self._vault)), numbers

    async def _configurations(self, extension: Extension) -> Sequence[Kept]:
        found = [_kept.decode(row.body) for row in await self._rows(extension, TYPE)]
        return sorted(found, key=lambda each: each.revision, reverse=True)

    async def _rows(self, extension: Extension, kind: str) -> Sequence[Row]:
        return await self._store.list(prefix=f"{extension.key}/revisions/", type=kind, limit=MOST_KEPT)


def _cause(extension: Extension) -> str:
    """The typed cause in the record's error; every error of ours carries one."""
    for entry in (extension.error or {}).get("additionalInfo", ()):
        if entry.get("type") == "ExtensaFailure":
            return str(entry["info"]["code"])
    return ""


def _put(extension: Extension, result: Result) -> Write:
    key = f"{_slot(extension.key, result.revision)}/result"
    return PutResource(key, RESULT_TYPE, _encode(result), Expect.ANYTHING)


def _slot(extension_key: str, revision: int) -> str:
    return f"{extension_key}/revisions/{revision % MOST_KEPT:02d}"


def _bound(extension: Extension, revision: int) -> str:
    return f"{extension.seal}#revision#{revision}"


def _shown(kept: Kept, result: Result | None) -> dict[str, Any]:
    remedy = None if result is None else result.remedy
    shown: dict[str, Any] = {
        "revision": kept.revision,
        "generation": kept.generation,
        "reason": kept.reason,
        "version": kept.version,
        "chartDigest": None if kept.chart is None else kept.chart.digest,
        "createdAt": arm_time(kept.created_at),
        "createdBy": kept.created_by,
        "createdByType": kept.created_by_type,
        "settingsDigest": kept.settings_digest,
        "protectedKeys": [] if kept.protected is None else kept.protected.keys,
        "operation": kept.operation,
        "result": RUNNING if result is None else result.result,
        "endedAt": None if result is None else arm_time(result.ended_at),
        "errorCode": (result.code or None) if result is not None else None,
        "helmRevision": (result.helm_revision or None) if result is not None else None,
    }
    if remedy is not None:
        shown["remedy"] = {"step": remedy.step, "revision": remedy.revision or None, "done": remedy.failure is None}
    return shown
