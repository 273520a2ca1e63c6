"""One agent on a real API: what is wanted becomes a Helm release, is seen healthy, changed, and seen gone."""

import asyncio
import base64
import json
import statistics
import sys
import time
from datetime import timedelta

import msgspec
import pytest

from e2e.agent_fixtures import Begin, agent, begin
from e2e.agent_world import CLUSTER, STAY, World
from e2e.charts_made_here import DEPLOYMENT, HELLO, SETTINGS, pack
from extensa.base.clock import utc_now
from extensa.link.extension import Level, Phase
from extensa.link.question import Question

pytestmark = pytest.mark.cluster
__all__ = ["agent", "begin"]

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.test.example.com}
spec:
  group: test.example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
WIDGET = """
apiVersion: test.example.com/v1
kind: Widget
metadata: {name: w}
spec: {size: {{ .Values.size | default "s" }}}
"""
KEPT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept, annotations: {helm.sh/resource-policy: keep}}\n"
CLUSTER_WIDE = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: {{ .Release.Name }}}
rules: []
"""


async def test_a_release_is_made_seen_healthy_changed_and_seen_gone(agent: World) -> None:
    wanted = agent.desired(
        "main", settings={"number": "10485760", r"a\.b.c[0]": "x"}, secrets={"secret": "hunter2-long"}
    )
    agent.link.want(wanted)
    ready = await agent.outcome(wanted)

    assert (Phase.READY, 1, "1.0.0", 5) == (ready.phase, ready.revision, ready.chart_version, ready.object_count)
    assert {"Current"} == {found.health for found in ready.objects}
    assert wanted.correlation_id == ready.correlation_id
    config = (await agent.get("cm", "main-settings", "-n", wanted.namespace))["data"]
    assert {"a.b": {"c": ["x"]}, "number": 10485760, "platform": {"cluster": "c"}} == json.loads(config["seen"])
    assert "10485760" == config["plain"]
    secret = (await agent.get("secret", "main-secret", "-n", wanted.namespace))["data"]["seen"]
    assert b"hunter2-long" == base64.b64decode(secret)

    changed = agent.desired(
        "main", generation=2, settings={"replicas": "2"}, archive=pack("hello", HELLO, version="1.1.0")
    )
    agent.link.want(changed)
    ready = await agent.outcome(changed)

    assert (Phase.READY, 2, "1.1.0") == (ready.phase, ready.revision, ready.chart_version)
    assert 2 == (await agent.get("deployment", "main", "-n", wanted.namespace))["status"]["availableReplicas"]
    assert "hunter2" not in json.dumps(await agent.get("secret", "main-secret", "-n", wanted.namespace))

    going = agent.desired("main", generation=3, present=False)
    agent.link.want(going)

    assert Phase.GONE is (await agent.outcome(going)).phase
    assert [] == await agent.history(wanted)
    assert [] == (await agent.get("deployments,services", "-n", wanted.namespace))["items"]


async def test_the_same_content_for_a_new_generation_is_no_act(agent: World) -> None:
    first = agent.desired("same", settings={"number": "1"})
    agent.link.want(first)
    await agent.outcome(first)
    again = agent.desired("same", generation=2, settings={"number": "1"})
    agent.link.want(again)
    ready = await agent.outcome(again)

    assert (Phase.READY, 1) == (ready.phase, ready.revision)
    assert 1 == len(await agent.history(first))


@pytest.mark.parametrize("memory", [True, False], ids=["with memory", "without memory"])
async def test_a_restart_applies_nothing_again(agent: World, *, memory: bool) -> None:
    wanted = agent.desired(f"restart-{int(memory)}", settings={"number": "1"})
    agent.link.want(wanted)
    await agent.outcome(wanted)
    await agent.stop()
    if not memory:
        for path in (agent.folder / "agent" / "extensions").iterdir():
            path.unlink()
    agent.link.reports.clear()
    await agent.start()

    assert (Phase.READY, 1) == ((ready := await agent.outcome(wanted)).phase, ready.revision)
    assert 1 == len(await agent.history(wanted))
    assert 1 == agent.link.chart_requests


async def test_progress_is_told_while_a_release_waits(agent: World) -> None:
    settings = {"nowhere": "true", "replicas": "2"}
    wanted = agent.desired("waits", settings=settings, timeout=14, failure_policy=STAY)
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)
    said = [word.statuses[0].message for word in agent.words(wanted) if word.phase is Phase.WORKING]

    assert "4 of 5 ready: Deployment waits waits for 2 of 2 replicas" in said
    assert Phase.FAILED is failed.phase
    assert failed.failure is not None
    assert ("Unschedulable", "ready") == (failed.failure.code, failed.failure.step)
    assert failed.failure.target.startswith("Pod ns-waits/waits-")
    assert failed.failure.next_step
    assert "deployed" == (await agent.history(wanted))[-1]["status"]
    hints = [status for word in agent.words(wanted) for status in word.statuses if status.level is Level.WARNING]
    assert "Unschedulable" in {hint.code for hint in hints}

    healed = agent.desired("waits", generation=2, settings={"replicas": "1"})
    agent.link.want(healed)
    assert Phase.READY is (await agent.outcome(healed)).phase


async def test_what_breaks_later_is_told_without_taking_ready_back(agent: World) -> None:
    wanted = agent.desired("later")
    agent.link.want(wanted)
    await agent.outcome(wanted)
    await agent.run_kubectl("scale", "deployment/later", "--replicas=30", "-n", wanted.namespace)
    patch = '{"spec":{"template":{"spec":{"nodeSelector":{"no":"such"}}}}}'
    await agent.run_kubectl("patch", "deployment/later", "-n", wanted.namespace, "-p", patch)

    word = await agent.link.until(
        lambda: next((w for w in agent.words(wanted) if w.statuses and w.phase is Phase.READY), None)
    )
    assert ["/spec/replicas"] == [each.path for each in word.drift]
    assert Level.WARNING is word.statuses[0].level
    assert "Deployment later waits for" in word.statuses[0].message
    assert "InProgress" == word.objects[0].health


async def test_a_release_taken_away_by_hand_comes_back(agent: World) -> None:
    wanted = agent.desired("back")
    agent.link.want(wanted)
    await agent.outcome(wanted)
    first = len(agent.words(wanted))
    await agent.run_helm("uninstall", "back", "-n", wanted.namespace)

    async def again() -> bool:
        return bool(await agent.history(wanted))

    for _ in range(100):
        if await again():
            break
        await asyncio.sleep(0.1)
    assert ["deployed"] == [revision["status"] for revision in await agent.history(wanted)]
    assert all(word.phase is not Phase.FAILED for word in agent.words(wanted)[first:])


async def test_a_release_changed_by_hand_is_made_ours_again(agent: World) -> None:
    wanted = agent.desired("by-hand", settings={"number": "1"})
    agent.link.want(wanted)
    await agent.outcome(wanted)
    chart = agent.folder / "hand.tgz"
    chart.write_bytes(pack("hello", HELLO))
    await agent.run_helm(
        "upgrade", "by-hand", str(chart), "-n", wanted.namespace, "--set", "number=2", "--force-conflicts"
    )
    for _ in range(100):
        if len(await agent.history(wanted)) == 3:
            break
        await asyncio.sleep(0.1)

    assert ["superseded", "superseded", "deployed"] == [r["status"] for r in await agent.history(wanted)]
    assert "1" == (await agent.get("cm", "by-hand-settings", "-n", wanted.namespace))["data"]["plain"]


async def test_a_release_that_is_not_ours_is_left_alone(agent: World) -> None:
    chart = agent.folder / "foreign.tgz"
    chart.write_bytes(pack("hello", HELLO))
    wanted = agent.desired("foreign")
    await agent.run_helm("install", "foreign", str(chart), "-n", wanted.namespace, "--create-namespace")
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)

    assert failed.failure is not None
    assert "ReleaseNotOurs" == failed.failure.code
    assert "helm uninstall" in failed.failure.next_step
    going = agent.desired("foreign", generation=2, present=False)
    agent.link.want(going)
    gone = await agent.outcome(going)
    assert Phase.GONE is gone.phase
    assert "left alone" in gone.statuses[0].message
    assert 1 == len(await agent.history(wanted))


async def test_a_release_of_an_earlier_incarnation_is_taken_over(agent: World) -> None:
    before = agent.desired("heir", uid="11111111-1111-4111-8111-111111111111", settings={"number": "1"})
    agent.link.want(before)
    await agent.outcome(before)
    heir = agent.desired("heir", uid="22222222-2222-4222-8222-222222222222", settings={"number": "2"})
    agent.link.want(heir)
    ready = await agent.outcome(heir)

    assert (Phase.READY, 2) == (ready.phase, ready.revision)


async def test_something_newer_ends_a_wait_at_once(agent: World) -> None:
    stuck = agent.desired("newer", settings={"nowhere": "true"}, timeout=600)
    agent.link.want(stuck)
    await agent.outcome(stuck, Phase.WORKING)
    newer = agent.desired("newer", generation=2)
    began = time.monotonic()
    agent.link.want(newer)

    assert Phase.READY is (await agent.outcome(newer)).phase
    assert time.monotonic() - began < 10


async def test_what_stays_by_rule_is_named_when_a_release_goes(agent: World) -> None:
    archive = pack("widgets", {"w.yaml": WIDGET, "k.yaml": KEPT}, crds={"w.yaml": CRD})
    wanted = agent.desired("kept", archive=archive, chart="widgets")
    agent.link.want(wanted)
    assert Phase.READY is (await agent.outcome(wanted)).phase
    going = agent.desired("kept", archive=archive, generation=2, present=False)
    agent.link.want(going)
    gone = await agent.outcome(going)

    [kept] = [status.message for status in gone.statuses if status.code == "Kept"]
    assert "ConfigMap ns-kept/kept" in kept
    assert "CustomResourceDefinition widgets.test.example.com" in kept


async def test_an_object_that_cannot_go_is_named_and_gone_is_told_once_it_went(
    agent: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.agent.worker._RECHECK", 1.0)
    wanted = agent.desired("held")
    agent.link.want(wanted)
    await agent.outcome(wanted)
    finalizer = '{"metadata":{"finalizers":["test.example.com/held"]}}'
    await agent.run_kubectl("patch", "cm/held-settings", "-n", wanted.namespace, "--type=merge", "-p", finalizer)
    going = agent.desired("held", generation=2, present=False, timeout=3)
    agent.link.want(going)
    failed = await agent.outcome(going)

    assert failed.failure is not None
    assert ("FinalizerStuck", "uninstall") == (failed.failure.code, failed.failure.step)
    assert "ConfigMap ns-held/held-settings" in failed.failure.message
    free = '{"metadata":{"finalizers":null}}'
    await agent.run_kubectl("patch", "cm/held-settings", "-n", wanted.namespace, "--type=merge", "-p", free)
    assert Phase.GONE is (await agent.outcome(going, Phase.GONE)).phase


async def test_within_one_namespace_a_chart_may_do_anything_and_beyond_it_nothing(agent: World) -> None:
    wanted = agent.desired("scoped", namespace_scoped=True)
    agent.link.want(wanted)
    assert Phase.READY is (await agent.outcome(wanted)).phase
    reaching = agent.desired(
        "scoped", generation=2, namespace_scoped=True, archive=pack("hello", {**HELLO, "r.yaml": CLUSTER_WIDE})
    )
    agent.link.want(reaching)
    failed = await agent.outcome(reaching)

    assert failed.failure is not None
    assert "Forbidden" == failed.failure.code
    assert "ext-installer-scoped" in failed.failure.message
    going = agent.desired("scoped", generation=3, namespace_scoped=True, present=False)
    agent.link.want(going)
    assert Phase.GONE is (await agent.outcome(going)).phase
    assert [] == (await agent.get("sa,rolebinding", "-n", wanted.namespace, "-l", "extensa.dev/uid"))["items"]


@pytest.mark.parametrize(
    ("name", "templates", "settings", "code"),
    [
        ("bad-render", {"t.yaml": '{{ fail "set the thing" }}'}, {}, "ChartDoesNotRender"),
        (
            "bad-kind",
            {"t.yaml": "apiVersion: x.example.com/v1\nkind: Nothing\nmetadata: {name: one}\n"},
            {},
            "KindUnknown",
        ),
        (
            "bad-field",
            {"t.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\nbogus: 1\n"},
            {},
            "FieldUnknown",
        ),
        ("bad-key", {"t.yaml": SETTINGS}, {"a..b": "1"}, "SettingInvalid"),
    ],
)
async def test_a_failure_has_a_cause(
    agent: World, name: str, templates: dict[str, str], settings: dict[str, str], code: str
) -> None:
    wanted = agent.desired(name, archive=pack("bad", templates), chart="bad", settings=settings)
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)

    assert failed.failure is not None
    assert code == failed.failure.code
    assert failed.failure.next_step
    assert Level.ERROR is failed.statuses[0].level
    healed = agent.desired(name, generation=2, archive=pack("good", {"d.yaml": DEPLOYMENT}), chart="good")
    agent.link.want(healed)
    assert Phase.READY is (await agent.outcome(healed)).phase


async def test_a_secret_in_helms_words_is_masked(agent: World) -> None:
    archive = pack("tells", {"t.yaml": '{{ fail (printf "cannot use %s" .Values.secret) }}'})
    wanted = agent.desired("tells", archive=archive, chart="tells", secrets={"secret": "hunter2-long"})
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)

    assert failed.failure is not None
    assert "cannot use ********" in failed.failure.message
    assert b"hunter2" not in msgspec.json.encode([word for _, word in agent.link.reports])
    assert not [path for path in agent.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


async def test_a_chart_that_is_not_what_was_promised_is_not_installed(agent: World) -> None:
    wanted = agent.desired("forged")
    assert wanted.chart is not None
    agent.link.charts[wanted.chart.digest] = pack("other", HELLO)
    agent.link.want(wanted)
    failed = await agent.outcome(wanted)

    assert failed.failure is not None
    assert "ChartDigestMismatch" == failed.failure.code
    assert [] == await agent.history(wanted)


async def test_questions_are_answered_live(agent: World) -> None:
    wanted = agent.desired("asked")
    agent.link.want(wanted)
    await agent.outcome(wanted)

    def ask(kind: str, subject: str) -> Question:
        deadline = utc_now() + timedelta(seconds=10)
        return Question(id=kind, kind=kind, cluster_uid=CLUSTER, subject=subject, deadline=deadline, correlation_id="c")

    for kind, subject in (("ping", CLUSTER), ("objects", wanted.uid), ("dance", CLUSTER)):
        agent.link.ask(ask(kind, subject))
    answers = await agent.link.until(lambda: agent.link.answers if len(agent.link.answers) == 3 else None)

    assert answers["ping"].body["kubernetesVersion"].startswith("v1.")
    assert 5 == answers["objects"].body["objectCount"]
    assert {"Current"} == {found["health"] for found in answers["objects"].body["objects"]}
    assert "UnknownQuestion" == answers["dance"].failure_code


async def test_a_cluster_that_comes_later_is_found_and_one_that_goes_is_forgotten(agent: World) -> None:
    uid = "00000000-0000-4000-8000-0000000000c2"
    wanted = agent.desired("comes", cluster=uid)
    agent.link.want(wanted)
    waiting = await agent.outcome(wanted, Phase.WORKING)
    assert "no credentials for the cluster" in waiting.statuses[0].message
    agent.add_cluster(uid)
    assert Phase.READY is (await agent.outcome(wanted)).phase
    agent.kubeconfig_of(uid).unlink()
    kept = agent.folder / "agent" / "extensions"
    for _ in range(100):
        if not list(kept.iterdir()):
            break
        await asyncio.sleep(0.1)

    assert [] == list(kept.iterdir())


async def test_what_the_control_plane_no_longer_names_is_forgotten_not_removed(agent: World) -> None:
    wanted = agent.desired("orphan")
    agent.link.want(wanted)
    await agent.outcome(wanted)
    await agent.stop()
    agent.link.current.clear()
    await agent.start()
    for _ in range(100):
        if not list((agent.folder / "agent" / "extensions").iterdir()):
            break
        await asyncio.sleep(0.05)

    assert [] == list((agent.folder / "agent" / "extensions").iterdir())
    assert 1 == len(await agent.history(wanted))


async def test_words_that_could_not_be_told_are_told_when_the_line_is_back(agent: World) -> None:
    wanted = agent.desired("line")
    agent.link.want(wanted)
    await agent.outcome(wanted)
    changed = agent.desired("line", generation=2, settings={"replicas": "2"})
    agent.link.want(changed)
    await asyncio.sleep(0.05)
    agent.link.down = True
    await asyncio.sleep(2)
    agent.link.down = False

    assert Phase.READY is (await agent.outcome(changed)).phase


async def test_ready_is_told_no_later_than_helm_would(begin: Begin) -> None:
    agent = await begin()
    chart = agent.folder / "hello.tgz"
    chart.write_bytes(pack("hello", HELLO))
    ours, by_hand = [], []
    for turn in range(6):
        wanted = agent.desired(f"race-{turn}")
        began = time.monotonic()
        agent.link.want(wanted)
        assert Phase.READY is (await agent.outcome(wanted)).phase
        ours.append(time.monotonic() - began)
        began = time.monotonic()
        await agent.run_helm(
            "install", f"hand-{turn}", str(chart), "--wait", "-n", f"hand-{turn}", "--create-namespace"
        )
        by_hand.append(time.monotonic() - began)
    ratio = statistics.median(ours[1:]) / statistics.median(by_hand[1:])
    sys.stderr.write(f"install to READY: {ratio:.2f} x helm install --wait\n")

    assert ratio <= 1.15, f"agent {ours} against helm install --wait {by_hand}"
