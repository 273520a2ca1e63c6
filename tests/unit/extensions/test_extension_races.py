"""Commands, writes and reports that meet at the same moment: whoever is second decides anew, and nothing is lost."""

import asyncio
from collections.abc import Coroutine, Sequence
from itertools import permutations
from typing import Any

import pytest

from extensa.arm.binding import Condition
from extensa.base.errors import Conflict, ExtensaError
from extensa.extensions import records
from extensa.extensions.model import State
from extensa.extensions.project import project
from extensa.link.extension import ExtensionReports, Phase
from extensa.store.port import Write
from unit.extensions.extension_facts import AGENT, House, body, extension_id, observed, request

KEY = extension_id().key
BUSY = (State.CREATING, State.UPDATING, State.DELETING)


@pytest.fixture
def racing(home: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """A house in which every commit gives way first, so that whoever has read before it is late."""
    commit = home.store.commit

    async def late(writes: Sequence[Write]) -> dict[str, str]:
        await asyncio.sleep(0)
        return await commit(writes)

    monkeypatch.setattr(home.store, "commit", late)
    return home


def acts(home: House) -> dict[str, Coroutine[Any, Any, Any]]:
    async def report() -> None:
        row = await home.store.get(KEY)
        assert row is not None
        told = observed(Phase.READY, uid=records.extension_of(row.body).uid)
        await home.extensions.observe(AGENT, ExtensionReports(observed=[told]))

    def act(action: str, given: Any = None) -> Coroutine[Any, Any, Any]:
        return home.extensions.act(request(given), action)

    return {
        "report": report(),
        "cancel": act("cancel"),
        "pause": act("pause"),
        "retry": act("retry"),
        "rollback": act("rollback", {"revision": 1}),
        "patch": home.patch(body(configurationSettings={"a": "2"})),
        "delete": home.delete(),
    }


NAMES = ("report", "cancel", "pause", "retry", "rollback", "patch", "delete")


@pytest.mark.parametrize("pair", list(permutations(NAMES, 2)), ids="-".join)
async def test_two_at_once_leave_a_sound_record(racing: House, pair: tuple[str, str]) -> None:
    await racing.put(body(configurationSettings={"a": "1"}))
    chosen = acts(racing)
    outcomes = await asyncio.gather(*(chosen.pop(name) for name in pair), return_exceptions=True)
    for unused in chosen.values():
        unused.close()

    assert [] == [each for each in outcomes if isinstance(each, Exception) and not isinstance(each, ExtensaError)]
    assert len([each for each in outcomes if isinstance(each, ExtensaError)]) <= 1, "one of the two was allowed to"
    row = await racing.store.get(KEY)
    assert row is not None
    found = records.extension_of(row.body)
    assert (found.operation is not None) is (found.state in BUSY)
    assert [found.operation] * bool(found.operation) == [o.id for o in await racing.store.open_operations(limit=9)]
    kept = await racing.store.feed_row(records.lane(AGENT), KEY)
    assert kept is not None
    assert project(found) == records.at_rest_of(kept.body)
    value = (await racing.extensions.act(request(), "listRevisions")).body["value"]
    assert found.revision == value[0]["revision"]
    running = [each["revision"] for each in value if each["result"] == "Running"]
    assert running == ([found.revision] if found.operation and found.state is not State.DELETING else [])


async def test_a_command_may_insist_on_what_was_read(home: House) -> None:
    etag = (await home.put(body())).etag
    await home.patch(body(configurationSettings={"a": "2"}))

    with pytest.raises(Conflict, match="If-Match names"):
        await home.extensions.act(request(condition=Condition(if_match=etag)), "cancel")
