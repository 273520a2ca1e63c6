"""Which processes do Helm's acts at this moment: a ``helm`` an act, or an engine for all of them."""

from collections.abc import Iterator
from pathlib import Path


def acting(release: str) -> list[int]:
    """The pids of every helm that works on a release."""
    return [
        pid
        for pid, words in _running()
        if words[0].endswith(b"/helm") and release.encode() in words and b"history" not in words
    ]


def engines(folder: Path) -> list[int]:
    """The pids of the engines whose home lies in ``folder``."""
    home = f"HOME={folder}/".encode()
    return [pid for pid, words in _running() if b"/helm-engine" in words[0] and home in _read(pid, "environ")]


def _running() -> Iterator[tuple[int, list[bytes]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name), _read(int(entry.name), "cmdline").split(b"\0")


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
