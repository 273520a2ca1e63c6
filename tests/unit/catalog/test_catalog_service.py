"""The catalog over a real store: read from everywhere, published from the subscription, kept by digest."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from extensa.arm import resource_id
from extensa.arm.binding import Answer, Binding, Condition, Level, Listing, Request
from extensa.base.errors import Conflict, NotFound, Refused
from extensa.catalog.service import Catalog
from extensa.store.port import Write
from extensa.store.sqlite import SqliteStore, open_store
from unit.catalog.catalog_samples import CALLER, NOW, archive, entry

KC = "/providers/Microsoft.KubernetesConfiguration"
SUBSCRIPTION = "/subscriptions/s"
TYPE = f"{SUBSCRIPTION}{KC}/extensionTypes/Contoso.App"
LOCATION = f"{SUBSCRIPTION}{KC}/locations/westeurope"
CLUSTER = f"{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c"
ONE, OTHER = archive(), archive(description="changed")


class Clusters:
    """One cluster exists."""

    async def find(self, cluster_key: str) -> object | None:
        return object() if cluster_key == CLUSTER.casefold() else None


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = await open_store(tmp_path / "catalog.sqlite3")
    yield opened
    await opened.close()


@pytest.fixture
def catalog(store: SqliteStore) -> Catalog:
    return Catalog(store, clusters=Clusters(), clock=lambda: NOW, regions=["westeurope"])


def request(path: str, body: Any = None, condition: Condition | None = None, **query: Any) -> Request:
    return Request(
        caller=CALLER,
        id=resource_id.parse(path),
        api_version="2023-05-01-preview",
        asked_version="2023-05-01-preview",
        correlation_id="c",
        body=body,
        query=query,
        condition=condition or Condition(),
    )


def binding(catalog: Catalog, kind: str, level: Level) -> Binding:
    (found,) = [b for b in catalog.bindings if b.spec.kind == kind and level in b.spec.levels]
    return found


def types(catalog: Catalog, level: Level = Level.SUBSCRIPTION) -> Binding:
    return binding(catalog, "extensionTypes", level)


def versions(catalog: Catalog) -> Binding:
    return binding(catalog, "extensionTypes/versions", Level.LOCATION)


async def put_type(catalog: Catalog, path: str = TYPE, **properties: Any) -> Answer:
    return await types(catalog).put(request(path, {"properties": properties}))


async def publish(catalog: Catalog, number: str, content: bytes = ONE, **query: Any) -> Answer:
    return await catalog.publish_version(request(f"{TYPE}/versions/{number}", **query), content)


def names(listing: Listing) -> list[str]:
    return [body["name"] for body in listing.value]


async def listed(binding: Binding, path: str, limit: int = 100, **query: Any) -> Sequence[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        page = await binding.list(request(path, **query), after=after, limit=limit)
        assert len(page.value) <= limit
        found += names(page)
        after = page.next_after
        if after is None:
            return found


async def test_a_type_is_made_changed_and_read_in_any_letters(catalog: Catalog) -> None:
    made = await put_type(catalog, description="one")
    changed = await put_type(catalog, TYPE.replace("Contoso.App", "contoso.app"), description="two")
    read = await types(catalog, Level.LOCATION).get(request(f"{LOCATION}/extensionTypes/CONTOSO.APP"))

    assert (201, 200, 200) == (made.status, changed.status, read.status)
    assert ("Contoso.App", "two") == (read.body["name"], read.body["properties"]["description"])
    assert f"{LOCATION}/extensionTypes/Contoso.App" == read.body["id"]
    assert changed.etag == read.etag != made.etag


async def test_saying_the_same_again_writes_nothing(catalog: Catalog) -> None:
    made, again = await put_type(catalog), await put_type(catalog)

    assert (200, made.etag) == (again.status, again.etag)


async def test_a_type_that_is_described_wrongly_is_refused_whole(catalog: Catalog) -> None:
    with pytest.raises(Refused) as refused:
        await put_type(catalog, f"{SUBSCRIPTION}{KC}/extensionTypes/1x", isSystemExtension=1, supportedClusterTypes=[])

    codes = [problem.code for problem in refused.value.details]
    assert ["InvalidExtensionTypeName", "InvalidRequestContent", "InvalidRequestContent"] == codes


async def test_conditions_guard_a_type(catalog: Catalog) -> None:
    await put_type(catalog)
    for condition in (Condition(if_match="stale"), Condition(if_none_match="*")):
        with pytest.raises(Conflict) as conflict:
            await types(catalog).put(request(TYPE, {}, condition=condition))
        assert (412, "PreconditionFailed") == (conflict.value.status, conflict.value.code)
    with pytest.raises(Conflict):
        await types(catalog).delete(request(TYPE, condition=Condition(if_match="stale")))
    assert await catalog.find("contoso.app")


async def test_versions_are_published_found_and_served(catalog: Catalog) -> None:
    await put_type(catalog)
    first = await publish(catalog, "1.0.0")
    second = await publish(catalog, "1.1.0", OTHER, train="stable,Preview")

    assert (201, 201) == (first.status, second.status)
    assert f"{TYPE}/versions/1.1.0" == second.body["id"]
    found = await catalog.find("CONTOSO.app")
    assert found is not None
    assert {"1.1.0": ["preview", "stable"], "1.0.0": ["stable"]} == {v.version: v.trains for v in found.versions}
    assert [OTHER, ONE] == [await catalog.chart(version.chart.digest) for version in found.versions]
    assert await catalog.chart("sha256:none") is None


async def test_changing_a_type_keeps_its_versions(catalog: Catalog) -> None:
    await put_type(catalog)
    await publish(catalog, "1.0.0")
    await put_type(catalog, description="new")

    assert ["1.0.0"] == list(await listed(versions(catalog), f"{LOCATION}/extensionTypes/contoso.app"))


async def test_publishing_the_same_again_is_no_change_and_another_chart_a_conflict(catalog: Catalog) -> None:
    await put_type(catalog)
    await publish(catalog, "1.0.0")

    again = await publish(catalog, "1.0.0", train="preview")
    assert (200, ["preview", "stable"]) == (again.status, again.body["properties"]["releaseTrains"])
    with pytest.raises(Conflict, match="was published before with another chart"):
        await publish(catalog, "1.0.0", OTHER)
    found = await catalog.find("contoso.app")
    assert found is not None
    assert ONE == await catalog.chart(found.version("1.0.0").chart.digest)


async def test_a_refused_chart_is_not_kept(catalog: Catalog, store: SqliteStore) -> None:
    await put_type(catalog)
    bad = archive(entry("/etc/passwd"), version="1")
    with pytest.raises(Refused) as refused:
        await publish(catalog, "v1", bad)

    codes = [problem.code for problem in refused.value.details]
    assert ["InvalidVersion", "ChartPathUnsafe", "ChartMetadataInvalid"] == codes
    with pytest.raises(Refused, match=r"'1\.0' is not a semantic version"):
        await publish(catalog, "1.0", ONE)
    found = await catalog.find("contoso.app")
    assert found is not None
    assert [] == found.versions


async def test_a_version_of_an_unknown_type_says_what_to_do(catalog: Catalog) -> None:
    with pytest.raises(NotFound) as missing:
        await publish(catalog, "1.0.0")

    assert "ResourceNotFound" == missing.value.code
    assert "extensa type publish" in (missing.value.next_step or "")


async def test_publishers_at_the_same_time_lose_nothing(store: SqliteStore) -> None:
    replicas = [Catalog(store, clock=lambda: NOW) for _ in range(4)]
    await put_type(replicas[0])
    numbers = [f"1.{minor}.0" for minor in range(8)]

    await asyncio.gather(*(publish(replicas[place % 4], number) for place, number in enumerate(numbers)))

    for replica in replicas:
        found = await replica.find("contoso.app")
        assert found is not None
        assert numbers[::-1] == [version.version for version in found.versions]


class Withdrawing:
    """A store in which a type is deleted just before its next write."""

    def __init__(self, store: SqliteStore, catalog: Catalog) -> None:
        self._store = store
        self._catalog = catalog
        self.armed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def commit(self, writes: Sequence[Write]) -> dict[str, str]:
        if self.armed:
            self.armed = False
            await types(self._catalog).delete(request(TYPE))
        return await self._store.commit(writes)


async def test_a_type_withdrawn_while_its_chart_is_looked_at_stays_away(store: SqliteStore, catalog: Catalog) -> None:
    between = Withdrawing(store, catalog)
    other = Catalog(between, clock=lambda: NOW)
    await put_type(other)
    between.armed = True

    with pytest.raises(NotFound):
        await publish(other, "1.0.0")
    assert await catalog.find("contoso.app") is None


async def test_a_type_goes_with_its_versions_and_its_charts_stay(catalog: Catalog) -> None:
    await put_type(catalog)
    await publish(catalog, "1.0.0")
    found = await catalog.find("contoso.app")
    assert found is not None

    assert 200 == (await types(catalog).delete(request(TYPE))).status
    assert 204 == (await types(catalog).delete(request(TYPE))).status
    assert await catalog.find("contoso.app") is None
    assert ONE == await catalog.chart(found.versions[0].chart.digest)


async def test_another_replicas_write_is_seen_at_once(store: SqliteStore, catalog: Catalog) -> None:
    other = Catalog(store, clock=lambda: NOW)
    await put_type(catalog, description="one")
    assert await other.find("contoso.app")
    await put_type(catalog, description="two")

    found = await other.find("contoso.app")
    assert found is not None
    assert "two" == found.description


async def test_the_catalog_outlives_the_process(tmp_path: Path) -> None:
    first = await open_store(tmp_path / "db")
    catalog = Catalog(first, clock=lambda: NOW)
    await put_type(catalog)
    await publish(catalog, "1.0.0")
    before = await catalog.find("contoso.app")
    await first.close()

    second = await open_store(tmp_path / "db")
    after = await Catalog(second).find("contoso.app")
    await second.close()
    assert before == after


async def test_lists_come_in_pages_by_name(catalog: Catalog) -> None:
    for name in ("b.two", "A.one", "c.three"):
        await put_type(catalog, f"{SUBSCRIPTION}{KC}/extensionTypes/{name}")

    for limit in (1, 2, 3, 100):
        assert ["A.one", "b.two", "c.three"] == list(await listed(types(catalog), SUBSCRIPTION, limit))
        assert ["A.one", "b.two", "c.three"] == list(await listed(types(catalog, Level.LOCATION), LOCATION, limit))


async def test_versions_come_in_pages_newest_first(catalog: Catalog) -> None:
    await put_type(catalog)
    for number, train in (("1.0.0", "stable"), ("1.10.0", "stable"), ("1.9.0", "stable"), ("2.0.0-rc.1", "preview")):
        await publish(catalog, number, train=train)

    for limit in (1, 2, 100):
        path = f"{LOCATION}/extensionTypes/contoso.app"
        assert ["1.10.0", "1.9.0", "1.0.0"] == list(await listed(versions(catalog), path, limit))
    assert ["2.0.0-rc.1", "1.10.0", "1.9.0", "1.0.0"] == list(await listed(versions(catalog), TYPE))
    assert ["1.10.0"] == list(await listed(versions(catalog), TYPE, showlatest="true", releasetrain="stable"))


async def test_a_cluster_sees_what_is_made_for_its_kind(catalog: Catalog) -> None:
    await put_type(catalog, f"{SUBSCRIPTION}{KC}/extensionTypes/arc", supportedClusterTypes=["connectedClusters"])
    await put_type(catalog)

    at_cluster = types(catalog, Level.CLUSTER)
    assert ["Contoso.App"] == list(await listed(at_cluster, CLUSTER))
    assert 200 == (await at_cluster.get(request(f"{CLUSTER}{KC}/extensionTypes/contoso.app"))).status
    with pytest.raises(NotFound, match="'arc' was not found for clusters of the type managedClusters"):
        await at_cluster.get(request(f"{CLUSTER}{KC}/extensionTypes/arc"))


async def test_a_missing_cluster_is_told_in_arms_words(catalog: Catalog) -> None:
    missing = CLUSTER.removesuffix("c") + "absent"
    for call in (
        types(catalog, Level.CLUSTER).list(request(missing), after=None, limit=1),
        types(catalog, Level.CLUSTER).get(request(f"{missing}{KC}/extensionTypes/a")),
        versions(catalog).list(request(f"{missing}{KC}/extensionTypes/a"), after=None, limit=1),
    ):
        with pytest.raises(NotFound) as error:
            await call
        assert "ResourceNotFound" == error.value.code
        assert error.value.message.startswith(
            "The Resource 'Microsoft.ContainerService/managedClusters/absent' under resource group 'g' was not found."
        )


async def test_one_version(catalog: Catalog) -> None:
    await put_type(catalog)
    await publish(catalog, "1.0.0-rc.1", train="preview")

    found = await versions(catalog).get(request(f"{LOCATION}/extensionTypes/contoso.app/versions/1.0.0-RC.1"))
    assert "1.0.0-rc.1" == found.body["properties"]["version"]
    with pytest.raises(NotFound, match=r"has no version '9\.0\.0'"):
        await versions(catalog).get(request(f"{LOCATION}/extensionTypes/contoso.app/versions/9.0.0"))


async def test_verbs_that_no_spec_offers_are_not_there(catalog: Catalog) -> None:
    for each in catalog.bindings:
        with pytest.raises(NotImplementedError):
            await each.patch(request(TYPE))
        with pytest.raises(NotImplementedError):
            await each.act(request(TYPE), "x")
    for verb in (versions(catalog).put, versions(catalog).delete):
        with pytest.raises(NotImplementedError):
            await verb(request(TYPE))


async def test_a_large_archive_does_not_hold_up_the_others(catalog: Catalog) -> None:
    await put_type(catalog)
    bomb = gzip.compress(bytes(70 * 1024 * 1024), 1)
    slow = asyncio.ensure_future(publish(catalog, "1.0.0", bomb))
    turns = 0
    while not slow.done():
        await asyncio.sleep(0)
        turns += 1

    with pytest.raises(Refused, match="decompressed"):
        await slow
    assert turns > 10
