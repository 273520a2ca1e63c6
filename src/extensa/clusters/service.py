"""Clusters: the bindings people use, the feed a host reads, and what its reports settle.

The fast path (a write, a report) and the repair path (`sweep`) write what the same pure functions decide, so they
cannot drift apart. It holds the server's sealing key: hosts seal kubeconfigs to it, and the vault keeps them.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from extensa.arm.binding import Binding
from extensa.base.clock import Clock, Jumps
from extensa.base.errors import ExtensaError
from extensa.base.home import write_file
from extensa.base.log import correlated, get_logger
from extensa.clusters import records
from extensa.clusters.agent_pools import AgentPools
from extensa.clusters.binding import ManagedClusters
from extensa.clusters.heartbeats import Heartbeats
from extensa.clusters.model import RECORD_TYPE, Cluster, Record, cluster_of
from extensa.clusters.project import lane, project
from extensa.clusters.records import Found, decided_anew
from extensa.clusters.removal import removal
from extensa.clusters.settle import DEADLINE, expire, overtaken, settle
from extensa.link import sealing
from extensa.link.cluster import ClusterFeed, ClusterReports, ObservedCluster
from extensa.link.sealing import Sealed
from extensa.store.port import FeedRow, Require, Row, StaleWrite, Store
from extensa.store.vault import Vault

_log = get_logger("clusters")
_PAGE = 200
_WHOLE_FEED = 10_000
"""Clusters of one host at the most: it takes an answer to ``after=0`` for everything there is."""


class Clusters:
    """Which clusters exist. Made by `open`."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        heartbeats: Heartbeats,
        *,
        sealing_key: str,
        tenant_id: str,
        clock: Clock,
        steady: Clock | None,
        host: str,
        agent: str,
    ) -> None:
        self._store = store
        self._vault = vault
        self._heartbeats = heartbeats
        self._sealing_key = sealing_key
        self._public_key = sealing.public_key(sealing_key)
        self._clock = clock
        self._jumps = Jumps(clock, steady)
        self._managed = ManagedClusters(
            store, vault, heartbeats, tenant_id=tenant_id, clock=clock, host=host, agent=agent
        )

    @classmethod
    async def open(
        cls,
        store: Store,
        vault: Vault,
        keys: Path,
        *,
        tenant_id: str,
        clock: Clock,
        steady: Clock | None = None,
        host: str = "local",
        agent: str = "hosted-local",
    ) -> "Clusters":
        """Return clusters over ``store``; the sealing key lies in the folder ``keys`` and is made on first use.

        Raises `OSError` when it cannot be read or written.
        """
        return cls(
            store,
            vault,
            await Heartbeats.read(store),
            sealing_key=_load_sealing_key(keys / "sealing.key"),
            tenant_id=tenant_id,
            clock=clock,
            steady=steady,
            host=host,
            agent=agent,
        )

    @property
    def bindings(self) -> Sequence[Binding]:
        """What the front serves: managedClusters and their agentPools."""
        return [self._managed, AgentPools(self._store)]

    async def find(self, cluster_key: str) -> Cluster | None:
        """Return the cluster with this case-folded id, or None."""
        found = await records.find(self._store, cluster_key)
        if found is None:
            return None
        return cluster_of(found.record, self._heartbeats.last(found.record.agent))

    @property
    def heartbeats(self) -> Heartbeats:
        """When hosts and agents last spoke, for `extensa.clusters.questions`."""
        return self._heartbeats

    def heard(self, name: str, now: datetime) -> None:
        """Remember that a host or agent speaks now; every call of the link says so."""
        self._heartbeats.heard(name, now)

    async def feed(self, host: str, *, after: int, wait: float) -> ClusterFeed:
        """Return what is new for ``host`` after a cursor, held up to ``wait`` seconds while there is nothing."""
        self._heartbeats.heard(host, self._clock())
        with self._store.topic_changed(f"feed:{lane(host)}") as ear:
            rows = await self._rows(host, after)
            if not rows and await ear.wait(wait):
                rows = await self._rows(host, after)
        self._heartbeats.heard(host, self._clock())
        return ClusterFeed(
            cursor=rows[-1].sequence if rows else after,
            desired=[records.desired_in(row.body) for row in rows],
            server_key=self._public_key,
        )

    async def _rows(self, host: str, after: int) -> Sequence[FeedRow]:
        return await self._store.feed(lane(host), after=after, limit=_WHOLE_FEED)

    async def observe(self, host: str, reports: ClusterReports) -> None:
        """Take in what ``host`` has seen, in any order, any number of times; others' clusters are ignored."""
        now = self._clock()
        self._heartbeats.heard(host, now)
        if reports.host is not None and reports.host.kubernetes_versions != self._heartbeats.versions(host):
            self._heartbeats.has(host, reports.host.kubernetes_versions, now)
            await self._heartbeats.keep(self._store)
        for seen in reports.observed:
            with correlated(seen.correlation_id):
                try:
                    await self._observe(host, seen)
                except ExtensaError:
                    raise
                except Exception:  # noqa: BLE001 - a defect of ours must not keep the others from being heard
                    _log.error("a report could not be taken", uid=seen.uid, host=host, exc_info=True)

    async def _observe(self, host: str, seen: ObservedCluster) -> None:
        async def attempt() -> None:
            found = await records.find_by_uid(self._store, host, seen.uid)
            if found is None:
                _log.debug("a report of a cluster that is not this host's, or no more", uid=seen.uid, host=host)
                return
            if (beyond := overtaken(found.record, seen)) is not None:
                await self._store.commit(records.settled(found, beyond))
                _log.warning("a host knows a later generation", cluster=found.record.id, generation=seen.generation)
                return
            operation = await records.active_operation(self._store, found.record)
            fresh = self._fresh_kubeconfigs(found.record, seen)
            outcome = settle(found.record, operation, seen, fresh, self._clock())
            if outcome is None:
                return
            if outcome.record is None:
                await self._store.commit(await removal(self._store, found, outcome.operation, self._clock))
                _log.info("cluster gone", cluster=found.record.id)
                return
            await self._store.commit(records.settled(found, outcome))
            if outcome.operation is not None:
                _log.info("cluster settled", cluster=found.record.id, outcome=outcome.operation.status)

        await decided_anew(attempt)

    def _fresh_kubeconfigs(self, record: Record, seen: ObservedCluster) -> dict[str, str]:
        """Return envelopes of the kubeconfigs that differ from those kept."""
        fresh: dict[str, str] = {}
        for role, box in (("user", seen.user_kubeconfig), ("admin", seen.admin_kubeconfig)):
            plain = self._unsealed(record, box) if box is not None else None
            if plain is not None and plain != self._kept(record, role):
                fresh[role] = self._vault.seal(plain, bound_to=record.bound_to(role))
        return fresh

    def _unsealed(self, record: Record, box: Sealed) -> bytes | None:
        try:
            return sealing.unseal(box, private=self._sealing_key, purpose=record.uid)
        except ExtensaError as error:  # sealed to a key that is no more; the host seals anew to the one in its feed
            _log.warning("a kubeconfig could not be opened", cluster=record.id, reason=error.code)
            return None

    def _kept(self, record: Record, role: str) -> bytes | None:
        envelope = record.kubeconfigs.get(role)
        try:
            return self._vault.open(envelope, bound_to=record.bound_to(role)) if envelope else None
        except ExtensaError as error:  # a lost key-encryption key: what the host sends takes its place
            _log.warning("a kept kubeconfig could not be opened", cluster=record.id, reason=error.code)
            return None

    async def sweep(self) -> None:
        """Look at every cluster: end what is overdue, put right what the host is told, keep heartbeats."""
        rows = await self._store.list(type=RECORD_TYPE, limit=_PAGE)
        while rows:
            for row in rows:
                await self._look(row)
                await asyncio.sleep(0)  # reads are inline: thousands of them must not hold up everybody else
            last = len(rows) < _PAGE
            rows = [] if last else await self._store.list(type=RECORD_TYPE, after=rows[-1].key, limit=_PAGE)
        await self._heartbeats.keep(self._store)

    async def _look(self, row: Row) -> None:
        found = records.found_in(row)
        record = found.record
        try:
            operation = await records.active_operation(self._store, record)
            outcome = expire(record, operation, self._heartbeats.last(record.host), self._clock())
            if outcome is not None and self._jumps.even_for() > DEADLINE:  # asked after the date was
                await self._store.commit(records.settled(found, outcome))
                _log.warning("cluster operation overdue", cluster=record.id, correlation=record.correlation_id)
                return
            await self._mend(found)
        except StaleWrite:  # someone changed it just now: the next sweep looks again
            return

    async def _mend(self, found: Found) -> None:
        """Tell the host again what the cluster should be, if what it is told differs."""
        told = await self._store.feed_row(lane(found.record.host), found.record.uid)
        if told is None or records.desired_in(told.body) != project(found.record):
            _log.warning("what the host is told was put right", cluster=found.record.id)
            await self._store.commit([Require(found.record.key, found.etag), records.put_desired(found.record)])


def _load_sealing_key(file: Path) -> str:
    if not file.exists():
        write_file(file, sealing.new_private_key().encode())
    return file.read_text().strip()
