"""Every way in which a cluster is not there for its agent, brought about for real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import yaml

from e2e.agent_world import World
from e2e.cause_stage import Api, Stage, produces
from e2e.charts_made_here import pack
from e2e.test_causes_api import webhook
from extensa.agent.kubeconfig import read_kubeconfig
from extensa.base.certificates import Issued, issue
from extensa.base.clock import utc_now
from extensa.link.extension import DesiredExtension
from extensa.localcluster.keys import AUTHORITY
from extensa.localcluster.layout import Layout

pytestmark = pytest.mark.cluster

PLAIN = pack("plain", {"c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n"})
FLOOD = """
apiVersion: v1
kind: ServiceAccount
metadata: {name: unwelcome, namespace: default}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: unwelcome}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: unwelcome, namespace: default}]
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: no-room}
spec:
  type: Limited
  limited: {nominalConcurrencyShares: 0, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse: {type: Reject}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: no-room}
spec:
  priorityLevelConfiguration: {name: no-room}
  matchingPrecedence: 2
  rules:
  - subjects: [{kind: ServiceAccount, serviceAccount: {name: unwelcome, namespace: default}}]
    resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], clusterScope: true, namespaces: ["*"]}]
    nonResourceRules: [{verbs: ["*"], nonResourceURLs: ["*"]}]
"""


def kubeconfig(stage: Stage, *, server: str = "", **user: str) -> str:
    """Return the administrator's kubeconfig, with another server or another user."""
    config = yaml.safe_load(stage.cluster.kubeconfig.read_text())
    if server:
        config["clusters"][0]["cluster"]["server"] = server
    if user:
        config["users"][0]["user"] = user
    text: str = yaml.safe_dump(config)
    return text


async def cured(stage: Stage, agent: World, wanted: DesiredExtension) -> None:
    """See that everything goes on when the agent has a kubeconfig that works."""
    agent.kubeconfig.write_text(stage.cluster.kubeconfig.read_text())
    agent.add_cluster()
    await stage.leaves(await stage.recovers(wanted, of=agent, timeout=60), of=agent)


@asynccontextmanager
async def with_access(stage: Stage, text: str) -> AsyncIterator[World]:
    """Have an agent with this kubeconfig."""
    async with stage.another(stage.name, kubeconfig=text) as agent:
        yield agent


@produces("ApiServerUnreachable")
async def test_api_server_unreachable(stage: Stage) -> None:
    async with with_access(stage, kubeconfig(stage, server="https://127.0.0.1:1")) as agent:
        wanted = stage.wanted(PLAIN, timeout=3)
        await stage.fails(wanted, "ApiServerUnreachable", "Cluster c", "does not answer", of=agent, leaves=False)
        await cured(stage, agent, wanted)


@asynccontextmanager
async def crowded(stage: Stage, config: str) -> AsyncIterator[None]:
    """Have the one request that is let through without room go on for the length of the block; no other is taken."""
    name = await stage.api.namespace(f"ns-{stage.name}-slow")
    await stage.api.apply(webhook(stage, f"{stage.webhooks.url}/slow", timeout=30, namespace=name))
    api = Api(read_kubeconfig(config, stage.cluster.folder))
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
    slow = asyncio.create_task(api.ask("POST", f"/api/v1/namespaces/{name}/configmaps", probe))
    try:
        async with asyncio.timeout(30):
            while 429 != (await api.ask("GET", "/api/v1/namespaces")).status_code:
                await asyncio.sleep(0.2)
                if slow.done():
                    slow = asyncio.create_task(api.ask("POST", f"/api/v1/namespaces/{name}/configmaps", probe))
        yield
    finally:
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        await api.close()


@produces("ApiServerThrottling")
async def test_api_server_throttling(stage: Stage) -> None:
    await stage.api.apply(FLOOD)
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await stage.api.ask("POST", "/api/v1/namespaces/default/serviceaccounts/unwelcome/token", request)
    config = kubeconfig(stage, token=answer.json()["status"]["token"])
    async with with_access(stage, config) as agent:
        wanted = stage.wanted(PLAIN, timeout=4)
        async with crowded(stage, config):
            await stage.fails(wanted, "ApiServerThrottling", "Cluster c", "429", of=agent, leaves=False)
        await stage.api.delete("/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/no-room")
        await stage.leaves(await stage.recovers(wanted, of=agent, timeout=60), of=agent)


@produces("CredentialsRejected")
async def test_credentials_rejected(stage: Stage) -> None:
    layout = Layout(stage.cluster.folder)
    authority = Issued(layout.authority(AUTHORITY).read_bytes(), layout.authority_key(AUTHORITY).read_bytes())
    past = utc_now() - timedelta(days=30)
    old = issue(authority, common_name="admin", organizations=("system:masters",), now=past, usage="client", days=7)
    (stage.folder / "old.crt").write_bytes(old.certificate)
    (stage.folder / "old.key").write_bytes(old.key)
    user = {"client-certificate": str(stage.folder / "old.crt"), "client-key": str(stage.folder / "old.key")}
    async with with_access(stage, kubeconfig(stage, **user)) as agent:
        wanted = stage.wanted(PLAIN, timeout=3)
        await stage.fails(wanted, "CredentialsRejected", "Cluster c", "credentials", of=agent, leaves=False)
        await cured(stage, agent, wanted)


@produces("ClusterNotFound")
async def test_cluster_not_found(stage: Stage) -> None:
    other = "00000000-0000-4000-8000-0000000000c2"
    wanted = stage.wanted(PLAIN, timeout=3, cluster=other)

    await stage.fails(wanted, "ClusterNotFound", "Cluster c", leaves=False)
    stage.world.add_cluster(other)
    await stage.leaves(await stage.recovers(wanted, timeout=60))
