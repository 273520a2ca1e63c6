"""Whether some bytes are a chart that may be published: every complaint at once, or the facts in its Chart.yaml.

Pure: bytes in, facts or problems out. Archives come from outside, so nothing of one is trusted or unpacked to disk, and
all of it is bounded before it is held: compressed and decompressed size, number and size of entries. What Helm would
refuse later is refused here; whether the templates render is for an agent to find out.
"""

import hashlib
import io
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from extensa.base.errors import Problem, Problems
from extensa.catalog.metadata import Metadata, read_metadata

LARGEST_ARCHIVE = 16 * 1024 * 1024
"""Bytes of an archive at the most."""
LARGEST_CONTENT = 64 * 1024 * 1024
"""Bytes of an archive at the most when decompressed; Helm itself gives up at 100 MiB."""
LARGEST_FILE = 5 * 1024 * 1024
"""Bytes of one file at the most: Helm's own limit."""
MOST_ENTRIES = 10_000
"""Files and folders in an archive at the most."""

_STEP = 4 * 1024 * 1024
_MOST_NAMED = 20
_REPACK = "Pack the chart with `helm package`, or let `extensa type publish FOLDER` pack it."
_LEAVE_OUT = "Leave out what the chart does not need at run time (.helmignore)."


@dataclass(frozen=True, slots=True)
class ChartFacts:
    """A chart that may be published: what its Chart.yaml says, and the archive's own digest and size."""

    metadata: Metadata
    digest: str
    size: int


class _Unreadable(Exception):
    """The archive cannot be looked into any further; carries the one problem that stands for the rest."""

    def __init__(self, code: str, message: str, next_step: str = _REPACK) -> None:
        super().__init__(message)
        self.problem = Problem(code, message, "body", next_step)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tar entry that is a plain file or a folder at a harmless path; ``path`` holds the words of its name."""

    path: tuple[str, ...]
    is_file: bool
    content: bytes | None


def inspect(archive: bytes) -> ChartFacts | list[Problem]:
    """Return the facts of a chart archive, or every reason for which it may not be published."""
    problems = Problems()
    try:
        content = _decompressed(archive)
        entries = list(_entries(content, problems))
    except _Unreadable as unreadable:
        return [*problems.found, unreadable.problem]
    metadata = _chart(entries, problems)
    if problems.found or metadata is None:
        return problems.found
    return ChartFacts(metadata, f"sha256:{hashlib.sha256(archive).hexdigest()}", len(archive))


def _decompressed(archive: bytes) -> bytes:
    """Return what the gzip members of ``archive`` hold; raises `_Unreadable`, never holding more than the limit."""
    if len(archive) > LARGEST_ARCHIVE:
        raise _Unreadable(
            "ChartTooLarge",
            f"The archive has {len(archive)} bytes; at most {LARGEST_ARCHIVE} are taken.",
            _LEAVE_OUT,
        )
    if not archive:
        raise _Unreadable("ChartUnreadable", "The request has no body; the chart archive is expected.")
    found = bytearray()
    rest = archive
    while rest:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                more = member.decompress(rest, _STEP)
            except zlib.error as error:
                raise _Unreadable("ChartUnreadable", f"The archive is not a gzip file: {error}.") from error
            rest = member.unconsumed_tail
            if not (more or rest or member.eof):
                raise _Unreadable("ChartUnreadable", "The archive ends too early: it was cut off on its way.")
            found += more
            if len(found) > LARGEST_CONTENT:
                raise _Unreadable(
                    "ChartTooLarge",
                    f"The archive holds more than {LARGEST_CONTENT} bytes when decompressed.",
                    _LEAVE_OUT,
                )
        rest = member.unused_data
    return bytes(found)


def _entries(content: bytes, problems: Problems) -> Iterator[_Entry]:
    """Give the entries of a tar, putting into ``problems`` those that have no place in a chart."""
    count = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                count += 1
                if count > MOST_ENTRIES:
                    raise _Unreadable("ChartTooLarge", f"The archive has more than {MOST_ENTRIES} entries.")
                if (entry := _entry(archive, member, problems)) is not None:
                    yield entry
            if content[archive.offset :].strip(b"\0"):  # tarfile takes a damaged header for the end
                raise _Unreadable("ChartUnreadable", f"The archive is damaged after its entry {count}.")
    except (tarfile.TarError, ValueError, EOFError, OSError) as error:
        raise _Unreadable("ChartUnreadable", f"The archive is not a tar file: {error}.") from error


def _entry(archive: tarfile.TarFile, member: tarfile.TarInfo, problems: Problems) -> _Entry | None:
    name = member.name
    shown = repr(name[:200])
    words = tuple(name.split("/"))
    unsafe = name.startswith("/") or "\\" in name or words[0].endswith(":") or not name.isprintable()
    if unsafe or any(word in ("", ".", "..") for word in words):
        _add(problems, "ChartPathUnsafe", f"The archive has an entry at {shown}, which is no path below one folder.")
    elif member.issparse() or not (member.isfile() or member.isdir()):
        _add(
            problems,
            "ChartEntryUnsupported",
            f"The entry {shown} is a link or a device; only files and folders are taken.",
        )
    elif member.size > LARGEST_FILE:
        _add(problems, "ChartTooLarge", f"The file {shown} has {member.size} bytes; at most {LARGEST_FILE} are taken.")
    else:
        source = archive.extractfile(member) if words[1:] == ("Chart.yaml",) and member.isfile() else None
        return _Entry(words, member.isfile(), source.read() if source is not None else None)
    return None


def _chart(entries: list[_Entry], problems: Problems) -> Metadata | None:
    """Return what the Chart.yaml of the one top folder says; whatever is wrong with either goes to ``problems``."""
    tops = sorted({entry.path[0] for entry in entries})
    loose = sorted(entry.path[0] for entry in entries if entry.is_file and len(entry.path) == 1)
    if len(tops) != 1 or loose:
        beside = f"it has {', '.join(tops[:_MOST_NAMED])}" if tops else "it is empty"
        _add(problems, "ChartLayoutInvalid", f"The archive must hold exactly one folder, the chart; {beside}.")
        return None
    files = [entry.path for entry in entries if entry.is_file]
    twice = sorted("/".join(path) for path, times in Counter(files).items() if times > 1)
    if twice:
        _add(problems, "ChartLayoutInvalid", f"The archive holds {', '.join(twice[:_MOST_NAMED])} more than once.")
    content = next((entry.content for entry in entries if entry.content is not None), None)
    if content is None:
        _add(problems, "ChartMetadataInvalid", f"The folder {tops[0]} has no Chart.yaml.")
        return None
    metadata = read_metadata(content, problems)
    if metadata is not None:
        _check_dependencies(metadata, files, problems)
    return metadata


def _check_dependencies(metadata: Metadata, files: list[tuple[str, ...]], problems: Problems) -> None:
    inside = {path[2] for path in files if len(path) > 2 and path[1] == "charts"}
    for name in metadata.dependencies:
        packed = any(each.startswith(f"{name}-") and each.endswith(".tgz") for each in inside)
        if name not in inside and not packed:
            _add(
                problems,
                "ChartDependencyMissing",
                f"The chart depends on '{name}', which is not in its folder charts.",
                "Run `helm dependency build` in the chart's folder before packing it.",
            )


def _add(problems: Problems, code: str, message: str, next_step: str = _REPACK) -> None:
    """Collect a problem, as long as a person would still read it."""
    if len(problems.found) < _MOST_NAMED:
        problems.add(code, message, target="body", next_step=next_step)
