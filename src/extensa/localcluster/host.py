"""The host: reads which clusters are desired, has a keeper for each, and reports what they see.

Reading, keeping and reporting are three loops that do not wait for each other: a control plane that does not answer
leaves every cluster running, and a cluster that does not start leaves the others alone. A host that is started again
begins with what it kept on disk and needs nobody's word for it.
"""

import asyncio
import hashlib
import shutil

import msgspec

from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.errors import ExtensaError
from extensa.base.home import Home
from extensa.base.log import get_logger
from extensa.base.tasks import TaskGroup
from extensa.link.cluster import (
    ClusterFeed,
    ClusterPhase,
    ClusterReports,
    DesiredCluster,
    HostStatus,
    ObservedCluster,
    Power,
)
from extensa.link.sealing import Sealed, seal
from extensa.localcluster.keeper import FindBinaries, Keeper, kept_desired
from extensa.localcluster.layout import Layout
from extensa.localcluster.model import Profile
from extensa.localcluster.port import ControlPlane

_log = get_logger("localcluster")

_HOLD = 30
_HEARTBEAT = 20.0
_GATHER = 0.05
_LONGEST_PAUSE = 10.0


class Host:
    """Runs the local clusters of one control plane; ``versions`` are the Kubernetes versions it can provide.

    One process per data folder: two of them would start every cluster twice (``entry`` sees to that).
    """

    def __init__(
        self,
        home: Home,
        control: ControlPlane,
        find_binaries: FindBinaries,
        *,
        versions: list[str],
        clock: Clock,
        profile: Profile = Profile.FULL,
        heartbeat: float = _HEARTBEAT,
    ) -> None:
        self._home = home
        self._control = control
        self._find_binaries = find_binaries
        self._versions = versions
        self._clock = clock
        self._profile = profile
        self._heartbeat = heartbeat
        self._keepers: dict[str, Keeper] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._latest: dict[str, ObservedCluster] = {}
        self._unsent: set[str] = set()
        self._news = asyncio.Event()
        self._server_key = ""
        self._sealed: dict[tuple[str, str], tuple[str, Sealed]] = {}
        self._tasks = TaskGroup()

    async def run(self) -> None:
        """Keep clusters until cancelled, then end all their processes; their data stays."""
        try:
            self._resume()
            await asyncio.gather(self._read(), self._send())
        finally:
            await self._close()

    def _resume(self) -> None:
        """Take up what an earlier host kept: clusters go on, half-removed folders go."""
        folder = self._home.clusters
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in sorted(folder.iterdir()):
            if each.name.endswith(".removed"):
                shutil.rmtree(each, ignore_errors=True)
            elif (desired := kept_desired(each)) is not None and desired.uid == each.name:
                self._keep(desired)

    async def _read(self) -> None:
        """Follow the feed; after any trouble read everything afresh, so that nothing missed stays missed."""
        cursor, fresh, failures = 0, True, 0
        while True:
            try:
                feed = await self._control.clusters(after=cursor, wait=0 if fresh else _HOLD)
            except ExtensaError as error:
                cursor, fresh, failures = 0, True, failures + 1
                pause = min(0.5 * 2 ** min(failures, 6), _LONGEST_PAUSE)
                _log.warning("the control plane does not answer", error=error.message, again_in=pause)
                await asyncio.sleep(pause)
                continue
            await self._take(feed, everything=fresh)
            cursor, fresh, failures = feed.cursor, False, 0

    async def _take(self, feed: ClusterFeed, *, everything: bool) -> None:
        if feed.server_key != self._server_key:
            self._server_key = feed.server_key
            self._unsent.update(self._latest)
            self._news.set()
        for desired in feed.desired:
            self._keep(desired)
        if everything:
            named = {desired.uid for desired in feed.desired}
            for uid in [uid for uid in self._keepers if uid not in named]:
                _log.warning("a cluster is not known to the control plane: stopped, its data is kept", cluster=uid)
                await self._drop(uid)

    def _keep(self, desired: DesiredCluster) -> None:
        known = self._keepers.get(desired.uid)
        if known is not None:
            known.update(desired)
            self._unsent.add(desired.uid)
            return
        keeper = Keeper(
            desired,
            self._home.clusters / desired.uid,
            find_binaries=self._find_binaries,
            report=self._note,
            clock=self._clock,
            profile=self._profile,
        )
        self._keepers[desired.uid] = keeper
        self._running[desired.uid] = self._tasks.start(keeper.run(), name=f"cluster {desired.uid}")

    async def _drop(self, uid: str) -> None:
        """Stop keeping a cluster and end its processes; its folder stays."""
        keeper = self._keepers.pop(uid)
        task = self._running.pop(uid)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await keeper.close()
        self._latest.pop(uid, None)

    def _note(self, observed: ObservedCluster) -> None:
        known = self._latest.get(observed.uid)
        self._latest[observed.uid] = observed
        if known is None or msgspec.structs.replace(known, observed_at=observed.observed_at) != observed:
            self._unsent.add(observed.uid)
            self._news.set()
            _log.info("cluster", cluster=observed.uid, phase=observed.phase.value, progress=observed.progress)

    async def _send(self) -> None:
        """Report whatever is new, and everything now and then, for that is also the host's sign of life."""
        failures = 0
        self._news.set()
        while True:
            try:
                async with asyncio.timeout(self._heartbeat):  # wait_for would swallow a cancel that comes with news
                    await self._news.wait()
                await asyncio.sleep(_GATHER)
            except TimeoutError:
                self._unsent.update(self._latest)
            self._news.clear()
            sending = [self._latest[uid] for uid in sorted(self._unsent) if uid in self._latest]
            self._unsent.clear()
            reports = ClusterReports(
                host=HostStatus(kubernetes_versions=self._versions),
                observed=[self._with_kubeconfigs(each) for each in sending],
            )
            try:
                await self._control.report_clusters(reports)
            except ExtensaError as error:
                failures += 1
                self._unsent.update(each.uid for each in sending)
                _log.warning("a report was not taken", error=error.message)
                await asyncio.sleep(min(0.5 * 2 ** min(failures, 6), _LONGEST_PAUSE))
                self._news.set()
                continue
            failures = 0
            reached("host.report-sent")
            await self._forget_gone(sending)

    async def _forget_gone(self, sent: list[ObservedCluster]) -> None:
        """Let go of clusters whose end the control plane has kept, unless something newer is asked of them."""
        for observed in sent:
            keeper = self._keepers.get(observed.uid)
            if keeper is None or observed.phase is not ClusterPhase.GONE:
                continue
            if keeper.desired.power is Power.ABSENT and keeper.desired.generation == observed.generation:
                await self._drop(observed.uid)

    def _with_kubeconfigs(self, observed: ObservedCluster) -> ObservedCluster:
        if observed.phase is not ClusterPhase.RUNNING or not self._server_key:
            return observed
        return msgspec.structs.replace(
            observed,
            admin_kubeconfig=self._seal(observed.uid, "admin"),
            user_kubeconfig=self._seal(observed.uid, "user"),
        )

    def _seal(self, uid: str, who: str) -> Sealed | None:
        """Return a kubeconfig in a box for the server, the same box as long as key and content are the same."""
        try:
            content = Layout(self._home.clusters / uid).kubeconfig(who).read_bytes()
        except OSError:
            return None
        mark = hashlib.sha256(content).hexdigest() + self._server_key
        known = self._sealed.get((uid, who))
        if known is None or known[0] != mark:
            known = (mark, seal(content, recipient=self._server_key, purpose=uid))
            self._sealed[uid, who] = known
        return known[1]

    async def _close(self) -> None:
        await self._tasks.close()
        await asyncio.gather(*(keeper.close() for keeper in self._keepers.values()), return_exceptions=True)
