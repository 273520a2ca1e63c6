"""Questions to agents: carried, answered once, by the one who was asked, in time or not at all."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from extensa.base.errors import Refused, Unavailable
from extensa.clusters.questions import Questions
from extensa.link.question import LARGEST_ANSWER, Answer, Kind, Question
from extensa.store.port import PutFeed
from unit.clusters.cluster_facts import NOW, World

AGENT = "hosted-local"


def question(name: str = "q1", seconds: float = 5) -> Question:
    return Question(
        id=name,
        kind=Kind.PING,
        cluster_uid="uid-1",
        subject="uid-1",
        deadline=NOW + timedelta(seconds=seconds),
        correlation_id="correlation",
    )


@pytest.fixture
def questions(world: World) -> Questions:
    return Questions(world.store, world.clusters.heartbeats, clock=lambda: world.now)


async def left(world: World) -> int:
    """How many questions and answers the store still keeps."""
    lanes = (f"questions:{AGENT}", "answers")
    return sum([len(await world.store.feed(lane, after=0, limit=10)) for lane in lanes])


async def test_a_question_and_its_answer(world: World, questions: Questions) -> None:
    asking = asyncio.create_task(questions.ask(AGENT, question(), NOW))
    heard = await questions.feed(AGENT, after=0, wait=2)
    await questions.answer(AGENT, Answer(id="q1", body={"version": "1.37.1"}))

    assert [question()] == heard.questions
    assert Answer(id="q1", body={"version": "1.37.1"}) == await asyncio.wait_for(asking, 2)
    assert 0 == await left(world)
    assert ([], heard.cursor) == (
        (again := await questions.feed(AGENT, after=heard.cursor, wait=0)).questions,
        again.cursor,
    )


async def test_a_failure_is_an_answer_too(questions: Questions) -> None:
    asking = asyncio.create_task(questions.ask(AGENT, question(), NOW))
    await questions.feed(AGENT, after=0, wait=2)
    await questions.answer(AGENT, Answer(id="q1", failure_code="UnknownQuestion", failure_message="?"))

    assert "UnknownQuestion" == (await asyncio.wait_for(asking, 2)).failure_code


async def test_many_questions_find_their_own_answers(questions: Questions) -> None:
    names = [f"q{n}" for n in range(10)]
    asking = [asyncio.create_task(questions.ask(AGENT, question(name), NOW)) for name in names]
    heard = 0
    cursor = 0
    while heard < len(names):
        feed = await questions.feed(AGENT, after=cursor, wait=2)
        heard, cursor = heard + len(feed.questions), feed.cursor
        for each in reversed(feed.questions):
            await questions.answer(AGENT, Answer(id=each.id, body={"to": each.id}))

    assert names == [answer.body["to"] for answer in await asyncio.wait_for(asyncio.gather(*asking), 5)]


async def test_only_the_one_who_was_asked_answers(world: World, questions: Questions) -> None:
    asking = asyncio.create_task(questions.ask(AGENT, question(), NOW))
    await questions.feed(AGENT, after=0, wait=2)
    await questions.answer("stranger", Answer(id="q1", body={"forged": True}))
    await questions.answer(AGENT, Answer(id="q2", body={"unasked": True}))
    assert not asking.done()
    await questions.answer(AGENT, Answer(id="q1", body={"first": True}))
    await questions.answer(AGENT, Answer(id="q1", body={"second": True}))

    assert {"first": True} == (await asyncio.wait_for(asking, 2)).body
    assert 0 == await left(world)


async def test_silence_is_told_from_slowness(world: World, questions: Questions) -> None:
    with pytest.raises(Unavailable) as never:
        await questions.ask(AGENT, question(seconds=0), NOW)
    world.clusters.heard(AGENT, NOW - timedelta(hours=1))
    with pytest.raises(Unavailable) as silent:
        await questions.ask(AGENT, question(seconds=0), NOW)
    world.clusters.heard(AGENT, NOW)
    with pytest.raises(Unavailable) as slow:
        await questions.ask(AGENT, question(seconds=0), NOW)

    assert ("AgentSilent", "AgentSilent", "QuestionUnanswered") == (
        never.value.code,
        silent.value.code,
        slow.value.code,
    )
    assert "since 2026-05-01T11:00:00Z" in silent.value.message
    assert 0 == await left(world)


async def test_waiting_ends_with_the_deadline(world: World, questions: Questions) -> None:
    asking = asyncio.create_task(questions.ask(AGENT, question(seconds=0.05), NOW))
    await asyncio.sleep(0.01)
    world.later(seconds=1)
    with pytest.raises(Unavailable):
        await asyncio.wait_for(asking, 2)


async def test_who_stops_waiting_withdraws_the_question(world: World, questions: Questions) -> None:
    asking = asyncio.create_task(questions.ask(AGENT, question(), NOW))
    await questions.feed(AGENT, after=0, wait=2)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert 0 == await left(world)


async def test_a_question_past_its_deadline_is_not_handed_out(world: World, questions: Questions) -> None:
    asking = asyncio.create_task(questions.ask(AGENT, question(), NOW))
    await asyncio.sleep(0.01)
    world.later(seconds=6)
    feed = await questions.feed(AGENT, after=0, wait=0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)

    assert [] == feed.questions
    assert 0 < feed.cursor


async def test_an_answer_has_its_bounds(questions: Questions) -> None:
    with pytest.raises(Refused) as refused:
        await questions.answer(AGENT, Answer(id="q1", body={"text": "x" * LARGEST_ANSWER}))

    assert ("AnswerTooLarge", 413) == (refused.value.code, refused.value.status)


async def test_the_sweep_forgets_what_a_dead_server_left(world: World, questions: Questions) -> None:
    world.clusters.heard(AGENT, NOW)
    for seconds, name in ((5, "q1"), (60, "q2"), (5, "q3")):
        asked = msgspec.json.encode(question(name, seconds))
        await world.store.commit([PutFeed(f"questions:{AGENT}", name, asked)])
    await questions.answer(AGENT, Answer(id="q3"))
    counts = []
    for seconds in (5, 1, 54, 5):
        world.later(seconds=seconds)
        await questions.sweep()
        counts.append(await left(world))

    assert [3, 2, 2, 1] == counts  # q1 goes with its deadline, q2 and the answer nobody fetched a minute after
    world.later(seconds=1)
    await questions.sweep()
    assert 0 == await left(world)
