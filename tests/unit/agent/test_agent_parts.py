"""The smaller parts: charts by content, clusters by file, words in batches, the installer's account, live answers."""

import asyncio
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import yaml
from msgspec import Struct

from extensa.agent import observed
from extensa.agent.charts import Charts
from extensa.agent.clusters import Clusters
from extensa.agent.control import LinkError
from extensa.agent.installer import account, prepare_account, remove_account
from extensa.agent.memory import FileMemory
from extensa.agent.questions import Questions
from extensa.agent.reporter import Reporter
from extensa.helm.causes import TABLE, finding
from extensa.helm.errors import ClusterError, HelmError
from extensa.helm.health import CURRENT, Health, Level
from extensa.helm.readiness import Seen
from extensa.helm.release import ObjectRef
from extensa.helm.state import Sighting
from extensa.link.extension import Chart, ExtensionReports, ObservedExtension, Phase
from extensa.link.question import Question
from unit.agent.doubles import UID, FakeApi, FakeReach
from unit.agent.fake_link import FakeLink
from unit.agent.test_agent_prepare import DESIRED
from unit.helm.test_helm_chart import META, packed

NOW = datetime(2026, 11, 25, tzinfo=UTC)
ARCHIVE = packed({"c/Chart.yaml": META})
DIGEST = "sha256:" + hashlib.sha256(ARCHIVE).hexdigest()
CHART = Chart(name="c", version="1", digest=DIGEST, size=len(ARCHIVE))
SCOPED = msgspec.structs.replace(DESIRED, namespace_scoped=True)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[FileMemory]:
    made = FileMemory(tmp_path / "agent")
    yield made
    made.close()


async def test_a_chart_is_fetched_once_however_many_want_it(memory: FileMemory) -> None:
    link = FakeLink()
    link.charts[DIGEST] = ARCHIVE
    charts = Charts(link, memory)
    found = await asyncio.gather(*(charts.obtain(CHART) for _ in range(5)))

    assert 1 == link.chart_requests
    assert {"1.2.3"} == {chart.facts.version for chart in found}
    assert "1.2.3" == (await Charts(FakeLink(), memory).obtain(CHART)).facts.version


async def test_other_bytes_than_promised_are_not_kept(memory: FileMemory) -> None:
    link = FakeLink()
    link.charts[DIGEST] = ARCHIVE + b"x"
    with pytest.raises(HelmError) as caught:
        await Charts(link, memory).obtain(CHART)

    assert "ChartDigestMismatch" == caught.value.code
    assert await memory.chart(DIGEST) is None


@pytest.mark.parametrize(("down", "transient"), [(True, True), (False, False)])
async def test_a_chart_that_cannot_be_fetched_may_come_later(
    memory: FileMemory, *, down: bool, transient: bool
) -> None:
    link = FakeLink()
    link.down = down
    with pytest.raises(HelmError) as caught:
        await Charts(link, memory).obtain(CHART)

    assert ("ChartNotFound", transient) == (caught.value.code, caught.value.transient)


async def test_what_is_no_chart_is_not_kept(memory: FileMemory) -> None:
    link = FakeLink()
    digest = "sha256:" + hashlib.sha256(b"x").hexdigest()
    link.charts[digest] = b"x"
    with pytest.raises(HelmError):
        await Charts(link, memory).obtain(Chart(name="c", version="1", digest=digest, size=1))
    with pytest.raises(HelmError, match="names no chart"):
        await Charts(link, memory).obtain(None)

    assert await memory.chart(digest) is None


def kubeconfig(path: Path, server: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(content))


async def test_clusters_come_change_and_go_with_their_files(tmp_path: Path) -> None:
    clusters = Clusters(lambda uid: tmp_path / uid / "kubeconfig", tmp_path / "cache")
    path = tmp_path / "a" / "kubeconfig"
    assert clusters.reach("a") is None
    kubeconfig(path, "http://127.0.0.1:1")
    first = clusters.reach("a")
    assert first is not None
    assert first is clusters.reach("a")
    assert tmp_path / "cache" / "a" == first.cache
    assert (set(), set()) == await clusters.scan()
    kubeconfig(path, "http://127.0.0.1:22")
    assert ({"a"}, set()) == await clusters.scan()
    assert clusters.reach("a") is not first
    path.unlink()
    assert (set(), {"a"}) == await clusters.scan()
    assert clusters.reach("a") is None
    await clusters.close()


