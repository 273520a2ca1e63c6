"""Extensions as a resource type: the verbs of ``Microsoft.KubernetesConfiguration/extensions``, and the link's doors.

This is what the ARM front, the link and the night watch see of the room; each method hands on to the one file that does
the work. It holds no rule and no state of its own.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from extensa.arm.binding import Answer, Binding, Level, Listing, Request, TypeSpec
from extensa.base.clock import Clock, arm_time
from extensa.base.errors import ExtensaError, Unavailable
from extensa.base.ids import new_id
from extensa.extensions import records
from extensa.extensions.commands import (
    decide_cancel,
    decide_pause,
    decide_resume,
    decide_retry,
    decide_rollback,
    read_rollback,
)
from extensa.extensions.decision import Absent, Accepted, Denied, Removed, missing, missing_cluster
from extensa.extensions.draft import Draft
from extensa.extensions.evidence import Shelf
from extensa.extensions.feeding import Feeding
from extensa.extensions.masking import masked_objects
from extensa.extensions.model import TYPE, Extension, State
from extensa.extensions.orphan_binding import Orphans
from extensa.extensions.reports import Reports, opened
from extensa.extensions.revisions import History
from extensa.extensions.rules import decide_delete, decide_patch, decide_put
from extensa.extensions.source import Catalog, Clusters, Questions
from extensa.extensions.sweep import Sweep
from extensa.extensions.versions import KNOWN, shape_of
from extensa.extensions.versions.reader import read, read_removal
from extensa.extensions.versions.renderer import render
from extensa.extensions.versions.shape import Shape
from extensa.extensions.writing import Done, Writing
from extensa.link.extension import ExtensionFeed, ExtensionReports, ObjectHealth
from extensa.link.question import Kind, Question
from extensa.store.port import Store
from extensa.store.vault import Vault

_LIVE_PATIENCE = timedelta(seconds=20)
_COMMANDS = {"cancel": decide_cancel, "pause": decide_pause, "resume": decide_resume, "retry": decide_retry}


class Extensions:
    """The binding of extensions, and what agents and the night watch call.

    ``timeout`` is how many seconds a release may take to become ready; ``evidence_due`` is called when there may be
    something for the `Collector` to do.
    """

    spec = TypeSpec(
        type=TYPE,
        levels=(Level.CLUSTER,),
        api_versions=KNOWN,
        verbs=frozenset({"get", "put", "patch", "delete", "list"}),
        actions=(
            "listObjects",
            "listEvidence",
            "getEvidence",
            "listRevisions",
            "listDrift",
            "cancel",
            "retry",
            "pause",
            "resume",
            "rollback",
        ),
        summary="A Helm-packaged service on a cluster.",
    )

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        clusters: Clusters,
        catalog: Catalog,
        questions: Questions,
        clock: Clock,
        steady: Clock | None = None,
        timeout: int = 600,
        evidence_due: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._vault = vault
        self._clusters = clusters
        self._questions = questions
        self._clock = clock
        self._writing = Writing(store, vault, clusters=clusters, catalog=catalog, clock=clock, timeout=timeout)
        self._feeding = Feeding(store, vault, clock)
        self._reports = Reports(store, vault, clock, clusters=clusters)
        self._sweep = Sweep(store, clusters, clock, steady)
        self._orphans = Orphans(store, clusters=clusters, clock=clock)
        self._evidence = Shelf(store, vault)
        self._history = History(store, vault)
        self._evidence_due = evidence_due

    @property
    def bindings(self) -> Sequence[Binding]:
        """What this room brings to the ARM front."""
        return (self, self._orphans)

    async def get(self, request: Request) -> Answer:
        """Return the extension (200); raises `NotFound` in the provider's words, or ARM's when the cluster is not."""
        row = await self._store.get(request.id.key)
        if row is None:
            raise await self._missing(request)
        extension = records.extension_of(row.body)
        return Answer(200, render(extension, shape_of(request.api_version)), etag=row.etag)

    async def list(self, request: Request, *, after: str | None, limit: int) -> Listing:
        """Return one page of the extensions of the cluster ``request.id``; raises `NotFound` without a cluster."""
        cluster = await self._clusters.find(request.id.key)
        if cluster is None:
            raise Denied((missing_cluster(request.id),), 404).error()
        shape = shape_of(request.api_version)
        prefix = records.below(request.id.key)
        rows = await self._store.list(prefix=prefix, type=records.ROW_TYPE, after=after, limit=limit + 1)
        found = [records.extension_of(row.body) for row in rows[:limit]]
        value = [render(each, shape) for each in found if each.cluster_uid == cluster.uid]
        return Listing(value, rows[limit - 1].key if len(rows) > limit else None)

    async def put(self, request: Request) -> Answer:
        """Create (201) or replace (200) the extension; the same wishes join what runs."""
        shape = shape_of(request.api_version)
        draft = read(request.body, shape)
        done, etag = await self._writing.write(request, draft, partial(decide_put, draft))
        return _answer(done, etag, shape, begun=201)

    async def patch(self, request: Request) -> Answer:
        """Change what the body names (202, or 200 when there is nothing to do)."""
        shape = shape_of(request.api_version)
        draft = read(request.body, shape)
        done, etag = await self._writing.write(request, draft, partial(decide_patch, draft))
        return _answer(done, etag, shape, begun=202)

    async def delete(self, request: Request) -> Answer:
        """Remove the extension: 202 until the agent has seen it gone, 200 at once with ``forceDelete=true``, 204
        when there is none.
        """
        flags = read_removal(request.query)
        done, etag = await self._writing.write(request, Draft(), partial(decide_delete, flags=flags))
        return _answer(done, etag, shape_of(request.api_version), begun=202)

    async def act(self, request: Request, action: str) -> Answer:
        """Return what the action is for (200): the objects of the release as last observed, or with ``live=true`` as
        they are now; the list of evidence; one piece of it, by ``id``; the history; the drift. An action that changes
        something answers with the extension, and 202 when work has begun.

        Raises `NotFound`, what the action is refused with, and `Unavailable` when the agent does not answer.
        """
        if action in _COMMANDS or action == "rollback":
            return await self._command(request, action)
        row = await self._store.get(request.id.key)
        if row is None:
            raise await self._missing(request)
        extension = records.extension_of(row.body)
        if action == "listEvidence":
            return Answer(200, await self._evidence.list(extension))
        if action == "getEvidence":
            return Answer(200, await self._evidence.get(extension, request.query.get("id", "")))
        if action == "listRevisions":
            return Answer(200, await self._history.list(extension))
        if action == "listDrift":
            return await self._list_drift(extension)
        return await self._list_objects(request, extension)

    async def _command(self, request: Request, action: str) -> Answer:
        if action == "rollback":
            draft = read_rollback(request.body)
            done, etag = await self._writing.write(request, draft, partial(decide_rollback, draft))
        else:
            done, etag = await self._writing.write(request, Draft(), _COMMANDS[action])
        return _answer(done, etag, shape_of(request.api_version), begun=202)

    async def _list_drift(self, extension: Extension) -> Answer:
        kept, seen = await self._store.get(records.drift_key(extension)), extension.observed
        if kept is None or seen is None or not seen.drift_count:
            return Answer(
                200, {"value": [], "count": 0, "observedAt": None if seen is None else arm_time(seen.heard_at)}
            )
        found = records.drift_of(kept.body)
        value = [msgspec.to_builtins(each) for each in found.drift]
        return Answer(200, {"value": value, "count": seen.drift_count, "observedAt": arm_time(found.heard_at)})

    async def _list_objects(self, request: Request, extension: Extension) -> Answer:
        if request.query.get("live", "").casefold() == "true":
            return await self._live_objects(request, extension)
        kept = await self._store.get(records.objects_key(extension))
        if kept is None:
            return Answer(200, _objects([], 0, None))
        seen = records.objects_of(kept.body)
        count = extension.observed.object_count if extension.observed else len(seen.objects)
        return Answer(200, _objects(seen.objects, count, arm_time(seen.heard_at)))

    async def feed(self, agent: str, *, after: int, wait: float, agent_key: str) -> ExtensionFeed:
        """Return what ``agent`` should know, see `Feeding.feed`."""
        self._clusters.heard(agent, self._clock())
        return await self._feeding.feed(agent, after=after, wait=wait, agent_key=agent_key)

    async def observe(self, agent: str, reports: ExtensionReports) -> None:
        """Settle what ``agent`` has seen, see `Reports.observe`."""
        self._clusters.heard(agent, self._clock())
        await self._reports.observe(agent, reports)
        if any(observed.evidence for observed in reports.observed):
            self._evidence_due()

    async def sweep(self) -> None:
        """Put right what the fast path left, one bounded turn."""
        await self._sweep.turn()

    async def cluster_gone(self, cluster_key: str) -> None:
        """Remove the extensions of a cluster that is no more, without waiting for the sweep to come by."""
        await self._sweep.cluster_gone(cluster_key)

    async def _live_objects(self, request: Request, extension: Extension) -> Answer:
        now = self._clock()
        question = Question(
            id=new_id(),
            kind=Kind.OBJECTS,
            cluster_uid=extension.cluster_uid,
            subject=extension.uid,
            deadline=now + _LIVE_PATIENCE,
            correlation_id=request.correlation_id,
            arguments={"release": extension.release, "namespace": extension.namespace},
        )
        answer = await self._questions.ask(extension.agent, question, now)
        if answer.failure_code:
            raise Unavailable(answer.failure_code, answer.failure_message, target=extension.id)
        told = msgspec.convert(answer.body.get("objects", []), list[ObjectHealth])
        objects = masked_objects(told, self._secrets(extension))
        count = max(len(objects), int(answer.body.get("objectCount", 0)))
        return Answer(200, _objects(objects, count, arm_time(self._clock())))

    def _secrets(self, extension: Extension) -> Collection[str]:
        try:
            return opened(self._vault, extension).values()
        except ExtensaError:  # which texts to look for cannot be known; the agent masks what it says, too
            return ()

    async def _missing(self, request: Request) -> ExtensaError:
        if await self._clusters.find(request.id.scope.key) is None:
            return Denied((missing_cluster(request.id.scope),), 404).error()
        return Denied((missing(request.id),), 404).error()


def _answer(done: Done, etag: str | None, shape: Shape, *, begun: int) -> Answer:
    """The answer to a write. ``begun`` is the status while work goes on: 201 is for what is being created only."""
    if isinstance(done, Removed | Absent):
        return Answer(200 if isinstance(done, Removed) else 204)
    going = done.operation is not None
    if begun == 201:
        going = done.created if isinstance(done, Accepted) else going and done.extension.state is State.CREATING
    return Answer(begun if going else 200, render(done.extension, shape), done.operation, etag)


def _objects(objects: Sequence[ObjectHealth], count: int, observed_at: str | None) -> dict[str, Any]:
    value = [
        {
            "kind": each.kind,
            "name": each.name,
            "namespace": each.namespace,
            "health": each.health,
            "waitsFor": each.waits_for or None,
        }
        for each in objects
    ]
    return {"value": value, "count": count, "observedAt": observed_at}
