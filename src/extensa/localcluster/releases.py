"""Where upstream's release files lie below a base address, and how their checksum files are read: pure.

Every project has a layout of its own. Only a file whose checksum upstream publishes beside it is ever taken; KWOK
publishes none, so KWOK is always built. Base addresses are settings; none is written here.
"""

import re
from dataclasses import dataclass

from extensa.base.settings import Settings
from extensa.localcluster.recipe import Recipe

_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file to fetch: its address, its checksum file's, and the program's place in it if it is an archive."""

    url: str
    checksums: str
    member: str = ""

    @property
    def file_name(self) -> str:
        """The file's own name, as checksum files that list several name it."""
        return self.url.rsplit("/", 1)[-1]


def release_file(program: str, recipe: Recipe, settings: Settings) -> ReleaseFile | None:
    """Return where ``program`` is to be fetched from, or None when no base address is set or nobody publishes it."""
    platform = f"linux-{recipe.architecture}"
    if program == "helm" and settings.helm_releases:
        url = f"{_base(settings.helm_releases)}/helm-v{recipe.helm}-{platform}.tar.gz"
        return ReleaseFile(url, f"{url}.sha256sum", f"{platform}/helm")
    if program == "etcd" and settings.etcd_releases:
        folder = f"{_base(settings.etcd_releases)}/v{recipe.etcd}"
        name = f"etcd-v{recipe.etcd}-{platform}"
        return ReleaseFile(f"{folder}/{name}.tar.gz", f"{folder}/SHA256SUMS", f"{name}/etcd")
    if program.startswith("kube") and settings.kubernetes_releases:
        base = _base(settings.kubernetes_releases)
        url = f"{base}/v{recipe.kubernetes}/bin/linux/{recipe.architecture}/{program}"
        return ReleaseFile(url, f"{url}.sha256")
    return None


def expected_digest(checksums: str, file_name: str) -> str | None:
    """Return the SHA-256 that a checksum file gives for ``file_name``, in lower case, or None when it gives none.

    Known are a bare digest, and lines of digest and name as sha256sum writes them.
    """
    lines = [line.split() for line in checksums.splitlines() if line.strip()]
    if len(lines) == 1 and len(lines[0]) == 1 and _DIGEST.fullmatch(lines[0][0]):
        return lines[0][0].lower()
    for line in lines:
        if len(line) == 2 and line[1].lstrip("*") == file_name and _DIGEST.fullmatch(line[0]):
            return line[0].lower()
    return None


def _base(address: str) -> str:
    return address.rstrip("/")