async def test_a_kubeconfig_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{}")
    with pytest.raises(ClusterError, match="kubeconfig"):
        Clusters(lambda uid: tmp_path / uid, tmp_path).reach("a")


class Sink:
    """Our double of the line: keeps batches, fails when told."""

    def __init__(self) -> None:
        self.batches: list[list[ObservedExtension]] = []
        self.down = False

    async def report(self, path: str, struct: Struct) -> None:
        assert isinstance(struct, ExtensionReports)
        assert "/link/v1/extensions" == path
        await asyncio.sleep(0)
        if self.down:
            raise LinkError("LinkUnreachable", "down")
        self.batches.append(struct.observed)


def word(uid: str, generation: int = 1) -> ObservedExtension:
    return ObservedExtension(uid=uid, generation=generation, phase=Phase.READY, observed_at=NOW, statuses=[])


async def test_words_go_in_batches_and_the_newest_wins() -> None:
    sink = Sink()
    reporter = Reporter(sink)
    task = asyncio.create_task(reporter.run())
    for uid, generation in (("a", 1), ("b", 1), ("a", 2)):
        reporter.tell(word(uid, generation))
    assert await reporter.drained(within=1)
    task.cancel()

    assert [[("a", 2), ("b", 1)]] == [[(w.uid, w.generation) for w in batch] for batch in sink.batches]


async def test_words_wait_for_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.control.Backoff.failed", lambda _: 0.01)
    sink = Sink()
    sink.down = True
    reporter = Reporter(sink)
    task = asyncio.create_task(reporter.run())
    reporter.tell(word("a"))
    assert not await reporter.drained(within=0.05)
    sink.down = False
    assert await reporter.drained(within=1)
    task.cancel()

    assert 1 == len(sink.batches)


