"""A small world for the tests of clusters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from extensa.clusters.service import Clusters
from extensa.store.sqlite import open_store
from extensa.store.vault import load_vault
from unit.clusters.cluster_facts import NOW, TENANT, World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The room over an empty store, with the demo resource group."""
    moment = [NOW]
    store = await open_store(tmp_path / "x.sqlite3")
    keys = tmp_path / "keys"
    clusters = await Clusters.open(store, load_vault(keys), keys, tenant_id=TENANT, clock=lambda: moment[0])
    made = World(store, clusters, moment)
    await made.group()
    yield made
    await store.close()
