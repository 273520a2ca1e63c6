"""Playing the kubelet for the one Pod of a hook that is held: without anybody doing so, Helm waits for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from chaos.look import Eyes
from extensa.helm.errors import ClusterError


@contextlib.asynccontextmanager
async def played(eyes: Eyes) -> AsyncIterator[None]:
    """Have every held Pod finish for the length of the block."""
    playing = asyncio.create_task(_play(eyes))
    try:
        yield
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)


async def _play(eyes: Eyes) -> None:
    while True:
        with contextlib.suppress(ClusterError):
            for pod in await eyes.kube().list("v1", "Pod", "", labels="held"):
                if (pod.get("status") or {}).get("phase") == "Pending":
                    await _finish(eyes, pod["metadata"]["namespace"], pod["metadata"]["name"])
        await asyncio.sleep(0.1)


async def _finish(eyes: Eyes, namespace: str, name: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{name}/status"
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "status": {"phase": "Succeeded"}}
    await eyes.kube()._ask("PATCH", path, params={"fieldManager": "kubelet", "force": "true"}, body=body)
