"""How each program of a control plane is started: arguments and environment, as pure text.

Everything the API server is told stands here with its reason. Sockets are named relative to the working directory
(`Layout.run`); etcd listens only on a socket file in a 0700 folder: it needs no port, no certificate and no password.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extensa.localcluster.keys import AUTHORITY, FRONT_PROXY_AUTHORITY
from extensa.localcluster.layout import Layout
from extensa.localcluster.model import Binaries, Profile

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

SERVICE_RANGE = "10.0.0.0/16"
SIMULATED = "kwok.x-k8s.io/node=fake"
EGRESS_SOCKET = "egress.sock"

_ETCD_URL = "unix://etcd.sock:0"
_PEER_URL = "unix://peer.sock:0"
_NOWHERE = "198.18.0.1"  # RFC 2544: what the API server says of itself to the cluster; nothing in there dials it


@dataclass(frozen=True, slots=True)
class Command:
    """One program to start: its name among the components, its arguments, and its environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def components(profile: Profile) -> tuple[str, ...]:
    """Return the components that ``profile`` runs, in the order in which they are started."""
    always = (ETCD, API_SERVER, CONTROLLER_MANAGER)
    return always if profile is Profile.LIGHT else (*always, SCHEDULER, KWOK)


def etcd(binaries: Binaries, layout: Layout) -> Command:
    """Return how etcd is started: one member, reached through a socket file, every write on disk before its answer."""
    argv = (
        str(binaries.program(ETCD)),
        "--name=local",
        f"--data-dir={layout.etcd_data}",
        f"--listen-client-urls={_ETCD_URL}",
        f"--advertise-client-urls={_ETCD_URL}",
        f"--listen-peer-urls={_PEER_URL}",
        f"--initial-advertise-peer-urls={_PEER_URL}",
        f"--initial-cluster=local={_PEER_URL}",
        "--log-level=warn",
    )
    return Command(ETCD, argv, _go(limit=96))


def api_server(binaries: Binaries, layout: Layout, *, port: int, issuers: Sequence[str]) -> Command:
    """Return how the API server is started; tokens are issued by ``issuers[0]`` and the others' are still believed."""
    identity = str(layout.identity(API_SERVER))
    front_proxy = str(layout.identity("front-proxy"))
    argv = (
        str(binaries.program(API_SERVER)),
        f"--etcd-servers={_ETCD_URL}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--permit-port-sharing=true",  # see ports.py
        f"--advertise-address={_NOWHERE}",
        "--endpoint-reconciler-type=none",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--client-ca-file={layout.authority(AUTHORITY)}",
        f"--tls-cert-file={identity}",
        f"--tls-private-key-file={identity}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=true",  # the discovery document of the token issuer is public
        "--allow-privileged=true",  # off by default; real charts' DaemonSets are refused without
        "--disable-admission-plugins=MutatingAdmissionWebhook,ValidatingAdmissionWebhook",  # nobody would answer
        f"--egress-selector-config-file={layout.egress}",  # keeps what it dials in the cluster on this machine
        f"--encryption-provider-config={layout.encryption}",
        *(f"--service-account-issuer={issuer}" for issuer in issuers),
        f"--service-account-jwks-uri={issuers[0]}/openid/v1/jwks",
        f"--service-account-key-file={layout.token_public_key}",
        f"--service-account-signing-key-file={layout.token_key}",
        f"--requestheader-client-ca-file={layout.authority(FRONT_PROXY_AUTHORITY)}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={front_proxy}",
        f"--proxy-client-key-file={front_proxy}",
        "--profiling=false",
    )
    return Command(API_SERVER, argv, _go(limit=1024))


def controller_manager(binaries: Binaries, layout: Layout) -> Command:
    """Return how the controllers are started: no port, no election (there is one of each), own identity per loop."""
    argv = (
        str(binaries.program(CONTROLLER_MANAGER)),
        f"--kubeconfig={layout.kubeconfig(CONTROLLER_MANAGER)}",
        "--secure-port=0",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={layout.token_key}",
        f"--root-ca-file={layout.authority(AUTHORITY)}",
        f"--cluster-signing-cert-file={layout.authority(AUTHORITY)}",
        f"--cluster-signing-key-file={layout.authority_key(AUTHORITY)}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    )
    return Command(CONTROLLER_MANAGER, argv, _go(limit=512))


def scheduler(binaries: Binaries, layout: Layout) -> Command:
    """Return how the scheduler is started: no port, no election."""
    argv = (
        str(binaries.program(SCHEDULER)),
        f"--kubeconfig={layout.kubeconfig(SCHEDULER)}",
        "--secure-port=0",
        "--leader-elect=false",
        "--profiling=false",
    )
    return Command(SCHEDULER, argv, _go(limit=256))


def kwok(binaries: Binaries, layout: Layout) -> Command:
    """Return how KWOK is started: it plays kubelet for the annotated nodes, by the stages in its configuration."""
    argv = (
        str(binaries.program(KWOK)),
        f"--kubeconfig={layout.kubeconfig(KWOK)}",
        f"--config={layout.kwok_config}",
        f"--manage-nodes-with-annotation-selector={SIMULATED}",
        "--node-lease-duration-seconds=40",
        "--cidr=10.244.0.0/16",
        "--v=WARN",
    )
    return Command(KWOK, argv, _go(limit=256))


def egress_configuration() -> dict[str, Any]:
    """Return the egress selector: whatever the API server dials in the cluster goes to our socket (egress.py)."""
    transport = {"uds": {"udsName": EGRESS_SOCKET}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [
            {"name": "cluster", "connection": {"proxyProtocol": "HTTPConnect", "transport": transport}}
        ],
    }


def sockets(run: Path) -> list[Path]:
    """Return the socket files that a killed cluster may have left in its working directory."""
    return [run / "etcd.sock:0", run / "peer.sock:0", run / EGRESS_SOCKET]


def _go(*, limit: int) -> dict[str, str]:
    """Return Go's soft limit in MiB: near it memory is given back rather than taken. Collecting earlier everywhere
    (GOGC) saves 30 MiB of 580 in an empty cluster and costs processor time in a busy one.
    """
    return {"GOMEMLIMIT": f"{limit}MiB"}
