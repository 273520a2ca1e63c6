"""One cluster's keeper: look, choose one act, do it, look again; tell of every change; never give up.

A failure is reported with its code and tried again after a pause that doubles up to a minute, so that no failure is a
state without an exit. A newer desired document is taken up at the next look. What to do is decided in `plan`.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.home import write_file
from extensa.base.log import correlated, get_logger
from extensa.link.cluster import ClusterFailure, ClusterPhase, DesiredCluster, ObservedCluster, Power
from extensa.localcluster import keys, objects, plan
from extensa.localcluster.cluster import LocalCluster, Sight
from extensa.localcluster.commands import API_SERVER, CONTROLLER_MANAGER
from extensa.localcluster.diagnose import diagnose, timed_out
from extensa.localcluster.errors import ClusterError, LocalClusterError, from_os_error
from extensa.localcluster.model import Binaries, ClusterSpec, Profile
from extensa.localcluster.plan import Act, Facts
from extensa.localcluster.progress import Progress

_log = get_logger("localcluster")

_PACE = {Act.WAIT: 0.1, Act.FILL: 0.1, Act.REST: 15.0}
_KEYS_EVERY = 3600.0
_LONGEST_PAUSE = 60.0
_REFUSALS = 5  # an API server that is being started again may refuse a few times; that is no failure yet

FindBinaries = Callable[[str, Progress], Awaitable[Binaries]]
"""Returns the programs of a Kubernetes version; raises `LocalClusterError`."""


def spec_of(desired: DesiredCluster, profile: Profile) -> ClusterSpec:
    """Return what ``desired`` asks for in this room's words."""
    segments = desired.resource_id.split("/")
    folded = [segment.lower() for segment in segments]
    group = segments[folded.index("resourcegroups") + 1] if "resourcegroups" in folded[:-1] else ""
    return ClusterSpec(
        uid=desired.uid,
        name=desired.name,
        group=group,
        location=desired.location,
        pools=tuple(desired.pools),
        profile=profile,
    )


