"""What can go wrong with a local cluster, and how it is told on the link.

    ExtensaError
    └── LocalClusterError
        ├── BinariesError    a program is missing and could not be found, fetched or built
        └── ClusterError     a cluster does not come up, or not as it should

Codes are few, each with a next step a person can take. Programs: ``BinariesMissing``, ``ChecksumMismatch``,
``BuildFailed``, ``GoMissing``, ``CacheUnusable``, ``KubernetesVersionUnavailable``. Machine: ``DiskFull``,
``DataFolderReadOnly``, ``DataFolderFailed``, ``PortTaken``. Cluster: ``EtcdFailed``, ``EtcdDataDamaged``,
``ApiServerFailed``, ``ComponentFailed``, ``CertificateExpired``, ``StartTimedOut``, ``HostFailed``.
"""

import errno
from pathlib import Path

from extensa.base.errors import ExtensaError
from extensa.link.cluster import ClusterFailure


class LocalClusterError(ExtensaError):
    """Anything this room refuses or fails at; ``transient`` says that the host goes on trying by itself."""

    transient = True

    def failure(self) -> ClusterFailure:
        """Return the error as the link tells it."""
        return ClusterFailure(code=self.code, message=self.message, next_step=self.next_step or "")


class BinariesError(LocalClusterError):
    """A program that a cluster needs is not to be had."""


class ClusterError(LocalClusterError):
    """A cluster is not what it should be."""


def from_os_error(error: OSError, path: Path) -> ClusterError:
    """Return what the system's refusal to write at ``path`` means for a person."""
    where = error.filename or path
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(path)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return ClusterError(
            "DataFolderReadOnly",
            f"{where} cannot be written: {error.strerror}.",
            next_step="Make the data folder writable for this user, or choose another with EXTENSA_HOME.",
        )
    return ClusterError(
        "DataFolderFailed", f"{where}: {error.strerror or error}.", next_step="See that the data folder's disk is well."
    )


def cache_failed(error: OSError, path: Path) -> LocalClusterError:
    """Return what the system's refusal to write programs at ``path``, in our cache, means for a person."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(path)
    return BinariesError(
        "CacheUnusable",
        f"The Kubernetes programs cannot be put into {path}: {error.filename or path}: {error.strerror or error}.",
        target=str(path),
        next_step="Make it writable for this user, choose another folder with XDG_CACHE_HOME, or name one that has the "
        "programs in EXTENSA_KUBERNETES_BINARIES.",
    )


def disk_full(path: Path) -> ClusterError:
    """Return the error for a disk that has no room left under ``path``."""
    return ClusterError(
        "DiskFull",
        f"No space is left on the disk of {path}.",
        next_step="Free some space; the host tries again by itself within a minute.",
    )
