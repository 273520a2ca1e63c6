"""How a cluster's API is reached: a kubeconfig's current context, read into an address, TLS and headers.

A client certificate's key goes from the file into TLS through memory, never through another file. It opens no
connection.
"""

import base64
import binascii
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from extensa.helm.errors import ClusterError


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one API: its address, TLS with a client certificate if there is one, and headers."""

    server: str
    tls: ssl.SSLContext | bool
    headers: Mapping[str, str]


def read_kubeconfig(text: str, folder: Path) -> Access:
    """Return how the kubeconfig's current context is reached; files it names are taken relative to ``folder``.

    Raises `ClusterError` (``CredentialsRejected``) for one that cannot be used.
    """
    try:
        config = yaml.safe_load(text)
        context = _named(config, "contexts", "context", config["current-context"])
        cluster = _named(config, "clusters", "cluster", context["cluster"])
        user = _named(config, "users", "user", context["user"])
        headers = {"authorization": f"Bearer {user['token']}"} if user.get("token") else {}
        return Access(str(cluster["server"]).rstrip("/"), _tls(cluster, user, folder), headers)
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, OSError, binascii.Error, ValueError) as error:
        message = f"The cluster's kubeconfig cannot be used: {type(error).__name__}: {error}."
        raise ClusterError("CredentialsRejected", message, transient=True) from error


def _named(config: Mapping[str, Any], plural: str, singular: str, name: str) -> Mapping[str, Any]:
    for entry in config[plural]:
        if entry["name"] == name:
            found: Mapping[str, Any] = entry[singular]
            return found
    raise KeyError(f"{singular} {name}")


def _tls(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> ssl.SSLContext | bool:
    if not str(cluster["server"]).startswith("https:"):
        return False
    authority = _data(cluster, "certificate-authority", folder)
    context = ssl.create_default_context(cadata=authority.decode() if authority is not None else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _data(user, "client-certificate", folder), _data(user, "client-key", folder)
    if certificate is not None and key is not None:
        _load_pair(context, certificate + b"\n" + key)
    return context


def _data(source: Mapping[str, Any], name: str, folder: Path) -> bytes | None:
    if inline := source.get(f"{name}-data"):
        return base64.b64decode(inline, validate=True)
    if path := source.get(name):
        return (folder / str(path)).read_bytes()
    return None


def _load_pair(context: ssl.SSLContext, pem: bytes) -> None:
    """Give a certificate with its key to ``context``, which takes files only: one in memory, on no disk."""
    handle = os.memfd_create("client", os.MFD_CLOEXEC)
    try:
        os.write(handle, pem)
        context.load_cert_chain(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
