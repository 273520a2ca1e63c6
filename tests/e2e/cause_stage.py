"""A stage on which every cause of a failure is played for real: one cluster that calls webhooks, one agent.

A play is a test: it brings about one failure, looks at what the agent says of it, and leaves. Plays spend most of their
time waiting for deadlines, so all that were selected run side by side on a loop of their own; each test takes its own
play's end. The stage has a cluster to itself, for it breaks things that others need.
"""

import asyncio
import json
import stat
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import yaml

from e2e.agent_world import World, world
from e2e.real_cluster import LoopThread, RealCluster, bring_up, open_cluster, spec
from e2e.webhook_server import Webhooks, serve_webhooks
from extensa.agent.kube import KubeClient
from extensa.agent.kubeconfig import Access, read_kubeconfig
from extensa.helm.causes import TABLE
from extensa.helm.driver import Driver
from extensa.link.evidence import Cause
from extensa.link.extension import DesiredExtension, Failure, Phase, Presence
from extensa.localcluster.model import Binaries

AT_ONCE = 14
"""Plays that are on the stage at a time."""
_UID = "00000000-0000-4000-8000-0000000000ca"
_WRAPPER = """#!/bin/bash
# The API server as every local cluster runs it, but one that calls admission webhooks.
kept=()
for each; do case "$each" in --disable-admission-plugins=*) ;; *) kept+=("$each") ;; esac; done
exec -a {name} {program} "${{kept[@]}}"
"""

Play = Callable[["Stage"], Coroutine[Any, Any, None]]
Test = Callable[["Stage"], None]
_NOW: ContextVar[Play] = ContextVar("play")


def produces(*codes: str) -> Callable[[Play], Test]:
    """Make a play a test that brings about these causes; it must see every one of them told."""

    def make(play: Play) -> Test:
        def test(stage: "Stage") -> None:
            stage.end_of(play)

        test.__name__ = test.__qualname__ = play.__name__
        test.__module__, test.__doc__ = play.__module__, play.__doc__
        test.play, test.codes = play, codes  # type: ignore[attr-defined]
        return test

    return make


