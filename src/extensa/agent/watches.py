"""One watch per kind and cluster, shared by every extension in it: who follows an object hears that it has changed.

Only metadata is watched, and only of what Helm made: an event is a hint to look, never the truth itself, so little is
kept and little can be stale. A stream that ends is opened again where it ended; after a gap everyone who follows the
kind is told to look at all of it. A refused connection is no end either, only a pause. And since a stream may stand and
be deaf, each kind is listed now and then: who follows an object is told its edition, and knows whether it has seen it.
"""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from extensa.agent.kube import Change
from extensa.base.log import get_logger
from extensa.base.tasks import TaskGroup
from extensa.helm.errors import ClusterError
from extensa.helm.release import ObjectRef

_log = get_logger("agent")

_MADE_BY_HELM = "app.kubernetes.io/managed-by=Helm"
_RECORDS = "owner=helm"
LIST_EVERY = 40.0
"""Seconds after which what is followed is listed although nothing was heard."""
_OPENING = 1.0
_LONGEST_PAUSE = 20.0

Wake = Callable[[ObjectRef | None], None]
"""Told of an object that has changed; None: there was a gap, look at everything."""
Listed = Callable[[ObjectRef, frozenset[str]], None]
"""Told the editions that an object, or a release's records, have now; none: it is not there."""


@dataclass(frozen=True, slots=True)
class _Ear:
    wake: Wake
    listed: Listed | None


class Source(Protocol):
    """Where changes come from (`kube.KubeClient.watch`)."""

    def watch(
        self, api_version: str, kind: str, *, labels: str, since: str = ""
    ) -> AsyncGenerator[Change | None, None]:
        """Yield None when the watch stands, then changes until it ends; raises `ClusterError`."""
        ...

    async def editions(self, api_version: str, kind: str, *, labels: str) -> Sequence[Change]:
        """Return every object there is now; raises `ClusterError`."""
        ...


@dataclass(frozen=True, slots=True)
class Topic:
    """What one stream is about; Helm's records are followed by the release's name, which stands in a label."""

    api_version: str
    kind: str

    @property
    def labels(self) -> str:
        """The selector of the stream."""
        return _RECORDS if self == RECORDS else _MADE_BY_HELM

    @property
    def source(self) -> tuple[str, str]:
        """The API version and kind that are watched."""
        return ("v1", "Secret") if self == RECORDS else (self.api_version, self.kind)

    def key(self, change: Change) -> tuple[str, str]:
        """Return the namespace and name under which a change is followed."""
        return change.namespace, change.labels.get("name", "") if self == RECORDS else change.name


RECORDS = Topic("helm.sh/release.v1", "Release")
"""Helm's records: Secrets of a type of their own, and no concern of who follows Secrets."""


@dataclass(slots=True)
class _Stream:
    standing: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have a stream that pauses after a failure try at once."""
    followers: dict[tuple[str, str], dict[str, _Ear]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    listed: float = -math.inf
    """When everything was listed last, on the loop's clock."""


