"""The whole control plane in process, over a real database and HTTP, with a host and an agent played by the test."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec

from extensa.base.home import Home
from extensa.base.tasks import TaskGroup
from extensa.entry.server import House, Plan, assemble
from extensa.link import sealing
from extensa.link.cluster import ClusterFeed, ClusterPhase, ClusterReports, HostStatus, ObservedCluster
from extensa.link.extension import ExtensionFeed, ExtensionReports, ObservedExtension, Phase
from extensa.link.question import Answer, Question, QuestionFeed
from extensa.store.sqlite import open_store

BASE = "https://extensa.test:9443"
TYPES = "2026-05-01"


@dataclass
class Time:
    """A clock that moves when it is told to."""

    now: datetime = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **amount: float) -> None:
        """Let time pass."""
        self.now += timedelta(**amount)


@dataclass
class ControlPlane:
    """One running control plane, and who speaks to it."""

    home: Home
    house: House
    http: httpx2.AsyncClient
    time: Time
    agent_key: str = field(default_factory=sealing.new_private_key)
    owner: dict[str, str] = field(default_factory=dict)

    @property
    def subscription(self) -> str:
        return f"/subscriptions/{self.house.identity.subscription_id}"

    @property
    def group(self) -> str:
        return f"{self.subscription}/resourceGroups/demo"

    @property
    def cluster(self) -> str:
        return f"{self.group}/providers/Microsoft.ContainerService/managedClusters/c1"

    @property
    def extension(self) -> str:
        return f"{self.cluster}/providers/Microsoft.KubernetesConfiguration/extensions/hello"

    @property
    def type(self) -> str:
        return f"{self.subscription}/providers/Microsoft.KubernetesConfiguration/extensionTypes/extensa.hello"

    async def sign_in(self, client_id: str | None = None, secret: str | None = None) -> dict[str, str]:
        """Return the headers of a caller, by default the owner's, who signs in as MSAL does."""
        credential = msgspec.json.decode(self.home.owner_credential.read_bytes())
        form = {
            "client_id": client_id or credential["clientId"],
            "client_secret": secret or credential["clientSecret"],
            "grant_type": "client_credentials",
            "scope": f"{BASE}/.default",
        }
        answer = await self.http.post(f"/{credential['tenantId']}/oauth2/v2.0/token", data=form)
        assert 200 == answer.status_code, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def ask(
        self, method: str, path: str, version: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send a request as the owner, or as whoever ``headers`` speak for."""
        if not self.owner:
            self.owner = await self.sign_in()
        query = "&" if "?" in path else "?"
        return await self.http.request(
            method, f"{path}{query}api-version={version}", json=body, headers=headers or self.owner
        )

    async def with_cluster(self) -> str:
        """Make group and cluster, let the host report it running, and return its uid."""
        assert 201 == (await self.ask("PUT", self.group, "2024-11-01", {"location": "westeurope"})).status_code
        assert 201 == (await self.ask("PUT", self.cluster, "2026-06-01", aks_body())).status_code
        feed = await self.host_feed()
        desired = feed.desired[-1]
        await self.host_reports(
            ObservedCluster(
                uid=desired.uid,
                generation=desired.generation,
                phase=ClusterPhase.RUNNING,
                observed_at=self.time.now,
                kubernetes_version="1.37.1",
                admin_kubeconfig=sealing.seal(b"admin kubeconfig", recipient=feed.server_key, purpose=desired.uid),
                user_kubeconfig=sealing.seal(b"user kubeconfig", recipient=feed.server_key, purpose=desired.uid),
            )
        )
        return desired.uid

    async def with_type(self, archive: bytes) -> None:
        """Publish version 1.0.0 of ``extensa.hello``."""
        facts = {"properties": {"description": "says hello", "publisher": "Extensa"}}
        assert 201 == (await self.ask("PUT", self.type, TYPES, facts)).status_code
        answer = await self.http.put(
            f"{self.type}/versions/1.0.0?api-version={TYPES}&train=stable",
            content=archive,
            headers={**self.owner, "Content-Type": "application/gzip"},
        )
        assert 201 == answer.status_code, answer.text

    async def host_feed(self, *, after: int = 0) -> ClusterFeed:
        """Ask as the host."""
        answer = await self.http.get(f"/link/v1/clusters?after={after}", headers=self._link("host"))
        return msgspec.json.decode(answer.content, type=ClusterFeed)

    async def host_reports(self, seen: ObservedCluster) -> None:
        """Report as the host."""
        reports = ClusterReports(host=HostStatus(kubernetes_versions=["1.37.1"]), observed=[seen])
        content = msgspec.json.encode(reports)
        answer = await self.http.post("/link/v1/clusters", content=content, headers=self._link("host"))
        assert 204 == answer.status_code, answer.text

    async def agent_feed(self, *, after: int = 0, wait: int = 0) -> ExtensionFeed:
        """Ask as the agent."""
        headers = {**self._link("agent"), "Extensa-Agent-Key": sealing.public_key(self.agent_key)}
        answer = await self.http.get(f"/link/v1/extensions?after={after}&wait={wait}", headers=headers)
        assert 200 == answer.status_code, answer.text
        return msgspec.json.decode(answer.content, type=ExtensionFeed)

    async def agent_reports(self, uid: str, generation: int, phase: Phase, **more: Any) -> None:
        """Report as the agent."""
        seen = ObservedExtension(
            uid=uid, generation=generation, phase=phase, observed_at=self.time.now, statuses=[], **more
        )
        content = msgspec.json.encode(ExtensionReports(observed=[seen]))
        answer = await self.http.post("/link/v1/extensions", content=content, headers=self._link("agent"))
        assert 204 == answer.status_code, answer.text

    async def agent_answers(self, body: Any) -> Question:
        """Wait as the agent for a question, answer it, and return it."""
        answer = await self.http.get("/link/v1/questions?after=0&wait=5", headers=self._link("agent"))
        question = msgspec.json.decode(answer.content, type=QuestionFeed).questions[0]
        content = msgspec.json.encode(Answer(id=question.id, body=body))
        answer = await self.http.post("/link/v1/answers", content=content, headers=self._link("agent"))
        assert 204 == answer.status_code, answer.text
        return question

    @asynccontextmanager
    async def sweeping(self) -> AsyncIterator[None]:
        """Have done now and then what a server does now and then."""
        tasks = TaskGroup()
        for sweep in self.house.sweeps:
            tasks.start(sweep.run(), name="sweep")
        try:
            yield
        finally:
            await tasks.close()

    def _link(self, kind: str) -> dict[str, str]:
        file = msgspec.json.decode(self.home.link_credential(kind).read_bytes())
        return {"Authorization": f"Bearer {file['name']}.{file['secret']}"}


@asynccontextmanager
async def running(folder: Path, time: Time) -> AsyncIterator[ControlPlane]:
    """A control plane over the data folder ``folder``; started again on the same one, it knows everything it knew."""
    plan = Plan(Home(folder), BASE, "127.0.0.1", 9443, False, 600)
    store = await open_store(plan.home.database, clock=time)
    try:
        house = await assemble(store, plan, clock=time)
        transport = httpx2.ASGITransport(house.front.app)
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
            yield ControlPlane(plan.home, house, http, time)
    finally:
        await store.close()


def aks_body() -> dict[str, Any]:
    """What ``az aks create`` sends, shortened: empty text means the server's default."""
    pool = {"name": "nodepool1", "count": 1, "vmSize": "", "mode": "System", "osType": "Linux"}
    properties = {"kubernetesVersion": "", "dnsPrefix": "c1-demo", "agentPoolProfiles": [pool], "addonProfiles": {}}
    return {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": properties}


def extension_body(**settings: str) -> dict[str, Any]:
    """What ``az k8s-extension create`` sends."""
    return {
        "properties": {
            "extensionType": "extensa.hello",
            "autoUpgradeMinorVersion": True,
            "configurationSettings": settings,
            "configurationProtectedSettings": {"token": "hush"},
        }
    }


def unsealed(control_plane: ControlPlane, box: sealing.Sealed | None, uid: str) -> Any:
    """What the agent finds in a sealed box."""
    assert box is not None
    return msgspec.json.decode(sealing.unseal(box, private=control_plane.agent_key, purpose=uid))
