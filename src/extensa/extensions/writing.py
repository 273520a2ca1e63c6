"""One accepted write: read the facts, let ``rules`` decide, write once under the etag that was read.

When another write was faster the facts are read and decided anew, a bounded number of times, so that no decision is
ever carried out over facts that have changed. All reads of a PUT, PATCH, DELETE or changing action happen here.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import msgspec

from extensa.arm import etags
from extensa.arm.binding import Request
from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.errors import Conflict, ExtensaError
from extensa.base.ids import new_id
from extensa.clusters.model import Cluster
from extensa.extensions import records, revisions
from extensa.extensions.decision import Absent, Accepted, Denied, Facts, Removed, Unchanged
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, Protected
from extensa.extensions.reports import ATTEMPTS, active_operation, opened
from extensa.extensions.settle import orphaned
from extensa.extensions.source import Catalog, Clusters
from extensa.link.extension import Presence
from extensa.store.port import StaleWrite, Store
from extensa.store.vault import Vault

Done = Accepted | Unchanged | Removed | Absent


@dataclass(frozen=True, slots=True)
class Held:
    """A record, or an orphan, as it was read, with the etag that guards writing over it."""

    extension: Extension
    etag: str


class Writing:
    """The way every write takes. ``timeout`` is how many seconds a new release may take to become ready."""

    def __init__(
        self, store: Store, vault: Vault, *, clusters: Clusters, catalog: Catalog, clock: Clock, timeout: int
    ) -> None:
        self._store = store
        self._vault = vault
        self._clusters = clusters
        self._catalog = catalog
        self._clock = clock
        self._timeout = timeout
        self._history = revisions.History(store, vault)

    async def write(
        self, request: Request, draft: Draft, decide: Callable[[Facts], Done | Denied]
    ) -> tuple[Done, str | None]:
        """Return what was decided, once it is durable, and the record's etag then (None: no record).

        Raises what the decision refuses with, `Conflict` (412) when the request's condition does not hold, and
        `Conflict` (``TooManyWrites``) when others were faster every time.
        """
        for _ in range(ATTEMPTS):
            with contextlib.suppress(StaleWrite):
                return await self._attempt(request, draft, decide)
        raise Conflict(
            "TooManyWrites",
            f"'{request.id}' was changed by other requests each time this one was about to write.",
            target=str(request.id),
            next_step="Send the request again in a moment.",
        )

    async def _attempt(
        self, request: Request, draft: Draft, decide: Callable[[Facts], Done | Denied]
    ) -> tuple[Done, str | None]:
        cluster = await self._clusters.find(request.id.scope.key)
        held = await self._held(request.id.key, cluster)
        orphan = await self._orphan(request.id.key) if held is None else None
        decision = decide(await self._facts(request, draft, cluster, held, orphan))
        if not isinstance(decision, Denied) or decision.status != 404:
            etags.check(request.condition, None if held is None else held.etag, target=str(request.id))
        if isinstance(decision, Denied):
            raise decision.error()
        return decision, await self._carry_out(decision, held, orphan)

    async def _held(self, key: str, cluster: Cluster | None) -> Held | None:
        """The record, unless it belonged to an earlier cluster of this name: such a one is cleared away."""
        row = await self._store.get(key)
        if row is None or cluster is None:
            return None
        extension = records.extension_of(row.body)
        if extension.cluster_uid == cluster.uid:
            return Held(extension, row.etag)
        now = self._clock()
        lost = orphaned(extension, await active_operation(self._store, extension), now)
        await self._store.commit(records.settled(extension, row.etag, lost, now))
        return None

    async def _orphan(self, key: str) -> Held | None:
        row = await self._store.get(records.orphan_key(key))
        return None if row is None else Held(records.extension_of(row.body), row.etag)

    async def _facts(
        self, request: Request, draft: Draft, cluster: Cluster | None, held: Held | None, orphan: Held | None
    ) -> Facts:
        existing = None if held is None else held.extension
        name = draft.extension_type if existing is None else existing.extension_type
        extension_type = await self._catalog.find(name) if name and cluster is not None else None
        claim, occupant = "", None
        if existing is None and cluster and name and extension_type and not extension_type.allow_multiple_instances:
            claim = records.claim_key(request.id.scope.key, name)
            row = await self._store.get(claim)
            occupant = None if row is None else records.text_of(row.body)
        recalled, kept = (None, ()) if existing is None else await self._history.recall(existing, draft.revision)
        return Facts(
            id=request.id,
            caller=request.caller,
            correlation_id=request.correlation_id,
            now=self._clock(),
            fresh_uid=new_id(),
            fresh_operation=new_id(),
            cluster=cluster,
            existing=existing,
            operation=None if existing is None else await active_operation(self._store, existing),
            extension_type=extension_type,
            protected=self._stored_protected(draft, existing),
            claim=claim,
            occupant=occupant,
            orphan=None if orphan is None else orphan.extension,
            timeout=self._timeout,
            recalled=recalled,
            revisions=kept,
        )

    def _stored_protected(self, draft: Draft, existing: Extension | None) -> Mapping[str, str]:
        """The stored protected settings, opened only where the draft names any: silence keeps the envelope as it is.

        What can be opened no more may still be replaced by a draft that relies on none of it.
        """
        if existing is None or not draft.protected:
            return {}
        try:
            return opened(self._vault, existing)
        except ExtensaError:
            if all(draft.protected.values()):
                return {}
            raise

    async def _carry_out(self, decision: Done, held: Held | None, orphan: Held | None) -> str | None:
        """Write what was decided; return the record's etag afterwards."""
        etag = None if held is None else held.etag
        if isinstance(decision, Accepted):
            previous = None if held is None else held.extension.agent
            left = None if orphan is None else (orphan.extension, orphan.etag)
            ready = self._sealed(decision)
            kept = revisions.sealed(ready.extension, ready.reason, self._vault.seal) if ready.reason else None
            reached("server.accept-decided")
            written = await self._store.commit(records.accepted(ready, etag, previous, left, kept))
            reached("server.accept-kept")
            return written[decision.extension.key]
        if isinstance(decision, Removed) and etag is not None:
            await self._store.commit(records.removed(decision, etag))
            return None
        return etag

    def _sealed(self, decision: Accepted) -> Accepted:
        extension, named = decision.extension, decision.extension.protected
        if named is None or decision.protected is None:
            if extension.presence is Presence.PRESENT:
                opened(self._vault, extension)  # what cannot be opened could never be served: say so now
            return decision
        envelope = self._vault.seal(msgspec.json.encode(decision.protected), bound_to=extension.seal)
        protected = Protected(envelope=envelope, keys=named.keys)
        return replace(decision, extension=msgspec.structs.replace(extension, protected=protected), protected=None)
