"""One watch per kind and cluster, shared by every extension in it: who follows an object hears that it has changed.

Only metadata is watched, and only of what Helm made: an event is a hint to look, never the truth itself, so little is
kept and little can be stale. A stream that ends is opened again where it ended; after a gap everyone who follows the
kind is told to look at all of it. A refused connection is no end either, only a pause.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable, Iterable
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
_OPENING = 1.0
_LONGEST_PAUSE = 20.0

Wake = Callable[[ObjectRef | None], None]
"""Told of an object that has changed; None: there was a gap, look at everything."""


class Source(Protocol):
    """Where changes come from (`kube.KubeClient.watch`)."""

    def watch(
        self, api_version: str, kind: str, *, labels: str, since: str = ""
    ) -> AsyncGenerator[Change | None, None]:
        """Yield None when the watch stands, then changes until it ends; raises `ClusterError`."""
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

    def key(self, change: Change) -> tuple[str, str]:
        """Return the namespace and name under which a change is followed."""
        return change.namespace, change.labels.get("name", "") if self == RECORDS else change.name


RECORDS = Topic("v1", "Secret")


@dataclass(slots=True)
class _Stream:
    standing: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    """Set to have a stream that pauses after a failure try at once."""
    followers: dict[tuple[str, str], dict[str, Wake]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class Watches:
    """The streams of one cluster, opened when first followed and closed when nobody follows any more."""

    def __init__(self, source: Source) -> None:
        """No stream is opened yet."""
        self._source = source
        self._streams: dict[Topic, _Stream] = {}
        self._tasks = TaskGroup()

    async def follow(self, who: str, refs: Iterable[tuple[Topic, str, str]], wake: Wake) -> bool:
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
                stream.followers.setdefault(key, {})[who] = wake
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

    def unfollow(self, who: str) -> None:
        """Stop telling ``who`` anything."""
        self._forget(who, keep={})

    async def close(self) -> None:
        """End every stream."""
        await self._tasks.close()
        self._streams.clear()

    def _open(self, topic: Topic) -> _Stream:
        stream = self._streams[topic] = _Stream()
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
        return self._source.watch(topic.api_version, topic.kind, labels=topic.labels, since=since)


async def _pause(stream: _Stream, failures: int) -> None:
    """Wait before a stream is opened again: longer after each failure, unless somebody asks for it."""
    stream.again.clear()
    seconds = min(0.1 * float(2 ** min(failures, 16)), _LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stream.again.wait()


def _tell(topic: Topic, stream: _Stream, change: Change) -> None:
    namespace, name = topic.key(change)
    for wake in tuple(stream.followers.get((namespace, name), {}).values()):
        wake(ObjectRef(topic.api_version, topic.kind, namespace, name))


def _tell_all(stream: _Stream) -> None:
    for wake in {wake for told in stream.followers.values() for wake in told.values()}:
        wake(None)
