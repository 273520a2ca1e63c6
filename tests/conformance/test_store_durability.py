"""What was acknowledged is there after ``kill -9``, whole, and in the order in which it was acknowledged."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conformance.stores import open_address
from extensa.store.port import FeedRow, Store

ROUNDS = 4
TESTS = Path(__file__).resolve().parents[1]


@contextmanager
def committing(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that commits; killed at the end of the block, if not before."""
    environment = {**os.environ, "PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}"}
    child = subprocess.Popen(
        [sys.executable, "-m", "conformance.committing_child", address], env=environment, stdout=subprocess.PIPE
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait(10)
        assert child.stdout is not None
        child.stdout.close()


def acknowledged(address: str, seconds: float) -> list[str]:
    """Let a child commit for a while, kill it in the middle, and return what it saw acknowledged, in order."""
    with committing(address) as child:
        assert child.stdout is not None
        first = child.stdout.readline()
        time.sleep(seconds)
        child.kill()
        lines = [first, *child.stdout.readlines()]
    return [line.decode().rstrip("\n") for line in lines if line.endswith(b"\n")]


async def feed(store: Store) -> list[FeedRow]:
    rows: list[FeedRow] = []
    while page := await store.feed("l", after=rows[-1].sequence if rows else 0, limit=1000):
        rows += page
    return rows


async def test_everything_acknowledged_survives_the_kill_of_the_process(address: str) -> None:
    told: list[str] = []
    for _ in range(ROUNDS):
        told += acknowledged(address, random.uniform(0.05, 0.4))

    store = await open_address(address)
    rows = await feed(store)
    kept = [row.key for row in rows]
    resources = {f"/{name}": name.encode() * 50 for name in kept}
    assert len(told) > ROUNDS
    assert [] == [name for name in told if name not in set(kept)]

    # Whole or not at all, acknowledged or not.
    assert len(kept) == await store.count()
    for row in rows:
        found = await store.get(f"/{row.key}")
        operation = await store.operation(row.key)
        assert found is not None
        assert operation is not None
        assert resources[f"/{row.key}"] == found.body == operation.body == row.body
    assert len(await store.open_operations(limit=10**6)) == len(kept)

    # The feed runs in the order in which commits were acknowledged.
    place = {name: number for number, name in enumerate(kept)}
    assert [place[name] for name in told] == sorted(place[name] for name in told)
    await store.close()


async def test_a_store_opens_while_the_killed_one_left_its_log_behind(address: str) -> None:
    told = acknowledged(address, 0.1)
    first, second = await open_address(address), await open_address(address)

    assert await first.count() == await second.count() >= len(told)
    await first.close()
    await second.close()
