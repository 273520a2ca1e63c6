"""Installations to measure: a whole one with clusters, or a server alone whose clusters exist on paper only."""

import asyncio
import base64
import contextlib
import json
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from e2e.product import Product, free_port
from extensa.agent.control import LinkClient
from extensa.base.clock import utc_now
from extensa.base.home import Home
from extensa.cli.session import Session
from extensa.client import paths
from extensa.client.arm import Arm
from extensa.link.cluster import ClusterFeed, ClusterPhase, ClusterReports, ObservedCluster

GROUP = "bench"
CHARTS = Path(__file__).resolve().parents[1] / "charts"
CLUSTER_BODY = {
    "location": "westeurope",
    "identity": {"type": "SystemAssigned"},
    "properties": {"agentPoolProfiles": [{"name": "nodepool1", "count": 2, "mode": "System"}]},
}


@dataclass
class Installation:
    """A product in a temporary data folder, and callers of its API."""

    product: Product
    kubeconfigs: dict[str, Path] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        """The data folder."""
        return Home(self.product.home)

    def caller(self) -> Arm:
        """A caller with a connection of its own; one per thread."""
        return Session(self.product.env).caller()

    def cluster(self, arm: Arm, name: str) -> str:
        """The path of a cluster of the bench group."""
        return paths.cluster(arm.subscription, GROUP, name)

    def make_clusters(self, names: list[str]) -> None:
        """Create clusters through the public API, two at a time, and fetch their kubeconfigs."""

        def make(name: str) -> None:
            arm = self.caller()
            path = self.cluster(arm, name)
            arm.wait(arm.put(path, paths.CLUSTERS_API, CLUSTER_BODY), target=path)
            answer = arm.post(f"{path}/listClusterAdminCredential", paths.CLUSTERS_API).body
            self.kubeconfigs[name] = self.product.home / f"{name}.kubeconfig"
            self.kubeconfigs[name].write_bytes(base64.b64decode(answer["kubeconfigs"][0]["value"]))

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(make, names))

    def server_of(self, cluster: str) -> list[int]:
        """Pids of the kube-apiserver and etcd of a cluster."""
        programs = self.programs_of(cluster)
        return [pid for pid, name in programs.items() if name in ("kube-apiserver", "etcd", "server")]

    def programs_of(self, cluster: str) -> dict[int, str]:
        """Every program of a cluster's control plane, by pid."""
        port = self.kubernetes(cluster)["port"]
        running = self.product.running()
        (line,) = (line for _, line in running if f"--secure-port={port}" in line)
        folder = line[line.index("/clusters/") :].split("/")[2]
        return {pid: Path(text.split(" ")[0]).name for pid, text in running if folder in text}

    def kubernetes(self, cluster: str) -> dict[str, Any]:
        """Port, CA, certificate and key of a cluster's API, from its admin kubeconfig, as files."""
        config = yaml.safe_load(self.kubeconfigs[cluster].read_text(encoding="utf-8"))
        server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        found: dict[str, Any] = {"port": int(server["server"].rpartition(":")[2])}
        for name, text in (
            ("ca", server["certificate-authority-data"]),
            ("certificate", user["client-certificate-data"]),
            ("key", user["client-key-data"]),
        ):
            found[name] = self.product.home / f"{cluster}.{name}.pem"
            found[name].write_bytes(base64.b64decode(text))
        return found

    def token(self) -> str:
        """An access token of the owner."""
        owner = json.loads(self.home.owner_credential.read_bytes())
        form = {
            "grant_type": "client_credentials",
            "client_id": owner["clientId"],
            "client_secret": owner["clientSecret"],
            "scope": owner["endpoint"] + "/.default",
        }
        url = f"{owner['endpoint']}/{owner['tenantId']}/oauth2/v2.0/token"
        context = ssl.create_default_context(cafile=str(self.home.ca_certificate))
        with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode(), context=context) as answer:
            return str(json.load(answer)["access_token"])

    def tool(self, name: str) -> str:
        """The path of kubectl or helm as the product found them."""
        return str(self.home.bin / name)

    def kubectl(self, cluster: str, *argv: str, stdin: str = "") -> str:
        """Run kubectl against a cluster and return what it printed."""
        command = [self.tool("kubectl"), "--kubeconfig", str(self.kubeconfigs[cluster]), *argv]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=True).stdout