async def test_a_word_told_while_an_older_one_is_sent_is_sent_too() -> None:
    sink = Sink()
    reporter = Reporter(sink)
    task = asyncio.create_task(reporter.run())
    reporter.tell(word("a", 1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    reporter.tell(word("a", 2))
    assert await reporter.drained(within=1)
    task.cancel()

    assert 2 == sink.batches[-1][0].generation


async def test_a_namespaces_installer_is_bound_to_it() -> None:
    api = FakeApi()
    assert "" == account(DESIRED)
    assert "system:serviceaccount:ns:ext-installer-r" == account(SCOPED)
    await prepare_account(api, SCOPED)

    assert (["ns"], ["ext-installer-r"], ["ext-installer-r"]) == (
        api.names("Namespace"),
        api.names("ServiceAccount"),
        api.names("RoleBinding"),
    )
    await remove_account(api, SCOPED)
    assert (["ns"], [], []) == (api.names("Namespace"), api.names("ServiceAccount"), api.names("RoleBinding"))


async def test_a_namespace_that_may_not_be_made_is_not_made() -> None:
    api = FakeApi()
    await prepare_account(api, msgspec.structs.replace(SCOPED, create_namespace=False))

    assert [] == api.names("Namespace")


def seen(count: int, health: Health = CURRENT) -> tuple[Seen, ...]:
    return tuple(Seen(ObjectRef("v1", "ConfigMap", "ns", f"c{n}"), health) for n in range(count))


def test_of_many_objects_the_troubled_are_told_first() -> None:
    objects = seen(300) + seen(1, Health(Level.FAILED, "a secret thing"))
    document = observed.ready(DESIRED, Sighting(objects=objects), NOW, mask=lambda t: t.replace("secret", "*"))

    assert (301, 200) == (document.object_count, len(document.objects))
    assert ("Failed", "a * thing") == (document.objects[0].health, document.objects[0].waits_for)


def test_what_is_kept_is_named_and_counted() -> None:
    refs = tuple(ObjectRef("v1", "ConfigMap", "ns", f"c{n}") for n in range(25))
    [status] = observed.gone(DESIRED, NOW, kept=refs).statuses

    assert status.message.endswith("and 5 more.")
    assert [] == observed.gone(DESIRED, NOW, kept=()).statuses


def test_a_failure_carries_its_next_step() -> None:
    failure = observed.as_failure(finding("JobFailed", "Job j failed.", target="Job ns/j", step="ready"), str, DESIRED)
    document = observed.failed(DESIRED, None, NOW, failure=failure, mask=str)

    assert failure == document.failure
    assert f"Job j failed. {TABLE['JobFailed'].next_step}" == document.statuses[0].message


@pytest.mark.parametrize(
    ("code", "target"),
    [
        ("ChartNotFound", "Chart c 1.0.0"),
        ("SettingInvalid", "configurationSettings"),
        ("SettingsSealBroken", "configurationProtectedSettings"),
        ("NamespaceTerminating", "Namespace ns"),
        ("ApiServerUnreachable", "Cluster c1"),
        ("HelmMissing", "Agent"),
        ("HelmKilled", "Release ns/r"),
    ],
)
def test_a_failure_that_names_no_object_is_of_the_thing_its_cause_is_about(code: str, target: str) -> None:
    chart = Chart(name="c", version="1.0.0", digest="sha256:0", size=1)
    where = "/subscriptions/s/resourceGroups/g/providers/X/managedClusters/c1/providers/Y/extensions/e"
    of = msgspec.structs.replace(DESIRED, chart=chart, resource_id=where, namespace="ns", release="r")

    assert target == observed.as_failure(finding(code), str, of).target
    assert "Job ns/j" == observed.as_failure(finding(code, target="Job ns/j"), str, of).target


def test_the_time_makes_no_difference() -> None:
    one = observed.working(DESIRED, None, NOW, words="x", mask=str)

    assert observed.same(one, observed.working(DESIRED, None, NOW + timedelta(1), words="x", mask=str))
    assert not observed.same(one, observed.working(DESIRED, None, NOW, words="y", mask=str))
    assert not observed.same(None, one)


def question(kind: str, *, seconds: float = 5, cluster: str = UID, subject: str = "u") -> Question:
    deadline = NOW + timedelta(seconds=seconds)
    return Question(id="q", kind=kind, cluster_uid=cluster, subject=subject, deadline=deadline, correlation_id="c")


@pytest.fixture
def answering(tmp_path: Path) -> tuple[Questions, FakeApi]:
    api, reach = FakeApi(), FakeReach(tmp_path)
    reach.add(UID, api)
    desired = msgspec.structs.replace(DESIRED, cluster_uid=UID)
    return Questions(
        FakeLink(), reach, {"u": desired}.get, memory=FileMemory(tmp_path / "memory"), clock=lambda: NOW
    ), api


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (question("dance"), "UnknownQuestion"),
        (question("ping", cluster="none"), "ClusterNotFound"),
        (question("objects", subject="none"), "ExtensionNotFound"),
        (question("ping", seconds=-1), "QuestionTimedOut"),
    ],
)
async def test_a_question_that_cannot_be_answered_is_answered(
    answering: tuple[Questions, FakeApi], asked: Question, code: str
) -> None:
    assert code == (await answering[0].answer(asked)).failure_code


async def test_a_question_about_a_silent_cluster_is_answered(answering: tuple[Questions, FakeApi]) -> None:
    questions, api = answering
    api.silent = True

    assert "ApiServerUnreachable" == (await questions.answer(question("ping"))).failure_code
    assert "ApiServerUnreachable" == (await questions.answer(question("objects"))).failure_code


async def test_an_answer_is_bounded(answering: tuple[Questions, FakeApi], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("extensa.agent.questions.LARGEST_ANSWER", 10)

    assert "AnswerTooLarge" == (await answering[0].answer(question("ping"))).failure_code


async def test_an_extension_without_a_release_has_no_objects(answering: tuple[Questions, FakeApi]) -> None:
    body = (await answering[0].answer(question("objects"))).body

    assert (0, 0, []) == (body["revision"], body["objectCount"], body["objects"])
