"""Looking at an installation from outside: Helm's records and live objects through the cluster's own API, processes
and locks through the kernel, operations through the front. `check` holds all of it against the invariants.
"""

import asyncio
import base64
import contextlib
from collections.abc import Sequence

from chaos import invariants
from chaos.api import Api
from chaos.driver import Driver
from chaos.history import History
from chaos.installation import NAMES, Installation
from chaos.invariants import Release
from extensa.agent.kube import KubeClient
from extensa.agent.kubeconfig import read_kubeconfig
from extensa.helm.errors import ClusterError
from extensa.helm.release import ObjectRef, Revision, decode, read_revision


class Eyes:
    """What can be seen of the cluster; every revision that took effect is kept, for history is cut and removed."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._kube: KubeClient | None = None
        self.effective: dict[str, dict[tuple[str, int], Revision]] = {}

    async def close(self) -> None:
        if self._kube is not None:
            await self._kube.close()

    def kube(self) -> KubeClient:
        """The cluster's API as its administrator."""
        if self._kube is None:
            (folder,) = (each for each in self._installation.home.clusters.iterdir() if not each.name.startswith("."))
            file = folder / "admin.kubeconfig"
            self._kube = KubeClient(read_kubeconfig(file.read_text(encoding="utf-8"), folder))
        return self._kube

    async def watch(self) -> None:
        """Note every revision that comes by, until cancelled."""
        while True:
            with contextlib.suppress(ClusterError):
                await self.note_revisions()
            await asyncio.sleep(1.0)

    async def note_revisions(self) -> None:
        """Note what Helm's records say now; raises `ClusterError`."""
        for secret in await self.kube().list("v1", "Secret", "", labels="owner=helm", bare=True):
            metadata = secret["metadata"]
            revision, key = read_revision(metadata), str(metadata.get("uid"))
            if revision is None or revision.status not in ("deployed", "superseded"):
                continue
            mine = self.effective.setdefault(revision.labels.get("name", ""), {})
            if (key, revision.version) not in mine and await self._took_effect(metadata["namespace"], revision):
                mine[key, revision.version] = revision

    async def _took_effect(self, namespace: str, revision: Revision) -> bool:
        """Whether it was ever deployed: Helm calls a failed revision superseded, too, once another has taken over."""
        if revision.status == "deployed":
            return True
        found = await self.kube().get(ObjectRef("v1", "Secret", namespace, revision.secret))
        return found is not None and " failed: " not in decode(found["data"]["release"]).description

    async def release(self, name: str, namespace: str) -> Release:
        """Return what there is of a release; raises `ClusterError`."""
        kube = self.kube()
        labels = f"owner=helm,name={name}"
        secrets = await kube.list("v1", "Secret", namespace, labels=labels, bare=True)
        revisions = [found for each in secrets if (found := read_revision(each["metadata"])) is not None]
        settings = await kube.get(ObjectRef("v1", "ConfigMap", namespace, f"{name}-settings"))
        secret = await kube.get(ObjectRef("v1", "Secret", namespace, f"{name}-secret"))
        return Release(
            sorted(revisions, key=lambda each: each.version),
            None if settings is None else dict(settings["data"]),
            None if secret is None else base64.b64decode(secret["data"]["secret"]).decode(),
        )


async def check(
    installation: Installation, api: Api, eyes: Eyes, drivers: Sequence[Driver], history: History, *, within: float
) -> None:
    """Wait until everything is at rest, then hold what is seen against every invariant."""
    for name in NAMES:
        await installation.serving(name)
    states = await asyncio.gather(*(_at_rest(driver, within) for driver in drivers))
    for driver, state in zip(drivers, states, strict=True):
        release = await _release(eyes, driver)
        _report(history, invariants.NO_WRITE_LOST, invariants.write_kept(driver.name, driver.wish, await driver.seen()))
        _report(history, invariants.AS_DESIRED, invariants.as_desired(driver.name, driver.wish, state, release))
        _report(history, invariants.NO_LOCK, invariants.no_lock(driver.name, release.revisions))
        seen = eyes.effective.get(driver.name, {}).values()
        _report(history, invariants.ONE_ACT, invariants.one_act(driver.name, seen))
        _report(history, invariants.ALL_ENDED, await _running_operations(api, driver))
    _report(history, invariants.NO_ORPHAN, await _strays(installation))
    _report(history, invariants.NO_LOCK, installation.locks())
    history.note("checked", states=dict(zip([d.name for d in drivers], states, strict=True)))


async def _at_rest(driver: Driver, within: float) -> str:
    await driver.free()
    return await driver.settled(within=within)


async def _release(eyes: Eyes, driver: Driver) -> Release:
    async with asyncio.timeout(90):
        while True:
            try:
                await eyes.note_revisions()
                return await eyes.release(driver.name, driver.namespace)
            except ClusterError:
                await asyncio.sleep(0.3)


async def _running_operations(api: Api, driver: Driver) -> list[str]:
    found, driver.operations = [], driver.operations[-40:]
    for operation in driver.operations:
        answer = await api.read(f"{operation}", within=60)
        status = (answer.body or {}).get("status")
        if answer.status != 200 or status not in ("Succeeded", "Failed", "Canceled"):
            found.append(f"{driver.name}: {operation.rpartition('/')[2]} is {answer.status} {status}")
    driver.operations.clear()
    return found


async def _strays(installation: Installation) -> list[str]:
    """What is still there after a moment: a process that has just been killed takes its children with it."""
    for _ in range(30):
        if not (found := installation.strays()):
            return []
        await asyncio.sleep(0.1)
    return found


def _report(history: History, invariant: str, complaints: Sequence[str]) -> None:
    for words in complaints:
        history.violation(invariant, words)
