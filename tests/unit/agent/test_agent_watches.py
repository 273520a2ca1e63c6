"""One stream per kind, whoever follows; hints reach whom they concern, and a gap reaches everyone."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from extensa.agent.watches import RECORDS, Topic, Watches
from extensa.helm.release import ObjectRef
from unit.agent.doubles import FakeApi

DEPLOYMENTS = Topic("apps/v1", "Deployment")
WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")


class Follower:
    def __init__(self) -> None:
        self.heard: list[ObjectRef | None] = []

    def __call__(self, ref: ObjectRef | None) -> None:
        self.heard.append(ref)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
async def watches(api: FakeApi) -> AsyncIterator[Watches]:
    made = Watches(api)
    yield made
    await made.close()


async def test_a_change_reaches_those_who_follow_it(api: FakeApi, watches: Watches) -> None:
    one, other = Follower(), Follower()
    assert await watches.follow("one", [(DEPLOYMENTS, "ns", "web")], one)
    assert await watches.follow("other", [(DEPLOYMENTS, "ns", "api")], other)
    api.put("Deployment", "web")
    await settle()

    assert ([WEB], []) == (one.heard, other.heard)
    assert 1 == api.asked


async def test_records_are_followed_by_the_releases_name(api: FakeApi, watches: Watches) -> None:
    follower = Follower()
    await watches.follow("one", [(RECORDS, "ns", "r")], follower)
    api.put("Secret", "sh.helm.release.v1.r.v1", labels={"name": "r"})
    api.put("Secret", "sh.helm.release.v1.other.v1", labels={"name": "other"})
    await settle()

    assert [ObjectRef("helm.sh/release.v1", "Release", "ns", "r")] == follower.heard
    assert "owner=helm" == RECORDS.labels
    assert "app.kubernetes.io/managed-by=Helm" == DEPLOYMENTS.labels


async def test_following_anew_replaces_what_was_followed(api: FakeApi, watches: Watches) -> None:
    follower = Follower()
    await watches.follow("one", [(DEPLOYMENTS, "ns", "web"), (RECORDS, "ns", "r")], follower)
    await watches.follow("one", [(DEPLOYMENTS, "ns", "api")], follower)
    api.put("Deployment", "web")
    api.put("Deployment", "api")
    await settle()

    assert ["api"] == [ref.name for ref in follower.heard if ref is not None]


async def test_who_follows_no_more_hears_no_more(api: FakeApi, watches: Watches) -> None:
    follower = Follower()
    await watches.follow("one", [(DEPLOYMENTS, "ns", "web")], follower)
    watches.unfollow("one")
    await settle()
    api.put("Deployment", "web")
    await settle()

    assert [] == follower.heard


async def test_after_a_gap_everyone_looks_at_everything(api: FakeApi, watches: Watches) -> None:
    follower = Follower()
    await watches.follow("one", [(DEPLOYMENTS, "ns", "web")], follower)
    api.cut_watches()
    await asyncio.sleep(0.5)
    assert [None, None] == follower.heard  # when it broke, and when it stood again
    api.put("Deployment", "web")
    await settle()

    assert [None, None, WEB] == follower.heard


async def test_a_stream_that_does_not_stand_is_known_and_tried_again_when_asked(api: FakeApi, watches: Watches) -> None:
    followed = [(DEPLOYMENTS, "ns", "web")]
    await watches.follow("one", followed, Follower())
    assert watches.sees(followed)
    assert not watches.sees([(RECORDS, "ns", "r")])
    api.silent = True
    api.cut_watches()
    await asyncio.sleep(2)
    assert not watches.sees(followed)
    api.silent = False

    assert await asyncio.wait_for(watches.follow("one", followed, Follower()), 0.5)


async def test_a_refused_connection_is_only_a_pause(
    api: FakeApi, watches: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.agent.watches._OPENING", 0.05)
    follower = Follower()
    api.silent = True
    assert not await watches.follow("one", [(DEPLOYMENTS, "ns", "web")], follower)
    api.silent = False
    await asyncio.sleep(1.0)
    api.put("Deployment", "web")
    await settle()

    assert [WEB] == follower.heard


class Editions:
    def __init__(self) -> None:
        self.heard: dict[str, frozenset[str]] = {}

    def __call__(self, ref: ObjectRef, editions: frozenset[str]) -> None:
        self.heard[ref.name] = editions


async def test_who_follows_is_told_the_editions_that_there_are(api: FakeApi, watches: Watches) -> None:
    told = Editions()
    api.put("Deployment", "web")
    for version in (1, 2):
        api.put("Secret", f"sh.helm.release.v1.r.v{version}", labels={"name": "r"})
    followed = [(DEPLOYMENTS, "ns", "web"), (DEPLOYMENTS, "ns", "gone"), (RECORDS, "ns", "r")]
    await watches.follow("one", followed, Follower(), told)
    await watches.follow("other", followed, Follower())

    await watches.list_all()

    assert {"web": frozenset({"1"}), "gone": frozenset(), "r": frozenset({"2", "3"})} == told.heard


async def test_a_kind_that_was_listed_lately_is_covered_without_a_stream(api: FakeApi, watches: Watches) -> None:
    followed = [(DEPLOYMENTS, "ns", "web")]
    assert not watches.covers(followed)
    await watches.follow("one", followed, Follower())
    assert watches.covers(followed)
    api.silent = True
    api.cut_watches()
    await asyncio.sleep(0.05)
    await watches.list_all()
    assert not watches.covers(followed)
    api.silent = False
    await watches.list_all()

    assert (False, True) == (watches.sees(followed), watches.covers(followed))


async def test_everything_is_listed_now_and_then(
    api: FakeApi, watches: Watches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.agent.watches.LIST_EVERY", 0.02)
    told = Editions()
    await watches.follow("one", [(DEPLOYMENTS, "ns", "web")], Follower(), told)
    await asyncio.sleep(0.2)

    assert {"web": frozenset()} == told.heard
