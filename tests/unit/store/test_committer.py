"""Group commit over a session in memory: who shares a COMMIT, who fails alone, who fails together."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from extensa.base.errors import Conflict
from extensa.store.committer import LARGEST_GROUP, Committer
from extensa.store.waking import Topics


class DriverError(Exception):
    """The database's own error."""


class Told(Exception):
    """The same in the store's words."""


class Ledger:
    """A session that keeps words in a list; ``gate`` holds the first BEGIN until it is opened."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.pending: list[str] | None = None
        self.marked = 0
        self.commits = 0
        self.gate = threading.Event()
        self.fails: set[str] = set()
        self.gives_up = False
        self.closed = False

    def step(self, name: str) -> None:
        if name in self.fails:
            raise DriverError(name)

    def write(self, word: str) -> str:
        assert self.pending is not None
        self.pending.append(word)
        return word

    def begin(self) -> None:
        self.gate.wait(10)
        self.step("begin")
        self.pending = []

    def mark(self) -> None:
        assert self.pending is not None
        self.marked = len(self.pending)

    def keep(self) -> None:
        pass

    def undo(self) -> bool:
        if self.gives_up:
            self.pending = None
            return False
        assert self.pending is not None
        del self.pending[self.marked :]
        return True

    def commit(self) -> None:
        self.step("commit")
        assert self.pending is not None
        self.kept += self.pending
        self.pending = None
        self.commits += 1

    def rollback(self) -> None:
        self.pending = None

    def told(self, error: Exception) -> Exception:
        return Told(*error.args) if isinstance(error, DriverError) else error

    def close(self) -> None:
        self.closed = True


@asynccontextmanager
async def committer(ledger: Ledger, topics: Topics | None = None) -> AsyncIterator[Committer[Ledger]]:
    made: Committer[Ledger] = Committer(ledger, topics or Topics(), closed=lambda: Told("closed"))
    try:
        yield made
    finally:
        ledger.gate.set()
        await made.close()


def word(text: str) -> Callable[[Ledger], str]:
    return lambda ledger: ledger.write(text)


def failing(text: str, error: Exception) -> Callable[[Ledger], str]:
    def work(ledger: Ledger) -> str:
        ledger.write(text)
        raise error

    return work


async def together(ledger: Ledger, *works: Callable[[Ledger], str]) -> list[str | BaseException]:
    """Hand in the works while the thread is held up, so that all but the first share a group; what became of them."""
    async with committer(ledger) as made:
        tasks = [asyncio.create_task(made.run(word("first")))]
        tasks += [asyncio.create_task(made.run(work)) for work in works]
        await asyncio.sleep(0.02)
        ledger.gate.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))[1:]


class TestSharing:
    async def test_many_waiting_jobs_share_one_commit_in_order(self) -> None:
        ledger = Ledger()
        results = await together(ledger, *(word(str(n)) for n in range(50)))

        assert [str(n) for n in range(50)] == results == ledger.kept[1:]
        assert ledger.commits <= 2

    async def test_a_group_is_bounded(self) -> None:
        ledger = Ledger()
        await together(ledger, *(word(str(n)) for n in range(LARGEST_GROUP * 2)))

        assert LARGEST_GROUP * 2 + 1 == len(ledger.kept)
        assert ledger.commits >= 3


class TestFailing:
    @pytest.mark.parametrize(
        ("error", "expected"), [(DriverError("odd"), Told), (Conflict("c", "m"), Conflict), (KeyError("k"), KeyError)]
    )
    async def test_one_job_fails_alone(self, error: Exception, expected: type[Exception]) -> None:
        ledger = Ledger()
        results = await together(ledger, word("a"), failing("bad", error), word("b"))

        assert ["first", "a", "b"] == ledger.kept
        assert ("a", "b") == (results[0], results[2])
        assert isinstance(results[1], expected)

    @pytest.mark.parametrize("step", ["begin", "commit"])
    async def test_a_failed_transaction_fails_all_of_its_jobs(self, step: str) -> None:
        ledger = Ledger()
        ledger.fails = {step}
        results = await together(ledger, word("a"), failing("bad", Conflict("c", "m")))

        assert [] == ledger.kept
        assert isinstance(results[0], Told)
        assert isinstance(results[1], Told if step == "begin" else Conflict)

    async def test_when_the_database_gives_up_the_transaction_everyone_is_told(self) -> None:
        ledger = Ledger()
        ledger.gives_up = True
        results = await together(ledger, word("a"), failing("bad", DriverError("full")), word("b"))

        assert [Told, Told, Told] == [type(each) for each in results]
        assert ["first"] == ledger.kept[:1] or [] == ledger.kept

    async def test_the_next_transaction_is_a_new_chance(self) -> None:
        ledger = Ledger()
        ledger.gate.set()
        async with committer(ledger) as made:
            ledger.fails = {"commit"}
            with pytest.raises(Told):
                await made.run(word("a"))
            ledger.fails = set()

            assert "b" == await made.run(word("b"))
        assert ["b"] == ledger.kept


class TestWaking:
    async def test_topics_are_told_before_the_caller_goes_on(self) -> None:
        ledger, topics = Ledger(), Topics()
        ledger.gate.set()
        async with committer(ledger, topics) as made:
            with topics.listen("t") as ear, topics.listen("other") as other:
                await made.run(word("a"), frozenset({"t"}))

                assert [True, False] == [await ear.wait(0), await other.wait(0)]
                with pytest.raises(KeyError):
                    await made.run(failing("b", KeyError()), frozenset({"t"}))
                assert not await ear.wait(0)

    async def test_who_has_left_hears_nothing(self) -> None:
        topics = Topics()
        with topics.listen("t") as ear, topics.listen("t") as stays:
            topics.forget(ear)
            topics.forget(ear)
            topics.tell(["t", "nobody listens"])

            assert [False, True] == [await ear.wait(0), await stays.wait(0)]


class TestEnding:
    async def test_jobs_handed_in_are_finished_and_later_ones_refused(self) -> None:
        ledger = Ledger()
        async with committer(ledger) as made:
            tasks = [asyncio.create_task(made.run(word(str(n)))) for n in range(3)]
            await asyncio.sleep(0)
            closing = asyncio.create_task(made.close())
            await asyncio.sleep(0)
            with pytest.raises(Told, match="closed"):
                await made.run(word("late"))
            ledger.gate.set()
            await closing

            assert ["0", "1", "2"] == await asyncio.gather(*tasks) == ledger.kept
            assert ledger.closed

    def test_a_loop_that_has_ended_does_not_end_the_thread_in_an_error(self) -> None:
        ledger = Ledger()

        async def main() -> Committer[Ledger]:
            made: Committer[Ledger] = Committer(ledger, Topics(), closed=lambda: Told("closed"))
            task = asyncio.create_task(made.run(word("a")))
            await asyncio.sleep(0.01)
            task.cancel()
            return made

        made = asyncio.run(main())
        ledger.gate.set()
        asyncio.run(made.close())
        assert ["a"] == ledger.kept
