"""The host's own small window on a cluster's API server: is it ready, apply this, which nodes are there.

Enough for a host and no more; whoever installs things into a cluster has a client of their own. Loopback only.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec

from extensa.localcluster.errors import ClusterError

_MANAGER = "extensa-host"
_PLURALS = {
    "Node": "/api/v1/nodes",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
}


class ApiServer:
    """A connection to one API server as ``identity`` (one PEM file with certificate and key)."""

    def __init__(self, url: str, *, authority: Path, identity: Path) -> None:
        context = ssl.create_default_context(cafile=authority)
        context.load_cert_chain(identity)
        self._client = httpx2.AsyncClient(base_url=url, verify=context, timeout=10.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def ready(self) -> bool:
        """Say whether the API server calls itself ready; one that does not answer is not."""
        try:
            answer = await self._client.get("/readyz", timeout=5.0)
        except (httpx2.TransportError, OSError):
            return False
        return answer.status_code == 200

    async def exists(self, path: str) -> bool:
        """Say whether there is an object at ``path``. Raises `ClusterError` when the API server does not say."""
        return (await self._send("GET", path, allowed=(200, 404))).status_code == 200

    async def apply(self, wanted: Mapping[str, Any]) -> None:
        """Bring a cluster-wide object to be as ``wanted`` by server-side apply. Raises `ClusterError`."""
        path = f"{_PLURALS[wanted['kind']]}/{wanted['metadata']['name']}"
        await self._send(
            "PATCH",
            path,
            params={"fieldManager": _MANAGER, "force": "true"},
            content=msgspec.json.encode(wanted),
            headers={"content-type": "application/apply-patch+yaml"},
        )

    async def create(self, wanted: Mapping[str, Any]) -> None:
        """Create a cluster-wide object, status included where the API server takes it; one that is there is left."""
        await self._send(
            "POST",
            _PLURALS[wanted["kind"]],
            content=msgspec.json.encode(wanted),
            headers={"content-type": "application/json"},
            params={"fieldManager": _MANAGER},
            allowed=(200, 201, 409),
        )

    async def delete(self, kind: str, name: str) -> None:
        """Delete a cluster-wide object; one that is not there is no error. Raises `ClusterError`."""
        await self._send("DELETE", f"{_PLURALS[kind]}/{name}", allowed=(200, 202, 404))

    async def clear(self, collection: str) -> None:
        """Delete every object of a collection, given by its path. Raises `ClusterError`."""
        await self._send("DELETE", collection, allowed=(200, 202, 404))

    async def nodes(self) -> dict[str, bool]:
        """Return the simulated nodes by name, and whether each is ready. Raises `ClusterError`."""
        answer = await self._send("GET", "/api/v1/nodes", params={"labelSelector": "extensa.dev/simulated=true"})
        return {item["metadata"]["name"]: _is_ready(item) for item in answer.json()["items"]}

    async def _send(
        self, method: str, path: str, *, allowed: tuple[int, ...] = (200, 201), **request: Any
    ) -> httpx2.Response:
        try:
            answer = await self._client.request(method, path, **request)
        except (httpx2.TransportError, OSError) as error:
            raise ClusterError("ApiServerFailed", f"The API server does not answer {method} {path}: {error}") from error
        if answer.status_code not in allowed:
            raise ClusterError(
                "ApiServerFailed",
                f"The API server refused {method} {path} with {answer.status_code}: {_reason(answer)}",
            )
        return answer


def _is_ready(node: Mapping[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
