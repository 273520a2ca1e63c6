"""What a forced delete leaves: listed with what is still there, asked for again, cleaned, and gone when it is gone."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from extensa.base.errors import NotFound, Refused
from extensa.extensions import orphans, records
from extensa.extensions.orphan_binding import Orphans
from extensa.link.extension import DesiredExtension, ExtensionReports, Phase
from unit.extensions.extension_facts import (
    AGENT,
    CLUSTER,
    NOW,
    House,
    body,
    extension,
    health,
    observed,
    public_agent_key,
    request,
)


@pytest.fixture
async def left(home: House) -> Orphans:
    """One extension, deleted by force."""
    await home.put(body(configurationProtectedSettings={"a": "b"}))
    await home.delete(query={"forcedelete": "true"})
    found = home.extensions.bindings[1]
    assert isinstance(found, Orphans)
    return found


async def desired(home: House) -> DesiredExtension:
    return (await home.extensions.feed(AGENT, after=0, wait=0, agent_key=public_agent_key())).desired[0]


async def report(home: House, phase: Phase, **more: Any) -> None:
    await home.later(seconds=1)
    at = await desired(home)
    fields: dict[str, Any] = {"uid": at.uid, "generation": at.generation, "observed_at": home.now}
    seen = observed(phase, **(fields | more))
    await home.extensions.observe(AGENT, ExtensionReports(observed=[seen]))


async def listed(left: Orphans) -> list[dict[str, Any]]:
    asked = request()
    page = await left.list(replace(asked, id=asked.id.scope), after=None, limit=10)
    return [each["properties"] | {"name": each["name"]} for each in page.value]


async def test_an_orphan_is_listed_with_what_is_left(home: House, left: Orphans) -> None:
    assert [("greeter", "Waiting", None)] == [(o["name"], o["state"], o["leftCount"]) for o in await listed(left)]
    await report(home, Phase.FAILED, objects=[health("web", "InProgress", "finalizer example.com/x")])
    shown = (await left.get(request())).body

    assert f"{CLUSTER}/providers/{orphans.TYPE}/greeter" == shown["id"]
    found = shown["properties"]
    assert ("Failed", 1, "greeter", "hello-system") == (
        found["state"],
        found["leftCount"],
        found["releaseName"],
        found["releaseNamespace"],
    )
    assert [("Deployment", "web", "finalizer example.com/x")] == [
        (o["kind"], o["name"], o["waitsFor"]) for o in found["left"]
    ]
    assert "ExtensionOperationFailed" == found["errorInfo"]["code"]
    assert ("NotReadyInTime", "Deployment greeter") == (found["cause"]["code"], found["cause"]["target"])
    assert "timed out waiting" not in str(found), "nobody knows any more which secrets to look for"


async def test_a_failed_removal_is_asked_for_again_in_time(home: House, left: Orphans) -> None:
    await report(home, Phase.FAILED)
    await home.extensions.sweep()
    assert 2 == (await desired(home)).generation
    await home.later(seconds=orphans.PAUSE.total_seconds() + 1)
    await home.extensions.sweep()

    assert 3 == (await desired(home)).generation
    assert (await left.get(request())).body["properties"]["errorInfo"] is None
    assert ["Waiting"] == [o["state"] for o in await listed(left)]
    await home.extensions.sweep()
    assert 3 == (await desired(home)).generation


async def test_cleaning_asks_again_at_once_and_may_allow_more(home: House, left: Orphans) -> None:
    answer = await left.act(request(query={"removefinalizers": "true"}), "clean")
    assert (200, True, False) == (
        answer.status,
        answer.body["properties"]["removeFinalizers"],
        answer.body["properties"]["deleteCrds"],
    )
    await left.act(request(), "clean")
    asked = await desired(home)

    assert (4, True, False) == (asked.generation, asked.remove_finalizers, asked.delete_crds)
    with pytest.raises(Refused, match="'removeFinalizers' must be 'true' or 'false', not 'yes'"):
        await left.act(request(query={"removefinalizers": "yes"}), "clean")


async def test_it_is_gone_when_it_was_seen_gone(home: House, left: Orphans) -> None:
    await report(home, Phase.WORKING, objects=[health("web")])
    assert ["Removing"] == [o["state"] for o in await listed(left)]
    await report(home, Phase.GONE)

    assert [] == await listed(left)
    assert 0 == await home.store.count()
    for asked in (left.get(request()), left.act(request(), "clean")):
        with pytest.raises(NotFound, match="left a release"):
            await asked


async def test_it_cannot_be_written(left: Orphans) -> None:
    for asked in (left.put(request()), left.patch(request()), left.delete(request())):
        with pytest.raises(NotFound, match="can be read and cleaned"):
            await asked


async def test_the_orphans_of_no_cluster_are_not_there(home: House, left: Orphans) -> None:
    home.clusters.found.clear()
    with pytest.raises(NotFound, match="managedClusters/blue"):
        await listed(left)
    with pytest.raises(NotFound, match="managedClusters/blue"):
        await left.get(request())
    await home.extensions.sweep()
    assert 0 == await home.store.count()


async def test_one_that_is_made_anew_takes_it_over(home: House, left: Orphans) -> None:
    await report(home, Phase.FAILED, objects=[health("web")])
    await home.put(body())

    assert [] == await listed(left)
    assert 0 == await home.store.count(type=records.ORPHAN_TYPE)
    assert 0 == await home.store.count(type="extensa/extensionobjects")


@pytest.mark.parametrize(("generation", "seconds", "expected"), [(1, 1, None), (2, -1, None), (2, 1, 2), (9, 1, 10)])
def test_which_reports_have_a_say(generation: int, seconds: int, expected: int | None) -> None:
    first = orphans.seen(extension(generation=2), observed(Phase.WORKING, generation=2, seconds=0), NOW)
    assert first is not None
    found = orphans.seen(first, observed(Phase.FAILED, generation=generation, seconds=seconds), NOW)

    assert expected == (found and found.generation)
    assert not orphans.due(first, NOW + timedelta(days=1))
