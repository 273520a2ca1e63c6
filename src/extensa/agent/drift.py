"""Drift of one extension: its live objects held against what Helm's record says, in few requests.

An object whose mark is that of the last comparison (``ledger.py``) is not asked for again. What is not plainly as its
manifest says is confirmed by a rehearsed apply under Helm's name, so that defaults, normal forms and admission webhooks
make no drift. After a release was made its objects are compared one by one only when they change; all of them a little
later, when many installs at a time do not wait for it. It changes nothing in the cluster.
"""

import asyncio
import contextlib
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

import yaml

from extensa.agent.ledger import Compared, Ledger
from extensa.base.log import get_logger
from extensa.base.masking import Masker
from extensa.helm import drift
from extensa.helm.drift import Field, Ignore
from extensa.helm.errors import ClusterError
from extensa.helm.health import Level
from extensa.helm.look import Kube, mark
from extensa.helm.readiness import Seen
from extensa.helm.release import ObjectRef, RecordCorrupt, Release, ReleaseStatus, read_manifest_text
from extensa.helm.rendered import read_objects
from extensa.helm.state import Sighting
from extensa.link.extension import DesiredExtension, Drift, DriftMode

_log = get_logger("agent")

MANAGER = "helm"
"""The name under which Helm applies, whichever driver does it."""
_CALM = (8.0, 25.0)
_AGAIN = timedelta(seconds=15)
_NEXT_TURN = (2.0, 4.0)
_LARGE = 200_000
_STEADY = 3


class Rehearsed(Protocol):
    """What a rehearsed apply has shown (`kube.Rehearsal`)."""

    @property
    def after(self) -> dict[str, Any] | None:
        """The object as it would be, None when it is not there."""
        ...

    @property
    def owners(self) -> Mapping[str, str]:
        """The fields that others own, as the API writes them, and who."""
        ...


class Stage(Kube, Protocol):
    """The cluster's API, with rehearsals."""

    async def rehearse(self, ref: ObjectRef, manifest: Mapping[str, Any], *, manager: str) -> Rehearsed:
        """Return what an apply would make of an object; nothing is changed. Raises `ClusterError`."""
        ...


async def compared(
    kube: Stage, seen: Sighting, ledger: Ledger, desired: DesiredExtension, now: datetime, *,
    mask: Masker, changed: set[tuple[str, str]], at_once: bool, turn: asyncio.Semaphore,
) -> Sighting:  # fmt: skip
    """Return the sighting with what has drifted in it.

    Only ``changed`` objects (kind, name) are compared while a comparison of everything is not due, unless it must be
    ``at_once``; for that there are few places, ``turn``, so that a change need not queue behind it, and without one it
    is due a little later. An API that does not answer leaves what was known; raises nothing.
    """
    policy = desired.drift_policy
    if policy.mode is DriftMode.OFF or seen.release is None or seen.release.status is not ReleaseStatus.DEPLOYED:
        return replace(seen, drift=()) if seen.drift else seen
    newest = seen.revisions[-1]
    ledger.turn_to(f"{newest.secret} {newest.edition}", tuple(policy.ignore), now, calm=random.uniform(*_CALM))  # noqa: S311 - jitter, not a secret
    due = ledger.waits(now) is None
    whole = at_once or (due and not turn.locked())
    rules = drift.read_rules(policy.ignore)
    pairs = _pairs(seen)
    stale = [
        (ref, each) for ref, each in pairs if each.health.level is not Level.NOT_FOUND and ledger.lacks(ref, each.mark)
    ]
    now_due = [ref for ref, each in stale if whole or (each.ref.kind, each.ref.name) in changed]
    if len(now_due) < len(stale) and due:
        ledger.due = now + timedelta(seconds=random.uniform(*_NEXT_TURN))  # noqa: S311 - jitter, not a secret
    if now_due:
        try:
            async with turn if whole and not at_once else contextlib.nullcontext():
                found = await _compare(kube, seen.release, newest.secret, now_due, rules=rules, mask=mask)
            ledger.compared |= found
        except (ClusterError, RecordCorrupt, yaml.YAMLError) as error:
            # A parser quotes what it stumbled over, and that may be anything.
            reason = type(error).__name__ if isinstance(error, yaml.YAMLError) else mask(str(error))[:300]
            _log.info("objects could not be compared", release=desired.release, reason=reason)
            ledger.due = now + _AGAIN
    return replace(seen, drift=tuple(_found(pairs, ledger, rules)))


