"""A real cluster: what is in it, and that real workloads find what they would on AKS."""

import asyncio
import base64
import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from e2e.real_cluster import RealCluster
from extensa.localcluster.stages import STORAGE_CLASSES

pytestmark = pytest.mark.cluster


async def until(what: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait until ``what`` holds, asking now and then; fail the test when it does not come true."""
    async with asyncio.timeout(seconds):
        while True:
            if await asyncio.to_thread(what):
                return
            await asyncio.sleep(0.1)


def test_nodes_are_ready_and_labelled_as_on_aks(real_cluster: RealCluster) -> None:
    nodes = real_cluster.get("nodes")["items"]
    assert 2 == len(nodes)
    labels = [node["metadata"]["labels"] for node in nodes]
    assert {"westeurope-1", "westeurope-2"} == {each["topology.kubernetes.io/zone"] for each in labels}
    assert {"linux"} == {each["kubernetes.io/os"] for each in labels}
    assert {node["metadata"]["name"] for node in nodes} == {each["kubernetes.io/hostname"] for each in labels}
    addresses = {
        each["address"] for node in nodes for each in node["status"]["addresses"] if each["type"] != "Hostname"
    }
    assert {"10.224.0.4", "10.224.0.5"} == addresses
    assert {"v1.37.1"} == {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}


def test_the_server_says_its_version(real_cluster: RealCluster) -> None:
    version = json.loads(real_cluster.run_kubectl("version", "-o", "json"))
    assert "v1.37.1" == version["serverVersion"]["gitVersion"]


async def test_a_deployment_is_scheduled_and_becomes_ready(real_cluster: RealCluster) -> None:
    real_cluster.run_kubectl("create", "deployment", "web", "--image=nowhere.example/web", "--replicas=3")
    real_cluster.run_kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    pods = real_cluster.get("pods", "-l", "app=web")["items"]
    assert {"Running"} == {pod["status"]["phase"] for pod in pods}
    assert all(pod["status"]["podIP"].startswith("10.244.") for pod in pods)


async def test_a_privileged_daemon_set_is_accepted_and_runs_on_every_node(real_cluster: RealCluster) -> None:
    await real_cluster.apply("""
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: privileged}
spec:
  selector: {matchLabels: {app: privileged}}
  template:
    metadata: {labels: {app: privileged}}
    spec:
      containers: [{name: c, image: x, securityContext: {privileged: true}}]
""")
    real_cluster.run_kubectl("rollout", "status", "daemonset/privileged", "--timeout=30s")
    assert 2 == real_cluster.get("daemonset", "privileged")["status"]["numberReady"]


async def test_claims_of_every_aks_storage_class_are_bound(real_cluster: RealCluster) -> None:
    claims = "".join(
        f"""---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: claim-{name}}}
spec:
  storageClassName: {name}
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
"""
        for name in STORAGE_CLASSES
    )
    await real_cluster.apply(claims)
    real_cluster.run_kubectl("wait", "pvc", "--all", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s")


async def test_a_claim_without_a_class_takes_the_default_one_and_its_volume_goes_with_it(
    real_cluster: RealCluster,
) -> None:
    await real_cluster.apply("""
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: plain}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
""")
    real_cluster.run_kubectl("wait", "pvc/plain", "--for=jsonpath={.status.phase}=Bound", "--timeout=20s")
    claim = real_cluster.get("pvc", "plain")
    assert "default" == claim["spec"]["storageClassName"]
    real_cluster.run_kubectl("delete", "pvc/plain", "--timeout=20s")
    volume = claim["spec"]["volumeName"]
    await until(lambda: "" == real_cluster.run_kubectl("get", "pv", volume, "--ignore-not-found"))


async def test_a_load_balancer_gets_an_address_in_the_test_network(real_cluster: RealCluster) -> None:
    real_cluster.run_kubectl("create", "service", "loadbalancer", "front", "--tcp=80:80")
    real_cluster.run_kubectl(
        "wait", "service/front", "--for=jsonpath={.status.loadBalancer.ingress[0].ipMode}=VIP", "--timeout=20s"
    )
    service = real_cluster.get("service", "front")
    expected = service["spec"]["clusterIP"].replace("10.0.", "198.18.", 1)
    assert expected == service["status"]["loadBalancer"]["ingress"][0]["ip"]


async def test_a_job_completes(real_cluster: RealCluster) -> None:
    real_cluster.run_kubectl("create", "job", "once", "--image=x")
    real_cluster.run_kubectl("wait", "job/once", "--for=condition=Complete", "--timeout=20s")


async def test_a_bare_hook_pod_ends_and_any_other_bare_pod_runs_on(real_cluster: RealCluster) -> None:
    await real_cluster.apply("""