class ServerAlone(Installation):
    """A server without host and agent: its one cluster, ``paper``, is reported running by the benchmark itself."""

    child: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start the server and return the seconds until it served."""
        begun = time.perf_counter()
        self.product.home.mkdir(exist_ok=True)
        with (self.product.home / "bench-server.log").open("ab") as sink:
            self.child = subprocess.Popen(
                [str(self.product.program), "server"], env=self.product.env, stdout=sink, stderr=sink
            )
        context = ssl._create_unverified_context()
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"https://localhost:{self.product.port}/readyz", context=context).close()
                return time.perf_counter() - begun
            if self.child.poll() is not None or time.perf_counter() - begun > 60:
                raise RuntimeError((self.product.home / "bench-server.log").read_text()[-2000:])
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """The server's pid; raises `RuntimeError` when it does not run."""
        if self.child is None:
            raise RuntimeError("the server does not run")
        return self.child.pid

    def stop(self) -> None:
        """Stop the server and wait for its end."""
        if self.child is not None:
            self.child.terminate()
            self.child.wait(30)
            self.child = None

    def furnish(self, type_archive: Path) -> None:
        """Make the group, the paper cluster and the sample type."""
        arm = self.caller()
        arm.put(paths.group(arm.subscription, GROUP), paths.GROUPS_API, {"location": "westeurope"})
        registration = paths.type_registration(arm.subscription, "extensa.hello")
        types = yaml.safe_load((CHARTS / "types.yaml").read_text(encoding="utf-8"))["types"]
        (facts,) = (known["properties"] for known in types if known["name"] == "extensa.hello")
        arm.put(registration, paths.TYPES_API, {"properties": facts})
        with type_archive.open("rb") as content:
            arm.upload(
                f"{registration}/versions/1.0.0",
                paths.TYPES_API,
                content,
                length=type_archive.stat().st_size,
                train="stable",
            )
        path = self.cluster(arm, "paper")
        promise = arm.put(path, paths.CLUSTERS_API, CLUSTER_BODY)
        asyncio.run(self._report_running())
        arm.wait(promise, target=path)

    async def _report_running(self) -> None:
        """Be the host: say of every desired cluster that it runs."""
        link = LinkClient(self.home.link_credential("host"), self.home.ca_certificate)
        feed = await link.feed("/link/v1/clusters", ClusterFeed, after=0, wait=5)
        observed = [
            ObservedCluster(
                uid=desired.uid,
                generation=desired.generation,
                phase=ClusterPhase.RUNNING,
                observed_at=utc_now(),
                kubernetes_version="1.37.1",
            )
            for desired in feed.desired
        ]
        await link.report("/link/v1/clusters", ClusterReports(observed=observed))
        await link.close()


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder to install into, removed afterwards."""
    found = Path(tempfile.mkdtemp(prefix="extensa-bench-"))
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


@contextlib.contextmanager
def installed() -> Iterator[Installation]:
    """A whole product with the demo cluster and a group for the benchmark, gone afterwards."""
    with folder() as place:
        found = Installation(Product(home=place / "home", port=free_port()))
        try:
            found.product.run("up", timeout=1800)
            arm = found.caller()
            group = paths.group(arm.subscription, GROUP)
            arm.wait(arm.put(group, paths.GROUPS_API, {"location": "westeurope"}), target=group)
            yield found
        finally:
            found.product.run("down", ok=False)


@contextlib.contextmanager
def server_alone(type_archive: Path) -> Iterator[ServerAlone]:
    """A running server with the sample type and the paper cluster, gone afterwards."""
    with folder() as place:
        found = ServerAlone(Product(home=place / "home", port=free_port()))
        try:
            found.start()
            found.furnish(type_archive)
            yield found
        finally:
            found.stop()
