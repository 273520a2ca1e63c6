"""A whole agent on a real cluster, with a double of the link in place of the control plane."""

import asyncio
import contextlib
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e.charts_made_here import HELLO, described, pack
from extensa.agent.charts import Charts
from extensa.agent.clusters import Clusters
from extensa.agent.loop import Agent
from extensa.agent.memory import FileMemory
from extensa.agent.reconcile import Tools
from extensa.base import processes
from extensa.base.clock import utc_now
from extensa.helm.driver import CliDriver, Driver
from extensa.helm.engine import EngineDriver
from extensa.link.extension import DesiredExtension, FailurePolicy, ObservedExtension, OnFailure, Phase, Presence
from extensa.link.sealing import Sealed, public_key, seal
from unit.agent.fake_link import FakeLink

CLUSTER = "00000000-0000-4000-8000-0000000000c1"
STAY = FailurePolicy(on_failure=OnFailure.STAY)


@dataclass
class World:
    """A running agent and the means to want things of it and see what comes."""

    link: FakeLink
    folder: Path
    kubeconfig: Path
    helm: Path
    kubectl: Path
    parallel: int = 4
    wrap: Callable[[Driver], Driver] = field(default=lambda driver: driver)
    engine: Path | None = None
    suffix: str = ""
    key: str = ""
    driver: Driver | None = None
    agent: Agent | None = None
    memory: FileMemory | None = None
    task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the agent in its folder."""
        self.memory = FileMemory(self.folder / "agent")
        self.key = await self.memory.private_key()
        home = self.folder / "agent" / "helm"
        self.driver = CliDriver(self.helm, home) if self.engine is None else EngineDriver(self.engine, home)
        tools = Tools(
            driver=self.wrap(self.driver),
            clusters=Clusters(self.kubeconfig_of, self.folder / "agent" / "kube"),
            charts=Charts(self.link, self.memory),
            memory=self.memory,
            slots=asyncio.Semaphore(self.parallel),
            clock=utc_now,
        )
        self.agent = Agent(self.link, tools, private_key=self.key)
        self.task = asyncio.create_task(self.agent.run())

    async def stop(self) -> None:
        """Stop it as SIGTERM would."""
        assert self.task is not None
        assert self.memory is not None
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        if isinstance(self.driver, EngineDriver):
            await self.driver.close()
        self.memory.close()

    def kubeconfig_of(self, uid: str) -> Path:
        """Where the host would write a cluster's kubeconfig."""
        return self.folder / "clusters" / uid / "agent.kubeconfig"

    def add_cluster(self, uid: str = CLUSTER) -> None:
        """Bring the cluster within reach under this uid."""
        self.kubeconfig_of(uid).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.kubeconfig, self.kubeconfig_of(uid))

    def desired(
        self,
        name: str,
        *,
        archive: bytes | None = None,
        chart: str = "hello",
        generation: int = 1,
        settings: dict[str, str] | None = None,
        secrets: dict[str, str] | None = None,
        present: bool = True,
        uid: str = "",
        timeout: int = 60,
        namespace: str = "",
        namespace_scoped: bool = False,
        cluster: str = CLUSTER,
        **more: Any,
    ) -> DesiredExtension:
        """Return a desired document, with ``more`` of its fields; its chart becomes known to the link."""
        archive = archive if archive is not None else pack("hello", HELLO)
        found = described(archive, chart)
        self.link.charts[found.digest] = archive
        name += self.suffix
        uid = uid or str(uuid.uuid5(uuid.NAMESPACE_OID, name))
        return DesiredExtension(
            uid=uid,
            generation=generation,
            resource_id=f"/subscriptions/s/resourceGroups/g/providers/X/managedClusters/c/extensions/{name}",
            cluster_uid=cluster,
            presence=Presence.PRESENT if present else Presence.ABSENT,
            release=name,
            namespace=namespace or f"ns-{name}",
            create_namespace=True,
            extension_type="extensa.hello",
            extension_version="1.0.0",
            chart=found,
            settings=settings or {},
            protected=self.sealed(secrets, uid) if secrets else None,
            injected={"platform": {"cluster": "c"}},
            correlation_id=str(uuid.uuid4()),
            operation_id=str(uuid.uuid4()),
            namespace_scoped=namespace_scoped,
            timeout=timeout,
            **more,
        )

    def sealed(self, secrets: dict[str, str], uid: str) -> Sealed:
        """Seal protected settings as the control plane does."""
        return seal(json.dumps(secrets).encode(), recipient=public_key(self.key), purpose=uid)

    async def outcome(self, desired: DesiredExtension, *phases: Phase, within: float = 90) -> ObservedExtension:
        """Wait for the last word on this generation."""
        wanted = phases or (Phase.READY, Phase.FAILED, Phase.GONE)
        return await self.link.until(
            lambda: next((o for o in reversed(self.words(desired)) if o.phase in wanted), None), within=within
        )

    def words(self, desired: DesiredExtension) -> list[ObservedExtension]:
        """Everything said of this generation."""
        return [o for _, o in self.link.reports if o.uid == desired.uid and o.generation == desired.generation]

    async def run_helm(self, *arguments: str, stdin: str = "", ok: bool = True) -> str:
        """Run helm by hand."""
        return await self._run(self.helm, *arguments, stdin=stdin, ok=ok)

    async def run_kubectl(self, *arguments: str, stdin: str = "", ok: bool = True) -> str:
        """Run kubectl."""
        return await self._run(self.kubectl, *arguments, stdin=stdin, ok=ok)

    async def get(self, *arguments: str) -> Any:
        """Return what kubectl get says."""
        return json.loads(await self.run_kubectl("get", *arguments, "-o", "json"))

    async def history(self, desired: DesiredExtension) -> list[dict[str, Any]]:
        """Helm's history of the release."""
        found: list[dict[str, Any]] = json.loads(
            await self.run_helm("history", desired.release, "-n", desired.namespace, "-o", "json", ok=False) or "[]"
        )
        return found

    async def _run(self, program: Path, *arguments: str, stdin: str, ok: bool) -> str:
        argv = [str(program), *arguments, f"--kubeconfig={self.kubeconfig}"]
        done = await processes.run(
            argv, stdin=stdin.encode(), timeout=120, env={"HOME": str(self.folder), "PATH": "/usr/bin"}
        )
        assert not ok or done.code == 0, done.stderr.decode()
        return done.stdout.decode() if done.code == 0 else ""


@asynccontextmanager
async def world(
    folder: Path,
    kubeconfig: Path,
    helm: Path,
    kubectl: Path,
    *,
    parallel: int = 4,
    wrap: Callable[[Driver], Driver] = lambda driver: driver,
    engine: Path | None = None,
    suffix: str = "",
) -> AsyncIterator[World]:
    """Run an agent for the length of a block, with an engine if one is given."""
    made = World(FakeLink(), folder, kubeconfig, helm, kubectl, parallel, wrap, engine, suffix)
    made.add_cluster()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
