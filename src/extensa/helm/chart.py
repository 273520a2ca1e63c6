"""What must be known of a chart archive before it is installed: that it is one, and whether hooks come after.

Pure: bytes in, facts out. Rendering is Helm's; here the templates are only searched.
"""

import io
import re
import tarfile
import zlib
from dataclasses import dataclass

import yaml

from extensa.helm.errors import HelmError

_HOOK = re.compile(rb"helm\.sh/hook[\"']?\s*:")
_AFTER = re.compile(rb"post-(install|upgrade)")
_LARGEST = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """A chart's name and version, and whether a template of it or of a chart within declares a post-* hook."""

    name: str
    version: str
    post_hooks: bool


def read_chart(archive: bytes) -> ChartFacts:
    """Return the facts of a chart archive (gzipped tar); raises `HelmError` (``ChartUnreadable``)."""
    metadata: object = None
    after = False
    unpacked = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
            for member in tar:
                unpacked += member.size
                if unpacked > _LARGEST:
                    raise _unreadable("it holds more than 64 MiB")
                parts = member.name.split("/")
                if parts[1:] == ["Chart.yaml"]:
                    metadata = yaml.safe_load(_content(tar, member))
                elif "templates" in parts and member.isfile() and not after:
                    content = _content(tar, member)
                    after = bool(_HOOK.search(content) and _AFTER.search(content))
    except (tarfile.TarError, zlib.error, EOFError, OSError, yaml.YAMLError) as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from error
    if not isinstance(metadata, dict) or not metadata.get("name") or not metadata.get("version"):
        raise _unreadable("its Chart.yaml names no chart and version")
    return ChartFacts(str(metadata["name"]), str(metadata["version"]), after)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source = tar.extractfile(member)
    return source.read() if source is not None else b""


def _unreadable(reason: str) -> HelmError:
    return HelmError("ChartUnreadable", f"The chart archive cannot be read: {reason}.")