class Watches:
    """The streams of one cluster, opened when first followed and closed when nobody follows any more."""

    def __init__(self, source: Source) -> None:
        """No stream is opened yet."""
        self._source = source
        self._streams: dict[Topic, _Stream] = {}
        self._tasks = TaskGroup()
        self._lists: asyncio.Task[None] | None = None

    async def follow(
        self, who: str, refs: Iterable[tuple[Topic, str, str]], wake: Wake, listed: Listed | None = None
    ) -> bool:
        """Follow exactly these (topic, namespace, name) as ``who``, instead of whatever ``who`` followed before.

        Returns when their streams stand, True; or after a moment, False if one does not. A stream that pauses after a
        failure tries again now: who calls has reason to believe that the API is back.
        """
        wanted: dict[Topic, set[tuple[str, str]]] = {}
        for topic, namespace, name in refs:
            wanted.setdefault(topic, set()).add((namespace, name))
        self._forget(who, keep=wanted)
        for topic, keys in wanted.items():
            stream = self._streams.get(topic) or self._open(topic)
            for key in keys:
                stream.followers.setdefault(key, {})[who] = _Ear(wake, listed)
        down = [self._streams[topic] for topic in wanted if not self._streams[topic].standing.is_set()]
        for stream in down:
            stream.again.set()
        try:
            async with asyncio.timeout(_OPENING):
                await asyncio.gather(*(stream.standing.wait() for stream in down))
        except TimeoutError:
            return False
        return True

    def sees(self, refs: Iterable[tuple[Topic, str, str]]) -> bool:
        """Say whether the streams of all these stand now."""
        streams = [self._streams.get(topic) for topic in {topic for topic, _, _ in refs}]
        return all(stream is not None and stream.standing.is_set() for stream in streams)

    def covers(self, refs: Iterable[tuple[Topic, str, str]]) -> bool:
        """Say whether a change of any of these would be heard of within a minute, if not at once."""
        since = asyncio.get_running_loop().time() - 1.5 * LIST_EVERY
        streams = [self._streams.get(topic) for topic in {topic for topic, _, _ in refs}]
        return all(stream is not None and (stream.standing.is_set() or stream.listed > since) for stream in streams)

    async def list_all(self) -> None:
        """Tell everyone the editions of what they follow; a kind that cannot be listed is left for the next time."""
        for topic, stream in list(self._streams.items()):
            try:
                found = await self._source.editions(*topic.source, labels=topic.labels)
            except ClusterError as error:
                _log.debug("a kind could not be listed", kind=topic.kind, code=error.code, message=error.message)
                continue
            editions: dict[tuple[str, str], set[str]] = {}
            for change in found:
                editions.setdefault(topic.key(change), set()).add(change.edition)
            stream.listed = asyncio.get_running_loop().time()
            for key, ears in tuple(stream.followers.items()):
                ref = ObjectRef(topic.api_version, topic.kind, *key)
                for ear in tuple(ears.values()):
                    if ear.listed is not None:
                        ear.listed(ref, frozenset(editions.get(key, ())))

    def unfollow(self, who: str) -> None:
        """Stop telling ``who`` anything."""
        self._forget(who, keep={})

    async def close(self) -> None:
        """End every stream."""
        await self._tasks.close()
        self._streams.clear()

    def _open(self, topic: Topic) -> _Stream:
        stream = self._streams[topic] = _Stream()
        if self._lists is None:
            self._lists = self._tasks.start(self._listing(), name="lists")
        stream.task = self._tasks.start(self._run(topic, stream), name=f"watch {topic.kind}")
        return stream

    def _forget(self, who: str, *, keep: dict[Topic, set[tuple[str, str]]]) -> None:
        for topic, stream in list(self._streams.items()):
            for key in [key for key, told in stream.followers.items() if who in told]:
                if key not in keep.get(topic, ()):
                    del stream.followers[key][who]
                    if not stream.followers[key]:
                        del stream.followers[key]
            if not stream.followers and topic not in keep:
                del self._streams[topic]
                if stream.task is not None:
                    stream.task.cancel()

    async def _listing(self) -> None:
        """List everything now and then, until cancelled."""
        while True:
            await asyncio.sleep(LIST_EVERY * random.uniform(0.8, 1.2))  # noqa: S311 - jitter, not a secret
            await self.list_all()

    async def _run(self, topic: Topic, stream: _Stream) -> None:
        """Keep the stream standing until cancelled."""
        since, failures, stood = "", 0, False
        while True:
            try:
                gap = stood and (failures > 0 or not since)
                async with aclosing(self._changes(topic, since)) as changes:
                    async for change in changes:
                        if change is not None:
                            since = change.edition or since
                            _tell(topic, stream, change)
                            continue
                        failures, stood = 0, True
                        stream.standing.set()
                        if gap:
                            _tell_all(stream)
            except ClusterError as error:
                failures += 1
                since = "" if error.http == 410 else since
                if stream.standing.is_set():
                    _log.info("a watch broke", kind=topic.kind, code=error.code, message=error.message)
                    stream.standing.clear()
                    _tell_all(stream)
            await _pause(stream, failures)

    def _changes(self, topic: Topic, since: str) -> AsyncGenerator[Change | None, None]:
        return self._source.watch(*topic.source, labels=topic.labels, since=since)


async def _pause(stream: _Stream, failures: int) -> None:
    """Wait before a stream is opened again: longer after each failure, unless somebody asks for it."""
    stream.again.clear()
    seconds = min(0.1 * float(2 ** min(failures, 16)), _LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stream.again.wait()


def _tell(topic: Topic, stream: _Stream, change: Change) -> None:
    namespace, name = topic.key(change)
    for ear in tuple(stream.followers.get((namespace, name), {}).values()):
        ear.wake(ObjectRef(topic.api_version, topic.kind, namespace, name))


def _tell_all(stream: _Stream) -> None:
    for wake in {ear.wake for told in stream.followers.values() for ear in told.values()}:
        wake(None)
