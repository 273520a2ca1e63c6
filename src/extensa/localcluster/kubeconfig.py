"""Kubeconfigs, written as ``az aks get-credentials`` expects to find them.

Pure text from facts; JSON, which every reader of YAML reads.
"""

import base64
import json

from extensa.base.certificates import Issued


def kubeconfig(
    *, server: str, authority: bytes, client: Issued, cluster: str = "local", user: str = "user", context: str = ""
) -> bytes:
    """Return a kubeconfig with one cluster, one user and one current context (by default named for the cluster)."""
    name = context or cluster
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": _data(authority)}}],
        "users": [
            {
                "name": user,
                "user": {"client-certificate-data": _data(client.certificate), "client-key-data": _data(client.key)},
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": cluster, "user": user}}],
        "current-context": name,
        "preferences": {},
    }
    return json.dumps(document, indent=2).encode() + b"\n"


def _data(pem: bytes) -> str:
    return base64.b64encode(pem).decode()