class Api:
    """The stage's cluster, as its administrator speaks to it."""

    def __init__(self, access: Access) -> None:
        self._http = httpx2.AsyncClient(
            base_url=access.server, verify=access.tls, headers=access.headers, timeout=30, trust_env=False
        )
        self._kube = KubeClient(access)

    async def close(self) -> None:
        """End every connection."""
        await self._kube.close()
        await self._http.aclose()

    async def ask(self, method: str, path: str, body: Any = None, *, kind: str = "json") -> httpx2.Response:
        """Return the answer, whatever it is; ``kind`` is the form of a patch."""
        form = "application/json" if method != "PATCH" else f"application/{kind}+json"
        content = json.dumps(body) if body is not None else None
        return await self._http.request(method, path, content=content, headers={"content-type": form})

    async def apply(self, manifests: str, *, namespace: str = "") -> None:
        """Make what a YAML text says."""
        for manifest in yaml.safe_load_all(manifests):
            if namespace:
                manifest["metadata"].setdefault("namespace", namespace)
            await self._kube.apply(manifest)

    async def get(self, path: str) -> Any:
        """Return an object or a list, None when there is none."""
        answer = await self.ask("GET", path)
        assert answer.status_code in (200, 404), answer.text
        return answer.json() if answer.status_code == 200 else None

    async def patch(self, path: str, body: Any, *, manager: str = "stage") -> Any:
        """Merge ``body`` into an object, or with a path that ends in ``/status`` into what is told of it."""
        answer = await self.ask("PATCH", f"{path}?fieldManager={manager}", body, kind="merge-patch")
        assert 200 == answer.status_code, answer.text
        return answer.json()

    async def delete(self, path: str) -> None:
        """Delete an object; it need not be there."""
        answer = await self.ask("DELETE", path)
        assert answer.status_code in (200, 202, 404), answer.text

    async def namespace(self, name: str, labels: dict[str, str] | None = None) -> str:
        """Make a namespace."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}
        answer = await self.ask("POST", "/api/v1/namespaces", body)
        assert 201 == answer.status_code, answer.text
        return name

    async def until(self, path: str, wanted: Callable[[Any], Any], *, within: float = 30) -> Any:
        """Return the first thing found at ``path`` that is wanted."""
        async with asyncio.timeout(within):
            while not wanted(found := await self.get(path)):
                await asyncio.sleep(0.1)
        return found

    async def until_refused(self, path: str, manifest: str, *, within: float = 30) -> None:
        """Return when the API refuses this object: what forbids it takes a moment to be in force."""
        body = yaml.safe_load(manifest)
        async with asyncio.timeout(within):
            while (await self.ask("POST", f"{path}?dryRun=All", body)).status_code < 400:
                await asyncio.sleep(0.1)


@dataclass
class Stage:
    """The cluster, the agent and the programs; `end_of` is for tests, everything else for plays."""

    cluster: RealCluster
    folder: Path
    api: Api
    world: World
    webhooks: Webhooks
    futures: dict[Play, "Future[None]"] = field(default_factory=dict)
    proved: dict[str, set[str]] = field(default_factory=dict)

    def end_of(self, play: Play) -> None:
        """Wait until the play has ended; raises what it raised."""
        self.futures[play].result(240)

    async def perform(self, play: Play, codes: tuple[str, ...], gate: asyncio.Semaphore) -> None:
        """Have it played, and see that it showed what it promised."""
        _NOW.set(play)
        async with gate, asyncio.timeout(150):
            await play(self)
        assert set(codes) == self.proved.get(play.__name__, set()), f"{play.__name__} has shown something else"

    @property
    def name(self) -> str:
        """The play's own name, as Kubernetes would have it: every play has extension, release and namespace by it."""
        return _NOW.get().__name__.removeprefix("test_").replace("_", "-")

    def wanted(self, archive: bytes, **more: Any) -> DesiredExtension:
        """Return what the play's extension should be; it has ten seconds unless told otherwise."""
        return self.world.desired(more.pop("name", self.name), archive=archive, **{"timeout": 10, **more})

    async def fails(
        self,
        wanted: DesiredExtension,
        code: str,
        target: str,
        *says: str,
        of: World | None = None,
        leaves: bool = True,
    ) -> Failure:
        """Want this, and see it fail by this cause with this object at fault, say every one of ``says``, and not stick.

        With ``leaves`` the extension is removed then, which must work.
        """
        agent = of or self.world
        agent.link.want(wanted)
        seen = await agent.outcome(wanted, Phase.FAILED, Phase.READY)
        failure = seen.failure
        assert failure is not None, f"{self.name} did not fail"
        self.check(failure, code, target, *says)
        if leaves:
            await self.leaves(wanted, of=agent)
        return failure

    def check(self, failure: Failure | Cause, code: str, target: str, *says: str) -> None:
        """See that a failure has this cause and target, says these words, and what to do."""
        assert (code, target) == (failure.code, failure.target), failure
        assert [] == [word for word in says if word not in f"{failure.message} {failure.next_step}"], failure
        assert failure.next_step, failure
        assert code in TABLE
        self.proved.setdefault(_NOW.get().__name__, set()).add(code)

    async def leaves(self, wanted: DesiredExtension, *, of: World | None = None, within: float = 60) -> None:
        """See that the release is no longer at work, and goes when it should."""
        agent = of or self.world
        assert "pending" not in " ".join(await self.statuses(wanted))
        gone = self.next(wanted, presence=Presence.ABSENT, timeout=30)
        agent.link.want(gone)
        last = await agent.outcome(gone, Phase.GONE, Phase.FAILED, within=within)
        assert Phase.GONE is last.phase, last.failure
        assert [] == await self.statuses(wanted)

    async def recovers(self, wanted: DesiredExtension, *, of: World | None = None, **other: Any) -> DesiredExtension:
        """See that the next generation of it succeeds; return that one."""
        agent = of or self.world
        again = self.next(wanted, **other)
        agent.link.want(again)
        last = await agent.outcome(again, Phase.READY, Phase.FAILED)
        assert Phase.READY is last.phase, last.failure
        return again

    def next(self, wanted: DesiredExtension, **other: Any) -> DesiredExtension:
        """Return the generation after this one, other as told."""
        facts = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
        return DesiredExtension(**{**facts, "generation": wanted.generation + 1, **other})

    async def statuses(self, wanted: DesiredExtension) -> list[str]:
        """Return what Helm's records of the release say, oldest first."""
        secrets = f"/api/v1/namespaces/{wanted.namespace}/secrets?labelSelector=owner=helm,name={wanted.release}"
        found = (await self.api.get(secrets))["items"]
        return [each["metadata"]["labels"]["status"] for each in found]

    async def pod(self, wanted: DesiredExtension, *, within: float = 30) -> str:
        """Return the path of the extension's first Pod, once it is there."""
        pods = f"/api/v1/namespaces/{wanted.namespace}/pods"
        found = await self.api.until(pods, lambda seen: seen["items"], within=within)
        return f"{pods}/{found['items'][0]['metadata']['name']}"

    @asynccontextmanager
    async def another(
        self,
        name: str,
        *,
        kubeconfig: str = "",
        helm: Path | None = None,
        folder: Path | None = None,
        wrap: Callable[[Driver], Driver] = lambda driver: driver,
    ) -> AsyncIterator[World]:
        """Have an agent of one's own: by another kubeconfig, with another Helm, in another folder."""
        home = folder or self.folder / name
        home.mkdir(exist_ok=True)
        access = home / "kubeconfig"
        access.write_text(kubeconfig or self.cluster.kubeconfig.read_text())
        access.chmod(stat.S_IRUSR | stat.S_IWUSR)
        async with world(home, access, helm or self.cluster.helm, self.cluster.kubectl, wrap=wrap) as made:
            made.link.charts = self.world.link.charts
            yield made


