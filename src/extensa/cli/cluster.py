"""`extensa cluster`: AKS-style clusters, in `az aks`' words."""

import base64
from pathlib import Path
from typing import Any

import click

from extensa.cli import options
from extensa.cli.grammar import Group
from extensa.cli.output import Column, emit
from extensa.cli.session import Session
from extensa.cli.waiting import wait
from extensa.client import paths
from extensa.client.extensions import pairs

_API = paths.CLUSTERS_API
COLUMNS: tuple[Column, ...] = (
    ("Name", "name"),
    ("Location", "location"),
    ("ResourceGroup", "resourceGroup"),
    ("KubernetesVersion", "properties.currentKubernetesVersion|properties.kubernetesVersion"),
    ("ProvisioningState", "properties.provisioningState"),
    ("PowerState", "properties.powerState.code"),
    ("Fqdn", "properties.fqdn"),
)


@click.group(cls=Group)
def cluster() -> None:
    """Create, show, stop, start and delete clusters; fetch their credentials."""


@cluster.verb(
    "create",
    greedy=("--tags",),
    examples=[
        ("Create a cluster of three simulated nodes", "extensa cluster create -g demo -n second"),
        (
            "Create one with more nodes and do not wait",
            "extensa cluster create -g demo -n big --node-count 5 --no-wait",
        ),
    ],
)
@click.option("-l", "--location", metavar="REGION", help="Region; by default the group's.")
@click.option("-k", "--kubernetes-version", metavar="VERSION", help="Kubernetes version; by default the newest.")
@click.option("--node-count", type=click.IntRange(1, 1000), default=3, show_default=True, help="Nodes.")
@options.tags
@options.no_wait
@options.output
@options.managed_cluster
def create(
    session: Session,
    path: str,
    *,
    location: str | None,
    kubernetes_version: str | None,
    node_count: int,
    tags: tuple[str, ...],
    no_wait: bool,
) -> None:
    """Create a cluster and wait until its Kubernetes API serves."""
    region = location or session.arm.get(path.partition("/providers/")[0], paths.GROUPS_API)["location"]
    body = cluster_body(region, kubernetes_version=kubernetes_version, node_count=node_count)
    if tags:
        body["tags"] = pairs(tags, flag="--tags")
    promise = session.arm.put(path, _API, body)
    if not no_wait:
        wait(session, promise, path, _API, title=f"Creating cluster {_last(path)}")
    _emit(session, promise.body if no_wait else session.arm.get(path, _API))


@cluster.verb("show", examples=[("Show one cluster", "extensa cluster show -g demo -n demo -o table")])
@options.output
@options.managed_cluster
def show(session: Session, path: str) -> None:
    """Show a cluster."""
    _emit(session, session.arm.get(path, _API))


@cluster.verb("list", examples=[("List the clusters of all groups", "extensa cluster list -o table")])
@click.option("-g", "--resource-group", metavar="GROUP", help="Only those of this resource group.")
@options.output
@click.pass_obj
def list_(session: Session, /, resource_group: str | None) -> None:
    """List the clusters of a group, or of the subscription."""
    _emit(session, list(session.arm.list(paths.clusters(session.subscription, resource_group), _API)))


@cluster.verb(
    "delete", examples=[("Delete a cluster and what is installed on it", "extensa cluster delete -g demo -n old -y")]
)
@options.yes
@options.no_wait
@options.output
@options.managed_cluster
def delete(session: Session, path: str, *, yes: bool, no_wait: bool) -> None:
    """Delete a cluster with its extensions."""
    if not yes:
        options.confirm(f"Delete cluster '{_last(path)}' with everything on it?")
    promise = session.arm.delete(path, _API)
    if not no_wait:
        wait(session, promise, path, _API, title=f"Deleting cluster {_last(path)}")


@cluster.verb("stop", examples=[("Stop a cluster; its state is kept", "extensa cluster stop -g demo -n demo")])
@options.no_wait
@options.output
@options.managed_cluster
def stop(session: Session, path: str, *, no_wait: bool) -> None:
    """Stop a cluster: its processes end, what it holds is kept."""
    promise = session.arm.post(f"{path}/stop", _API)
    if not no_wait:
        wait(session, promise, path, _API, title=f"Stopping cluster {_last(path)}")


@cluster.verb("start", examples=[("Start a stopped cluster", "extensa cluster start -g demo -n demo")])
@options.no_wait
@options.output
@options.managed_cluster
def start(session: Session, path: str, *, no_wait: bool) -> None:
    """Start a stopped cluster where it left off."""
    promise = session.arm.post(f"{path}/start", _API)
    if not no_wait:
        wait(session, promise, path, _API, title=f"Starting cluster {_last(path)}")


@cluster.verb(
    "get-credentials",
    examples=[
        ("Add the cluster to the kubeconfig in use", "extensa cluster get-credentials -g demo -n demo"),
        ("Print its kubeconfig alone", "extensa cluster get-credentials -g demo -n demo -f -"),
    ],
)
@click.option("-a", "--admin", is_flag=True, help="The cluster administrator's credentials.")
@click.option(
    "-f",
    "--file",
    metavar="FILE",
    help="Kubeconfig to merge into, - to print; by default KUBECONFIG, else Extensa's own.",
)
@click.option("--overwrite-existing", is_flag=True, expose_value=False, help="Accepted for az's sake: always so.")
@options.output
@options.managed_cluster
def get_credentials(session: Session, path: str, *, admin: bool, file: str | None) -> None:
    """Merge a cluster's kubeconfig into a file and make it the current context."""
    content = fetch_kubeconfig(session, path, admin=admin)
    if file == "-":
        click.echo(content, nl=False)
        return
    from extensa.cli.kubeconfig import merge_into

    target = Path(file or session.environ.get("KUBECONFIG", "").partition(":")[0] or session.home.kubeconfig)
    context = merge_into(target.expanduser(), content)
    click.echo(f"Merged '{context}' as the current context in {target}", err=True)


def fetch_kubeconfig(session: Session, cluster_path: str, *, admin: bool = False) -> bytes:
    """Return a cluster's kubeconfig as the service gives it; raises `NotFound` when there is no such cluster."""
    action = "listClusterAdminCredential" if admin else "listClusterUserCredential"
    answer = session.arm.post(f"{cluster_path}/{action}", _API).body
    return base64.b64decode(answer["kubeconfigs"][0]["value"])


def cluster_body(location: str, *, kubernetes_version: str | None = None, node_count: int = 3) -> dict[str, Any]:
    """Return the PUT body of a managed cluster with one pool; the service fills in the rest."""
    pool = {"name": "nodepool1", "count": node_count, "mode": "System", "osType": "Linux"}
    properties: dict[str, Any] = {"agentPoolProfiles": [pool]}
    if kubernetes_version:
        properties["kubernetesVersion"] = kubernetes_version
    return {"location": location, "identity": {"type": "SystemAssigned"}, "properties": properties}


def _emit(session: Session, value: Any) -> None:
    for item in value if isinstance(value, list) else [value]:
        item["resourceGroup"] = item["id"].split("/")[4]
    emit(value, format=session.format, columns=COLUMNS)


def _last(path: str) -> str:
    return path.rpartition("/")[2]
