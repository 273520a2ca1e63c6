"""A whole agent on a real cluster, with a double of the link in place of the control plane."""

import asyncio
import contextlib
import itertools
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from e2e.charts_made_here import HELLO, described, pack
from extensa.agent.charts import Charts
from extensa.agent.clusters import Clusters
from extensa.agent.control import LONGEST_POLL, LinkError
from extensa.agent.loop import Agent
from extensa.agent.memory import FileMemory
from extensa.agent.reconcile import Tools
from extensa.base import processes
from extensa.base.clock import utc_now
from extensa.helm.driver import CliDriver, Driver
from extensa.link.extension import (
    DesiredExtension,
    ExtensionFeed,
    ExtensionReports,
    ObservedExtension,
    Phase,
    Presence,
)
from extensa.link.question import Answer, Question, QuestionFeed
from extensa.link.sealing import Sealed, public_key, seal

T = TypeVar("T")

CLUSTER = "00000000-0000-4000-8000-0000000000c1"


class FakeLink:
    """The control plane's side of the link, in memory: feeds with cursors, reports, charts."""

    def __init__(self) -> None:
        self.charts: dict[str, bytes] = {}
        self.current: dict[str, tuple[int, DesiredExtension]] = {}
        self.questions: list[Question] = []
        self.answers: dict[str, Answer] = {}
        self.reports: list[tuple[float, ObservedExtension]] = []
        self.down = False
        self.chart_requests = 0
        self._sequence = itertools.count(1)
        self._changed = asyncio.Event()

    def want(self, desired: DesiredExtension) -> None:
        """Have this told to the agent."""
        self.current[desired.resource_id.lower()] = (next(self._sequence), desired)
        self._stir()

    def ask(self, question: Question) -> None:
        """Ask the agent."""
        self.questions.append(question)
        self._stir()

    async def feed(
        self, path: str, type: type[T], *, after: int, wait: int = LONGEST_POLL, headers: dict[str, str] | None = None
    ) -> T:
        deadline = time.monotonic() + wait
        while True:
            self._check()
            answer = self._extensions(after) if path.endswith("extensions") else self._asked(after)
            if answer is not None or time.monotonic() >= deadline:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
        if answer is None:
            answer = (
                ExtensionFeed(cursor=after, desired=[])
                if type is ExtensionFeed
                else QuestionFeed(cursor=after, questions=[])
            )
        assert isinstance(answer, type)
        return answer

    async def report(self, path: str, struct: Struct) -> None:
        self._check()
        if isinstance(struct, ExtensionReports):
            self.reports += [(time.monotonic(), observed) for observed in struct.observed]
        elif isinstance(struct, Answer):
            self.answers[struct.id] = struct
        self._stir()

    async def chart(self, digest: str) -> bytes:
        self._check()
        self.chart_requests += 1
        if digest not in self.charts:
            raise LinkError("NotFound", "no such chart", http=404, transient=False)
        return self.charts[digest]

    async def until(self, found: Callable[[], T | None], *, within: float = 60) -> T:
        """Return what ``found`` finds, tried after every change."""
        deadline = time.monotonic() + within
        while (value := found()) is None:
            left = deadline - time.monotonic()
            assert left > 0, f"waited {within} s; last words: {[r.statuses or r.phase for _, r in self.reports[-3:]]}"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, 1.0)):
                    await self._changed.wait()
        return value

    def _extensions(self, after: int) -> ExtensionFeed | None:
        found = sorted((entry for entry in self.current.values() if entry[0] > after), key=lambda entry: entry[0])
        return ExtensionFeed(cursor=found[-1][0], desired=[desired for _, desired in found]) if found else None

    def _asked(self, after: int) -> QuestionFeed | None:
        found = self.questions[after:]
        return QuestionFeed(cursor=len(self.questions), questions=found) if found else None

    def _stir(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _check(self) -> None:
        if self.down:
            raise LinkError("LinkUnreachable", "the line is down")


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
    key: str = ""
    agent: Agent | None = None
    memory: FileMemory | None = None
    task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the agent in its folder."""
        self.memory = FileMemory(self.folder / "agent")
        self.key = await self.memory.private_key()
        tools = Tools(
            driver=self.wrap(CliDriver(self.helm, self.folder / "agent" / "helm")),
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
    ) -> DesiredExtension:
        """Return a desired document; its chart becomes known to the link."""
        archive = archive if archive is not None else pack("hello", HELLO)
        found = described(archive, chart)
        self.link.charts[found.digest] = archive
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
) -> AsyncIterator[World]:
    """Run an agent for the length of a block."""
    made = World(FakeLink(), folder, kubeconfig, helm, kubectl, parallel, wrap)
    made.add_cluster()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
