"""The history through the service over a real store: what is kept, what became of it, and going back."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from extensa.base.errors import Conflict, ExtensaError, Refused
from extensa.extensions.records import extension_of
from extensa.extensions.revisions import MOST_KEPT, RESULT_TYPE, TYPE
from extensa.link.extension import ExtensionReports, Failure, Level, Phase, Remedy, Status
from extensa.link.sealing import unseal
from extensa.store.port import DeleteResource, PutResource
from extensa.store.vault import Vault
from unit.extensions.extension_facts import (
    AGENT,
    AGENT_KEY,
    CALLER,
    House,
    body,
    extension_id,
    observed,
    public_agent_key,
    request,
)

KEY = extension_id().key
SECRET = {"configurationProtectedSettings": {"token": "s3cret-one"}}


async def act(home: House, action: str, given: Any = None) -> Any:
    return await home.extensions.act(request(given), action)


async def history(home: House) -> list[dict[str, Any]]:
    value: list[dict[str, Any]] = (await act(home, "listRevisions")).body["value"]
    return value


async def report(home: House, phase: Phase, **more: Any) -> None:
    """Report of the newest generation, a second later than before."""
    await home.later(seconds=1)
    row = await home.store.get(KEY)
    assert row is not None
    desired = (await home.extensions.feed(AGENT, after=0, wait=0, agent_key=public_agent_key())).desired[0]
    at: dict[str, Any] = {"uid": desired.uid, "generation": desired.generation, "observed_at": home.now}
    seen = observed(phase, **(at | more))
    await home.extensions.observe(AGENT, ExtensionReports(observed=[seen]))


async def test_each_accepted_configuration_is_kept_with_who_and_what(home: House) -> None:
    await home.put(body(configurationSettings={"a": "1"}, **SECRET))
    await report(home, Phase.READY, revision=1)
    await home.patch(body(configurationSettings={"a": "2"}))
    newest, oldest = await history(home)

    assert (2, 2, "Patch", "Running", None) == (
        newest["revision"],
        newest["generation"],
        newest["reason"],
        newest["result"],
        newest["endedAt"],
    )
    assert (1, 1, "Put", "Succeeded", 1, None) == (
        oldest["revision"],
        oldest["generation"],
        oldest["reason"],
        oldest["result"],
        oldest["helmRevision"],
        oldest["errorCode"],
    )
    assert ("1.1.0", "sha256:1.1.0", CALLER.object_id, "Application", ["token"]) == (
        oldest["version"],
        oldest["chartDigest"],
        oldest["createdBy"],
        oldest["createdByType"],
        oldest["protectedKeys"],
    )
    assert oldest["endedAt"] > oldest["createdAt"]
    assert newest["settingsDigest"] != oldest["settingsDigest"]


async def test_the_same_settings_have_the_same_digest_and_show_nothing(home: House) -> None:
    await home.put(body(configurationSettings={"a": "visible?"}, **SECRET))
    await report(home, Phase.FAILED)
    await act(home, "retry")
    newest, oldest = await history(home)

    assert newest["settingsDigest"] == oldest["settingsDigest"]
    assert ("Retry", "Failed", "NotReadyInTime") == (newest["reason"], oldest["result"], oldest["errorCode"])
    rows = [
        *await home.store.list(type=TYPE, limit=9),
        *await home.store.list(type=RESULT_TYPE, limit=9),
    ]
    assert b"visible?" not in b"".join(row.body for row in rows)
    assert b"s3cret-one" not in b"".join(row.body for row in rows)


async def test_what_is_overtaken_or_canceled_says_so(home: House) -> None:
    await home.put(body())
    await home.patch(body(configurationSettings={"a": "1"}))
    await act(home, "cancel")
    await home.patch(body(configurationSettings={"a": "2"}))
    await report(home, Phase.READY)
    await home.delete()

    assert ["Succeeded", "Canceled", "Superseded"] == [each["result"] for each in await history(home)]


async def test_a_remedy_stands_with_the_failure_it_followed(home: House) -> None:
    await home.put(body())
    await report(home, Phase.READY, revision=3, chart_version="1.1.0")
    await home.patch(body(configurationSettings={"a": "1"}))
    remedy = Remedy(step="rollback", revision=3, chart_version="1.1.0")
    own = Status(code="Remedy", message="Rolled back.", level=Level.WARNING)
    await report(home, Phase.FAILED, revision=5, remedy=remedy, statuses=[own])
    newest = (await history(home))[0]

    assert ("Failed", {"step": "rollback", "revision": 3, "done": True}) == (newest["result"], newest["remedy"])
    shown = (await home.get()).body["properties"]
    assert ["UpgradeFailed", "RolledBack"] == [each["code"] for each in shown["statuses"]]
    sentence = "The upgrade failed and was rolled back to revision 3 (version 1.1.0)."
    assert ("RolledBack", sentence) == (shown["statuses"][1]["code"], shown["statuses"][1]["message"])
    told = {each["type"]: each["info"] for each in shown["errorInfo"]["additionalInfo"]}
    assert {"step": "rollback", "message": sentence, "revision": 3, "version": "1.1.0"} == told["ExtensaRemedy"]


async def test_a_truth_that_comes_late_corrects_the_history(home: House) -> None:
    await home.put(body())
    await report(home, Phase.FAILED)
    await report(home, Phase.READY)

    assert ["Succeeded"] == [each["result"] for each in await history(home)]


async def test_only_the_last_twenty_are_kept(home: House) -> None:
    for number in range(MOST_KEPT + 3):
        await home.put(body(configurationSettings={"n": str(number)}))

    kept = [each["revision"] for each in await history(home)]
    assert list(range(MOST_KEPT + 3, 3, -1)) == kept
    assert "Running" == (await history(home))[0]["result"]
    with pytest.raises(Refused, match=r"Revision 3 .* is not kept; 4 to 23 are"):
        await act(home, "rollback", {"revision": 3})


async def test_a_rollback_brings_back_settings_secrets_and_version(home: House) -> None:
    await home.put(body(version="1.0.0", configurationSettings={"a": "1"}, **SECRET))
    await report(home, Phase.READY)
    await home.put(body(version="1.1.0", configurationProtectedSettings={"token": "s3cret-two", "more": "x"}))
    await report(home, Phase.READY)
    answer = await act(home, "rollback", {"revision": 1})

    assert (202, "1.0.0", {"a": "1"}) == (
        answer.status,
        answer.body["properties"]["version"],
        answer.body["properties"]["configurationSettings"],
    )
    desired = (await home.extensions.feed(AGENT, after=0, wait=0, agent_key=public_agent_key())).desired[0]
    assert (3, "1.0.0", "sha256:1.0.0") == (
        desired.generation,
        desired.extension_version,
        desired.chart and desired.chart.digest,
    )
    assert desired.protected is not None
    assert b'{"token":"s3cret-one"}' == unseal(desired.protected, private=AGENT_KEY, purpose=desired.uid)
    assert ("Rollback", 3) == ((await history(home))[0]["reason"], (await history(home))[0]["revision"])
    await report(home, Phase.READY)
    assert "Succeeded" == (await home.get()).body["properties"]["provisioningState"]


async def test_what_cannot_be_opened_cannot_be_gone_back_to(home: House) -> None:
    await home.put(body())
    other = House(home.store, Vault("k", {"k": bytes(32)}))

    with pytest.raises(ExtensaError, match="SealBroken"):
        await act(other, "rollback", {"revision": 1})


@pytest.mark.parametrize("force", ["false", "true"])
async def test_the_history_goes_with_the_extension(home: House, force: str) -> None:
    for number in range(2):
        await home.put(body(configurationSettings={"n": str(number)}))
        await report(home, Phase.READY)
    await home.delete(query={"forcedelete": force})
    if force == "false":
        await report(home, Phase.GONE)

    assert (0, 0) == (await home.store.count(type=TYPE), await home.store.count(type=RESULT_TYPE))


async def test_one_made_before_there_was_a_history_begins_one(home: House) -> None:
    await home.put(body())
    row = await home.store.get(KEY)
    assert row is not None
    old = replace(extension_of(row.body), revision=0)
    below = [DeleteResource(each.key) for each in await home.store.list(prefix=f"{KEY}/revisions/", limit=9)]
    await home.store.commit([*below, PutResource(KEY, row.type, msgspec.json.encode(old), row.etag)])

    await report(home, Phase.READY)
    assert [] == await history(home)
    await home.patch(body(configurationSettings={"a": "1"}))
    assert [1] == [each["revision"] for each in await history(home)]


async def test_the_actions_answer_as_arm_has_it(home: House) -> None:
    await home.put(body())
    with pytest.raises(Conflict, match="cannot be paused now: it is Creating"):
        await act(home, "pause")
    canceled = await act(home, "cancel")
    assert (200, "Canceled", None) == (
        canceled.status,
        canceled.body["properties"]["provisioningState"],
        canceled.operation,
    )
    assert "OperationCanceled" == canceled.body["properties"]["errorInfo"]["code"]
    paused = await act(home, "pause")
    assert (200, True) == (paused.status, paused.body["properties"]["paused"])
    assert (200, None) == ((await act(home, "pause")).status, paused.operation)
    with pytest.raises(Conflict, match="is paused: nothing is changed until it is resumed"):
        await home.put(body())
    resumed = await act(home, "resume")
    assert (202, "Creating") == (resumed.status, resumed.operation.status)
    assert "paused" not in resumed.body["properties"]
    await report(home, Phase.READY)
    again = await act(home, "retry")
    assert (202, "Updating") == (again.status, again.operation.status)


async def test_a_failure_of_the_remedy_is_told_with_its_own_cause(home: House) -> None:
    await home.put(body(**SECRET))
    fallen = Failure(
        code="Forbidden", message="no, s3cret-one", step="uninstall", next_step="Let it.", raw="s3cret-one"
    )
    await report(home, Phase.FAILED, remedy=Remedy(step="uninstall", failure=fallen))
    shown = (await home.get()).body["properties"]

    words = "The installation failed, and uninstalling the release failed, too: no, ******** Let it."
    assert ("RemedyFailed", "Error", words) == tuple(shown["statuses"][1][key] for key in ("code", "level", "message"))
    told = {each["type"]: each["info"] for each in shown["errorInfo"]["additionalInfo"]}
    assert {"code": "Forbidden", "message": "no, ********", "target": ""} == told["ExtensaRemedy"]["failure"]
