"""Microsoft.ContainerService/managedClusters: its verbs, each the same road: read the facts, decide, write once.

What a write means is decided in `rules`, what a reader gets is laid together in `render`; this file only fetches and
writes. Every write is guarded by the record's etag and decided again when another was faster.
"""

import base64
from typing import Any

from msgspec.structs import replace

from extensa.arm import etags, operations, system_data
from extensa.arm.binding import Answer, Level, Listing, Request, TypeSpec
from extensa.arm.operations import Operation, Style, begun
from extensa.base.clock import Clock
from extensa.base.errors import Conflict, ExtensaError
from extensa.base.ids import new_id
from extensa.clusters import records, rules
from extensa.clusters.heartbeats import Heartbeats
from extensa.clusters.model import KIND, NAMESPACE, RECORD_TYPE, Record
from extensa.clusters.records import Found, decided_anew
from extensa.clusters.render import render
from extensa.clusters.rules import Outcome, PutFacts
from extensa.clusters.settle import DEADLINE
from extensa.link.cluster import ClusterPhase, Power
from extensa.store.port import Expect, Require, Store, Write
from extensa.store.vault import Vault

API_VERSIONS = ("2018-03-31", "2020-01-01", "2022-11-01", "2024-09-01", "2025-10-01", "2026-06-01", "2026-08-01")
SPEC = TypeSpec(
    type=f"{NAMESPACE}/{KIND}",
    levels=(Level.GROUP,),
    api_versions=API_VERSIONS,
    verbs=frozenset({"get", "put", "patch", "delete", "list"}),
    actions=("listClusterUserCredential", "listClusterAdminCredential", "stop", "start"),
    listed_in_subscription=True,
    summary="a managed Kubernetes cluster",
)
_ROLES = {"listClusterUserCredential": ("user", "clusterUser"), "listClusterAdminCredential": ("admin", "clusterAdmin")}
_POWERS = {"stop": Power.STOPPED, "start": Power.RUNNING}


