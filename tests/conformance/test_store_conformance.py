"""What every database behind the store's port must do."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from conformance.stores import open_address
from extensa.store.port import (
    DeleteFeed,
    DeleteResource,
    Expect,
    FeedRow,
    OperationRow,
    PutFeed,
    PutOperation,
    PutResource,
    Require,
    Row,
    StaleWrite,
    Store,
    StoreUnavailable,
    Write,
)

NOW = datetime(2026, 11, 25, 12, 30, 15, 123456, tzinfo=UTC)
ODD_KEYS = [
    "/a",
    "/a%",
    "/a%b",
    "/a\\",
    "/a_",
    "/a_b",
    "/ab",
    "/axb",
    "/é",
    "/\ud7ff",
    "/\ue000",
    "/\uffff",
    "/\U0010ffff",
]


def put(key: str, body: bytes = b"{}", *, type: str = "t", expect: str | Expect = Expect.ABSENT) -> PutResource:
    return PutResource(key, type, body, expect)


def keys(rows: Sequence[Row]) -> list[str]:
    return [row.key for row in rows]


class TestDocuments:
    async def test_what_was_put_comes_back_with_its_new_etag(self, store: Store) -> None:
        etags = await store.commit([put("/a", b"\x00{}\xff", type="ns/t")])

        assert ["/a"] == list(etags)
        assert Row("/a", "ns/t", etags["/a"], b"\x00{}\xff") == await store.get("/a")

    async def test_a_key_is_matched_whole_and_by_case(self, store: Store) -> None:
        await store.commit([put("/a")])

        assert [None, None, None] == [await store.get(key) for key in ("/A", "/", "/a/")]

    async def test_an_empty_commit_is_nothing(self, store: Store) -> None:
        assert {} == await store.commit([])

    async def test_a_new_etag_every_time_even_for_the_same_body(self, store: Store) -> None:
        seen = set()
        for _ in range(3):
            seen |= set((await store.commit([put("/a", expect=Expect.ANYTHING)])).values())
        await store.commit([DeleteResource("/a")])
        seen |= set((await store.commit([put("/a")])).values())

        assert 4 == len(seen)

    async def test_an_absent_key_must_be_absent(self, store: Store) -> None:
        etag = (await store.commit([put("/a", b"1")]))["/a"]

        with pytest.raises(StaleWrite) as caught:
            await store.commit([put("/a", b"2")])
        assert ("/a", etag) == (caught.value.key, caught.value.found)
        assert Row("/a", "t", etag, b"1") == await store.get("/a")

    async def test_an_etag_must_be_the_present_one(self, store: Store) -> None:
        first = (await store.commit([put("/a", b"1")]))["/a"]
        second = (await store.commit([put("/a", b"2", type="u", expect=first)]))["/a"]

        with pytest.raises(StaleWrite) as caught:
            await store.commit([put("/a", b"3", expect=first)])
        assert second == caught.value.found
        assert Row("/a", "u", second, b"2") == await store.get("/a")

    async def test_an_etag_for_what_is_gone_is_stale(self, store: Store) -> None:
        etag = (await store.commit([put("/a")]))["/a"]
        await store.commit([DeleteResource("/a", etag)])

        for write in (put("/a", expect=etag), DeleteResource("/a", etag), Require("/a", etag)):
            with pytest.raises(StaleWrite) as caught:
                await store.commit([write])
            assert caught.value.found is None

    async def test_removing_what_is_absent_is_no_error(self, store: Store) -> None:
        assert {} == await store.commit([DeleteResource("/a"), DeleteFeed("l", "k")])

    async def test_a_removal_with_a_stale_etag_removes_nothing(self, store: Store) -> None:
        await store.commit([put("/a")])

        for expect in ("other", Expect.ABSENT):
            with pytest.raises(StaleWrite):
                await store.commit([DeleteResource("/a", expect)])
        assert await store.get("/a") is not None

    async def test_a_requirement_guards_the_rest_and_writes_nothing(self, store: Store) -> None:
        group = (await store.commit([put("/g")]))["/g"]

        await store.commit([Require("/g", group), put("/g/a"), Require("/none", Expect.ABSENT)])
        for requirement in (Require("/g", "other"), Require("/g", Expect.ABSENT), Require("/none", group)):
            with pytest.raises(StaleWrite):
                await store.commit([put("/g/b"), requirement])
        assert ["/g", "/g/a"] == keys(await store.list(limit=10))
        assert group == (await store.list(limit=1))[0].etag

    async def test_writes_of_one_commit_see_each_other_in_order(self, store: Store) -> None:
        etags = await store.commit([put("/a", b"1"), DeleteResource("/a"), put("/a", b"2"), put("/b")])

        found = await store.get("/a")
        assert found is not None
        assert (b"2", etags["/a"]) == (found.body, found.etag)

    @pytest.mark.parametrize("stale", [0, 1, 2])
    async def test_one_failed_guard_and_nothing_of_the_commit_is_written(self, store: Store, stale: int) -> None:
        await store.commit([put("/old"), PutFeed("l", "old", b"old")])
        writes: list[Write] = [put("/new"), PutOperation("o", "/new", b"o"), PutFeed("l", "new", b"new")]
        writes.insert(stale, put("/old"))

        with pytest.raises(StaleWrite):
            await store.commit(writes)
        assert (None, None, None) == (
            await store.get("/new"),
            await store.operation("o"),
            await store.feed_row("l", "new"),
        )

    async def test_what_cannot_be_kept_fails_alone(self, store: Store) -> None:
        good = [store.commit([put(f"/good{n}")]) for n in range(5)]
        bad = store.commit([put("/lone surrogate \ud800")])
        results = await asyncio.gather(*good[:2], bad, *good[2:], return_exceptions=True)

        assert [False, False, True, False, False, False] == [isinstance(each, Exception) for each in results]
        assert 5 == await store.count()


class TestListing:
    async def test_keys_come_in_the_order_of_code_points(self, store: Store) -> None:
        await store.commit([put(key) for key in reversed(ODD_KEYS)])

        assert sorted(ODD_KEYS) == keys(await store.list(limit=100))

    @pytest.mark.parametrize("prefix", ["", "/", *ODD_KEYS, "/a%b/", "/zz", "/\U0010ffff\U0010ffff"])
    async def test_a_prefix_is_text_and_no_pattern(self, store: Store, prefix: str) -> None:
        everything = [key + end for key in ODD_KEYS for end in ("", "/", "_", "\U0010ffff")]
        await store.commit([put(key) for key in set(everything)])
        expected = sorted(key for key in set(everything) if key.startswith(prefix))

        assert expected == keys(await store.list(prefix=prefix, limit=1000))
        assert len(expected) == await store.count(prefix=prefix)

    @pytest.mark.parametrize("limit", [1, 3, 7])
    async def test_pages_join_without_gap_or_repetition(self, store: Store, limit: int) -> None:
        await store.commit([put(f"/p/{n:02}_%") for n in range(20)] + [put("/o"), put("/p"), put("/q")])
        found: list[str] = []
        while page := await store.list(prefix="/p/", after=found[-1] if found else None, limit=limit):
            assert len(page) <= limit
            found += keys(page)

        assert [f"/p/{n:02}_%" for n in range(20)] == found

    async def test_after_may_lie_outside_the_prefix(self, store: Store) -> None:
        await store.commit([put(key) for key in ("/a", "/b1", "/b2", "/c")])

        assert ["/b1", "/b2"] == keys(await store.list(prefix="/b", after="/a", limit=9))
        assert ["/b1", "/b2"] == keys(await store.list(prefix="/b", after="/b", limit=9))
        assert ["/b2"] == keys(await store.list(prefix="/b", after="/b1", limit=9))
        assert [] == await store.list(prefix="/b", after="/c", limit=9)

    async def test_a_type_narrows_the_list(self, store: Store) -> None:
        await store.commit([put(f"/{n}", type="odd" if n % 2 else "even") for n in range(9)])

        assert ["/1", "/3", "/5", "/7"] == keys(await store.list(type="odd", limit=9))
        assert ["/3", "/5"] == keys(await store.list(prefix="/", type="odd", after="/1", limit=2))
        assert (5, 1, 0) == (
            await store.count(type="even"),
            await store.count(prefix="/8", type="even"),
            await store.count(type="none"),
        )


class TestTallies:
    async def test_documents_are_counted_by_what_stands_in_them(self, store: Store) -> None:
        bodies = [
            b'{"state":"Succeeded","seen":{"health":"Healthy"}}',
            b'{"state":"Succeeded","seen":{"health":"Healthy"}}',
            b'{"state":"Failed"}',
            b"no document",
        ]
        await store.commit([put(f"/{number}", body) for number, body in enumerate(bodies)])
        await store.commit([put("/other", b'{"state":"Failed"}', type="other")])

        assert {("Succeeded", "Healthy"): 2, ("Failed", ""): 1} == await store.tally(
            type="t", fields=["state", "seen.health"]
        )
        assert {("Succeeded",): 2, ("Failed",): 1} == await store.tally(type="t", fields=["state"])
        assert {} == await store.tally(type="none", fields=["state"])


class TestOperations:
    async def test_a_record_outlives_its_resource(self, store: Store) -> None:
        await store.commit([put("/a"), PutOperation("o", "/a", b"begun")])
        await store.commit([DeleteResource("/a"), PutOperation("o", "/a", b"ended", NOW)])

        assert OperationRow("o", "/a", NOW, b"ended") == await store.operation("o")
        assert await store.operation("other") is None

    async def test_open_ones_come_oldest_first(self, store: Store) -> None:
        for name in ("z", "m", "a"):
            await store.commit([PutOperation(name, f"/{name}", name.encode())])
        await store.commit([PutOperation("z", "/z", b"still open")])
        await store.commit([PutOperation("m", "/m", b"", NOW)])

        assert [("z", b"still open"), ("a", b"a")] == [(o.id, o.body) for o in await store.open_operations(limit=9)]
        assert ["z"] == [o.id for o in await store.open_operations(limit=1)]
        assert 2 == await store.count_open_operations()

    async def test_old_ends_are_forgotten_and_open_ones_never(self, store: Store) -> None:
        ends = {"open": None, "old": NOW - timedelta(microseconds=1), "edge": NOW, "new": NOW + timedelta(days=1)}
        await store.commit([PutOperation(name, "/a", b"", end) for name, end in ends.items()])

        assert 1 == await store.forget_operations(ended_before=NOW)
        assert 0 == await store.forget_operations(ended_before=NOW)
        assert ["open", "edge", "new"] == [name for name in ends if await store.operation(name)]


class TestFeeds:
    async def test_documents_come_in_the_order_of_commits_newest_per_key_only(self, store: Store) -> None:
        for key, body in [("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4")]:
            await store.commit([PutFeed("l", key, body)])
        rows = await store.feed("l", after=0, limit=9)

        assert [("b", b"2"), ("a", b"3"), ("c", b"4")] == [(row.key, row.body) for row in rows]
        assert sorted({row.sequence for row in rows}) == [row.sequence for row in rows]
        assert rows[0].sequence > 0

    async def test_a_cursor_gives_what_came_after_it(self, store: Store) -> None:
        await store.commit([PutFeed("l", str(n), b"") for n in range(5)])
        first = await store.feed("l", after=0, limit=2)
        rest = await store.feed("l", after=first[-1].sequence, limit=9)

        assert ["0", "1", "2", "3", "4"] == [row.key for row in [*first, *rest]]
        assert [] == await store.feed("l", after=rest[-1].sequence, limit=9)

    async def test_a_cursor_of_another_life_of_the_database_counts_as_none(self, store: Store) -> None:
        await store.commit([PutFeed("l", "k", b"1")])
        newest = (await store.feed("l", after=0, limit=1))[0].sequence

        assert [] == await store.feed("l", after=newest, limit=9)
        assert [b"1"] == [row.body for row in await store.feed("l", after=newest + 1, limit=9)]

    async def test_lanes_do_not_mix(self, store: Store) -> None:
        await store.commit([PutFeed("l", "k", b"1"), PutFeed("m", "k", b"2")])

        assert [b"2"] == [row.body for row in await store.feed("m", after=0, limit=9)]
        row = await store.feed_row("l", "k")
        assert row == FeedRow(row.sequence if row else 0, "k", b"1")
        assert await store.feed_row("m", "other") is None

    async def test_a_sequence_is_never_given_twice(self, store: Store, address: str) -> None:
        await store.commit([PutFeed("l", "k", b"1")])
        before = (await store.feed("l", after=0, limit=1))[0].sequence
        await store.commit([DeleteFeed("l", "k")])
        await store.close()
        again = await open_address(address)
        await again.commit([PutFeed("m", "k", b"2")])

        assert before < (await again.feed("m", after=0, limit=1))[0].sequence
        assert [] == await again.feed("l", after=0, limit=9)
        await again.close()

    async def test_a_reader_that_follows_sees_every_commit_of_many_writers(self, store: Store) -> None:
        total = 200
        seen: list[FeedRow] = []

        async def follow() -> None:
            with store.topic_changed("feed:l") as ear:
                while len(seen) < total:
                    rows = await store.feed("l", after=seen[-1].sequence if seen else 0, limit=7)
                    seen.extend(rows)
                    if not rows:
                        assert await ear.wait(5)

        async def write(writer: int) -> None:
            for n in range(total // 8):
                await store.commit([PutFeed("l", f"{writer}-{n}", b"")])

        await asyncio.gather(follow(), *(write(writer) for writer in range(8)))
        assert total == len({row.key for row in seen})
        assert sorted(row.sequence for row in seen) == [row.sequence for row in seen]


class TestBlobs:
    async def test_a_chart_of_16_mebibytes_is_kept(self, store: Store) -> None:
        content = bytes(range(256)) * 65536
        await store.put_blob("sha256:a", content)
        await store.put_blob("sha256:a", content)

        assert content == await store.get_blob("sha256:a")
        assert await store.get_blob("sha256:b") is None

    async def test_the_first_content_stays(self, store: Store) -> None:
        await store.put_blob("d", b"1")
        await store.put_blob("d", b"2")

        assert b"1" == await store.get_blob("d")


class TestWaking:
    async def test_silence_ends_after_the_timeout(self, store: Store) -> None:
        with store.topic_changed("feed:l") as ear:
            await store.commit([put("/a"), PutFeed("other", "k", b""), PutOperation("o", "/a", b"")])

            assert not await ear.wait(0.01)
            assert not await ear.wait(0)

    @pytest.mark.parametrize(
        ("topic", "write"),
        [
            ("feed:l", PutFeed("l", "k", b"")),
            ("feed:l", DeleteFeed("l", "k")),
            ("operation:o", PutOperation("o", "/a", b"")),
        ],
    )
    async def test_a_commit_wakes_the_one_who_waits(self, store: Store, topic: str, write: Write) -> None:
        with store.topic_changed(topic) as ear:
            waiting = asyncio.create_task(ear.wait(5))
            await asyncio.sleep(0)
            await store.commit([write])

            assert await waiting
            assert not await ear.wait(0)

    async def test_a_commit_before_the_wait_counts_once(self, store: Store) -> None:
        with store.topic_changed("feed:l") as ear, store.topic_changed("feed:l") as other:
            await store.commit([PutFeed("l", "a", b"")])
            await store.commit([PutFeed("l", "b", b"")])

            assert [True, False, True] == [await ear.wait(0), await ear.wait(0), await other.wait(5)]

    async def test_a_refused_commit_wakes_nobody(self, store: Store) -> None:
        await store.commit([put("/a")])
        with store.topic_changed("feed:l") as ear:
            with pytest.raises(StaleWrite):
                await store.commit([PutFeed("l", "k", b""), put("/a")])

            assert not await ear.wait(0.01)

    async def test_what_is_woken_for_is_there_to_read(self, store: Store) -> None:
        with store.topic_changed("operation:o") as ear:
            writing = asyncio.create_task(store.commit([PutOperation("o", "/a", b"", NOW)]))
            assert await ear.wait(5)
            found = await store.operation("o")
            await writing

        assert found is not None

    async def test_a_cancelled_wait_loses_nothing(self, store: Store) -> None:
        with store.topic_changed("feed:l") as ear:
            waiting = asyncio.create_task(ear.wait(5))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await store.commit([PutFeed("l", "k", b"")])

            assert await ear.wait(5)


class TestConcurrency:
    async def test_of_many_who_create_one_succeeds(self, store: Store) -> None:
        results = await asyncio.gather(
            *(store.commit([put("/a", str(n).encode())]) for n in range(50)), return_exceptions=True
        )
        winners = [n for n, result in enumerate(results) if isinstance(result, dict)]
        found = await store.get("/a")

        assert 1 == len(winners)
        assert found is not None
        assert str(winners[0]).encode() == found.body
        assert 49 == sum(isinstance(result, StaleWrite) for result in results)

    async def test_no_change_is_lost_by_guarded_writers(self, store: Store) -> None:
        await store.commit([put("/n", b"0")])

        async def add() -> None:
            while True:
                row = await store.get("/n")
                assert row is not None
                try:
                    await store.commit([put("/n", str(int(row.body) + 1).encode(), expect=row.etag)])
                except StaleWrite:
                    continue
                return

        await asyncio.gather(*(add() for _ in range(20)))
        row = await store.get("/n")
        assert row is not None
        assert b"20" == row.body

    async def test_two_stores_on_one_database_see_each_other(self, store: Store, address: str) -> None:
        other = await open_address(address)
        etag = (await other.commit([put("/a")]))["/a"]
        both = await asyncio.gather(
            *(each.commit([put("/a", expect=etag)]) for each in (store, other)), return_exceptions=True
        )

        assert 1 == sum(isinstance(each, StaleWrite) for each in both)
        assert await store.get("/a") == await other.get("/a")
        await other.close()

    async def test_a_caller_that_goes_away_harms_nobody(self, store: Store) -> None:
        gone = asyncio.create_task(store.commit([put("/gone")]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)

        assert ["/here"] == list(await store.commit([put("/here")]))


class TestEnding:
    async def test_writes_handed_in_before_the_end_are_kept(self, store: Store, address: str) -> None:
        writing = [asyncio.create_task(store.commit([put(f"/{n}")])) for n in range(40)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*writing)
        again = await open_address(address)

        assert 40 == await again.count()
        await again.close()

    async def test_a_closed_store_says_so(self, store: Store) -> None:
        await store.close()
        await store.close()

        for call in (store.get("/a"), store.commit([put("/a")]), store.get_blob("d"), store.list(limit=1)):
            with pytest.raises(StoreUnavailable) as caught:
                await call
            assert "StoreClosed" == caught.value.code
