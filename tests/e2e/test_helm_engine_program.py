"""The Helm engine's own tests, written in its language, with the Go that builds it."""

import os
from pathlib import Path

import pytest

from extensa.base import processes
from extensa.base.settings import load_settings
from extensa.localcluster.build import go_environment
from extensa.localcluster.model import Binaries
from extensa.localcluster.progress import silent
from extensa.localcluster.recipe import ENGINE, read_recipe
from extensa.localcluster.toolchain import find_go

pytestmark = pytest.mark.cluster


async def test_the_engines_own_tests_pass(binaries: Binaries) -> None:
    assert binaries.engine is not None
    recipe = read_recipe()
    go = await find_go(recipe, load_settings(os.environ).cache_path / "kubernetes", silent)
    argv = [str(go), "test", "-trimpath", f"./{ENGINE}"]
    done = await processes.run(argv, cwd=recipe.folder, env=go_environment(os.environ), timeout=600)
    assert 0 == done.code, done.stdout.decode() + done.stderr.decode()


def test_the_engine_stays_small() -> None:
    sources = [path for path in (read_recipe().folder / ENGINE).glob("*.go") if "_test" not in path.name]
    assert sum(len(Path(path).read_text().splitlines()) for path in sources) <= 600
