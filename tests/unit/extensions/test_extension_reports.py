"""Reports over a real store: whose word counts, what is kept of it, and that no secret is."""

import pytest

from extensa.base.errors import Unavailable
from extensa.extensions import records
from extensa.link.extension import ExtensionReports, Failure, ObservedExtension, Phase, Presence
from extensa.store.port import PutResource, StaleWrite
from extensa.store.vault import Vault
from unit.extensions.extension_facts import AGENT, House, body, extension_id, health, observed, status

SECRET = "correct-horse-battery"


async def uid(home: House) -> str:
    row = await home.store.get(extension_id().key)
    assert row is not None
    return records.extension_of(row.body).uid


async def tell(home: House, report: ObservedExtension, agent: str = AGENT) -> None:
    await home.extensions.observe(agent, ExtensionReports(observed=[report]))


async def state(home: House) -> str:
    return str((await home.get()).body["properties"]["provisioningState"])


async def test_another_agents_word_does_not_count(home: House) -> None:
    await home.put(body())
    await tell(home, observed(Phase.READY, uid=await uid(home)), agent="stranger")

    assert "Creating" == await state(home)


async def test_a_report_of_nothing_known_is_taken_without_a_word(home: House) -> None:
    await tell(home, observed(Phase.READY, uid="nobody"))

    assert 0 == await home.store.count()


async def test_no_secret_is_kept_from_what_an_agent_says(home: House) -> None:
    answer = await home.put(body(configurationProtectedSettings={"token": SECRET}))
    failure = Failure(
        code="C", message=f"bad {SECRET}", step="ready", target=SECRET, next_step=SECRET, raw=f"raw {SECRET}"
    )
    await tell(
        home,
        observed(
            Phase.FAILED,
            uid=await uid(home),
            statuses=[status("Note", SECRET)],
            objects=[health("a", "Failed", SECRET)],
            failure=failure,
        ),
    )

    assert answer.operation is not None
    operation = await home.store.operation(answer.operation.id)
    assert operation is not None
    rows = await home.store.list(limit=100)
    assert b"bad ********" in operation.body
    assert SECRET.encode() not in b"".join(row.body for row in rows) + operation.body


async def test_without_the_key_the_raw_text_is_not_kept(home: House) -> None:
    await home.put(body(configurationProtectedSettings={"token": SECRET}))
    other = House(home.store, Vault("k", {"k": bytes(32)}))
    await tell(other, observed(Phase.FAILED, uid=await uid(home)))

    error = (await home.get()).body["properties"]["errorInfo"]
    assert "timed out" not in error["message"]
    assert "was not ready in time" in error["message"]


async def test_reports_in_any_order_and_number_end_with_the_newest(home: House) -> None:
    answer = await home.put(body())
    identity = await uid(home)
    working = observed(Phase.WORKING, uid=identity, seconds=1)
    failed = observed(Phase.FAILED, uid=identity, seconds=2)
    ready = observed(Phase.READY, uid=identity, seconds=3)
    for report in (failed, ready, working, failed, ready):
        await tell(home, report)

    assert "Succeeded" == await state(home)
    assert answer.operation is not None
    operation = await home.store.operation(answer.operation.id)
    assert operation is not None
    assert b'"status":"Failed"' in operation.body, "an operation ends once; the resource follows the truth"


async def test_a_report_that_meets_another_write_is_judged_anew(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await home.put(body())
    identity = await uid(home)
    commit, failures = home.store.commit, 2

    async def sometimes_stale(writes: object) -> dict[str, str]:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StaleWrite("k", None)
        return await commit(writes)  # type: ignore[arg-type]

    monkeypatch.setattr(home.store, "commit", sometimes_stale)
    await tell(home, observed(Phase.READY, uid=identity))
    assert "Succeeded" == await state(home)

    failures = 99
    with pytest.raises(Unavailable, match="send it again"):
        await tell(home, observed(Phase.FAILED, uid=identity, seconds=9))


async def test_an_orphan_replaced_meanwhile_is_not_forgotten_twice(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the orphan and forgetting it, a new extension of the same id takes its place."""
    await home.put(body())
    identity = await uid(home)
    await home.delete(query={"forcedelete": "true"})
    commit = home.store.commit

    async def first_a_put(writes: object) -> dict[str, str]:
        monkeypatch.setattr(home.store, "commit", commit)
        await home.put(body())
        return await commit(writes)  # type: ignore[arg-type]

    monkeypatch.setattr(home.store, "commit", first_a_put)
    await tell(home, observed(Phase.GONE, uid=identity, generation=2))

    assert "Creating" == await state(home)
    row = await home.store.feed_row(records.lane(AGENT), extension_id().key)
    assert row is not None
    assert Presence.PRESENT is records.at_rest_of(row.body).desired.presence


async def test_a_database_put_back_from_a_copy_goes_past_what_the_agent_knows(home: House) -> None:
    """An agent takes nothing that is not newer than what it has; from an older one it would never hear again."""
    await home.put(body())
    await tell(home, observed(Phase.READY, uid=await uid(home), generation=7))
    row = await home.store.feed_row(records.lane(AGENT), extension_id().key)
    assert row is not None
    assert 8 == records.at_rest_of(row.body).desired.generation
    assert "Creating" == await state(home)

    await tell(home, observed(Phase.READY, uid=await uid(home), generation=8))
    assert "Succeeded" == await state(home)


async def test_another_agent_moves_nothing_past_itself(home: House) -> None:
    await home.put(body())
    await tell(home, observed(Phase.READY, uid=await uid(home), generation=7), agent="stranger")
    row = await home.store.feed_row(records.lane(AGENT), extension_id().key)

    assert row is not None
    assert 1 == records.at_rest_of(row.body).desired.generation


async def test_a_report_we_stumble_over_does_not_silence_the_others(home: House) -> None:
    await home.put(body())
    await home.put(body(), "broken")
    key = extension_id("broken").key
    row = await home.store.get(key)
    assert row is not None
    broken = observed(Phase.READY, uid=records.extension_of(row.body).uid)
    await home.store.commit([PutResource(key, row.type, b"{}", row.etag)])
    reports = ExtensionReports(observed=[broken, observed(Phase.READY, uid=await uid(home))])
    await home.extensions.observe(AGENT, reports)

    assert "Succeeded" == await state(home)