apiVersion: v1
kind: Pod
metadata: {name: hook, annotations: {helm.sh/hook: test}}
spec: {restartPolicy: Never, containers: [{name: c, image: x}]}
---
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {containers: [{name: c, image: x}]}
""")
    real_cluster.run_kubectl("wait", "pod/hook", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=20s")
    real_cluster.run_kubectl("wait", "pod/bare", "--for=condition=Ready", "--timeout=20s")
    assert "Running" == real_cluster.get("pod", "bare")["status"]["phase"]


async def test_webhooks_are_stored_and_never_called(real_cluster: RealCluster) -> None:
    await real_cluster.apply("""
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: unanswered}
webhooks:
- name: unanswered.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {service: {name: nobody, namespace: default}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
""")
    real_cluster.run_kubectl("create", "configmap", "admitted")
    real_cluster.run_kubectl("delete", "validatingwebhookconfiguration", "unanswered")


async def test_calls_into_the_cluster_stay_on_this_machine(real_cluster: RealCluster) -> None:
    real_cluster.run_kubectl("create", "deployment", "metrics", "--image=x", "--port=443")
    real_cluster.run_kubectl("expose", "deployment", "metrics")
    real_cluster.run_kubectl("rollout", "status", "deployment/metrics", "--timeout=30s")
    await real_cluster.apply("""
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1.unanswered.example.com}
spec:
  group: unanswered.example.com
  version: v1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics, namespace: default}
""")

    def told() -> str:
        return str(real_cluster.get("apiservice", "v1.unanswered.example.com").get("status"))

    try:
        await until(lambda: "the nodes of this local cluster are simulated" in told())
    finally:
        real_cluster.run_kubectl("delete", "apiservice", "v1.unanswered.example.com")
        real_cluster.run_kubectl("delete", "service,deployment", "metrics")


async def test_secrets_are_not_readable_in_the_store(real_cluster: RealCluster) -> None:
    marker = "a-value-that-would-stand-out"
    real_cluster.run_kubectl("create", "secret", "generic", "sealed", f"--from-literal=password={marker}")
    real_cluster.run_kubectl("create", "configmap", "open", f"--from-literal=word={marker}-open")
    stored = b"".join(path.read_bytes() for path in (real_cluster.folder / "etcd").rglob("*") if path.is_file())
    assert f"{marker}-open".encode() in stored
    assert base64.b64encode(marker.encode()) not in stored
    assert marker.encode() not in stored.replace(f"{marker}-open".encode(), b"")
    assert b"k8s:enc:secretbox:v1:first:" in stored


def test_anyone_may_read_who_issues_the_tokens(real_cluster: RealCluster) -> None:
    context = ssl.create_default_context(cafile=real_cluster.folder / "pki" / "ca.crt")
    with urllib.request.urlopen(f"{real_cluster.url}/.well-known/openid-configuration", context=context) as answer:
        document = json.load(answer)
    assert real_cluster.url == document["issuer"]
    with urllib.request.urlopen(document["jwks_uri"], context=context) as answer:
        keys = json.load(answer)["keys"]
    assert ["RS256"] == [key["alg"] for key in keys]
    token = real_cluster.run_kubectl("create", "token", "default")
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (real_cluster.url, "system:serviceaccount:default:default") == (claims["iss"], claims["sub"])


def test_nobody_without_a_certificate_gets_further(real_cluster: RealCluster) -> None:
    context = ssl.create_default_context(cafile=real_cluster.folder / "pki" / "ca.crt")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{real_cluster.url}/api/v1/nodes", context=context)


@pytest.mark.parametrize("who", ["agent", "admin", "user"])
def test_agents_admins_and_users_administer(real_cluster: RealCluster, who: str) -> None:
    kubeconfig = real_cluster.folder / f"{who}.kubeconfig"
    assert 0o600 == kubeconfig.stat().st_mode & 0o777
    argv = [str(real_cluster.kubectl), f"--kubeconfig={kubeconfig}", "auth", "can-i", "*", "*"]
    assert "yes" == subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def test_the_data_folder_is_closed_to_others(real_cluster: RealCluster) -> None:
    assert 0o700 == real_cluster.folder.stat().st_mode & 0o777
    open_files = [path for path in (real_cluster.folder / "pki").iterdir() if path.stat().st_mode & 0o077]
    assert [] == open_files


def test_etcd_listens_on_no_port(real_cluster: RealCluster) -> None:
    sockets = {path.name for path in (real_cluster.folder / "run").iterdir()}
    assert {"etcd.sock:0", "peer.sock:0", "egress.sock"} == sockets
