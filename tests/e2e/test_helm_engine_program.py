"""The Helm engine as a program: its own tests, with the Go that builds it, and what is agreed over its pipe."""

import os
from pathlib import Path

import pytest

from e2e.real_cluster import RealCluster
from extensa.base import processes
from extensa.base.settings import load_settings
from extensa.localcluster.build import go_environment
from extensa.localcluster.model import Binaries
from extensa.localcluster.progress import silent
from extensa.localcluster.recipe import ENGINE, read_recipe
from extensa.localcluster.toolchain import find_go
from unit.helm.engine_protocol import EngineProtocol

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


class TestTheEngineKeepsToTheProtocol(EngineProtocol):
    """The engine sits what its double sits."""

    @pytest.fixture(autouse=True)
    def _engine(self, real_cluster: RealCluster, tmp_path: Path) -> None:
        self.program, self.kubeconfig, self.folder = real_cluster.engine, real_cluster.kubeconfig, tmp_path
