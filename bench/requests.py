"""What one CPU second serves: reads and durable writes of an extension, against kube-apiserver with etcd.

The peer answers the same question for a custom resource of like size: the API most of our users would otherwise keep
such a thing in. CPU is that of the serving processes; the load generator is the same for both.
"""

import asyncio
import json

from bench.installation import Installation, ServerAlone
from bench.load import Target, drive, request
from bench.table import Row
from extensa.client import paths

CONNECTIONS = 16
READS = 6000
WRITES = 2000
OBJECTS = 200

_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "subjects.bench.extensa.dev"},
    "spec": {
        "group": "bench.extensa.dev",
        "scope": "Namespaced",
        "names": {"kind": "Subject", "plural": "subjects", "singular": "subject"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                    }
                },
            }
        ],
    },
}
_BASE = "/apis/bench.extensa.dev/v1/namespaces/default/subjects"


class KubernetesPeer:
    """kube-apiserver and etcd of one local cluster, holding custom resources as large as an extension."""

    def __init__(self, bench: Installation, cluster: str, *, size: int) -> None:
        self._bench, self._cluster, self._size = bench, cluster, size
        self.pids = bench.server_of(cluster)
        self.target = Target(**bench.kubernetes(cluster), host="127.0.0.1")

    def prepare(self) -> None:
        """Make the custom resource type and its objects."""
        self._bench.kubectl(self._cluster, "apply", "-f", "-", stdin=json.dumps(_CRD))
        self._bench.kubectl(self._cluster, "wait", "--for=condition=Established", "crd/subjects.bench.extensa.dev")
        items = [
            {
                "apiVersion": "bench.extensa.dev/v1",
                "kind": "Subject",
                "metadata": {"name": f"subject-{number}"},
                "spec": self.spec(0),
            }
            for number in range(OBJECTS)
        ]
        listed = {"apiVersion": "v1", "kind": "List", "items": items}
        self._bench.kubectl(self._cluster, "create", "-f", "-", stdin=json.dumps(listed))

    def spec(self, turn: int) -> dict[str, str]:
        """A body of the wanted size that differs from turn to turn."""
        return {"turn": str(turn), "filler": "x" * self._size}

    def read(self, number: int) -> bytes:
        """The request that reads one object."""
        return request("GET", f"{_BASE}/subject-{number % OBJECTS}", headers={"Accept": "application/json"})

    def write(self, number: int) -> bytes:
        """The request that changes one object."""
        return request(
            "PATCH",
            f"{_BASE}/subject-{number % OBJECTS}",
            headers={"Accept": "application/json", "Content-Type": "application/merge-patch+json"},
            body=json.dumps({"spec": self.spec(number + 1)}).encode(),
        )


def measure(bench: Installation, alone: ServerAlone, cluster: str) -> list[Row]:
    """Return the rows for reads and durable writes; ``alone`` is a server whose clusters have no agent."""
    arm = alone.caller()
    names = [paths.extension(alone.cluster(arm, "paper"), f"subject-{n}") for n in range(OBJECTS)]
    for path in names:
        arm.put(path, paths.EXTENSIONS_API, extension_body(0))
    size = len(json.dumps(arm.get(names[0], paths.EXTENSIONS_API)))
    token = alone.token()
    target = Target(port=alone.product.port, ca=alone.home.ca_certificate)
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    query = f"?api-version={paths.EXTENSIONS_API}"
    server = [alone.pid]

    def read(number: int) -> bytes:
        return request("GET", names[number % OBJECTS] + query, headers=headers)

    def write(number: int) -> bytes:
        body = json.dumps(extension_body(number + 1)).encode()
        with_type = {**headers, "Content-Type": "application/json"}
        return request("PUT", names[number % OBJECTS] + query, headers=with_type, body=body)

    peer = KubernetesPeer(bench, cluster, size=max(size - 450, 0))
    peer.prepare()
    rows = []
    for what, ours, theirs, total, aim in (
        ("GET of an extension, per CPU second", read, peer.read, READS, 2.0),
        ("durable PUT of an extension, per CPU second", write, peer.write, WRITES, 1.5),
    ):
        for warm_target, make, pids in ((target, ours, server), (peer.target, theirs, peer.pids)):
            asyncio.run(drive(warm_target, make, total=200, connections=CONNECTIONS, pids=pids))
        found = asyncio.run(drive(target, ours, total=total, connections=CONNECTIONS, pids=server))
        other = asyncio.run(drive(peer.target, theirs, total=total, connections=CONNECTIONS, pids=peer.pids))
        rows.append(
            Row(
                what=what,
                ours=f"{found.per_cpu_second:.0f}/s",
                peer=f"kube-apiserver + etcd {other.per_cpu_second:.0f}/s",
                found=found.per_cpu_second / other.per_cpu_second,
                aim=aim,
                at_most=False,
            )
        )
    return rows


def extension_body(turn: int) -> dict[str, object]:
    """A PUT body that differs from turn to turn, with ten settings."""
    settings = {f"section{n}.key": f"value {n}" for n in range(9)} | {"turn": str(turn)}
    return {
        "properties": {
            "extensionType": "extensa.hello",
            "autoUpgradeMinorVersion": True,
            "releaseTrain": "stable",
            "configurationSettings": settings,
            "configurationProtectedSettings": {},
        }
    }
