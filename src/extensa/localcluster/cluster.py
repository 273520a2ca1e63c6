"""One local cluster: prepared, started, looked at, stopped, removed.

Acts only; which act is due is decided in `plan` and by nobody here. Every act may be repeated and may be interrupted at
any instruction: what counts is what the folder and the processes show afterwards.
"""

import asyncio
import contextlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import yaml

from extensa.base.clock import Clock
from extensa.base.crash_points import reached
from extensa.base.home import write_file
from extensa.localcluster import commands, keys, objects, ports
from extensa.localcluster.api import ApiServer
from extensa.localcluster.egress import Egress, listen
from extensa.localcluster.errors import ClusterError, from_os_error
from extensa.localcluster.layout import Kept, Layout
from extensa.localcluster.model import Binaries, ClusterSpec, Profile
from extensa.localcluster.stages import StagesError, edited
from extensa.localcluster.supervisor import Child, ChildState, bound_log

_NODE_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a cluster's inside: is the API server ready, which nodes are there and ready, and whether the
    controllers have done their first work.
    """

    api_ready: bool = False
    controllers_ready: bool = False
    nodes: dict[str, bool] = field(default_factory=dict)


class LocalCluster:
    """The cluster in ``folder``; ``changed`` is called when one of its processes starts or ends."""

    def __init__(self, spec: ClusterSpec, folder: Path, *, clock: Clock, changed: Callable[[], None]) -> None:
        self.spec = spec
        self.layout = Layout(folder)
        self._binaries: Binaries | None = None
        self._clock = clock
        self._changed = changed
        self._children: dict[str, Child] = {}
        self._reservation: ports.Reservation | None = None
        self._egress: Egress | None = None
        self._api: ApiServer | None = None

    @property
    def url(self) -> str:
        """The API server's address; empty while it has none."""
        return f"https://127.0.0.1:{self._reservation.port}" if self._reservation else ""

    @property
    def children(self) -> dict[str, ChildState]:
        """How each started process stands."""
        return {name: child.state for name, child in self._children.items()}

    @property
    def exists(self) -> bool:
        """Whether anything of the cluster is on this machine."""
        return self.layout.folder.exists()

    @property
    def kubernetes_version(self) -> str:
        """The version it runs or last ran; empty before its first start."""
        if self._binaries is not None:
            return self._binaries.version
        kept = self.layout.read_kept()
        return kept.kubernetes_version if kept else ""

    async def start_store(self, binaries: Binaries) -> None:
        """Prepare the folder, reserve the port, and start etcd and the API server.

        Raises `ClusterError` when the disk, the data folder or a key is at fault, or a program is missing.
        """
        self._binaries = binaries
        try:
            await self._prepare(binaries)
            if self._egress is None:
                self._egress = await listen(self.layout.run, commands.EGRESS_SOCKET)
        except OSError as error:
            raise from_os_error(error, self.layout.folder) from error
        self._start(commands.etcd(binaries, self.layout))
        issuers = self._kept().issuers
        port = self._reserved().port
        self._start(commands.api_server(binaries, self.layout, port=port, issuers=issuers))
        await asyncio.sleep(0)  # both have begun

    async def start_controllers(self) -> None:
        """Start what talks to the API server: controllers, and in the full profile scheduler and KWOK.

        Raises `ClusterError` when the API server refuses or does not answer.
        """
        reached("host.store-started")
        binaries = self._found()
        self._start(commands.controller_manager(binaries, self.layout))
        if self.spec.profile is Profile.FULL:
            self._start(commands.scheduler(binaries, self.layout))
            if commands.KWOK not in self._children:
                # Every KWOK has another identity and would wait for the leases of the one before to run out (40 s).
                await self._connected().clear(_NODE_LEASES)
            self._start(commands.kwok(binaries, self.layout))

    async def fill(self, present: dict[str, bool]) -> None:
        """Bring roles, storage classes and nodes to what they should be; ``present`` are the nodes there now.

        Raises `ClusterError` when the API server refuses or does not answer.
        """
        api = self._connected()
        fixed = objects.role_bindings()
        if self.spec.profile is Profile.FULL:
            fixed += objects.storage_classes()
        wanted = objects.nodes(self.spec, self._found().version)
        await asyncio.gather(*(api.apply(each) for each in fixed))
        names = {each["metadata"]["name"] for each in wanted}
        await asyncio.gather(*(api.create(each) for each in wanted if each["metadata"]["name"] not in present))
        await asyncio.gather(*(api.delete("Node", name) for name in present if name not in names))

    async def look(self) -> Sight:
        """Return what is to be seen of the inside now; never raises for a cluster that does not answer."""
        if self._api is None:
            return Sight()
        if not await self._api.ready():
            return Sight()
        try:
            account = await self._api.exists(_DEFAULT_ACCOUNT)
            nodes = await self._api.nodes()
        except ClusterError:
            return Sight(api_ready=True)
        return Sight(api_ready=True, controllers_ready=account, nodes=nodes)

    async def stop(self) -> None:
        """End every process, in the order that loses nothing, and give the port back. The folder stays."""
        clients = (commands.KWOK, commands.SCHEDULER, commands.CONTROLLER_MANAGER)
        await self._end(*clients, grace=3.0)
        await self._end(commands.API_SERVER, grace=8.0)
        await self._end(commands.ETCD, grace=8.0)
        if self._api is not None:
            await self._api.close()
            self._api = None
        if self._egress is not None:
            await self._egress.close()
            self._egress = None
        if self._reservation is not None:
            self._reservation.release()
            self._reservation = None

    async def remove(self) -> None:
        """End every process and remove the folder: the cluster is gone for good. Raises `ClusterError`."""
        await self.stop()
        with contextlib.suppress(FileNotFoundError):
            self.layout.kubeconfig("agent").unlink()  # first: whoever uses it sees that the cluster goes
        reached("host.kubeconfig-removed")
        try:
            await asyncio.to_thread(_remove, self.layout.folder)
        except OSError as error:
            raise from_os_error(error, self.layout.folder) from error

    def tidy(self) -> None:
        """Keep the logs of a long-running cluster from filling the disk. Raises `OSError`."""
        for name in self._children:
            bound_log(self.layout.log(name))

    async def _prepare(self, binaries: Binaries) -> None:
        """See that folder, keys, port and configuration are there; files are written in a thread, for each is synced
        and others' clusters should not wait for it.
        """
        layout = self.layout
        layout.make()
        if not self._children:
            for leftover in commands.sockets(layout.run):
                leftover.unlink(missing_ok=True)
        await asyncio.to_thread(keys.make_keys, layout, self._clock())
        reached("host.keys-made")
        kept = layout.read_kept()
        if self._reservation is None:
            self._reservation = await ports.reserve(kept.port if kept else 0)
        issuers = [self.url, *(each for each in (kept.issuers if kept else []) if each != self.url)]
        now_kept = Kept(port=self._reservation.port, issuers=issuers[:8], kubernetes_version=binaries.version)
        if now_kept != kept:
            layout.write_kept(now_kept)
        await asyncio.to_thread(_write_configuration, layout, self.spec, self.url, binaries)
        reached("host.kubeconfig-written")
        if self._api is None:
            self._api = ApiServer(
                self.url, authority=layout.authority(keys.AUTHORITY), identity=layout.identity("host")
            )

    async def _end(self, *names: str, grace: float) -> None:
        """End children together; they are forgotten only when gone, so that an interrupted stop can be taken up."""
        ending = [name for name in names if name in self._children]
        await asyncio.gather(*(self._children[name].stop(grace=grace) for name in ending))
        for name in ending:
            self._children.pop(name, None)

    def _start(self, command: commands.Command) -> None:
        if command.name not in self._children:
            child = Child(command, cwd=self.layout.run, log=self.layout.log(command.name), changed=self._changed)
            self._children[command.name] = child
            child.start()

    def _found(self) -> Binaries:
        if self._binaries is None:
            raise ClusterError("ApiServerFailed", "The cluster is not started.")
        return self._binaries

    def _kept(self) -> Kept:
        kept = self.layout.read_kept()
        if kept is None:
            raise ClusterError("DataFolderFailed", f"{self.layout.kept} cannot be read.")
        return kept

    def _reserved(self) -> ports.Reservation:
        if self._reservation is None:
            raise ClusterError("ApiServerFailed", "The cluster has no port.")
        return self._reservation

    def _connected(self) -> ApiServer:
        if self._api is None:
            raise ClusterError("ApiServerFailed", "The cluster is not started.")
        return self._api


def _write_configuration(layout: Layout, spec: ClusterSpec, url: str, binaries: Binaries) -> None:
    keys.write_kubeconfigs(layout, spec, url)
    write_file(layout.egress, msgspec.json.encode(commands.egress_configuration()))
    if spec.profile is Profile.FULL:
        write_file(layout.kwok_config, _stages(binaries.stages))


def _stages(folder: Path) -> bytes:
    documents = [
        document
        for path in sorted(folder.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8"))
        if document
    ]
    try:
        return yaml.safe_dump_all(edited(documents), sort_keys=False).encode()
    except StagesError as error:
        raise ClusterError(
            "BinariesMissing",
            f"{folder}: {error}.",
            next_step="Remove that folder and run `extensa kubernetes install`.",
        ) from error


def _remove(folder: Path) -> None:
    """Remove a folder so that a half-removed one is never taken for a cluster: it is renamed first."""
    if folder.exists():
        doomed = folder.with_name(f".{folder.name}.removed")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        reached("host.folder-set-aside")
        shutil.rmtree(doomed)
