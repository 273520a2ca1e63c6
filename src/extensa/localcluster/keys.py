"""Keys of one cluster: two authorities, who is who, the token key, the encryption key; made once, renewed in time.

Certificates live a year and are renewed thirty days before their end; authorities live ten years. Everything is a file
in the cluster's ``pki`` folder, and a second call with nothing due writes nothing.
"""

import base64
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from extensa.base.certificates import Issued, Usage, expires, issue, new_authority
from extensa.base.home import write_file
from extensa.base.ids import new_secret
from extensa.localcluster.errors import ClusterError
from extensa.localcluster.kubeconfig import kubeconfig
from extensa.localcluster.layout import Layout
from extensa.localcluster.model import ClusterSpec

AUTHORITY = "ca"
FRONT_PROXY_AUTHORITY = "front-proxy-ca"
SERVICE_ADDRESS = "10.0.0.1"
RENEW_BEFORE = timedelta(days=30)
ADMINS = "system:masters"
USERS = "extensa:users"
AGENTS = "extensa:agents"

_LEAF_DAYS = 365


@dataclass(frozen=True, slots=True)
class Identity:
    """One certificate of a cluster: who it names and which authority signs it."""

    common_name: str
    group: str = ""
    usage: Usage = "client"
    authority: str = AUTHORITY


IDENTITIES = {
    "kube-apiserver": Identity("kube-apiserver", usage="server"),
    "front-proxy": Identity("front-proxy-client", authority=FRONT_PROXY_AUTHORITY),
    "kube-controller-manager": Identity("system:kube-controller-manager"),
    "kube-scheduler": Identity("system:kube-scheduler"),
    "kwok": Identity("extensa:kwok", ADMINS),
    "host": Identity("extensa:host", ADMINS),
    "agent": Identity("extensa:agent", AGENTS),
    "admin": Identity("clusterAdmin", ADMINS),
    "user": Identity("clusterUser", USERS),
}
KUBECONFIGS = ("kube-controller-manager", "kube-scheduler", "kwok", "agent", "admin", "user")
_SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


def due(layout: Layout, now: datetime) -> list[str]:
    """Return the names of the certificates that are missing or end within thirty days."""
    return [name for name in IDENTITIES if _is_due(layout, name, now)]


def make_keys(layout: Layout, now: datetime) -> list[str]:
    """See that every key and certificate is there and good for a while; return the names of the certificates made.

    Raises `ClusterError` (``CertificateExpired``) when an authority itself has ended, `OSError` when a file cannot be
    written.
    """
    authorities = {name: _authority(layout, name, now) for name in (AUTHORITY, FRONT_PROXY_AUTHORITY)}
    _make_token_key(layout)
    _make_encryption(layout)
    made = due(layout, now)
    for name in made:
        who = IDENTITIES[name]
        server = who.usage == "server"
        issued = issue(
            authorities[who.authority],
            common_name=who.common_name,
            organizations=[who.group] if who.group else [],
            dns=_SERVER_NAMES if server else (),
            ips=("127.0.0.1", "::1", SERVICE_ADDRESS) if server else (),
            usage=who.usage,
            now=now,
            days=_LEAF_DAYS,
        )
        write_file(layout.identity(name), issued.certificate + issued.key)
    return made


def write_kubeconfigs(layout: Layout, spec: ClusterSpec, server: str) -> bool:
    """Write the kubeconfig of everyone who has one; return whether any of them changed. Raises `OSError`."""
    authority = layout.authority(AUTHORITY).read_bytes()
    changed = False
    for name in KUBECONFIGS:
        content = _kubeconfig(layout, spec, server, authority, name)
        path = layout.kubeconfig(name)
        if not path.exists() or path.read_bytes() != content:
            write_file(path, content)
            changed = True
    return changed


def _kubeconfig(layout: Layout, spec: ClusterSpec, server: str, authority: bytes, name: str) -> bytes:
    client = read_identity(layout, name)
    if name == "admin":
        user, context = f"clusterAdmin_{spec.group}_{spec.name}", f"{spec.name}-admin"
    elif name == "user":
        user, context = f"clusterUser_{spec.group}_{spec.name}", spec.name
    else:
        user, context = IDENTITIES[name].common_name, spec.name
    return kubeconfig(server=server, authority=authority, client=client, cluster=spec.name, user=user, context=context)


def read_identity(layout: Layout, name: str) -> Issued:
    """Return a certificate and its key as kept; `FileNotFoundError` when it was never made."""
    certificate, mark, key = layout.identity(name).read_bytes().partition(b"-----BEGIN PRIVATE KEY-----")
    return Issued(certificate, mark + key)


def _is_due(layout: Layout, name: str, now: datetime) -> bool:
    try:
        return expires(read_identity(layout, name).certificate) - now < RENEW_BEFORE
    except (FileNotFoundError, ValueError):
        return True


def _authority(layout: Layout, name: str, now: datetime) -> Issued:
    certificate, key = layout.authority(name), layout.authority_key(name)
    if certificate.exists() and key.exists():
        found = Issued(certificate.read_bytes(), key.read_bytes())
        if expires(found.certificate) <= now:
            raise ClusterError(
                "CertificateExpired",
                f"The cluster's certificate authority {certificate} ended on {expires(found.certificate):%Y-%m-%d}.",
                next_step="See that the machine's clock is right; else delete the cluster and create it again.",
            )
        return found
    made = new_authority(f"extensa {name}", now=now)
    write_file(key, made.key)  # first, so that a certificate is never there without its key
    write_file(certificate, made.certificate)
    return made


def _make_token_key(layout: Layout) -> None:
    if layout.token_public_key.exists():
        return
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write_file(layout.token_key, private)
    write_file(layout.token_public_key, public)


def _make_encryption(layout: Layout) -> None:
    """Write the key for Secrets once; XSalsa20-Poly1305 needs no rotation for its nonces' sake, unlike AES-GCM."""
    if layout.encryption.exists():
        return
    key = base64.b64encode(base64.urlsafe_b64decode(new_secret() + "=")).decode()
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {"resources": ["secrets"], "providers": [{"secretbox": {"keys": [{"name": "first", "secret": key}]}}]}
        ],
    }
    write_file(layout.encryption, msgspec.json.encode(document))
