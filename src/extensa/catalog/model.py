"""What the control plane keeps of one extension type: its facts, and every version published of it.

One document per type, versions inside, so that publishing is one guarded write and a reader never sees half of it.
Facts are written by ``intake`` (PUT of the type), versions by ``publishing``, nobody else. Charts are kept apart, by
digest. Field names are ARM's (contract §1.8).
"""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from extensa.arm.system_data import SystemData
from extensa.link.extension import Chart

TYPE = "Microsoft.KubernetesConfiguration/extensionTypes"
"""The resource type, as spelled in ``type`` on the wire."""
VERSION_TYPE = TYPE + "/versions"
"""The resource type of versions."""
DEFAULT_TRAIN = "stable"
"""The train that is meant when none is named."""


class Scope(StrEnum):
    """How far an extension reaches when its maker says nothing."""

    CLUSTER = "cluster"
    NAMESPACE = "namespace"


class PlanInfo(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The marketplace plan of a type; a type that is not of the marketplace has a publisher at most."""

    publisher_id: str | None = None
    offer_id: str | None = None
    plan_id: str | None = None


class Unsupported(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Kubernetes versions a version does not run on: ``1.21``, ``1.18..1.21`` or ``>1.33``; of every distribution when
    none is named.
    """

    distributions: list[str] = []
    versions: list[str] = []


class TypeVersion(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One published version. ``trains`` are kept in lower case; ``unsupported`` goes by the kind of cluster, in the
    words of `CLUSTER_KINDS`.
    """

    version: str
    trains: list[str]
    chart: Chart
    published_at: datetime
    app_version: str = ""
    kube_version: str = ""
    unsupported: dict[str, list[Unsupported]] = {}

    def on(self, train: str) -> bool:
        """Whether this version is on ``train``, in any letters."""
        return train.casefold() in self.trains


class ExtensionType(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One extension type; ``name`` as its publisher spelled it, compared without case. Versions are newest first."""

    name: str
    description: str = ""
    publisher: str = ""
    default_scope: Scope = Scope.CLUSTER
    default_release_namespace: str | None = None
    allow_multiple_instances: bool = False
    supported_cluster_types: list[str]
    is_managed_identity_required: bool = False
    is_system_extension: bool = False
    plan: PlanInfo | None = None
    versions: list[TypeVersion] = []
    system_data: SystemData

    @property
    def trains(self) -> list[str]:
        """Every train that holds a version, in alphabetical order."""
        return sorted({train for version in self.versions for train in version.trains})

    def find(self, version: str) -> TypeVersion | None:
        """Return the version of exactly this name (in any letters), or None."""
        wanted = version.casefold()
        return next((each for each in self.versions if each.version.casefold() == wanted), None)

    def version(self, version: str) -> TypeVersion:
        """Return the version of exactly this name; raises `LookupError` when it is not there."""
        found = self.find(version)
        if found is None:
            raise LookupError(f"{self.name} has no version {version}")
        return found

    def supports(self, cluster_type: str) -> bool:
        """Whether the type may be installed on ``cluster_type``, in any letters, singular or plural."""
        return singular(cluster_type) in {singular(each) for each in self.supported_cluster_types}


CLUSTER_KINDS = ("connectedCluster", "provisionedCluster", "managedCluster", "appliances")
"""The keys of ``unsupportedKubernetesVersions``, in the order in which they are recorded."""


def singular(cluster_type: str) -> str:
    """Return a cluster type's word for comparison: recordings and examples mix case and number (contract §0.10)."""
    return cluster_type.casefold().removesuffix("s")


def row_key(name: str) -> str:
    """Return the key of a type's row: types belong to the installation, not to a subscription or a region."""
    return f"/providers/{TYPE}/{name}".casefold()
