"""The folder that ``extensa env`` puts on PATH: links to extensa, kubectl and helm."""

import os
import sys
from pathlib import Path

from extensa.base.home import Home


def make(home: Home, programs: dict[str, Path]) -> None:
    """Link ``programs`` by name into the folder; one that points elsewhere is replaced, nothing else is touched."""
    home.bin.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, target in programs.items():
        link = home.bin / name
        if link.is_symlink() and link.readlink() == target:
            continue
        fresh = link.with_name(f".{name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)


def program() -> Path:
    """Return the `extensa` that a person would type: the script itself, also when one of our own links was typed."""
    script = Path(sys.argv[0])
    if script.name == "extensa" and script.exists():
        return script.resolve()
    return Path(sys.executable).parent / "extensa"
