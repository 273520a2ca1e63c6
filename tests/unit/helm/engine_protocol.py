"""What is agreed over the engine's pipe: one suite, sat by our double and, in tests/e2e, by the engine itself."""

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from extensa.base import processes

PATIENCE = 20.0


class Pipe:
    """One life of a program behind the pipe, spoken to without any driver of ours."""

    def __init__(self, talk: processes.Conversation, log: Path) -> None:
        self.talk = talk
        self._log = log

    def say(self, *lines: dict[str, Any] | bytes) -> None:
        for line in lines:
            self.talk.hears.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")

    async def hear(self, count: int) -> dict[int, dict[str, Any]]:
        """The next answers, by the act they answer."""
        async with asyncio.timeout(PATIENCE):
            said = [json.loads(await self.talk.says.readline()) for _ in range(count)]
        return {answer["id"]: answer for answer in said}

    async def end(self) -> tuple[int, str]:
        """How it ends, by itself, and its last words."""
        async with asyncio.timeout(PATIENCE):
            code = await self.talk.child.wait()
            await self.talk.keeping
        return code, self._log.read_text() if self._log.exists() else ""


class EngineProtocol:
    """Subclass it with a program and a kubeconfig that it can read and, if it is real, reach."""

    program: Path
    kubeconfig: Path
    folder: Path

    @asynccontextmanager
    async def pipe(self) -> AsyncIterator[Pipe]:
        log = self.folder / "words"
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        talk = await processes.converse([str(self.program)], env=environment, log=log, longest_line=2**20)
        try:
            yield Pipe(talk, log)
        finally:
            with contextlib.suppress(ConnectionError):
                talk.hears.close()
            await processes.stop(talk.child)
            await talk.keeping

    def history(self, number: int, **more: Any) -> dict[str, Any]:
        where = {"kubeconfig": str(self.kubeconfig), "namespace": "default", "release": "absent", "timeout": 5}
        return {"id": number, "act": "history", **where, **more}

    async def test_every_act_is_answered_once_under_its_number(self) -> None:
        async with self.pipe() as pipe:
            pipe.say(*(self.history(number) for number in (7, 8, 9)))
            answers = await pipe.hear(3)
        assert [{"id": number, "result": []} for number in (7, 8, 9)] == [answers[number] for number in (7, 8, 9)]

    async def test_an_act_that_fails_is_answered_with_words_and_the_next_is_done(self) -> None:
        async with self.pipe() as pipe:
            pipe.say(self.history(1, kubeconfig="/nowhere"), self.history(2, act="dance"))
            answers = await pipe.hear(2)
            pipe.say(self.history(3))
            assert {3} == (await pipe.hear(1)).keys()
        assert answers[1]["error"].startswith("kubernetes cluster unreachable: ")
        assert 'there is no act "dance"' == answers[2]["error"]

    async def test_cancelling_what_is_not_under_way_is_not_answered(self) -> None:
        async with self.pipe() as pipe:
            pipe.say({"act": "cancel", "target": 4711}, self.history(1))
            assert {1} == (await pipe.hear(1)).keys()

    async def test_fields_of_a_later_protocol_are_passed_over(self) -> None:
        async with self.pipe() as pipe:
            pipe.say(self.history(1, from_tomorrow={"a": [1]}))
            assert {"id": 1, "result": []} == (await pipe.hear(1))[1]

    async def test_what_is_no_request_ends_it_and_is_not_quoted(self) -> None:
        async with self.pipe() as pipe:
            pipe.say(b'{"id": 1, "values": hunter2-long}\n')
            code, words = await pipe.end()
        assert (1, "what was asked is no request\n") == (code, words)

    async def test_it_ends_well_when_nobody_speaks_any_more(self) -> None:
        async with self.pipe() as pipe:
            pipe.say(self.history(1))
            await pipe.hear(1)
            pipe.talk.hears.close()
            assert (0, "") == await pipe.end()

    async def test_it_ends_well_when_told_to(self) -> None:
        async with self.pipe() as pipe:
            pipe.say(self.history(1))
            await pipe.hear(1)
            pipe.talk.child.send_signal(signal.SIGTERM)
            assert (0, "") == await pipe.end()
