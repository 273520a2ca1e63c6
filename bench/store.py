"""``python -m bench.store``: what a durable commit and a read cost, and what group commit and inline reads gain.

One commit is what a PUT writes: a document, an operation and a feed row, about 4 KB. CPU counts every thread of the
process. The database lies in the folder named as the only argument, else in the current one: a RAM disk syncs nothing.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from extensa.store.port import Expect, PutFeed, PutOperation, PutResource
from extensa.store.sqlite import SqliteStore, open_store

SECONDS = 2.0
ROWS = 10_000
CLUSTERS = 40
BODY = os.urandom(1700)
TYPE = "microsoft.kubernetesconfiguration/extensions"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: times are microseconds."""

    what: str
    per_second: float
    cpu: float
    median: float
    worst: float


def key(number: int) -> str:
    """The key of the document ``number``, as long as a real one."""
    cluster = (
        "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourcegroups/fleet/providers"
        f"/microsoft.containerservice/managedclusters/cluster-{number % CLUSTERS:04}"
    )
    return f"{cluster}/providers/{TYPE}/extension-{number:06}"


async def measured(what: str, waiting: int, act: Callable[[int], Awaitable[object]]) -> Line:
    """Do ``act`` over and over in ``waiting`` tasks at once."""
    times: list[float] = []
    begin, cpu = time.perf_counter(), time.process_time()

    async def worker(number: int) -> None:
        while (start := time.perf_counter()) < begin + SECONDS:
            await act(number)
            times.append(time.perf_counter() - start)
            number += waiting
            await asyncio.sleep(0)

    await asyncio.gather(*(worker(number) for number in range(waiting)))
    wall, spent = time.perf_counter() - begin, time.process_time() - cpu
    times.sort()
    count = len(times)
    return Line(what, count / wall, spent / count * 1e6, times[count // 2] * 1e6, times[count * 99 // 100] * 1e6)


async def writes(store: SqliteStore) -> list[Line]:
    """Durable commits with 1 to 128 callers waiting."""

    async def commit(number: int) -> None:
        name = key(number % ROWS)
        await store.commit(
            [
                PutResource(name, TYPE, BODY, Expect.ANYTHING),
                PutOperation(f"operation-{time.perf_counter_ns()}-{number}", name, BODY[:500]),
                PutFeed("extensions:agent", name, BODY),
            ]
        )

    return [await measured(f"durable commit, {waiting} waiting", waiting, commit) for waiting in (1, 8, 32, 128)]


async def reads(store: SqliteStore) -> list[Line]:
    """Reads on the loop, and the same through a thread."""
    loop = asyncio.get_running_loop()
    newest = (await store.feed("extensions:agent", after=0, limit=ROWS * 2))[-1].sequence
    cluster = key(1).rpartition("/")[0] + "/"

    async def get(number: int) -> None:
        assert await store.get(key(number * 7919 % ROWS)) is not None

    async def page(_: int) -> None:
        assert len(await store.list(prefix=cluster, type=TYPE, limit=100)) == 100

    async def poll(_: int) -> None:
        assert not await store.feed("extensions:agent", after=newest, limit=100)

    return [
        await measured("get, inline", 1, get),
        await measured("get, 32 waiting, inline", 32, get),
        await measured("a hop to a thread and back, nothing else", 1, lambda _: loop.run_in_executor(None, int)),
        await measured("list, 100 documents, inline", 1, page),
        await measured("feed with nothing new, inline", 1, poll),
    ]


async def fill(store: SqliteStore) -> None:
    """Keep as many documents as the largest installation we promise."""
    for first in range(0, ROWS, 500):
        await store.commit([PutResource(key(n), TYPE, BODY, Expect.ANYTHING) for n in range(first, first + 500)])


async def main(folder: Path) -> list[Line]:
    """Return the table's lines, measured on a new database in ``folder``."""
    store = await open_store(folder / "bench.sqlite3")
    await fill(store)
    lines = [*await writes(store), *await reads(store)]
    await store.close()
    begin, cpu = time.perf_counter(), time.process_time()
    again = await open_store(folder / "bench.sqlite3")
    await again.get(key(1))
    wall, spent = time.perf_counter() - begin, time.process_time() - cpu
    await again.close()
    return [*lines, Line(f"open with {ROWS:,} documents, first read", 1 / wall, spent * 1e6, wall * 1e6, wall * 1e6)]


def printed(lines: list[Line]) -> str:
    """Return the table as text."""
    head = f"{'what':<42}{'per second':>12}{'CPU µs':>10}{'median µs':>12}{'99 % µs':>12}"
    body = [f"{x.what:<42}{x.per_second:>12,.0f}{x.cpu:>10,.0f}{x.median:>12,.0f}{x.worst:>12,.0f}" for x in lines]
    return "\n".join([head, "─" * len(head), *body])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if sys.argv[1:] else ".", prefix="bench-store-") as place:
        print(printed(asyncio.run(main(Path(place)))))
