"""A chart as an archive: packed from its folder, the same bytes every time, or taken as it is.

It is on the caller's side because only the caller has the folder; whether a chart may be published, the service says.
The same bytes every time means that publishing an unchanged chart again changes nothing. What Helm leaves out
(``.helmignore``) is left out here. A link that leads out of the folder is refused: what is published is read by others.
"""

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from extensa.base.errors import Problems, Refused
from extensa.client.helmignore import IgnoreRules, read_rules

LARGEST_ARCHIVE = 16 * 1024 * 1024
"""Bytes of an archive at the most; the service takes no larger one."""
LARGEST_FILE = 5 * 1024 * 1024
"""Bytes of one file at the most; neither Helm nor the service takes a larger one."""


@dataclass(frozen=True, slots=True)
class PackedChart:
    """A chart archive, and what its Chart.yaml says of it (empty where it says nothing)."""

    name: str
    version: str
    description: str
    archive: bytes

    @property
    def digest(self) -> str:
        """The archive's digest, ``sha256:…``, by which charts are kept."""
        return f"sha256:{hashlib.sha256(self.archive).hexdigest()}"


def load_chart(path: Path) -> PackedChart:
    """Return the chart at ``path``, a folder or an archive (``.tgz``), ready to be published.

    Raises `Refused` with everything that keeps a folder from being packed, for an archive that is none, and for one
    that is too large.
    """
    return pack(path) if path.is_dir() else _taken(path)


def pack(folder: Path) -> PackedChart:
    """Return the chart in ``folder`` as an archive of one folder named for the chart: entries sorted, no times, no
    owners, fixed modes.

    Raises `Refused` with every reason against it.
    """
    problems = Problems()
    metadata = _metadata(folder, problems)
    rules = _rules(folder, problems)
    files = _files(folder.resolve(), rules, problems) if not problems.found else {}
    problems.refuse_if_any()
    name = str(metadata["name"])
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(files):
            archive.addfile(_entry(f"{name}/{path}", files[path]), io.BytesIO(files[path]))
    return _packed(metadata, gzip.compress(sink.getvalue(), mtime=0), folder)


def _entry(name: str, content: bytes) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)  # its defaults are time 0, owner 0 and no owner's name
    entry.size = len(content)
    entry.mode = 0o644
    return entry


def _files(root: Path, rules: IgnoreRules, problems: Problems) -> dict[str, bytes]:
    """Return every file below ``root`` that is not ignored, by its path with slashes."""
    found: dict[str, bytes] = {}
    waiting = [root]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            name = path.relative_to(root).as_posix()
            if rules.ignores(name, is_folder=path.is_dir()):
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                _refuse(problems, f"'{name}' is a link that leads out of the chart's folder", path)
            elif path.is_symlink() and path.is_dir():
                _refuse(problems, f"'{name}' is a link to a folder", path)
            elif path.is_dir():
                waiting.append(path)
            elif not path.is_file():
                _refuse(problems, f"'{name}' is no file", path)
            elif path.stat().st_size > LARGEST_FILE:
                _refuse(problems, f"'{name}' has {path.stat().st_size} bytes; at most {LARGEST_FILE} are taken", path)
            else:
                found[name] = path.read_bytes()
    return found


def _rules(folder: Path, problems: Problems) -> IgnoreRules:
    path = folder / ".helmignore"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return read_rules(text, problems)


def _metadata(folder: Path, problems: Problems) -> dict[str, Any]:
    path = folder / "Chart.yaml"
    if not path.is_file():
        _refuse(problems, "it has no Chart.yaml", folder, "Name the folder of a chart, or a chart archive (.tgz).")
        return {}
    try:
        found = yaml.safe_load(path.read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        _refuse(problems, f"its Chart.yaml is not valid YAML: {' '.join(str(error).split())[:200]}", path)
        return {}
    name = found.get("name") if isinstance(found, dict) else None
    if not isinstance(name, str) or not name or "/" in name or name in (".", ".."):
        _refuse(problems, "its Chart.yaml names no chart", path, "Give it a 'name'; see `helm create`.")
    return found if isinstance(found, dict) else {}


def _taken(path: Path) -> PackedChart:
    """Return an archive as it is, with what its Chart.yaml says as far as that can be read."""
    if path.stat().st_size > LARGEST_ARCHIVE:
        raise _too_large(path.stat().st_size, path)
    content = path.read_bytes()
    metadata: Any = None
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                if member.name.count("/") == 1 and member.name.endswith("/Chart.yaml") and member.size <= LARGEST_FILE:
                    source = archive.extractfile(member)
                    metadata = yaml.safe_load(source.read()) if source is not None else None
                    break
    except (tarfile.TarError, yaml.YAMLError, OSError, EOFError, ValueError, RecursionError) as error:
        raise _cannot_pack(f"it is no chart archive: {error}", path) from error
    if not isinstance(metadata, dict):
        raise _cannot_pack("it holds no chart: no folder in it has a Chart.yaml", path)
    return _packed(metadata, content, path)


def _packed(metadata: dict[str, Any], archive: bytes, path: Path) -> PackedChart:
    if len(archive) > LARGEST_ARCHIVE:
        raise _too_large(len(archive), path)
    name, version, description = (str(metadata.get(key) or "") for key in ("name", "version", "description"))
    return PackedChart(name, version, description, archive)


def _refuse(problems: Problems, reason: str, path: Path, next_step: str | None = None) -> None:
    refusal = _cannot_pack(reason, path, next_step)
    problems.add(refusal.code, refusal.message, target=refusal.target, next_step=refusal.next_step)


def _cannot_pack(reason: str, path: Path, next_step: str | None = None) -> Refused:
    return Refused(
        "ChartCannotBePacked", f"The chart cannot be packed: {reason}.", target=str(path), next_step=next_step
    )


def _too_large(size: int, path: Path) -> Refused:
    return Refused(
        "ChartTooLarge",
        f"The chart's archive has {size} bytes; at most {LARGEST_ARCHIVE} are taken.",
        target=str(path),
        next_step="Leave out what the chart does not need at run time (.helmignore).",
    )
