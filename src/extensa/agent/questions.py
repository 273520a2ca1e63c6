"""Live answers: what the control plane asks with a deadline is looked up now and answered once.

A kind that is not known here is answered too, with ``UnknownQuestion``; so is a question whose time is over. Nothing is
changed in a cluster by a question of today's kinds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from extensa.agent.clusters import Cluster, Reach
from extensa.agent.control import Backoff, LinkError
from extensa.agent.memory import Memory
from extensa.agent.observed import object_healths
from extensa.base.clock import Clock
from extensa.base.log import correlated, get_logger
from extensa.base.tasks import TaskGroup
from extensa.helm.errors import ClusterError
from extensa.helm.look import look
from extensa.link.extension import DesiredExtension
from extensa.link.question import LARGEST_ANSWER, Answer, Kind, Question, QuestionFeed

_log = get_logger("agent")

T = TypeVar("T")

_FEED = "/link/v1/questions"
_ANSWERS = "/link/v1/answers"
_TRIES = 3


class Line(Protocol):
    """Where questions come from and answers go (`control.LinkClient`); methods raise `LinkError`."""

    async def feed(self, path: str, type: type[T], *, after: int, wait: int = 50) -> T:
        """Return the next answer of a feed."""
        ...

    async def report(self, path: str, struct: Struct) -> None:
        """Send a document."""
        ...


class Questions:
    """The one who answers."""

    def __init__(
        self,
        line: Line,
        clusters: Reach,
        extension: Callable[[str], DesiredExtension | None],
        *,
        memory: Memory,
        clock: Clock,
    ) -> None:
        """``extension`` finds the desired document of an extension's uid."""
        self._memory = memory
        self._line = line
        self._clusters = clusters
        self._extension = extension
        self._clock = clock
        self._answering = TaskGroup()
        self._answers: dict[str, Callable[[Question], Awaitable[dict[str, Any]]]] = {
            Kind.PING: self._ping,
            Kind.OBJECTS: self._objects,
            Kind.EVIDENCE: self._evidence,
        }

    async def run(self) -> None:
        """Hear and answer until cancelled."""
        cursor, pace = 0, Backoff()
        try:
            while True:
                try:
                    heard = await self._line.feed(_FEED, QuestionFeed, after=cursor)
                except LinkError as error:
                    cursor = 0
                    _log.debug("no questions heard", code=error.code)
                    await asyncio.sleep(pace.failed())
                    continue
                pace.succeeded()
                cursor = heard.cursor
                for question in heard.questions:
                    self._answering.start(self._answer(question), name=f"question {question.kind}")
        finally:
            await self._answering.close()

    async def _answer(self, question: Question) -> None:
        with correlated(question.correlation_id):
            answer = await self.answer(question)
            pace = Backoff()
            for _ in range(_TRIES):
                try:
                    await self._line.report(_ANSWERS, answer)
                except LinkError as error:
                    _log.warning("an answer waits", question=question.kind, code=error.code)
                    await asyncio.sleep(pace.failed())
                else:
                    return

    async def answer(self, question: Question) -> Answer:
        """Return the answer, a failure included."""
        answering = self._answers.get(question.kind)
        if answering is None:
            return _failed(question, "UnknownQuestion", f"This agent does not know the question {question.kind}.")
        left = (question.deadline - self._clock()).total_seconds()
        if left <= 0:
            return _failed(question, "QuestionTimedOut", "The question came after its deadline.")
        try:
            async with asyncio.timeout(left):
                body = await answering(question)
        except TimeoutError:
            return _failed(question, "QuestionTimedOut", "The cluster did not answer in time.")
        except ClusterError as error:
            return _failed(question, error.code, error.message)
        answer = Answer(id=question.id, body=body)
        if len(msgspec.json.encode(answer)) > LARGEST_ANSWER:
            return _failed(question, "AnswerTooLarge", "The answer is larger than 1 MiB.")
        return answer

    async def _ping(self, question: Question) -> dict[str, Any]:
        return {"kubernetesVersion": await self._cluster(question.cluster_uid).kube.version()}

    async def _objects(self, question: Question) -> dict[str, Any]:
        desired = self._extension(question.subject)
        if desired is None:
            raise ClusterError("ExtensionNotFound", "This agent knows no such extension.")
        cluster = self._cluster(desired.cluster_uid)
        seen = await look(cluster.kube, desired.release, desired.namespace)
        if seen.unreachable is not None:
            raise ClusterError(seen.unreachable.code, seen.unreachable.message)
        release = seen.release
        return {
            "revision": release.version if release is not None else 0,
            "chartVersion": release.chart_version if release is not None else "",
            "objectCount": len(seen.objects),
            "objects": msgspec.to_builtins(object_healths(seen.objects, str)),
        }

    async def _evidence(self, question: Question) -> dict[str, Any]:
        desired = self._extension(question.subject)
        if desired is None:
            raise ClusterError("ExtensionNotFound", "This agent knows no such extension.")
        have = question.arguments.get("have") or ()
        kept = await self._memory.evidence(desired.resource_id)
        wanted = question.subject, question.arguments.get("generation")
        fresh = [each for each in kept if (each.uid, each.generation) == wanted and each.id not in have]
        return {"evidence": msgspec.to_builtins(fresh[0]) if fresh else None, "more": len(fresh) > 1}

    def _cluster(self, uid: str) -> Cluster:
        cluster = self._clusters.reach(uid)
        if cluster is None:
            raise ClusterError("ClusterNotFound", "The agent has no credentials for the cluster.")
        return cluster


def _failed(question: Question, code: str, message: str) -> Answer:
    return Answer(id=question.id, failure_code=code, failure_message=message)
