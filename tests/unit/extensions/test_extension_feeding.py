"""What agents are served: everything after a cursor, at once or as soon as there is, sealed to their own key."""

import asyncio
import json

import pytest

from extensa.base.errors import Refused
from extensa.extensions import feeding
from extensa.link.extension import ExtensionFeed, Presence
from extensa.link.sealing import unseal
from extensa.store.vault import Vault
from unit.extensions.extension_facts import AGENT, AGENT_KEY, ARC, House, body, public_agent_key


async def feed(home: House, after: int = 0, wait: float = 0, agent: str = AGENT) -> ExtensionFeed:
    return await home.extensions.feed(agent, after=after, wait=wait, agent_key=public_agent_key())


async def test_a_cursor_gives_what_is_newer_and_zero_everything(home: House) -> None:
    await home.put(body(), "a")
    await home.put(body(), "b")
    everything = await feed(home)
    await home.put(body(configurationSettings={"x": "y"}), "a")
    newer = await feed(home, after=everything.cursor)

    assert ["a", "b"] == [d.release for d in everything.desired]
    assert [("a", 2)] == [(d.release, d.generation) for d in newer.desired]
    assert newer.cursor > everything.cursor
    assert ExtensionFeed(cursor=newer.cursor, desired=[]) == await feed(home, after=newer.cursor)
    assert {"a", "b"} == {d.release for d in (await feed(home)).desired}


async def test_what_is_news_comes_in_bounded_answers(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "PAGE", 2)
    await home.put(body(), "first")
    cursor = (await feed(home)).cursor
    for name in "abc":
        await home.put(body(), name)

    one = await feed(home, after=cursor)
    two = await feed(home, after=one.cursor)

    assert (["a", "b"], ["c"]) == ([d.release for d in one.desired], [d.release for d in two.desired])


async def test_zero_gives_everything_at_once(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent forgets what a whole answer does not name."""
    monkeypatch.setattr(feeding, "PAGE", 2)
    for name in "abcde":
        await home.put(body(), name)

    everything = await feed(home)
    assert ["a", "b", "c", "d", "e"] == [d.release for d in everything.desired]
    assert (True, False) == (everything.whole, (await feed(home, after=everything.cursor)).whole)


async def test_an_agent_that_waits_hears_at_once(home: House) -> None:
    waiting = asyncio.create_task(feed(home, wait=30))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await home.put(body())

    assert ["greeter"] == [d.release for d in (await asyncio.wait_for(waiting, 5)).desired]


async def test_what_is_of_no_news_does_not_end_the_waiting(home: House) -> None:
    await home.put(body())
    cursor = (await feed(home)).cursor
    waiting = asyncio.create_task(feed(home, after=cursor, wait=0.2))
    await asyncio.sleep(0.01)
    await home.put(body(), cluster_id=ARC)

    assert [] == (await waiting).desired


async def test_each_agent_hears_of_its_own_clusters_only(home: House) -> None:
    await home.put(body())
    await home.put(body(), "edge", cluster_id=ARC)

    assert ["edge"] == [d.release for d in (await feed(home, agent="edge-agent")).desired]
    assert ["greeter"] == [d.release for d in (await feed(home)).desired]
    assert {AGENT, "edge-agent"} == set(home.clusters.spoken)


async def test_secrets_come_sealed_to_the_agent_and_to_nobody_else(home: House) -> None:
    await home.put(body(configurationProtectedSettings={"token": "s3cret"}))
    found = (await feed(home)).desired[0]

    assert found.protected is not None
    assert {"token": "s3cret"} == json.loads(unseal(found.protected, private=AGENT_KEY, purpose=found.uid))


@pytest.mark.parametrize("key", ["", "x", "AAAA"])
async def test_a_bad_key_is_refused(home: House, key: str) -> None:
    await home.put(body(configurationProtectedSettings={"token": "s3cret"}))

    with pytest.raises(Refused, match="X25519"):
        await home.extensions.feed(AGENT, after=0, wait=0, agent_key=key)


async def test_one_document_that_cannot_be_opened_does_not_hold_up_the_rest(home: House) -> None:
    await home.put(body(configurationProtectedSettings={"token": "s3cret"}), "lost")
    await home.put(body(), "fine")
    other = House(home.store, Vault("k", {"k": bytes(32)}))

    found = await feed(other)

    assert (["fine"], False) == ([d.release for d in found.desired], found.whole)
    assert [] == (await feed(other, after=found.cursor)).desired


async def test_who_waits_for_a_document_that_cannot_be_opened_hears_so_at_once(home: House) -> None:
    """It would only run into its deadline; and when the keys are found after all, the truth corrects the record."""
    made = await home.put(body(configurationProtectedSettings={"token": "s3cret"}))
    assert made.operation is not None
    await feed(House(home.store, Vault("k", {"k": bytes(32)})))

    kept = await home.store.operation(made.operation.id)
    assert kept is not None
    assert kept.ended is not None
    shown = (await home.get()).body["properties"]
    told = {each["type"]: each["info"] for each in shown["errorInfo"]["additionalInfo"]}
    assert ("Failed", "SealBroken") == (shown["provisioningState"], told["ExtensaFailure"]["code"])
    assert "write the protected settings again" in told["ExtensaNextStep"]["nextStep"]
    assert ["greeter"] == [d.release for d in (await feed(home)).desired]
    await feed(House(home.store, Vault("k", {"k": bytes(32)})))
    assert "Failed" == (await home.get()).body["properties"]["provisioningState"]


async def test_absence_carries_no_secret(home: House) -> None:
    await home.put(body(configurationProtectedSettings={"token": "s3cret"}))
    await home.delete()
    found = (await feed(home)).desired[0]

    assert (Presence.ABSENT, None, None) == (found.presence, found.protected, found.chart)