class Keeper:
    """Keeps one cluster as desired, in ``folder``; ``report`` is called with every observation."""

    def __init__(
        self,
        desired: DesiredCluster,
        folder: Path,
        *,
        find_binaries: FindBinaries,
        report: Callable[[ObservedCluster], None],
        clock: Clock,
        profile: Profile = Profile.FULL,
    ) -> None:
        self._desired = desired
        self._profile = profile
        self._find_binaries = find_binaries
        self._report = report
        self._clock = clock
        self._wake = asyncio.Event()
        self._cluster = LocalCluster(spec_of(desired, profile), folder, clock=clock, changed=self._wake.set)
        self._filled_for = -1
        self._kept_generation = -1
        self._last_ready: float | None = None
        self._keys_seen: float | None = None
        self._failures = 0
        self._failure: ClusterFailure | None = None

    @property
    def desired(self) -> DesiredCluster:
        """The document that is being worked towards."""
        return self._desired

    @property
    def folder(self) -> Path:
        """The cluster's folder."""
        return self._cluster.layout.folder

    def update(self, desired: DesiredCluster) -> None:
        """Take up a newer document; an older one is not a step back and is ignored."""
        if desired.generation > self._desired.generation:
            self._desired = desired
            self._cluster.spec = spec_of(desired, self._profile)
            self._failures, self._failure = 0, None
            self._wake.set()

    async def run(self) -> None:
        """Keep the cluster until cancelled."""
        while True:
            self._wake.clear()
            with correlated(self._desired.correlation_id):
                pause = await self._turn()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):  # wait_for would swallow a cancel that comes with the wake-up
                    await self._wake.wait()

    async def close(self) -> None:
        """End every process of the cluster; its folder stays."""
        await self._cluster.stop()

    async def _turn(self) -> float:
        """Look, choose, tell and act once; return how long to wait before the next look."""
        try:
            facts = await self._look()
            act = plan.next_act(facts)
            self._judge(facts, act)
            self._tell(plan.phase(facts, act), plan.progress(facts, act), facts)
            if self._desired.power is not Power.ABSENT:
                self._keep_desired()
            await self._do(act, facts)
        except OSError as error:
            return self._failed(from_os_error(error, self.folder))
        except LocalClusterError as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001 - a cluster without its keeper would be a state without an exit
            _log.error("an act failed in a way nobody foresaw", cluster=self._desired.uid, exc_info=True)
            return self._failed(ClusterError("HostFailed", f"The host failed: {type(error).__name__}."))
        return _PACE.get(act, 0.0)

    async def _look(self) -> Facts:
        desired, cluster = self._desired, self._cluster
        children = cluster.children
        started = API_SERVER in children
        now = asyncio.get_running_loop().time()
        sight = await cluster.look() if started else Sight()
        if sight.api_ready or not started or self._last_ready is None:
            self._last_ready = now
        trouble = self._trouble()
        return Facts(
            power=desired.power,
            exists=cluster.exists,
            store_started=started,
            controllers_started=CONTROLLER_MANAGER in children,
            api_ready=sight.api_ready,
            controllers_ready=sight.controllers_ready,
            filled=self._filled_for == desired.generation,
            nodes=sight.nodes,
            wanted_nodes=frozenset(objects.node_names(cluster.spec)),
            keys_due=started and self._keys_due(now),
            unready_for=now - self._last_ready,
            failing=trouble.code if trouble else "",
        )

    def _trouble(self) -> ClusterError | None:
        """Return why a component ends again and again, if one does."""
        for name, state in self._cluster.children.items():
            if state.failing:
                printed = self._cluster.layout.log_tail(name)
                free = shutil.disk_usage(self.folder).free
                return diagnose(name, exit_code=state.last_exit, reason=state.reason, printed=printed, free=free)
        return None

    def _keys_due(self, now: float) -> bool:
        if self._keys_seen is not None and now - self._keys_seen < _KEYS_EVERY:
            return False
        self._keys_seen = now
        return bool(keys.due(self._cluster.layout, self._clock()))

    def _judge(self, facts: Facts, act: Act) -> None:
        """Keep or clear what is reported as the failure: a component that ends and ends, or a start without an end."""
        if act is Act.REST:
            self._failures, self._failure = 0, None
        elif self._desired.power is not Power.RUNNING:
            return  # what ails a component is no reason not to stop or remove it; an act that fails tells of itself
        elif (trouble := self._trouble()) is not None:
            self._failure = trouble.failure()
        elif act is Act.RESTART and facts.unready_for > plan.PATIENCE:
            self._failure = timed_out(plan.PATIENCE, log_cut=self._cluster.layout.etcd_log_was_cut).failure()

    async def _do(self, act: Act, facts: Facts) -> None:
        cluster = self._cluster
        if act is Act.START:
            await self._start()
        elif act is Act.START_CONTROLLERS:
            await cluster.start_controllers()
        elif act is Act.FILL:
            generation = self._desired.generation
            await cluster.fill(dict(facts.nodes))
            self._filled_for = generation
            reached("host.cluster-filled")
        elif act in (Act.RESTART, Act.STOP):
            await cluster.stop()
            if act is Act.STOP:
                reached("host.cluster-stopped")
            self._forget()
        elif act is Act.REMOVE:
            await cluster.remove()
            reached("host.cluster-removed")
            self._forget()
        elif act is Act.REST:
            cluster.tidy()

    async def _start(self) -> None:
        wanted = self._desired.kubernetes_version

        def tell(sentence: str) -> None:
            self._tell(ClusterPhase.WORKING, sentence)

        binaries = await self._find_binaries(wanted, tell)
        await self._cluster.start_store(binaries)
        self._forget()

    def _forget(self) -> None:
        self._filled_for, self._last_ready, self._keys_seen = -1, None, None

    def _keep_desired(self) -> None:
        """Put the document where a later host finds it, once per generation. Raises `OSError`."""
        if self._kept_generation == self._desired.generation:
            return
        layout = self._cluster.layout
        layout.make()
        write_file(layout.desired, msgspec.json.encode(self._desired))
        reached("host.desired-kept")
        self._kept_generation = self._desired.generation

    def _failed(self, error: LocalClusterError) -> float:
        """Tell of a failed act and return the pause before it is tried again."""
        self._failures += 1
        pause = min(2.0 ** (self._failures - 1), _LONGEST_PAUSE)
        if error.code != "ApiServerFailed" or self._failures >= _REFUSALS:
            self._failure = error.failure()
        _log.warning("an act failed", cluster=self._desired.uid, code=error.code, error=error.message, again_in=pause)
        self._tell(ClusterPhase.WORKING, f"{error.message} Trying again.")
        return pause

    def _tell(self, phase: ClusterPhase, progress: str, facts: Facts | None = None) -> None:
        """Report what is seen now; whether it is news is for the host to say."""
        if phase is ClusterPhase.WORKING and self._failure is not None:
            phase, progress = ClusterPhase.FAILED, self._failure.message
        desired = self._desired
        running = phase is ClusterPhase.RUNNING
        self._report(
            ObservedCluster(
                uid=desired.uid,
                generation=desired.generation,
                phase=phase,
                observed_at=self._clock(),
                progress=progress,
                kubernetes_version=self._cluster.kubernetes_version,
                api_server=self._cluster.url,
                oidc_issuer=self._cluster.url,
                node_count=sum(facts.nodes.values()) if facts and running else 0,
                failure=self._failure if phase is ClusterPhase.FAILED else None,
                correlation_id=desired.correlation_id,
            )
        )


def kept_desired(folder: Path) -> DesiredCluster | None:
    """Return the last desired document kept in a cluster's folder, or None when there is none to be read."""
    try:
        desired = msgspec.json.decode((folder / "desired.json").read_bytes(), type=DesiredCluster)
    except (OSError, msgspec.MsgspecError):
        return None
    return desired if desired.power is not Power.ABSENT else None
