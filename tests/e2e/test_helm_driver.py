"""What every driver of Helm must do on a real API: one suite, sat by each driver there is."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.charts_made_here import DEPLOYMENT, HELLO, SETTINGS, hook, pack
from e2e.helm_processes import acting, engines
from e2e.real_cluster import RealCluster
from extensa.agent.kube import KubeClient
from extensa.agent.kubeconfig import read_kubeconfig
from extensa.base import processes
from extensa.helm.causes import TABLE
from extensa.helm.driver import CliDriver, Driver, Order, Place
from extensa.helm.engine import EngineDriver
from extensa.helm.errors import HelmError
from extensa.helm.look import look
from extensa.helm.release import LABEL_ACT, LABEL_UID, ReleaseStatus
from extensa.helm.state import Sighting
from extensa.helm.values import nest

pytestmark = pytest.mark.cluster

STUCK = {"d.yaml": DEPLOYMENT, "h.yaml": hook("pre-install,pre-upgrade")}


class Desk:
    """A driver on a real cluster, and eyes to see what it did."""

    def __init__(self, driver: Driver, cluster: RealCluster, folder: Path, *, suffix: str = "") -> None:
        self.suffix = suffix
        self.driver = driver
        self.cluster = cluster
        self.folder = folder

    def place(self, name: str, **more: str) -> Place:
        return Place(self.cluster.kubeconfig, self.folder / "cache", f"drv-{name}{self.suffix}", name, **more)

    def order(self, place: Place, archive: bytes, *, act: str = "1", timeout: float = 30, **more: Any) -> Order:
        path = self.folder / f"{place.release}-{act}.tgz"
        path.write_bytes(archive)
        settings, secrets = more.pop("settings", {}), more.pop("secrets", {})
        labels = {LABEL_UID: "uid", LABEL_ACT: act}
        return Order(place, path, nest(settings, secrets, {}), labels, timeout, create_namespace=True, **more)

    async def see(self, place: Place) -> Sighting:
        kube = KubeClient(read_kubeconfig(self.cluster.kubeconfig.read_text(), self.cluster.kubeconfig.parent))
        try:
            return await look(kube, place.release, place.namespace)
        finally:
            await kube.close()

    def act_of(self, place: Place) -> int:
        """The process that does the act under way."""
        found = engines(self.folder) if self.suffix else acting(place.release)
        return found[0]

    async def statuses(self, place: Place) -> list[str]:
        return [revision.status.value for revision in (await self.see(place)).revisions]

    def plain_helm(self, place: Place, *arguments: str) -> Any:
        """What helm itself reads there."""
        argv = [str(self.cluster.helm), *arguments, "-n", place.namespace, f"--kubeconfig={place.kubeconfig}"]
        done = processes.run_sync(argv, timeout=30)
        assert done.code == 0, done.stderr.decode()
        return json.loads(done.stdout)


@pytest.fixture(params=["cli", "engine"])
async def desk(request: pytest.FixtureRequest, real_cluster: RealCluster, tmp_path: Path) -> AsyncIterator[Desk]:
    if request.param == "cli":
        yield Desk(CliDriver(real_cluster.helm, tmp_path / "home"), real_cluster, tmp_path)
        return
    engine = EngineDriver(real_cluster.engine, tmp_path / "home")
    yield Desk(engine, real_cluster, tmp_path, suffix="-e")
    await engine.close()


async def test_a_release_through_its_whole_life(desk: Desk) -> None:
    place = desk.place("life")
    await desk.driver.install(
        desk.order(place, pack("hello", HELLO), settings={"number": "10485760"}, secrets={"secret": "hunter2-long"})
    )
    seen = await desk.see(place)
    assert seen.release is not None
    assert ("1.0.0", ReleaseStatus.DEPLOYED, 5) == (seen.release.chart_version, seen.release.status, len(seen.objects))
    assert {LABEL_UID: "uid", LABEL_ACT: "1"}.items() <= seen.revisions[0].labels.items()
    values = desk.plain_helm(place, "get", "values", place.release, "-o", "json")
    assert {"number": 10485760, "secret": "hunter2-long"} == values

    newer = pack("hello", HELLO, version="1.1.0")
    await desk.driver.upgrade(desk.order(place, newer, act="2"))
    assert ["superseded", "deployed"] == await desk.statuses(place)
    assert {} == (desk.plain_helm(place, "get", "values", place.release, "-o", "json") or {})
    assert "2" == (await desk.see(place)).revisions[-1].labels[LABEL_ACT]

    await desk.driver.rollback(place, revision=1, description="extensa act x: back", timeout=30)
    seen = await desk.see(place)
    assert seen.release is not None
    assert ("1.0.0", "extensa act x: back") == (seen.release.chart_version, seen.release.description)
    assert "1" == seen.revisions[-1].labels[LABEL_ACT]

    await desk.driver.uninstall(place, timeout=30)
    assert [] == await desk.statuses(place)
    await desk.driver.uninstall(place, timeout=30)


async def test_a_field_that_does_not_exist_is_refused_though_nothing_is_validated_here(desk: Desk) -> None:
    for name, body in (("undeclared", "bogus: 1"), ("mistyped", "data: {a: [1]}")):
        place = desk.place(name)
        template = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: one}}\n{body}\n"
        with pytest.raises(HelmError) as caught:
            await desk.driver.install(desk.order(place, pack("bad", {"t.yaml": template})))

        assert caught.value.code in ("FieldUnknown", "ObjectInvalid")
        assert f"ConfigMap {place.namespace}/one" == caught.value.target
        assert ["failed"] == await desk.statuses(place)


async def test_an_act_that_is_cancelled_is_recorded_as_failed(desk: Desk) -> None:
    place = desk.place("cancelled")
    act = asyncio.create_task(
        desk.driver.install(desk.order(place, pack("stuck", STUCK), settings={"stuck": "true"}, timeout=100))
    )
    while await desk.statuses(place) != ["pending-install"]:
        await asyncio.sleep(0.05)
    act.cancel()
    with pytest.raises(asyncio.CancelledError):
        await act

    assert ["failed"] == await desk.statuses(place)
    assert [] == acting(place.release)


async def test_an_act_that_is_killed_leaves_a_lock_and_says_so(desk: Desk) -> None:
    place = desk.place("killed")
    act = asyncio.create_task(
        desk.driver.install(desk.order(place, pack("stuck", STUCK), settings={"stuck": "true"}, timeout=100))
    )
    while await desk.statuses(place) != ["pending-install"]:
        await asyncio.sleep(0.05)
    os.kill(desk.act_of(place), signal.SIGKILL)
    with pytest.raises(HelmError) as caught:
        await act

    assert ("HelmKilled", True) == (caught.value.code, caught.value.transient)
    assert ["pending-install"] == await desk.statuses(place)


async def test_many_acts_at_once_do_not_disturb_each_other(desk: Desk) -> None:
    places = [desk.place(f"many-{number}") for number in range(6)]
    await asyncio.gather(*(desk.driver.install(desk.order(place, pack("hello", HELLO))) for place in places))

    assert {("deployed",)} == {tuple(await desk.statuses(place)) for place in places}


CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {a: {{ .Values.a | default 1 | quote }}}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {containers: [{name: m, image: m, resources: {limits: {cpu: '2'}}}]}
"""
QUOTA = "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: q}\nspec: {hard: {configmaps: '0'}}\n"
LIMITS = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: l}\nspec: {limits: [{type: Pod, max: {cpu: 100m}}]}\n"
POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-config-maps}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: drv-policy}}
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: "false", message: "no config maps here"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-config-maps}
spec: {policyName: no-config-maps, validationActions: [Deny]}
"""
EXISTS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"
SELECTOR = DEPLOYMENT.replace("{app: {{ .Release.Name }}}", '{app: "{{ .Values.label | default "x" }}"}')


@pytest.mark.parametrize(
    ("name", "code", "templates", "before"),
    [
        ("quota", "QuotaExceeded", {"t.yaml": CONFIG}, QUOTA),
        ("limits", "LimitRangeViolated", {"t.yaml": POD}, LIMITS),
        ("psa", "PodSecurityViolation", {"t.yaml": POD}, "labels: pod-security.kubernetes.io/enforce=restricted"),
        ("policy", "AdmissionPolicyDenied", {"t.yaml": CONFIG}, POLICY),
        ("owned", "OwnedByAnother", {"t.yaml": CONFIG}, EXISTS),
        ("name", "NameInvalid", {"t.yaml": CONFIG.replace("name: one", "name: Not_A_Name")}, ""),
        ("value", "ObjectInvalid", {"t.yaml": HELLO["service.yaml"].replace("port: 80", "port: 99999")}, ""),
        ("yaml", "ChartDoesNotRender", {"t.yaml": "a: b: c"}, ""),
        ("nil", "ChartDoesNotRender", {"t.yaml": "{{ .Values.a.b.c }}"}, ""),
        ("kind", "KindUnknown", {"t.yaml": "apiVersion: e.com/v1\nkind: Nothing\nmetadata: {name: one}\n"}, ""),
    ],
)
async def test_a_cause_is_told_by_a_real_api(
    desk: Desk, name: str, code: str, templates: dict[str, str], before: str
) -> None:
    place = desk.place(name)
    desk.cluster.run_kubectl("create", "namespace", place.namespace)
    if before.startswith("labels:"):
        desk.cluster.run_kubectl("label", "namespace", place.namespace, before.removeprefix("labels: "))
    elif before:
        prepared = desk.folder / "before.yaml"
        prepared.write_text(before.replace("drv-policy", place.namespace))
        desk.cluster.run_kubectl("apply", "-n", place.namespace, "-f", str(prepared))
    error = None
    for _ in range(40):  # quotas and policies take a moment to be enforced
        try:
            await desk.driver.install(desk.order(place, pack("bad", templates)))
        except HelmError as caught:
            error = caught
            break
        await desk.driver.uninstall(place, timeout=10)
        await asyncio.sleep(0.2)

    assert error is not None
    assert code == error.code
    assert error.message.startswith(TABLE[code].words.removesuffix("."))


@pytest.mark.parametrize(
    ("name", "code", "template", "settings"),
    [
        ("immutable", "FieldImmutable", SELECTOR, {"label": "y"}),
        ("conflict", "FieldConflict", CONFIG, {"a": "2"}),
    ],
)
async def test_a_cause_of_a_failed_upgrade(
    desk: Desk, name: str, code: str, template: str, settings: dict[str, str]
) -> None:
    place = desk.place(name)
    await desk.driver.install(desk.order(place, pack("c", {"t.yaml": template})))
    if code == "FieldConflict":
        patch = '{"data":{"a":"3"}}'
        desk.cluster.run_kubectl(
            "patch", "cm", "one", "-n", place.namespace, "--type=merge", "-p", patch, "--field-manager=someone"
        )
    with pytest.raises(HelmError) as caught:
        await desk.driver.upgrade(desk.order(place, pack("c", {"t.yaml": template}), act="2", settings=settings))

    assert code == caught.value.code
    assert (caught.value.target or "").startswith((f"Deployment {place.namespace}/", f"ConfigMap {place.namespace}/"))
    assert ["deployed", "failed"] == await desk.statuses(place)


async def test_a_namespace_that_may_not_be_made_is_missed(desk: Desk) -> None:
    order = desk.order(desk.place("nowhere"), pack("c", {"t.yaml": SETTINGS}))
    with pytest.raises(HelmError) as caught:
        await desk.driver.install(Order(order.place, order.chart, order.values, order.labels, order.timeout))

    assert ("NamespaceMissing", f"Namespace {order.place.namespace}") == (caught.value.code, caught.value.target)


async def test_a_cluster_that_is_not_there(desk: Desk, tmp_path: Path) -> None:
    text = desk.cluster.kubeconfig.read_text().replace(desk.cluster.url, "https://127.0.0.1:1")
    (tmp_path / "elsewhere").write_text(text)
    place = Place(tmp_path / "elsewhere", tmp_path / "cache", "default", "r")
    with pytest.raises(HelmError) as caught:
        await desk.driver.install(desk.order(place, pack("c", {"t.yaml": SETTINGS})))

    assert ("ApiServerUnreachable", True) == (caught.value.code, caught.value.transient)


CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMES.drv.example.com}
spec:
  group: drv.example.com
  scope: Namespaced
  names: {kind: KIND, plural: NAMES}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
"""
CUSTOM = "apiVersion: drv.example.com/v1\nkind: KIND\nmetadata: {name: one}\n"
ASKS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: one}
data: {known: {{ .Capabilities.APIVersions.Has "drv.example.com/v1/KIND" | quote }}}
"""


async def code_of(act: Awaitable[None]) -> str:
    """Return the code with which an act failed, "" if it did not."""
    try:
        await act
    except HelmError as error:
        return error.code
    return ""


async def test_a_kind_is_known_as_soon_as_it_is_there(desk: Desk) -> None:
    kind, plural = ("Engined", "engineds") if desk.suffix else ("Piped", "pipeds")
    crd, custom, asks = (text.replace("KIND", kind).replace("NAMES", plural) for text in (CRD, CUSTOM, ASKS))
    before = desk.place("asks-before")
    await desk.driver.install(desk.order(before, pack("asks", {"t.yaml": asks})))
    brings = pack("brings", {"t.yaml": custom, "a.yaml": asks}, crds={"c.yaml": crd})
    place = desk.place("brings")
    await desk.driver.install(desk.order(place, brings))
    other = desk.place("uses")
    await desk.driver.install(desk.order(other, pack("uses", {"t.yaml": custom})))
    known = [desk.cluster.get("cm", "one", "-n", asked.namespace)["data"]["known"] for asked in (before, place)]
    assert ["false", "true"] == known
    desk.cluster.run_kubectl("delete", "crd", f"{plural}.drv.example.com")
    codes: list[str] = []
    while codes[-1:] != ["KindUnknown"] and len(codes) < 100:  # a definition takes a moment to go
        codes.append(await code_of(desk.driver.upgrade(desk.order(other, pack("uses", {"t.yaml": custom}), act="2"))))
    assert ["KindUnknown"] == codes[-1:]


async def test_what_others_own_is_taken_over_only_when_asked(desk: Desk) -> None:
    place = desk.place("taken")
    desk.cluster.run_kubectl("create", "namespace", place.namespace)
    desk.cluster.run_kubectl("create", "configmap", "one", "-n", place.namespace, "--from-literal=a=theirs")
    chart = pack("c", {"t.yaml": CONFIG})
    assert "OwnedByAnother" == await code_of(desk.driver.install(desk.order(place, chart)))
    await desk.driver.install(desk.order(place, chart, act="2", take_over=True, force=True))
    assert "1" == desk.cluster.get("cm", "one", "-n", place.namespace)["data"]["a"]

    desk.cluster.run_kubectl("patch", "cm", "one", "-n", place.namespace, "-p", '{"data": {"a": "theirs"}}')
    changed: dict[str, Any] = {"settings": {"a": "2"}}
    assert "FieldConflict" == await code_of(desk.driver.upgrade(desk.order(place, chart, act="3", **changed)))
    await desk.driver.upgrade(desk.order(place, chart, act="4", force=True, **changed))
    assert "2" == desk.cluster.get("cm", "one", "-n", place.namespace)["data"]["a"]

    desk.cluster.run_kubectl("patch", "cm", "one", "-n", place.namespace, "-p", '{"data": {"a": "theirs"}}')
    await desk.driver.rollback(place, revision=1, description="back", timeout=30)
    assert "1" == desk.cluster.get("cm", "one", "-n", place.namespace)["data"]["a"]


async def test_an_uninstall_may_leave_hooks_out(desk: Desk) -> None:
    place = desk.place("unhooked")
    leaving = pack("leaving", {"c.yaml": CONFIG, "h.yaml": hook("pre-delete")})
    await desk.driver.install(desk.order(place, leaving, settings={"stuck": "true"}))
    await desk.driver.uninstall(place, timeout=30, skip_hooks=True)

    assert [] == await desk.statuses(place)
    assert "" == desk.cluster.run_kubectl("get", "jobs", "-n", place.namespace, "-o", "name")


async def test_who_may_not_do_it_is_refused_by_name(desk: Desk) -> None:
    place = desk.place("nobody", as_user="system:serviceaccount:default:nobody")
    desk.cluster.run_kubectl("create", "namespace", place.namespace)
    with pytest.raises(HelmError) as caught:
        await desk.driver.install(desk.order(place, pack("c", {"t.yaml": SETTINGS})))

    assert "Forbidden" == caught.value.code
    assert "system:serviceaccount:default:nobody" in caught.value.message


async def test_a_release_changes_hands_between_the_drivers(real_cluster: RealCluster, tmp_path: Path) -> None:
    cli, engine = CliDriver(real_cluster.helm, tmp_path / "home"), EngineDriver(real_cluster.engine, tmp_path / "home")
    desk = Desk(engine, real_cluster, tmp_path)
    place = desk.place("hands")
    try:
        drivers: list[Driver] = [cli, engine, cli, engine]
        for turn, driver in enumerate(drivers, 1):
            order = desk.order(place, pack("c", {"t.yaml": CONFIG}), act=str(turn), settings={"a": str(turn)})
            await (driver.install(order) if turn == 1 else driver.upgrade(order))
        found = desk.cluster.get("cm", "one", "-n", place.namespace, "--show-managed-fields")
        assert ("4", ["helm"]) == (found["data"]["a"], [each["manager"] for each in found["metadata"]["managedFields"]])

        told = [(each.revision, each.status, each.description) for each in await engine.history(place, timeout=10)]
        listed = desk.plain_helm(place, "history", place.release, "-o", "json")
        assert told == [(each["revision"], each["status"], each["description"]) for each in listed]
    finally:
        await engine.close()


async def test_the_engine_renders_what_helm_renders_and_writes_nothing(
    real_cluster: RealCluster, tmp_path: Path
) -> None:
    engine = EngineDriver(real_cluster.engine, tmp_path / "home")
    desk = Desk(engine, real_cluster, tmp_path)
    order = desk.order(desk.place("rendered"), pack("hello", HELLO), settings={"greeting": "ho"})
    try:
        rendered = await engine.render(order)
    finally:
        await engine.close()
    argv = [str(real_cluster.helm), "template", order.place.release, str(order.chart), "--set", "greeting=ho"]
    by_hand = processes.run_sync([*argv, "-n", order.place.namespace], timeout=30).stdout.decode()
    assert sorted(yaml.safe_load_all(by_hand), key=str) == sorted(yaml.safe_load_all(rendered), key=str)
    assert [] == await desk.statuses(order.place)


async def test_an_engine_told_to_end_lets_its_acts_be_recorded(real_cluster: RealCluster, tmp_path: Path) -> None:
    engine = EngineDriver(real_cluster.engine, tmp_path / "home")
    desk = Desk(engine, real_cluster, tmp_path, suffix="-e")
    place = desk.place("farewell")
    act = asyncio.create_task(engine.install(desk.order(place, pack("stuck", STUCK), settings={"stuck": "true"})))
    while await desk.statuses(place) != ["pending-install"]:
        await asyncio.sleep(0.05)
    await engine.close()
    with pytest.raises(HelmError) as caught:
        await act

    assert "HelmKilled" == caught.value.code
    assert ["failed"] == await desk.statuses(place)
