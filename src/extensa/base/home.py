"""The data folder's layout: one place that knows which file lies where.

Server, host, agent and CLI share one folder on a laptop and agree through this file; nothing else spells a path in it.
It makes folders and writes files whole; what is in them is for others to say.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Home:
    """The data folder (``EXTENSA_HOME``). Files marked 0600 hold secrets."""

    path: Path

    @property
    def database(self) -> Path:
        """The SQLite database of the control plane. Written by: server."""
        return self.path / "extensa.sqlite3"

    @property
    def keys(self) -> Path:
        """The server's own keys, 0700: key-encryption, token signing, CA and sealing keys. Written by: server."""
        return self.path / "keys"

    @property
    def ca_certificate(self) -> Path:
        """Our CA's certificate, PEM. Written by: server."""
        return self.path / "ca.crt"

    @property
    def ca_bundle(self) -> Path:
        """The system's CAs and ours, PEM, for ``REQUESTS_CA_BUNDLE``. Written by: server."""
        return self.path / "ca-bundle.crt"

    @property
    def owner_credential(self) -> Path:
        """The first service principal, 0600: JSON with tenantId, clientId, clientSecret, subscriptionId, endpoint.
        Written by: server.
        """
        return self.path / "credentials" / "owner.json"

    def link_credential(self, name: str) -> Path:
        """The bearer credential of ``host`` or ``agent`` on this machine, 0600: JSON with name, secret, endpoint.
        Written by: server.
        """
        return self.path / "credentials" / f"{name}.json"

    @property
    def token_cache(self) -> Path:
        """Access tokens that may be used again until they expire, 0600. Written by: CLI."""
        return self.path / "credentials" / "tokens.json"

    def pid_file(self, process: str) -> Path:
        """Who runs as ``server``, ``host`` or ``agent`` now: JSON with pid, ticks (see `processes.start_ticks`).
        Written by: the process itself, when it is ready to serve.
        """
        return self.path / "run" / f"{process}.json"

    @property
    def up_lock(self) -> Path:
        """Held by the one ``extensa up`` that is at work here. Written by: CLI."""
        return self.path / "run" / "up.lock"

    def process_lock(self, process: str) -> Path:
        """Held by the one ``server``, ``host`` or ``agent`` of this folder as long as it lives. Written by: it."""
        return self.path / "run" / f"{process}.lock"

    def log(self, process: str) -> Path:
        """What ``server``, ``host`` or ``agent`` prints, JSON lines. Written by: the process itself."""
        return self.path / "logs" / f"{process}.log"

    @property
    def clusters(self) -> Path:
        """One folder per local cluster, named for its uid. Written by: host."""
        return self.path / "clusters"

    def agent_kubeconfig(self, cluster_uid: str) -> Path:
        """The kubeconfig the hosted agent uses for a cluster, 0600; gone when the cluster is. Written by: host."""
        return self.clusters / cluster_uid / "agent.kubeconfig"

    @property
    def agent(self) -> Path:
        """The hosted agent's memory: its key, desired documents, charts by digest. Written by: agent."""
        return self.path / "agent"

    @property
    def azure_config(self) -> Path:
        """A ready-made ``AZURE_CONFIG_DIR``, 0700. Written by: CLI (``extensa env``)."""
        return self.path / "azure"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig for people, 0600, a context per cluster. Written by: CLI."""
        return self.path / "kubeconfig"

    @property
    def shell_ca_bundle(self) -> Path:
        """What ``REQUESTS_CA_BUNDLE`` held in a shell, and our CA. Written by: CLI (``extensa env``)."""
        return self.path / "shell-ca-bundle.crt"

    @property
    def marker(self) -> Path:
        """Says that this folder is Extensa's, so that ``extensa reset`` removes no other. Written by: CLI."""
        return self.path / "EXTENSA-DATA-FOLDER"

    @property
    def bin(self) -> Path:
        """Links to extensa, kubectl and helm, for ``PATH``. Written by: CLI."""
        return self.path / "bin"


def write_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Put ``content`` at ``path`` whole or not at all, with ``mode``, durably; its folder is made (0700) if missing.

    Raises `OSError` as the system gives it.
    """
    import tempfile  # noqa: PLC0415 - ten milliseconds that a command which only reads does not pay

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as sink:
            os.fchmod(sink.fileno(), mode)
            sink.write(content)
            sink.flush()
            os.fsync(sink.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def clear_half_written(*folders: Path) -> None:
    """Remove what a `write_file` that did not live to its end has left in ``folders``; for who alone writes there.

    Raises `OSError`.
    """
    for folder in folders:
        for path in folder.glob(".*.????????"):
            if path.is_file():
                path.unlink(missing_ok=True)
