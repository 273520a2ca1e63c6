"""Finding the programs of a local cluster: a folder the user names, our cache, upstream's release files, ``go build``.

The cache has one folder per recipe; one process at a time fills it, under a lock, program by program, so that a second
one waits and an interrupted one goes on where it stopped.
"""

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from extensa.base import processes
from extensa.base.errors import Unavailable
from extensa.base.settings import Settings
from extensa.link.cluster import ClusterFailure
from extensa.localcluster.build import build_program, copy_stages
from extensa.localcluster.download import fetch_program
from extensa.localcluster.errors import BinariesError, LocalClusterError, cache_failed
from extensa.localcluster.model import Binaries
from extensa.localcluster.progress import Progress, silent, told
from extensa.localcluster.recipe import ENGINE, PACKAGES, Recipe, read_recipe
from extensa.localcluster.releases import release_file
from extensa.localcluster.toolchain import find_go, go_at_hand

_STAGES = "stages"
_FAILURE = "failure.json"


def known_versions() -> list[str]:
    """Return the Kubernetes versions that can be had on this machine, newest last."""
    return [read_recipe().kubernetes]


def ready_binaries(settings: Settings, *, recipe: Recipe | None = None) -> Binaries | None:
    """Return the programs if all are there already, in the user's folder or in the cache; None when they are not.

    Quick, and fetches nothing. Raises `BinariesError` when the user's folder lacks one.
    """
    recipe = recipe or read_recipe()
    cached = settings.cache_path / "kubernetes" / recipe.name
    if settings.kubernetes_binaries:
        folder = _named(settings)
        engine = _runnable(folder / ENGINE, cached / (recipe.engine or ENGINE))
        found = Binaries(folder, recipe.kubernetes, _first(folder / _STAGES, cached / _STAGES), engine)
        _check_named(found)
        return found if found.stages.is_dir() else None
    found = Binaries(cached, recipe.kubernetes, cached / _STAGES, _runnable(cached / (recipe.engine or ENGINE)))
    return None if missing(found) else found


async def available_versions(settings: Settings, *, recipe: Recipe | None = None) -> list[str]:
    """Return the Kubernetes versions a host with these settings provides: that of the user's folder, else the pinned.

    Raises `BinariesError` when the API server in the user's folder is missing or does not say its version.
    """
    recipe = recipe or read_recipe()
    if not settings.kubernetes_binaries:
        return [recipe.kubernetes]
    program = _named(settings) / "kube-apiserver"
    try:
        said = await processes.run([str(program), "--version"], timeout=30)
    except OSError as error:
        raise _named_lacks(program.parent, ["kube-apiserver"]) from error
    version = said.stdout.decode(errors="replace").strip().removeprefix("Kubernetes v")
    if said.code != 0 or not version:
        raise BinariesError("BinariesMissing", f"{program} does not say its version.")
    return [version]


async def find_binaries(
    settings: Settings, *, version: str = "", progress: Progress = silent, recipe: Recipe | None = None
) -> Binaries:
    """Return a folder with every program, fetching or building what is missing, told step by step to ``progress``.

    ``version`` is the Kubernetes version wanted (by default the pinned one), ``recipe`` the installed one. Raises
    `BinariesError` when that version is another, or when something can be neither found nor fetched nor built, and
    `ClusterError` for a full disk; `last_failure` remembers it.
    """
    recipe = recipe or read_recipe()
    [available] = await available_versions(settings, recipe=recipe)
    if version and version not in (available, available.rpartition(".")[0]):
        raise BinariesError(
            "KubernetesVersionUnavailable",
            f"This host has Kubernetes {available}, not {version}.",
            next_step=f"Ask for {available}.",
        )
    ready = ready_binaries(settings, recipe=recipe)
    if ready is not None and not await _engine_can_be_built(ready, recipe, settings):
        return replace(ready, version=available)
    cache = settings.cache_path / "kubernetes"
    target = cache / recipe.name
    try:
        target.mkdir(parents=True, exist_ok=True)
        async with _locked(target / ".lock", progress):
            with _remembering(target / _FAILURE):
                await _fill(recipe, settings, cache, target, progress)
    except OSError as error:
        if ready is not None:  # only our engine is missing, and nothing needs it
            return replace(ready, version=available)
        raise cache_failed(error, target) from error
    found = ready_binaries(settings, recipe=recipe)
    if found is None:
        raise BinariesError("BinariesMissing", f"{target} is not complete: {', '.join(_lacking(target))}.")
    return replace(found, version=available)