@asynccontextmanager
async def opened(binaries: Binaries, folder: Path) -> AsyncIterator[Stage]:
    """Set the stage, and take it down."""
    cluster = open_cluster(spec(_UID), folder / "cluster" / _UID)
    try:
        await bring_up(cluster, calling_webhooks(binaries, folder / "programs"))
        kubeconfig = cluster.layout.kubeconfig("admin")
        assert binaries.engine is not None
        programs = (binaries.kubectl, binaries.helm)
        real = RealCluster(kubeconfig, *programs, cluster.url, cluster.layout.folder, _UID, binaries.engine)
        api = Api(read_kubeconfig(kubeconfig.read_text(), kubeconfig.parent))
        (folder / "agent").mkdir()
        async with (
            world(
                folder / "agent", kubeconfig, binaries.helm, binaries.kubectl, parallel=10, engine=binaries.engine
            ) as agent,
            serve_webhooks() as webhooks,
        ):
            await api.apply(STILL)
            yield Stage(real, folder, api, agent, webhooks)
        await api.close()
        await asyncio.sleep(0.2)  # connections end in the loop's own time
    finally:
        await cluster.stop()


STILL = """
apiVersion: v1
kind: Node
metadata: {name: still}
"""
"""A node that nobody plays a kubelet for: a Pod placed there is what a test says it is."""


def calling_webhooks(binaries: Binaries, folder: Path) -> Binaries:
    """Return the same programs with an API server that calls admission webhooks."""
    folder.mkdir()
    for program in binaries.folder.iterdir():
        if program.name != "kube-apiserver":
            (folder / program.name).symlink_to(program)
    wrapper = folder / "kube-apiserver"
    wrapper.write_text(_WRAPPER.format(name=wrapper, program=binaries.program("kube-apiserver")))
    wrapper.chmod(0o700)
    return Binaries(folder, binaries.version, binaries.stages)


class Theatre:
    """The stage with everything that was selected on it, from the first test that asks to the last play's end."""

    def __init__(self, binaries: Binaries, folder: Path, tests: Iterable[Any]) -> None:
        """``tests`` are test functions made by `produces`."""
        self._binaries = binaries
        self._folder = folder
        self._plays = {test.play: test.codes for test in tests}
        self._thread = LoopThread()

    def __enter__(self) -> Stage:
        self._thread.__enter__()
        ready: Future[Stage] = Future()
        self._evening = asyncio.run_coroutine_threadsafe(self._open(ready), self._thread.loop)

        def ended(end: "Future[None]") -> None:
            if not ready.done():
                ready.set_exception(end.exception() or RuntimeError("the stage was never set"))

        self._evening.add_done_callback(ended)
        return ready.result(180)

    def __exit__(self, *exception: object) -> None:
        try:
            self._evening.result(240)
        finally:
            self._thread.__exit__(None, None, None)

    async def _open(self, ready: "Future[Stage]") -> None:
        """Have every play performed and close the house after the last one, whoever may still be looking."""
        async with opened(self._binaries, self._folder) as stage:
            gate = asyncio.Semaphore(AT_ONCE)
            tasks = {play: asyncio.create_task(stage.perform(play, codes, gate)) for play, codes in self._plays.items()}
            for play, task in tasks.items():
                stage.futures[play] = _mirror(task)
            ready.set_result(stage)
            await asyncio.gather(*tasks.values(), return_exceptions=True)


def _mirror(task: "asyncio.Task[None]") -> "Future[None]":
    """Return a future for other threads that ends as the task does."""
    seen: Future[None] = Future()

    def end(done: "asyncio.Task[None]") -> None:
        if done.cancelled():
            seen.set_exception(asyncio.CancelledError())
        elif (error := done.exception()) is not None:
            seen.set_exception(error)
        else:
            seen.set_result(None)

    task.add_done_callback(end)
    return seen
