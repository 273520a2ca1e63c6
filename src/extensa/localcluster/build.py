"""Building one program from Go modules, whole or not at all.

The flags are the recipe's and nobody adds to them: Go's own build cache is keyed by them, and a warm one turns eight
minutes into twenty seconds. Modules are checked against go.sum by Go itself.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from extensa.base import processes
from extensa.localcluster.errors import BinariesError, disk_full
from extensa.localcluster.recipe import ENGINE, KWOK_MODULE, PACKAGES, Recipe
from extensa.localcluster.stages import STAGE_FOLDERS

_LONGEST = 3600.0
_FOREIGN = ("GOOS", "GOARCH", "GOROOT", "GO111MODULE", "GOEXPERIMENT")


def go_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment to build in: the caller's, without what would make another program of it."""
    kept = {name: value for name, value in environ.items() if name not in _FOREIGN}
    return {**kept, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


async def build_program(program: str, recipe: Recipe, go: Path, target: Path) -> None:
    """Build ``program`` and put it at ``target`` by a rename. Raises `LocalClusterError` (BuildFailed, DiskFull)."""
    part = target.with_name(f".{target.name}.part")
    package = f"./{ENGINE}" if program == ENGINE else PACKAGES[program]
    argv = [str(go), "build", *recipe.build_flags, "-o", str(part), package]
    await _go(argv, recipe, what=f"{program} could not be built", folder=target.parent)
    part.replace(target)


async def copy_stages(recipe: Recipe, go: Path, target: Path) -> None:
    """Put KWOK's stage files, from its own module, into the folder ``target``. Raises `BinariesError`."""
    argv = [str(go), "mod", "download", "-json", KWOK_MODULE]
    printed = await _go(argv, recipe, what="KWOK's module could not be fetched", folder=target.parent)
    module = Path(msgspec.json.decode(printed)["Dir"])
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for folder in STAGE_FOLDERS:
        for source in sorted((module / "kustomize" / "stage" / folder).glob("*.yaml")):
            if source.name != "kustomization.yaml":
                shutil.copyfile(source, part / source.name)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


async def _go(argv: list[str], recipe: Recipe, *, what: str, folder: Path) -> bytes:
    done = await processes.run(argv, cwd=recipe.folder, env=go_environment(os.environ), timeout=_LONGEST)
    if done.code == 0 and not done.timed_out:
        return done.stdout
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    said = "\n".join(line for line in lines if not line.startswith("go: downloading ")) or "it said nothing"
    if "no space left on device" in said:
        raise disk_full(folder)
    raise BinariesError(
        "BuildFailed",
        f"{what}: {'it took more than an hour' if done.timed_out else said[-600:]}",
        next_step="See that Go modules can be fetched (GOPROXY), or name a folder with ready programs in "
        "EXTENSA_KUBERNETES_BINARIES.",
    )
