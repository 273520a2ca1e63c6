"""A disk of its own for a data folder, so that it can be full or read-only: a small tmpfs, where we may mount one.

Where we may not (no root, a container without the right), the caller finds ``mounted`` false and takes another way to
the same fault.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SmallDisk:
    """A folder; ``mounted`` says whether it is a disk of its own."""

    path: Path
    mounted: bool

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no byte on it for the length of the block."""
        filler = self.path / "filler"
        try:
            with filler.open("wb", buffering=0) as sink:
                for size in (1 << 20, 4096, 1):
                    _fill(sink.fileno(), size)
            assert 0 == shutil.disk_usage(self.path).free
            yield
        finally:
            filler.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Let nobody write to it for the length of the block."""
        _mount("-o", "remount,ro", str(self.path))
        try:
            yield
        finally:
            _mount("-o", "remount,rw", str(self.path))


@contextmanager
def small_disk(path: Path, *, mib: int) -> Iterator[SmallDisk]:
    """A disk of ``mib`` at ``path`` for the length of the block; an ordinary folder where none can be mounted."""
    path.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", f"size={mib}m,mode=0700", "tmpfs", str(path), check=False)
    try:
        yield SmallDisk(path, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(*words: str, check: bool = True) -> bool:
    try:
        return subprocess.run(["mount", *words], check=check, capture_output=True).returncode == 0
    except FileNotFoundError:
        if check:
            raise
        return False


def _fill(handle: int, size: int) -> None:
    try:
        while os.write(handle, bytes(size)):
            pass
    except OSError:
        return
