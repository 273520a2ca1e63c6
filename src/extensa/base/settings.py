"""Settings: what a person may choose, read once from the environment, documented where it is declared.

Every field has its variable and its manual line here, and a test checks that ``docs/settings.md`` lists them all.
Nothing reads ``os.environ`` for a setting anywhere else.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from extensa.base.clock import Clock, set_wrong, utc_now
from extensa.base.errors import ExtensaError


def _setting(variable: str, manual: str, default: str) -> str:
    value: str = field(default=default, metadata={"variable": variable, "manual": manual})
    return value


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one installation; every value is text here and is parsed by its accessor."""

    home: str = _setting(
        "EXTENSA_HOME", "Data folder: database, keys, logs, clusters; default: ./.extensa if there, else XDG.", ""
    )
    listen: str = _setting("EXTENSA_LISTEN", "Address and port of the ARM front.", "127.0.0.1:9443")
    public_url: str = _setting(
        "EXTENSA_PUBLIC_URL", "URL by which clients reach the ARM front; default https://localhost:PORT.", ""
    )
    arm: str = _setting("EXTENSA_ARM", "ARM front the CLI calls; default: the one of the data folder.", "")
    output: str = _setting("EXTENSA_OUTPUT", "How the CLI prints answers: json, table, tsv or yaml.", "json")
    plain_http: str = _setting(
        "EXTENSA_PLAIN_HTTP", "yes: the ARM front speaks HTTP without TLS; for tests on loopback.", "no"
    )
    log_level: str = _setting("EXTENSA_LOG_LEVEL", "debug, info, warning or error.", "info")
    location: str = _setting("EXTENSA_LOCATION", "Region used where a caller names none.", "westeurope")
    kubernetes_binaries: str = _setting(
        "EXTENSA_KUBERNETES_BINARIES", "Folder with ready Kubernetes binaries; searched first.", ""
    )
    kubernetes_releases: str = _setting(
        "EXTENSA_KUBERNETES_RELEASES", "Base address of upstream's Kubernetes release files; empty: not tried.", ""
    )
    etcd_releases: str = _setting(
        "EXTENSA_ETCD_RELEASES", "Base address of upstream's etcd release files; empty: not tried.", ""
    )
    helm_releases: str = _setting(
        "EXTENSA_HELM_RELEASES", "Base address of upstream's Helm release files; empty: not tried.", ""
    )
    helm_driver: str = _setting(
        "EXTENSA_HELM_DRIVER", "auto, engine or cli; auto: our Helm engine where its program is, else helm.", "auto"
    )
    helm_parallel: str = _setting(
        "EXTENSA_HELM_PARALLEL", "Helm acts at once per agent process; default: 16 with the engine, 4 with helm.", ""
    )
    helm_timeout: str = _setting("EXTENSA_HELM_TIMEOUT", "Seconds a release may take to become ready.", "600")
    cluster_profile: str = _setting(
        "EXTENSA_CLUSTER_PROFILE",
        "full, or light: local clusters have no nodes and no scheduler; for tests whose workloads ask for no replicas.",
        "full",
    )
    clock_offset: str = _setting(
        "EXTENSA_CLOCK_OFFSET", "File with seconds by which the processes' clock is wrong; for tests of its jumps.", ""
    )

    @property
    def clock(self) -> Clock:
        """The clock that the processes go by."""
        return set_wrong(Path(self.clock_offset)) if self.clock_offset else utc_now

    @property
    def home_path(self) -> Path:
        """The data folder: ``EXTENSA_HOME``, else ``.extensa`` in the current folder when there is one (``make up``
        makes it in a clone), else ``extensa`` under the XDG data folder.

        Raises `ExtensaError` (``HomeUnknown``) for a user without a home who names no folder.
        """
        if self.home:
            return _expanded(self.home, "EXTENSA_HOME").resolve()
        if (here := Path.cwd() / ".extensa").is_dir():
            return here
        base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
        return _expanded(base, "EXTENSA_HOME") / "extensa"

    @property
    def cache_path(self) -> Path:
        """What can be made again: ``extensa`` under the XDG cache folder; raises `ExtensaError` (``HomeUnknown``)."""
        return _expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "XDG_CACHE_HOME") / "extensa"

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The listening address and port; raises `ValueError` when ``EXTENSA_LISTEN`` is not ``ADDRESS:PORT``."""
        address, _, port = self.listen.rpartition(":")
        if not address or not (port.isascii() and port.isdecimal()):
            raise ValueError(f"EXTENSA_LISTEN must be ADDRESS:PORT, such as 127.0.0.1:9443, not {self.listen!r}")
        if len(port) > 5 or not 0 < int(port) < 1 << 16:
            raise ValueError(f"The port in EXTENSA_LISTEN must be from 1 to 65535, not {port}")
        return address.strip("[]"), int(port)

    @property
    def base_url(self) -> str:
        """The URL that stands in tokens, metadata and operation links, without a trailing slash."""
        scheme = "http" if self.plain else "https"
        return (self.public_url or f"{scheme}://localhost:{self.host_and_port[1]}").rstrip("/")

    @property
    def driver(self) -> str:
        """Who does Helm's acts: auto, engine or cli; raises `ValueError` for anything else."""
        if self.helm_driver not in ("auto", "engine", "cli"):
            raise ValueError(f"EXTENSA_HELM_DRIVER must be auto, engine or cli, not {self.helm_driver!r}")
        return self.helm_driver

    @property
    def plain(self) -> bool:
        """Whether the front does without TLS; raises `ValueError` when ``EXTENSA_PLAIN_HTTP`` is neither yes nor no."""
        if self.plain_http not in ("yes", "no"):
            raise ValueError(f"EXTENSA_PLAIN_HTTP must be yes or no, not {self.plain_http!r}")
        return self.plain_http == "yes"


def _expanded(folder: str, variable: str) -> Path:
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:  # no such user, or one without a home
        raise ExtensaError(
            "HomeUnknown",
            f"There is no home folder to put '{folder}' in.",
            target=variable,
            next_step=f"Name a folder that this user may write: {variable}=/path/to/folder.",
        ) from error


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings that ``environ`` holds; unset or empty variables take the documented default."""
    chosen = {f.name: environ[f.metadata["variable"]] for f in fields(Settings) if environ.get(f.metadata["variable"])}
    return Settings(**chosen)


def manual() -> list[tuple[str, str, str]]:
    """Return ``(variable, default, sentence)`` for every setting, in the order of declaration."""
    return [(f.metadata["variable"], str(f.default), f.metadata["manual"]) for f in fields(Settings)]
