"""Evidence in the control plane: asked for until it is there, kept sealed, shown, and gone with the extension."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from extensa.base.errors import NotFound
from extensa.extensions import records
from extensa.extensions.evidence import Collector
from extensa.link.evidence import Cause, Evidence
from extensa.link.extension import ExtensionReports, Phase
from unit.extensions.extension_facts import AGENT, NOW, House, body, extension_id, observed, request

SECRET = "correct-horse-battery"


def told(number: int, **changes: Any) -> dict[str, Any]:
    """What an agent answers."""
    cause = Cause(code="HookFailed", message=f"because {SECRET}", step="install", target="Job j", raw=SECRET)
    fields: dict[str, Any] = {"id": f"ev-{number}", "uid": "u", "generation": 1, "time": NOW, "cause": cause}
    found = Evidence(**(fields | changes), manifests="password: unrecognised-canary")
    return {"evidence": msgspec.to_builtins(found), "more": False}


async def fail(home: House, evidence: str, *, seconds: int = 1) -> None:
    row = await home.store.get(extension_id().key)
    assert row is not None
    uid = records.extension_of(row.body).uid
    report = observed(Phase.FAILED, uid=uid, seconds=seconds, evidence=evidence)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[report]))


async def collect(home: House) -> None:
    await Collector(home.store, home.vault, home.questions, clock=lambda: home.now).turn()


async def listed(home: House) -> Any:
    return (await home.extensions.act(request(), "listEvidence")).body


async def kept(home: House, evidence_id: str = "") -> Any:
    query = {"id": evidence_id} if evidence_id else {}
    return (await home.extensions.act(request(query=query), "getEvidence")).body


async def test_a_failure_is_asked_for_until_the_agent_answers(home: House) -> None:
    await home.put(body(configurationProtectedSettings={"token": SECRET}))
    await fail(home, "ev-1")
    await collect(home)  # nobody answers
    assert {"value": [], "awaited": True, "lost": None} == await listed(home)

    home.questions.body = told(1)
    await collect(home)
    await collect(home)

    found = await listed(home)
    assert (False, ["ev-1"], "HookFailed") == (
        found["awaited"],
        [each["id"] for each in found["value"]],
        found["value"][0]["causeCode"],
    )
    assert [{"have": [], "generation": 1}] * 2 == [each.arguments for each in home.questions.asked]
    shown = await kept(home)
    assert ("because ********", "********") == (shown["cause"]["message"], shown["cause"]["raw"])
    assert found["value"][0]["requestedBy"] == shown["requestedBy"]
    assert SECRET not in repr(shown)


async def test_what_is_kept_is_sealed_at_rest(home: House) -> None:
    await home.put(body())
    await fail(home, "ev-1")
    home.questions.body = told(1)
    await collect(home)

    rows = await home.store.list(limit=100)
    assert any("evidence" in row.key for row in rows)
    assert not any(b"unrecognised-canary" in row.body for row in rows)
    assert "unrecognised-canary" in (await kept(home))["manifests"]


async def test_five_are_kept_and_an_earlier_one_is_found_by_its_id(home: House) -> None:
    await home.put(body())
    for number in range(1, 8):
        await fail(home, f"ev-{number}", seconds=number)
        home.questions.body = told(number)
        await collect(home)

    assert [f"ev-{n}" for n in (7, 6, 5, 4, 3)] == [each["id"] for each in (await listed(home))["value"]]
    assert "ev-3" == (await kept(home, "ev-3"))["id"]
    with pytest.raises(NotFound, match="no evidence 'ev-1'"):
        await kept(home, "ev-1")


async def test_more_of_one_failure_is_fetched_in_one_turn(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await home.put(body())
    await fail(home, "ev-2")
    answers = [told(1) | {"more": True}, told(2)]

    async def ask(agent: str, question: Any, now: Any) -> Any:
        home.questions.body = answers.pop(0)
        return await type(home.questions).ask(home.questions, agent, question, now)

    monkeypatch.setattr(home.questions, "ask", ask)
    await collect(home)

    assert ["ev-2", "ev-1"] == [each["id"] for each in (await listed(home))["value"]]
    assert ["ev-1"] == home.questions.asked[1].arguments["have"]


@pytest.mark.parametrize(
    ("answer", "failure", "lost"),
    [
        ({"evidence": None, "more": False}, "", "NoEvidence"),
        ({}, "UnknownQuestion", "UnknownQuestion: no"),
        ({"evidence": {"id": 1}}, "", "EvidenceUnreadable"),
    ],
)
async def test_what_the_agent_has_not_is_not_asked_for_again(
    home: House, answer: dict[str, Any], failure: str, lost: str
) -> None:
    await home.put(body())
    await fail(home, "ev-1")
    home.questions.body, home.questions.failure = answer, failure
    await collect(home)
    await collect(home)

    found = await listed(home)
    assert (1, False) == (len(home.questions.asked), found["awaited"])
    assert found["lost"].startswith(lost)


async def test_a_repeated_report_asks_for_nothing_new_and_a_healthy_one_keeps_what_is_there(home: House) -> None:
    await home.put(body())
    await fail(home, "ev-1")
    home.questions.body = told(1)
    await collect(home)
    await fail(home, "ev-1", seconds=5)
    await collect(home)
    row = await home.store.get(extension_id().key)
    assert row is not None
    ready = observed(Phase.READY, uid=records.extension_of(row.body).uid, seconds=9)
    await home.extensions.observe(AGENT, ExtensionReports(observed=[ready]))

    assert 1 == len(home.questions.asked)
    assert ["ev-1"] == [each["id"] for each in (await listed(home))["value"]]


@pytest.mark.parametrize("when", ["due", "kept"])
async def test_nothing_is_left_of_it_when_the_extension_goes(home: House, when: str) -> None:
    await home.put(body())
    await fail(home, "ev-1")
    home.questions.body = told(1) if when == "kept" else None
    await collect(home)
    await home.delete(query={"forcedelete": "true"})
    await collect(home)

    assert [] == [row.key for row in await home.store.list(limit=100) if "evidence" in row.key]
    home.now += timedelta(seconds=1)
    await home.put(body())
    assert {"value": [], "awaited": False, "lost": None} == await listed(home)
    with pytest.raises(NotFound):
        await kept(home)
