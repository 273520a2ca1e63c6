"""Fixtures for tests on a real Kubernetes API: the programs, and one running cluster for the whole run."""

import asyncio
import os
import sys
from collections.abc import Iterator

import pytest

from e2e.cause_stage import Stage, Theatre
from e2e.product import Product, free_port
from e2e.real_cluster import LoopThread, RealCluster, bring_up, open_cluster, spec
from extensa.base.settings import load_settings
from extensa.localcluster.binaries import find_binaries
from extensa.localcluster.model import Binaries


def _say(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """Return the programs of a cluster, found or built as `extensa kubernetes install` would."""
    return asyncio.run(find_binaries(load_settings(os.environ), progress=_say))


@pytest.fixture(scope="session")
def real_cluster(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealCluster]:
    """Run one local cluster with two simulated nodes for the whole test run; nothing of it is left at the end."""
    with LoopThread() as loop:
        uid = "00000000-0000-4000-8000-000000000001"
        folder = tmp_path_factory.mktemp("cluster") / uid
        cluster = open_cluster(spec(uid), folder)
        try:
            loop.call(bring_up(cluster, binaries), timeout=90)
            kubeconfig = cluster.layout.kubeconfig("admin")
            assert binaries.engine is not None, "the Helm engine was not built"
            yield RealCluster(kubeconfig, binaries.kubectl, binaries.helm, cluster.url, folder, uid, binaries.engine)
        finally:
            loop.call(cluster.stop(), timeout=60)


@pytest.fixture(scope="session")
def product(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """Run the whole product, set up by `extensa up` in a data folder of its own; nothing of it runs at the end."""
    found = Product(home=tmp_path_factory.mktemp("product") / "home", port=free_port())
    try:
        found.up = found.run("up", timeout=900).stdout
        yield found
    finally:
        found.run("down", ok=False)


@pytest.fixture(scope="session")
def stage(
    request: pytest.FixtureRequest, binaries: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Have every selected play of a cause performed, all on one cluster of their own."""
    functions = {getattr(item, "function", None) for item in request.session.items}
    plays = [function for function in functions if hasattr(function, "play")]
    with Theatre(binaries, tmp_path_factory.mktemp("stage"), plays) as found:
        yield found
