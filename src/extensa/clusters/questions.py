"""Questions to agents: asked with a deadline, carried by the link, answered once.

A question waits in its agent's feed until it is answered or its deadline has passed; the one who asked waits here. An
answer is taken only from the agent that was asked. What is asked and answered is for others to know.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from extensa.base.clock import Clock
from extensa.base.errors import Refused, Unavailable
from extensa.base.log import get_logger
from extensa.clusters.heartbeats import Heartbeats
from extensa.link.question import LARGEST_ANSWER, Answer, Question, QuestionFeed
from extensa.store.port import DeleteFeed, FeedRow, PutFeed, Store

_log = get_logger("questions")
ANSWERS = "answers"
_GRACE = timedelta(minutes=1)
"""How long past the deadline an answer that nobody fetched is kept."""
_PAGE = 100


class _Kept(Struct, frozen=True):
    """An answer as it waits for the one who asked."""

    answer: Answer
    until: datetime


def lane(agent: str) -> str:
    """Return the feed that ``agent`` reads questions from."""
    return f"questions:{agent}"


class Questions:
    """Carries questions to agents and answers back."""

    def __init__(self, store: Store, heartbeats: Heartbeats, *, clock: Clock) -> None:
        self._store = store
        self._heartbeats = heartbeats
        self._clock = clock

    async def ask(self, agent: str, question: Question, now: datetime) -> Answer:
        """Return the agent's answer; its failures are answers too.

        Raises `Unavailable` (``AgentSilent``, ``QuestionUnanswered``) when the deadline passes without one.
        """
        with self._store.topic_changed(f"feed:{ANSWERS}") as ear:
            try:
                await self._store.commit([PutFeed(lane(agent), question.id, msgspec.json.encode(question))])
                left = (question.deadline - now).total_seconds()
                while left > 0:
                    if answer := await self._take(question.id):
                        return answer
                    await ear.wait(left)
                    left = (question.deadline - self._clock()).total_seconds()
                if answer := await self._take(question.id):
                    return answer
            finally:
                with contextlib.suppress(Unavailable):  # the sweep forgets what could not be withdrawn here
                    await self._store.commit([DeleteFeed(lane(agent), question.id)])
        raise self._unanswered(agent, now)

    async def _take(self, question_id: str) -> Answer | None:
        row = await self._store.feed_row(ANSWERS, question_id)
        if row is None:
            return None
        await self._store.commit([DeleteFeed(ANSWERS, question_id)])
        return msgspec.json.decode(row.body, type=_Kept).answer

    def _unanswered(self, agent: str, asked: datetime) -> Unavailable:
        seen = self._heartbeats.last(agent)
        if seen is None or seen < asked:
            since = f"since {seen:%Y-%m-%dT%H:%M:%SZ}" if seen else "from the beginning"
            return Unavailable(
                "AgentSilent",
                f"The agent '{agent}' did not answer: it has been silent {since}.",
                next_step="Start it ('extensa up'; 'extensa doctor' says what is wrong), then ask again.",
            )
        return Unavailable(
            "QuestionUnanswered",
            f"The agent '{agent}' is connected but did not answer in time.",
            next_step="Ask again with more time; the agent's log says what it was doing ('extensa logs agent').",
        )

    async def feed(self, agent: str, *, after: int, wait: float) -> QuestionFeed:
        """Return the open questions after a cursor, held up to ``wait`` seconds while there are none."""
        self._heartbeats.heard(agent, self._clock())
        with self._store.topic_changed(f"feed:{lane(agent)}") as ear:
            rows = await self._rows(agent, after)
            if not rows and await ear.wait(wait):
                rows = await self._rows(agent, after)
        now = self._clock()
        self._heartbeats.heard(agent, now)
        asked = [msgspec.json.decode(row.body, type=Question) for row in rows]
        return QuestionFeed(
            cursor=rows[-1].sequence if rows else after,
            questions=[question for question in asked if question.deadline > now],
        )

    async def _rows(self, agent: str, after: int) -> Sequence[FeedRow]:
        return await self._store.feed(lane(agent), after=after, limit=_PAGE)

    async def answer(self, agent: str, answer: Answer) -> None:
        """Take in an answer; one to a question that is not open at this agent (any more) is dropped.

        Raises `Refused` (``AnswerTooLarge``).
        """
        self._heartbeats.heard(agent, self._clock())
        if len(msgspec.json.encode(answer)) > LARGEST_ANSWER:
            raise Refused(
                "AnswerTooLarge", f"An answer has at most {LARGEST_ANSWER} bytes.", target=answer.id, status=413
            )
        row = await self._store.feed_row(lane(agent), answer.id)
        if row is None:
            _log.debug("an answer nobody waits for", question=answer.id, agent=agent)
            return
        question = msgspec.json.decode(row.body, type=Question)
        kept = _Kept(answer, question.deadline + _GRACE)
        await self._store.commit(
            [
                DeleteFeed(lane(agent), answer.id),
                PutFeed(ANSWERS, answer.id, msgspec.json.encode(kept)),
            ]
        )

    async def sweep(self) -> None:
        """Forget questions whose deadline has passed, and answers that nobody fetched (the server died meanwhile)."""
        now = self._clock()
        for agent in self._heartbeats.names():
            asked = [(row, msgspec.json.decode(row.body, type=Question)) for row in await self._rows(agent, 0)]
            await self._store.commit([DeleteFeed(lane(agent), row.key) for row, each in asked if each.deadline < now])
        rows = await self._store.feed(ANSWERS, after=0, limit=_PAGE)
        kept = [(row, msgspec.json.decode(row.body, type=_Kept)) for row in rows]
        await self._store.commit([DeleteFeed(ANSWERS, row.key) for row, each in kept if each.until < now])
