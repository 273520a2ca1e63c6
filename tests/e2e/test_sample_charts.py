"""The sample charts on a real Kubernetes API: packed as they are published, installed, upgraded, failing as told."""

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from e2e.real_cluster import RealCluster
from extensa.client.chart import load_chart
from extensa.client.type_list import read_types, samples_folder

pytestmark = pytest.mark.cluster


class Helm:
    """Helm on the cluster, in a namespace of the test's own, with sample charts by type and version."""

    def __init__(self, cluster: RealCluster, folder: Path, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._charts = {}
        for each in read_types(samples_folder()):
            for version in each.versions:
                path = folder / f"{each.name}-{version.version}.tgz"
                path.write_bytes(load_chart(version.chart).archive)
                self._charts[each.name.removeprefix("extensa."), version.version] = path

    def run(self, *arguments: str, values: Any = None, ok: bool = True) -> str:
        """Run helm and return what it printed; what it says of a failure when that is expected."""
        argv = [str(self.cluster.helm), f"--kubeconfig={self.cluster.kubeconfig}", f"-n={self.namespace}", *arguments]
        argv += ["-f", "-"] if values is not None else []
        done = subprocess.run(argv, input=json.dumps(values), capture_output=True, text=True, timeout=120, check=False)
        assert ok is (done.returncode == 0), f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def put(self, release: str, kind: str, version: str, *flags: str, ok: Any = True, **values: Any) -> str:
        """Install or upgrade ``release`` as an agent would: all values anew, whatever the last revision had."""
        argv = ("upgrade", "--install", "--create-namespace", release, str(self._charts[kind, version]), *flags)
        return self.run(*argv, values=values, ok=ok)

    def lint(self, kind: str, version: str) -> str:
        """Return what ``helm lint`` says of a packed chart."""
        return self.run("lint", "--strict", str(self._charts[kind, version]))

    def get(self, kind: str, name: str) -> Any:
        """Return an object of the test's namespace."""
        return self.cluster.get("-n", self.namespace, kind, name)

    def data(self, kind: str, name: str) -> dict[str, str]:
        """Return what stands in a ConfigMap or a Secret, decoded."""
        found: dict[str, str] = self.get(kind, name).get("data", {})
        return {k: base64.b64decode(v).decode() for k, v in found.items()} if kind == "secret" else found

    def names(self, *kinds: str) -> set[str]:
        """Return the names of what Helm made in the namespace."""
        label = "app.kubernetes.io/managed-by=Helm"
        found = self.cluster.get("-n", self.namespace, ",".join(kinds), "-l", label)
        return {f"{item['kind']}/{item['metadata']['name']}" for item in found["items"]}


@pytest.fixture
def helm(real_cluster: RealCluster, tmp_path: Path, request: pytest.FixtureRequest) -> Helm:
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.removeprefix("test_").lower())
    return Helm(real_cluster, tmp_path, name.strip("-")[:50].strip("-"))


OBJECTS = ("serviceaccount", "service", "deployment", "configmap", "secret", "poddisruptionbudget")
READY = ("--wait", "--timeout=30s")


def test_helm_reads_what_was_packed(helm: Helm) -> None:
    for kind in ("hello", "crds", "fails"):
        for version in ("1.0.0", "1.1.0"):
            assert "0 chart(s) failed" in helm.lint(kind, version)


def test_hello_installs_upgrades_and_goes(helm: Helm) -> None:
    helm.put("one", "hello", "1.0.0", *READY)
    made = {"ServiceAccount/one", "Service/one", "Deployment/one", "ConfigMap/one", "Secret/one"}
    assert made == helm.names(*OBJECTS)
    assert {"greeting": "Hello", "image": "busybox:1.37", "port": "80", "replicas": "1"} == helm.data(
        "configmap", "one"
    )

    helm.put("one", "hello", "1.1.0", *READY)
    assert {*made, "PodDisruptionBudget/one"} == helm.names(*OBJECTS)
    assert "Hello again" == helm.data("configmap", "one")["greeting"]
    assert 2 == helm.get("deployment", "one")["status"]["readyReplicas"]

    helm.run("uninstall", "one")
    assert set() == helm.names(*OBJECTS)


def test_hello_lives_beside_itself(helm: Helm) -> None:
    for release in ("a", "b.c", "1st"):
        helm.put(release, "hello", "1.1.0", *READY)

    assert {"Deployment/a", "Deployment/b.c", "Deployment/1st"} == helm.names("deployment")
    assert {"Service/a", "Service/b-c", "Service/hello-1st"} == helm.names("service")


def test_hello_shows_settings_and_hides_secrets(helm: Helm) -> None:
    protected = ["db.password", "list[1].key", r"dotted\.name", "greeting"]
    values: dict[str, Any] = {
        "global": {"extensa": {"protectedKeys": protected}},
        "greeting": "canary-1",
        "db": {"user": "u", "password": "canary-2"},
        "list": [{"key": "open"}, {"key": "canary-3"}, None],
        "dotted.name": "canary-4",
        "secret": {"token": "canary-5", "deep": {"er": "canary-6"}},
        "replicas": "0",
        "strange / key": "x",
        "flag": True,
        "large": 1234567,
        "empty": "",
    }
    helm.put("s", "hello", "1.0.0", **values)
    open_data, secret = helm.data("configmap", "s"), helm.data("secret", "s")

    assert "canary" not in json.dumps(open_data)
    assert {
        "db.user": "u",
        "flag": "true",
        "large": "1234567",
        "empty": "",
        "replicas": "0",
    }.items() <= open_data.items()
    assert {"list[0].key": "open", "strange / key": "x"} == json.loads(open_data["other-settings.json"])
    assert {f"canary-{number}" for number in (1, 2, 5, 6)} == {v for v in secret.values() if v.startswith("canary")}
    assert {"list[1].key": "canary-3", r"dotted\.name": "canary-4"} == json.loads(secret["other-settings.json"])
    assert "canary" not in json.dumps(helm.get("deployment", "s"))


