"""Which file of a cluster lies where inside its folder, and what is kept of it across restarts.

The folder is 0700 and holds keys; it is the cluster: whoever removes it has removed the cluster for good.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from extensa.base.home import write_file


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster remembers: the port it last had, every issuer its tokens ever named, its Kubernetes version."""

    port: int
    issuers: list[str]
    kubernetes_version: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The folder of one cluster. Written by: host."""

    folder: Path

    @property
    def etcd_data(self) -> Path:
        """The data directory of etcd: the cluster's whole state."""
        return self.folder / "etcd"

    @property
    def etcd_log_was_cut(self) -> bool:
        """Whether etcd has found its write-ahead log damaged: it keeps the damaged file beside what it went on with."""
        return any(self.etcd_data.glob("member/wal/*.broken"))

    @property
    def run(self) -> Path:
        """Working directory of every child. Sockets live here under short relative names, for a socket's path may
        have 107 bytes and a data folder's may be longer.
        """
        return self.folder / "run"

    def log(self, component: str) -> Path:
        """What a component prints."""
        return self.folder / "logs" / f"{component}.log"

    def authority(self, name: str) -> Path:
        """An authority's certificate, PEM; who reads it need not hold its key."""
        return self.folder / "pki" / f"{name}.crt"

    def authority_key(self, name: str) -> Path:
        """An authority's private key, PEM, 0600."""
        return self.folder / "pki" / f"{name}.key"

    def identity(self, name: str) -> Path:
        """A certificate and its key in one PEM file, 0600, so that a renewal replaces both or neither."""
        return self.folder / "pki" / f"{name}.pem"

    @property
    def token_key(self) -> Path:
        """The private key that signs service-account tokens."""
        return self.folder / "pki" / "service-account.key"

    @property
    def token_public_key(self) -> Path:
        """Its public half."""
        return self.folder / "pki" / "service-account.pub"

    @property
    def encryption(self) -> Path:
        """EncryptionConfiguration: the key that Secrets are encrypted with at rest."""
        return self.folder / "pki" / "encryption.yaml"

    @property
    def egress(self) -> Path:
        """EgressSelectorConfiguration: where the API server's traffic into the cluster goes."""
        return self.folder / "config" / "egress.yaml"

    @property
    def kwok_config(self) -> Path:
        """KWOK's stages, edited for what AKS has."""
        return self.folder / "config" / "kwok.yaml"

    def kubeconfig(self, who: str) -> Path:
        """The kubeconfig of ``agent``, ``admin``, ``user`` or a component, 0600."""
        return self.folder / f"{who}.kubeconfig"

    @property
    def desired(self) -> Path:
        """The last desired document, so that a restarted host needs nobody to go on."""
        return self.folder / "desired.json"

    @property
    def kept(self) -> Path:
        """See `Kept`."""
        return self.folder / "state.json"

    def make(self) -> None:
        """Make the folders, 0700. Raises `OSError`."""
        for each in (self.folder, self.run, self.folder / "pki", self.folder / "config", self.folder / "logs"):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)

    def read_kept(self) -> Kept | None:
        """Return what the cluster remembers, or None when it was never started or the file cannot be read."""
        try:
            return msgspec.json.decode(self.kept.read_bytes(), type=Kept)
        except (OSError, msgspec.MsgspecError):
            return None

    def write_kept(self, kept: Kept) -> None:
        """Remember ``kept``. Raises `OSError`."""
        write_file(self.kept, msgspec.json.encode(kept))

    def log_tail(self, component: str, *, size: int = 8192) -> str:
        """Return the end of what a component printed; empty when it printed nothing."""
        try:
            with self.log(component).open("rb") as source:
                source.seek(max(0, os.fstat(source.fileno()).st_size - size))
                return source.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
