"""How a test gets an agent on the shared real cluster."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from e2e.agent_world import World, world
from e2e.real_cluster import RealCluster

Begin = Callable[..., Awaitable[World]]


@pytest.fixture
async def begin(real_cluster: RealCluster, tmp_path: Path) -> AsyncIterator[Begin]:
    """Return a function that starts an agent, stopped at the end of the test."""
    async with AsyncExitStack() as stack:

        async def start(**more: object) -> World:
            place = (tmp_path, real_cluster.kubeconfig, real_cluster.helm, real_cluster.kubectl)
            return await stack.enter_async_context(world(*place, **more))  # type: ignore[arg-type]

        yield start


@pytest.fixture
async def agent(begin: Begin) -> World:
    """Return a running agent."""
    return await begin()