def test_crds_install_upgrade_and_go(helm: Helm) -> None:
    helm.put("w", "crds", "1.0.0", "--wait", "--wait-for-jobs", "--timeout=30s")
    assert {"colour": "green", "size": 1} == helm.get("widget", "w")["spec"]

    helm.put("w", "crds", "1.1.0", "--wait", "--wait-for-jobs", "--timeout=30s", size="7")
    assert {"colour": "blue", "size": 7} == helm.get("widget", "w")["spec"]
    assert "w-widgets" == helm.cluster.get("clusterrole", "w-widgets")["metadata"]["name"]
    assert "note" in helm.put("w", "crds", "1.1.0", ok=False, note="needs the newer definition")

    helm.run("uninstall", "w", "--wait", "--timeout=30s")
    assert set() == helm.names("widget", "job")
    assert helm.cluster.get("crd", "widgets.samples.extensa.dev")


SOON = ("--wait", "--timeout=2s")


@pytest.mark.parametrize(
    ("mode", "flags", "said"),
    [
        ("render", (), "does not render"),
        ("leak", (), "cannot sign in with token canary"),
        ("unheard-of", (), 'mode "unheard-of" is not known'),
        ("unknown-kind", (), 'no matches for kind "Unheardof"'),
        ("invalid-object", (), "spec.ports[0].port: Invalid value: 70000"),
        ("undeclared-field", (), ".spec.replica: field not declared in schema"),
        ("missing-namespace", (), 'namespaces "extensa-there-is-no-such-namespace" not found'),
        ("foreign-object", (), "invalid ownership metadata"),
        ("never-ready", SOON, "Available: 0/1"),
        ("slow", SOON, "Available: 0/1"),
        ("pvc-pending", SOON, "PVC is not Bound"),
        ("job", ("--wait", "--wait-for-jobs", "--timeout=20s"), "Job/fails-as-asked-job"),
        ("hook", ("--timeout=20s",), "failed pre-install"),
        ("post-hook", ("--timeout=20s",), "failed post-install"),
        ("hook-hangs", ("--timeout=2s",), "failed pre-install"),
    ],
)
def test_fails_as_asked(helm: Helm, mode: str, flags: tuple[str, ...], said: str) -> None:
    told = helm.put("f", "fails", "1.0.0", *flags, ok=False, mode=mode, secret={"token": "canary"})

    assert said in told


@pytest.mark.parametrize("mode", ["none", "cluster-object", "image-pull", "crash"])
def test_what_simulated_nodes_do_not_mind(helm: Helm, mode: str) -> None:
    helm.put("f", "fails", "1.1.0", *READY, mode=mode)


def test_quota_is_told_by_the_replica_set(helm: Helm) -> None:
    assert "Replicas: 0/1" in helm.put("f", "fails", "1.0.0", *SOON, ok=False, mode="quota")

    conditions = helm.get("deployment", "f")["status"]["conditions"]
    assert ["exceeded quota" in c["message"] for c in conditions if c["type"] == "ReplicaFailure"] == [True]


def test_an_installer_of_one_namespace_may_not_make_cluster_objects(helm: Helm) -> None:
    helm.put("f", "fails", "1.0.0")
    helm.cluster.run_kubectl(f"-n={helm.namespace}", "create", "rolebinding", "x", "--clusterrole=admin", "--user=x")

    told = helm.put("f", "fails", "1.0.0", "--kube-as-user=x", ok=False, mode="cluster-object")
    assert "forbidden" in told
    assert "clusterroles" in told


def test_a_failure_may_wait_for_the_next_version(helm: Helm) -> None:
    wish: dict[str, Any] = {"mode": "render", "from": "1.1.0"}
    helm.put("f", "fails", "1.0.0", **wish)

    assert "does not render" in helm.put("f", "fails", "1.1.0", ok=False, **wish)


def test_immutable_fails_at_the_upgrade(helm: Helm) -> None:
    helm.put("f", "fails", "1.0.0", mode="immutable")
    helm.put("f", "fails", "1.1.0", mode="immutable")

    assert "field is immutable" in helm.put("f", "fails", "1.1.0", ok=False, mode="immutable", salt="two")


def test_a_farewell_that_fails_keeps_the_release(helm: Helm) -> None:
    helm.put("f", "fails", "1.0.0", mode="delete-hook")

    assert "f-farewell not ready. status: Failed" in helm.run("uninstall", "f", "--timeout=20s", ok=False)
    assert {"Deployment/f"} == helm.names("deployment")
    assert "no deployed releases" in helm.put("f", "fails", "1.0.0", ok=False, mode="none")
    helm.run("uninstall", "f", "--no-hooks")
    assert set() == helm.names("deployment")


def test_an_object_nobody_lets_go_stays(helm: Helm) -> None:
    helm.put("f", "fails", "1.0.0", mode="stuck-delete")
    helm.run("uninstall", "f", "--wait", "--timeout=2s", ok=False)

    assert helm.get("configmap", "f")["metadata"]["deletionTimestamp"]
    helm.cluster.run_kubectl(
        f"-n={helm.namespace}", "patch", "configmap", "f", "-p", '{"metadata":{"finalizers":null}}'
    )
    assert set() == helm.names("configmap")
