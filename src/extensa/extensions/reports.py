"""Taking in what agents have seen: find the record, let ``settle`` judge, write once.

Reports come in any order and any number of times, so a report that finds no record, or nothing new to say, is taken
without a word. What an agent says of an extension that another agent serves is not believed.
"""

import msgspec
from msgspec.structs import replace

from extensa.arm.operations import Operation
from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.errors import ExtensaError, Unavailable
from extensa.base.log import correlated, get_logger
from extensa.base.masking import MASK
from extensa.extensions import failures, orphans, records
from extensa.extensions.masking import masked
from extensa.extensions.model import Extension
from extensa.extensions.settle import Settled, overtaken, settle
from extensa.extensions.source import Clusters
from extensa.link.extension import ExtensionReports, ObservedExtension, Phase
from extensa.store.port import Row, StaleWrite, Store
from extensa.store.vault import Vault

ATTEMPTS = 8
"""How often a write is decided anew when others were faster."""

_log = get_logger("extensions")
_secrets = msgspec.json.Decoder(dict[str, str])


async def active_operation(store: Store, extension: Extension) -> Operation | None:
    """Return the record of the extension's active operation, or None when it has none."""
    if extension.operation is None:
        return None
    row = await store.operation(extension.operation)
    return None if row is None else records.operation_of(row.body)


def opened(vault: Vault, extension: Extension) -> dict[str, str]:
    """Return the protected settings of ``extension``; raises `ExtensaError` (``SealBroken``) when that cannot be."""
    if extension.protected is None:
        return {}
    return _secrets.decode(vault.open(extension.protected.envelope, bound_to=extension.seal))


class Reports:
    """The taking side of the first pair."""

    def __init__(self, store: Store, vault: Vault, clock: Clock, *, clusters: Clusters) -> None:
        self._store = store
        self._clusters = clusters
        self._vault = vault
        self._clock = clock

    async def observe(self, agent: str, reports: ExtensionReports) -> None:
        """Settle each of ``reports``; raises `Unavailable` when other writes left no moment to do so.

        One that we stumble over does not keep the others from being heard: the agent would send the batch for ever.
        """
        for observed in reports.observed:
            try:
                await self._observe(agent, observed)
            except ExtensaError:
                raise
            except Exception:  # noqa: BLE001 - a defect of ours; the deadline ends what it leaves open
                _log.error("a report could not be taken", uid=observed.uid, agent=agent, exc_info=True)

    async def _observe(self, agent: str, observed: ObservedExtension) -> None:
        for _ in range(ATTEMPTS):
            row = await self._find(observed.uid)
            if row is None:
                return
            extension, now = records.extension_of(row.body), self._clock()
            if extension.uid != observed.uid or extension.agent != agent:
                _log.warning("report of another agent's extension", agent=agent, extension=extension.id)
                return
            if row.type == records.ORPHAN_TYPE:
                if await self._settle_orphan(extension, row.etag, observed):
                    return
                continue
            operation = await active_operation(self._store, extension)
            told = await self._known_here(extension, self._masked(extension, observed))
            outcome = overtaken(extension, observed) or settle(extension, operation, told, now)
            if outcome is None:
                return
            reached("server.settle-decided")
            try:
                await self._store.commit(records.settled(extension, row.etag, outcome, now))
            except StaleWrite:
                continue
            reached("server.settle-kept")
            _tell(extension, outcome)
            return
        raise Unavailable("ReportNotTaken", f"The report on '{observed.uid}' met too many other writes; send it again.")

    async def _find(self, uid: str) -> Row | None:
        """The row of the extension, or of the orphan, that has this identity."""
        pointer = await self._store.get(records.uid_key(uid))
        return None if pointer is None else await self._store.get(records.text_of(pointer.body))

    async def _settle_orphan(self, orphan: Extension, etag: str, observed: ObservedExtension) -> bool:
        """Forget an orphan that was seen gone, else remember what was seen of it; return False when its row was just
        replaced by another.
        """
        gone = orphan.generation == observed.generation and observed.phase is Phase.GONE
        now = self._clock()
        fresh = orphans.seen(orphan, observed, now)
        if not gone and fresh is None:
            return True
        try:
            if gone or fresh is None:
                await self._store.commit(records.orphan_gone(orphan, etag))
                _log.info("orphan removed", extension=orphan.id, uid=orphan.uid)
            else:
                await self._store.commit(records.orphan_kept(orphan, fresh, etag, observed.objects, now))
        except StaleWrite:
            return False
        return True

    async def _known_here(self, extension: Extension, observed: ObservedExtension) -> ObservedExtension:
        """Return the report with its failure put down to what only this side knows of the cluster."""
        if observed.failure is None:
            return observed
        cluster = await self._clusters.find(extension.cluster_key)
        return replace(observed, failure=failures.from_here(observed.failure, cluster))

    def _masked(self, extension: Extension, observed: ObservedExtension) -> ObservedExtension:
        if extension.protected is None or observed.generation != extension.generation:
            return observed
        try:
            return masked(observed, opened(self._vault, extension).values())
        except ExtensaError:
            # Which texts to look for cannot be known, so only what the agent composes itself is kept.
            remedy, told = observed.remedy, observed.failure
            fallen = remedy and remedy.failure
            return replace(
                observed,
                failure=told and replace(told, raw=""),
                drift=[replace(each, wanted=MASK, found=MASK) for each in observed.drift],
                remedy=remedy and replace(remedy, failure=fallen and replace(fallen, raw="")),
            )


def _tell(before: Extension, outcome: Settled) -> None:
    if outcome.operation is not None:
        with correlated(outcome.operation.correlation_id):
            _log.info(
                "operation ended",
                extension=before.id,
                operation=outcome.operation.id,
                status=outcome.operation.status,
                generation=before.generation,
            )