class ManagedClusters:
    """The binding. ``host`` and ``agent`` are who runs new clusters and who looks after their extensions."""

    spec = SPEC

    def __init__(
        self, store: Store, vault: Vault, heartbeats: Heartbeats, *, tenant_id: str, clock: Clock, host: str, agent: str
    ) -> None:
        self._store = store
        self._vault = vault
        self._heartbeats = heartbeats
        self._tenant_id = tenant_id
        self._clock = clock
        self._host = host
        self._agent = agent

    async def get(self, request: Request) -> Answer:
        """Return the cluster (200); raises `NotFound`."""
        found = await self._existing(request)
        return Answer(200, self._body(found.record), etag=found.etag)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of the clusters in a resource group or subscription."""
        if request.id.resource_group is not None and await self._store.get(request.id.key) is None:
            raise records.group_not_found(request.id)
        prefix = request.id.key + "/"
        rows = await self._store.list(prefix=prefix, type=RECORD_TYPE, after=after, limit=limit + 1)
        page = rows[:limit]
        bodies = [self._body(records.found_in(row).record) for row in page]
        return Listing(bodies, page[-1].key if len(rows) > limit else None)

    async def put(self, request: Request) -> Answer:
        """Create (201) or replace (200); with an operation when a host has to act. Raises `Refused`, `Conflict`."""
        return await decided_anew(lambda: self._put(request))

    async def patch(self, request: Request) -> Answer:
        """Change tags (200); no host needs to act. Raises `NotFound`, `Refused`."""
        return await decided_anew(lambda: self._patch(request))

    async def delete(self, request: Request) -> Answer:
        """Begin to remove the cluster and what is attached to it (202), or 204 when there is none."""
        return await decided_anew(lambda: self._delete(request))

    async def act(self, request: Request, action: str) -> Answer:
        """Stop or start the cluster (202, or 204 when it is so already), or return a kubeconfig (200)."""
        if action in _ROLES:
            return await self._credentials(request, action)
        return await decided_anew(lambda: self._switch(request, _POWERS[action]))

    # -- one attempt each

    async def _put(self, request: Request) -> Answer:
        group = await records.require_group(self._store, request.id)
        found = await records.find(self._store, request.id.key)
        etags.check(request.condition, found.etag if found else None, target=request.id.path)
        existing = found.record if found else None
        host = existing.host if existing else self._host
        facts = PutFacts(request.id, request.body, existing, self._heartbeats.versions(host))
        decision = rules.decide_put(facts)
        draft = decision.draft
        if found is None:
            return await self._create(request, draft, group)
        wanted = replace(
            found.record,
            identity=draft.identity,
            body=draft.body,
            kubernetes_version=draft.kubernetes_version,
            system_data=system_data.modified(found.record.system_data, request.caller, self._clock()),
        )
        match decision.outcome:
            case Outcome.UNCHANGED:
                return Answer(200, self._body(found.record), etag=found.etag)
            case Outcome.JOIN:
                operation = await records.active_operation(self._store, found.record)
                return Answer(200, self._body(found.record), operation, found.etag)
            case Outcome.REWRITE:
                written = await self._store.commit([group, records.put(wanted, found.etag)])
                return Answer(200, self._body(wanted), etag=written[wanted.key])
            case _:
                record, operation, etag = await self._begin(request, found, wanted, Power.RUNNING, group)
                return Answer(200, self._body(record), operation, etag)

    async def _create(self, request: Request, draft: rules.Draft, group: Require) -> Answer:
        now = self._clock()
        uid, operation_id = new_id(), new_id()
        record = Record(
            uid=uid,
            id=request.id.path,
            location=draft.location,
            identity=draft.identity,
            body=draft.body,
            kubernetes_version=draft.kubernetes_version,
            power=Power.RUNNING,
            generation=1,
            operation_id=operation_id,
            correlation_id=request.correlation_id,
            system_data=system_data.created(request.caller, now),
            host=self._host,
            agent=self._agent,
            provisioning_state="Creating",
            active=True,
            deadline=now + DEADLINE,
        )
        operation = self._operation(record)
        writes: list[Write] = [
            group,
            records.put(record, Expect.ABSENT),
            records.put_operation(operation, record.key),
            records.put_desired(record),
        ]
        written = await self._store.commit(writes)
        return Answer(201, self._body(record), operation, written[record.key])

    async def _patch(self, request: Request) -> Answer:
        found = await self._existing(request)
        etags.check(request.condition, found.etag, target=request.id.path)
        body = rules.decide_tags(request.body, found.record)
        changed = system_data.modified(found.record.system_data, request.caller, self._clock())
        after = replace(found.record, body=body, system_data=changed)
        written = await self._store.commit([records.put(after, found.etag)])
        return Answer(200, self._body(after), etag=written[after.key])

    async def _delete(self, request: Request) -> Answer:
        found = await records.find(self._store, request.id.key)
        etags.check(request.condition, found.etag if found else None, target=request.id.path)
        if found is None:
            return Answer(204)
        if rules.decide_power(found.record, Power.ABSENT) is Outcome.JOIN:
            return Answer(202, None, await records.active_operation(self._store, found.record))
        _, operation, _ = await self._begin(request, found, found.record, Power.ABSENT)
        return Answer(202, None, operation)

    async def _switch(self, request: Request, power: Power) -> Answer:
        found = await self._existing(request)
        match rules.decide_power(found.record, power):
            case Outcome.UNCHANGED:
                return Answer(204)
            case Outcome.JOIN:
                return Answer(202, None, await records.active_operation(self._store, found.record))
            case _:
                _, operation, _ = await self._begin(request, found, found.record, power)
                return Answer(202, None, operation)

    async def _begin(
        self, request: Request, found: Found, wanted: Record, power: Power, *also: Write
    ) -> tuple[Record, Operation, str]:
        """Write the next generation with its operation, and return both with the new etag; what runs is superseded."""
        now = self._clock()
        record = replace(
            wanted,
            power=power,
            generation=found.record.generation + 1,
            operation_id=new_id(),
            correlation_id=request.correlation_id,
            provisioning_state=rules.doing(found.record, power),
            active=True,
            deadline=now + DEADLINE,
        )
        operation = self._operation(record)
        writes: list[Write] = [
            *also,
            records.put(record, found.etag),
            records.put_operation(operation, record.key),
            records.put_desired(record),
        ]
        running = await records.active_operation(self._store, found.record)
        if running is not None:
            writes.append(records.put_operation(operations.superseded(running, now), record.key))
        written = await self._store.commit(writes)
        return record, operation, written[record.key]

    def _operation(self, record: Record) -> Operation:
        return begun(
            operation_id=record.operation_id,
            resource_id=record.id,
            resource_uid=record.uid,
            style=Style.AKS,
            doing=record.provisioning_state,
            now=self._clock(),
            correlation_id=record.correlation_id,
            location=record.location,
            generation=record.generation,
        )

    async def _credentials(self, request: Request, action: str) -> Answer:
        record = (await self._existing(request)).record
        role, name = _ROLES[action]
        sealed = record.kubeconfigs.get(role)
        seen = record.observed
        if (
            record.power is not Power.RUNNING
            or sealed is None
            or seen is None
            or seen.phase is not ClusterPhase.RUNNING
        ):
            raise _no_credentials(record)
        kubeconfig = self._vault.open(sealed, bound_to=record.bound_to(role))
        return Answer(200, {"kubeconfigs": [{"name": name, "value": base64.b64encode(kubeconfig).decode()}]})

    async def _existing(self, request: Request) -> Found:
        found = await records.find(self._store, request.id.key)
        if found is None:
            raise await records.not_found(self._store, request.id)
        return found

    def _body(self, record: Record) -> dict[str, Any]:
        return render(record, tenant_id=self._tenant_id)


def _no_credentials(record: Record) -> ExtensaError:
    """Return why there is no kubeconfig now, and what to do about it."""
    group, name = record.resource_id.resource_group, record.name
    if record.power is Power.ABSENT:
        return rules.being_deleted(record)
    if record.power is Power.STOPPED:
        return Conflict(
            "ClusterStopped",
            f"The managed cluster '{name}' is stopped, so nobody answers at its address.",
            target=record.id,
            next_step=f"az aks start --resource-group {group} --name {name}",
        )
    if record.provisioning_state == "Failed":
        failure = record.observed.failure if record.observed is not None else None
        return Conflict(
            "ClusterNotRunning",
            f"The managed cluster '{name}' is not running: "
            + (f"{failure.message} ({failure.code})" if failure is not None else "its last operation failed."),
            target=record.id,
            next_step=(failure.next_step if failure is not None else "")
            or f"az aks show --resource-group {group} --name {name} says why; then send the request for the "
            "cluster again.",
        )
    return Conflict(
        "ClusterNotReady",
        f"The managed cluster '{name}' is not running yet ({record.provisioning_state}).",
        target=record.id,
        next_step=f"az aks wait --resource-group {group} --name {name} --created, then ask again.",
    )
