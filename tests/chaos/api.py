"""The ARM front as a careful caller uses it: what is answered is known, what is not answered is asked about.

`NoAnswer` is the one thing that leaves a caller in doubt; everything else is an answer.
"""

import asyncio
import contextlib
import io
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from typing import Any

import httpx2

from chaos.charts import TYPES, VERSIONS
from chaos.installation import Installation
from extensa.base.errors import ExtensaError
from extensa.cli.session import Session
from extensa.client import paths

GROUP, CLUSTER = "chaos", "chaos"
_PATIENCE = 40.0


class NoAnswer(Exception):
    """Whether the request was carried out is not known."""


@dataclass(frozen=True)
class Answer:
    """A status, a body and where the operation is followed."""

    status: int
    body: Any
    operation: str | None = None

    @property
    def code(self) -> str:
        """The error's code."""
        return str((self.body or {}).get("error", {}).get("code", "")) if isinstance(self.body, dict) else ""


class Api:
    """A caller of its own, for one installation."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        home = installation.home
        self._owner = json.loads(home.owner_credential.read_bytes())
        self.subscription: str = self._owner["subscriptionId"]
        plain = self._owner["endpoint"].startswith("http:")
        tls: ssl.SSLContext | bool = False if plain else ssl.create_default_context(cafile=str(home.ca_certificate))
        scheme = "http" if plain else "https"
        self._client = httpx2.AsyncClient(
            base_url=f"{scheme}://localhost:{installation.port}", verify=tls, timeout=_PATIENCE, trust_env=False
        )
        self._token = ""

    async def close(self) -> None:
        await self._client.aclose()

    @property
    def cluster(self) -> str:
        """The path of the one cluster."""
        return paths.cluster(self.subscription, GROUP, CLUSTER)

    def extension(self, name: str) -> str:
        """The path of an extension on it."""
        return paths.extension(self.cluster, name)

    async def send(self, method: str, path: str, body: Any = None, **query: str) -> Answer:
        """Send one request; raises `NoAnswer`."""
        url = (
            path if "?" in path else f"{path}?{urllib.parse.urlencode({'api-version': paths.EXTENSIONS_API, **query})}"
        )
        try:
            if not self._token:
                await self._sign_in()
            answer = await self._client.request(
                method, url, headers={"authorization": f"Bearer {self._token}"}, json=body
            )
        except (httpx2.TransportError, OSError) as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from error
        if answer.status_code == 401:
            self._token = ""
            raise NoAnswer("401: the token is of another time")
        if answer.status_code >= 500:
            raise NoAnswer(f"{answer.status_code}: {answer.text[:200]}")
        return Answer(
            answer.status_code,
            answer.json() if answer.content else None,
            _path(answer.headers.get("azure-asyncoperation")),
        )

    async def read(self, path: str, *, within: float = 90, method: str = "GET") -> Answer:
        """GET until there is an answer: reading again does no harm."""
        async with asyncio.timeout(within):
            while True:
                with contextlib.suppress(NoAnswer):
                    return await self.send(method, path)
                await asyncio.sleep(0.2)

    async def text(self, path: str) -> str:
        """GET a page that needs no token."""
        return (await self._client.get(path)).text

    async def _sign_in(self) -> None:
        form = {
            "client_id": self._owner["clientId"],
            "client_secret": self._owner["clientSecret"],
            "grant_type": "client_credentials",
            "scope": f"{self._owner['endpoint']}/.default",
        }
        answer = await self._client.post(f"/{self._owner['tenantId']}/oauth2/v2.0/token", data=form)
        if answer.status_code != 200:
            raise NoAnswer(f"no token: {answer.status_code} {answer.text[:200]}")
        self._token = answer.json()["access_token"]


def _path(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}"


def set_up(installation: Installation) -> None:
    """Make the group and the cluster, publish the types and wait until the cluster runs."""
    session = Session({**installation.environ})
    arm = session.caller()
    try:
        arm.put(paths.group(arm.subscription, GROUP), paths.GROUPS_API, {"location": "westeurope"})
        cluster = paths.cluster(arm.subscription, GROUP, CLUSTER)
        body = {
            "location": "westeurope",
            "identity": {"type": "SystemAssigned"},
            "properties": {"agentPoolProfiles": [{"name": "nodepool1", "count": 1, "mode": "System"}]},
        }
        promise = arm.put(cluster, paths.CLUSTERS_API, body)
        for name, chart in TYPES.items():
            path = paths.type_registration(arm.subscription, name)
            facts = {"supportedScopes": {"defaultScope": "cluster", "clusterScopeSettings": {
                "allowMultipleInstances": True, "defaultReleaseNamespace": "chaos"}}}  # fmt: skip
            facts |= {"description": name, "publisher": "Chaos"}  # type: ignore[dict-item]
            arm.put(path, paths.TYPES_API, {"properties": facts})
            for version in VERSIONS:
                archive = chart(version)
                with contextlib.suppress(ExtensaError):  # published by an earlier set-up
                    arm.upload(
                        f"{path}/versions/{version}", paths.TYPES_API, io.BytesIO(archive), length=len(archive),
                        train="stable",
                    )  # fmt: skip
        arm.wait(promise, target=cluster)
    finally:
        session.close()