def last_failure(settings: Settings, *, recipe: Recipe | None = None) -> BinariesError | None:
    """Return why the programs could not be fetched or built when that was last tried; None when it went well."""
    recipe = recipe or read_recipe()
    try:
        kept = (settings.cache_path / "kubernetes" / recipe.name / _FAILURE).read_bytes()
        failure = msgspec.json.decode(kept, type=ClusterFailure)
    except (OSError, msgspec.MsgspecError):
        return None
    return BinariesError(failure.code, failure.message, next_step=failure.next_step or None)


def missing(found: Binaries) -> list[str]:
    """Return the programs that are not there, by name; KWOK's stage files count as one."""
    lacking = [name for name in PACKAGES if not os.access(found.program(name), os.X_OK)]
    return lacking if found.stages.is_dir() else [*lacking, _STAGES]


def _lacking(folder: Path) -> list[str]:
    return missing(Binaries(folder, "", folder / _STAGES))


def _runnable(*candidates: Path) -> Path | None:
    return next((each for each in candidates if each.is_file() and os.access(each, os.X_OK)), None)


async def _engine_can_be_built(ready: Binaries, recipe: Recipe, settings: Settings) -> bool:
    """Say whether all is there but our engine, which is worth a build and not worth a download of Go."""
    if ready.engine is not None or not recipe.engine or settings.kubernetes_binaries:
        return False
    return await go_at_hand(recipe, settings.cache_path / "kubernetes", silent) is not None


def _named(settings: Settings) -> Path:
    return Path(settings.kubernetes_binaries).expanduser().resolve()


def _first(*candidates: Path) -> Path:
    return next((each for each in candidates if each.is_dir()), candidates[-1])


def _check_named(found: Binaries) -> None:
    lacking = [name for name in missing(found) if name != _STAGES]
    if lacking:
        raise _named_lacks(found.folder, lacking)


def _named_lacks(folder: Path, names: list[str]) -> BinariesError:
    return BinariesError(
        "BinariesMissing",
        f"{folder} has no {', '.join(names)}.",
        target=str(folder),
        next_step="Put them there, or leave EXTENSA_KUBERNETES_BINARIES empty and they are fetched or built.",
    )


async def _fill(recipe: Recipe, settings: Settings, cache: Path, target: Path, progress: Progress) -> None:
    wanted = [_STAGES] if settings.kubernetes_binaries else _lacking(target)
    left = [name for name in wanted if not await _fetched(name, recipe, settings, target, progress)]
    engine = "" if settings.kubernetes_binaries else recipe.engine
    if not left and (not engine or await go_at_hand(recipe, cache, silent) is None):
        return
    go = await find_go(recipe, cache, progress)
    if engine and _runnable(target / engine) is None:
        await _build_engine(recipe, go, target / engine, progress)
    for place, name in enumerate(left, start=1):
        doing = f"Building {name} ({place} of {len(left)})"
        async with told(progress, doing, f"{name} is ready, built"):
            if name == _STAGES:
                await copy_stages(recipe, go, target / name)
            else:
                await build_program(name, recipe, go, target / name)


async def _build_engine(recipe: Recipe, go: Path, target: Path, progress: Progress) -> None:
    """Build our engine, before the last of the others, so that it is there when all is; do without when that fails."""
    try:
        target.parent.mkdir(exist_ok=True)
        async with told(progress, f"Building {ENGINE}", f"{ENGINE} is ready, built"):
            await build_program(ENGINE, recipe, go, target)
    except LocalClusterError as error:
        progress(f"{error.message} Helm's own program is used instead.")


async def _fetched(name: str, recipe: Recipe, settings: Settings, target: Path, progress: Progress) -> bool:
    release = release_file(name, recipe, settings)
    if release is None:
        return False
    try:
        async with told(progress, f"Fetching {release.url}", f"{name} is fetched and verified"):
            await fetch_program(release, target / name)
    except Unavailable as error:
        progress(f"{error.message} It is built instead.")
        return False
    return True


@contextlib.contextmanager
def _remembering(note: Path) -> Iterator[None]:
    """Keep in ``note`` why the block failed, for `last_failure`; a block that does not leaves none."""
    try:
        yield
    except LocalClusterError as error:
        with contextlib.suppress(OSError):
            note.write_bytes(msgspec.json.encode(error.failure()))
        raise
    note.unlink(missing_ok=True)


@contextlib.asynccontextmanager
async def _locked(path: Path, progress: Progress) -> AsyncIterator[None]:
    """Hold the cache's lock, waiting for another process that holds it; the kernel frees it when the holder dies."""
    with path.open("wb") as handle:
        told_once = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not told_once:
                    progress("Another process is fetching or building the Kubernetes programs: waiting for it")
                    told_once = True
                await asyncio.sleep(0.5)
        yield