def _pairs(seen: Sighting) -> list[tuple[ObjectRef, Seen]]:
    """Return each object of the release by its name in the manifest, those kept by rule left out."""
    release = seen.release
    if release is None:
        return []
    kept = set(release.inventory.kept)
    return [pair for pair in zip(release.inventory.objects, seen.objects, strict=False) if pair[0] not in kept]


def _found(pairs: Sequence[tuple[ObjectRef, Seen]], ledger: Ledger, rules: Sequence[Ignore]) -> list[Drift]:
    found: list[Drift] = []
    for ref, each in pairs:
        if each.health.level is Level.NOT_FOUND:
            if drift.kept_fields([Field(())], each.ref, rules):
                found.append(drift.missing(each.ref))
        elif (known := ledger.compared.get(ref)) is not None:
            found += known.drift
    return found


async def _compare(
    kube: Stage, release: Release, secret: str, wanted: Collection[ObjectRef], *, rules: Sequence[Ignore], mask: Masker
) -> dict[ObjectRef, Compared]:
    record = await kube.get(ObjectRef("v1", "Secret", release.namespace, secret))
    data = str(((record or {}).get("data") or {}).get("release", ""))
    if not data:
        return {}
    reading = asyncio.to_thread(_documents, data, release.namespace, wanted) if len(data) > _LARGE else None
    documents = await reading if reading is not None else _documents(data, release.namespace, wanted)

    async def one(ref: ObjectRef, document: Mapping[str, Any]) -> Compared:
        return await _compare_one(kube, ref, drift.as_applied(document, release.name, release.namespace), rules, mask)

    found = await asyncio.gather(*(one(ref, document) for ref, document in documents.items()))
    return dict(zip(documents, found, strict=True))


def _documents(data: str, namespace: str, wanted: Collection[ObjectRef]) -> dict[ObjectRef, dict[str, Any]]:
    return read_objects(read_manifest_text(data), namespace, wanted)


async def _compare_one(
    kube: Stage, ref: ObjectRef, manifest: Mapping[str, Any], rules: Sequence[Ignore], mask: Masker
) -> Compared:
    live = await kube.get(ref)
    if live is None:
        return Compared("")
    named = replace(ref, namespace=live["metadata"].get("namespace", ""))
    made = mark(ref, live["metadata"])
    if not drift.kept_fields(drift.unmatched(manifest, live), named, rules):
        return Compared(made)
    try:
        rehearsal, live = await _rehearsed(kube, ref, manifest, live)
    except ClusterError as error:
        if error.transient:
            raise
        # What cannot be rehearsed cannot be confirmed: a webhook that knows no dry run, a rule that has come since.
        _log.info("an apply could not be rehearsed", object=str(ref), reason=mask(error.message)[:300])
        return Compared(made)
    if rehearsal.after is None:
        return Compared(made)
    made = mark(ref, live["metadata"])
    fields = drift.kept_fields(drift.changes(rehearsal.after, live), named, rules)
    told = (drift.as_drift(named, each, mask, manager=drift.owner(each, rehearsal.owners)) for each in fields)
    return Compared(made, tuple(told))


async def _rehearsed(
    kube: Stage, ref: ObjectRef, manifest: Mapping[str, Any], live: dict[str, Any]
) -> tuple[Rehearsed, dict[str, Any]]:
    """Return a rehearsal and the object that it began from: what a controller wrote in between is no drift."""
    for _ in range(_STEADY):
        rehearsal = await kube.rehearse(ref, manifest, manager=MANAGER)
        again = await kube.get(ref)
        if again is None or _edition(again) == _edition(live):
            break
        live = again
    return rehearsal, live


def _edition(found: Mapping[str, Any]) -> Any:
    return found["metadata"].get("resourceVersion")
