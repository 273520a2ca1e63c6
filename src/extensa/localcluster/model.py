"""The nouns of this room: which programs, which cluster, which profile.

Plain frozen facts that every other file here may hold; nothing in this file acts.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from extensa.link.cluster import NodePool


class Profile(StrEnum):
    """How much of a control plane is run."""

    FULL = "full"
    """etcd, API server, controller manager, scheduler and KWOK with its simulated nodes."""
    LIGHT = "light"
    """etcd, API server and controller manager: for tests whose workloads ask for no replicas."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds every program a cluster needs, and the folder of KWOK's stage files.

    ``version`` is Kubernetes' own, without a leading v.
    """

    folder: Path
    version: str
    stages: Path
    engine: Path | None = None
    """Our own Helm engine, where it is: nothing needs it."""

    def program(self, name: str) -> Path:
        """Return where a program lies; etcd built by hand from its Go module is called ``server``."""
        path = self.folder / name
        return self.folder / "server" if name == "etcd" and not path.exists() else path

    @property
    def kubectl(self) -> Path:
        """Kubernetes' command line."""
        return self.folder / "kubectl"

    @property
    def helm(self) -> Path:
        """Helm 4."""
        return self.folder / "helm"


@dataclass(frozen=True, slots=True)
class ClusterSpec:
    """What one cluster is to be, apart from whether it runs. ``group`` is the resource group its owner sees."""

    uid: str
    name: str
    group: str
    location: str
    pools: tuple[NodePool, ...]
    profile: Profile = Profile.FULL
