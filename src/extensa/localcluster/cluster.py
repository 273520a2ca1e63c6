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
from extensa.base.home import write_file
from extensa.localcluster import commands, keys, objects, ports
from extensa.localcluster.api import ApiServer
from extensa.localcluster.egress import Egress, listen
from extensa.localcluster.errors import ClusterError, from_os_error
from extensa.localcluster.layout import Kept, Layout
from extensa.localcluster.model import Binaries, ClusterSpec, Profile
from extensa.localcluster.stages import StagesError, edited
from extensa.localcluster.supervisor import Child, ChildState

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

    def __init__(
        self, spec: ClusterSpec, folder: Path, binaries: Binaries, *, clock: Clock, changed: Callable[[], None]
    ) -> None:
        self.spec = spec
        self.layout = Layout(folder)
        self._binaries = binaries
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

    async def start_store(self) -> None:
        """Prepare the folder, reserve the port, and start etcd and the API server.

        Raises `ClusterError` when the disk, the data folder or a key is at fault, or a program is missing.
        """
        try:
            self._prepare()
            if self._egress is None:
                self._egress = await listen(self.layout.run, commands.EGRESS_SOCKET)
        except OSError as error:
            raise from_os_error(error, self.layout.folder) from error
        self._start(commands.etcd(self._binaries, self.layout))
        issuers = self._kept().issuers
        port = self._reserved().port
        self._start(commands.api_server(self._binaries, self.layout, port=port, issuers=issuers))

    def start_controllers(self) -> None:
        """Start what talks to the API server: controllers, and in the full profile scheduler and KWOK."""
        self._start(commands.controller_manager(self._binaries, self.layout))
        if self.spec.profile is Profile.FULL:
            self._start(commands.scheduler(self._binaries, self.layout))
            self._start(commands.kwok(self._binaries, self.layout))

    async def fill(self, present: dict[str, bool]) -> None:
        """Bring roles, storage classes and nodes to what they should be; ``present`` are the nodes there now.

        Raises `ClusterError` when the API server refuses or does not answer.
        """
        api = self._connected()
        fixed = objects.role_bindings()
        wanted = []
        if self.spec.profile is Profile.FULL:
            fixed += objects.storage_classes()
            wanted = objects.nodes(self.spec, self._binaries.version)
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
        rest = [self._children.pop(name) for name in (commands.KWOK, commands.SCHEDULER) if name in self._children]
        if manager := self._children.pop(commands.CONTROLLER_MANAGER, None):
            rest.append(manager)
        await asyncio.gather(*(child.stop(grace=3.0) for child in rest))
        for name in (commands.API_SERVER, commands.ETCD):
            if child := self._children.pop(name, None):
                await child.stop(grace=8.0)
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
        try:
            await asyncio.to_thread(_remove, self.layout.folder)
        except OSError as error:
            raise from_os_error(error, self.layout.folder) from error

    def _prepare(self) -> None:
        layout = self.layout
        layout.make()
        if not self._children:
            for leftover in commands.sockets(layout.run):
                leftover.unlink(missing_ok=True)
        keys.make_keys(layout, self._clock())
        kept = layout.read_kept()
        if self._reservation is None:
            self._reservation = ports.reserve(kept.port if kept else 0)
        issuers = [self.url, *(each for each in (kept.issuers if kept else []) if each != self.url)]
        now_kept = Kept(port=self._reservation.port, issuers=issuers[:8], kubernetes_version=self._binaries.version)
        if now_kept != kept:
            layout.write_kept(now_kept)
        keys.write_kubeconfigs(layout, self.spec, self.url)
        write_file(layout.egress, msgspec.json.encode(commands.egress_configuration()))
        if self.spec.profile is Profile.FULL:
            write_file(layout.kwok_config, _stages(self._binaries.stages))
        if self._api is None:
            self._api = ApiServer(
                self.url, authority=layout.authority(keys.AUTHORITY), identity=layout.identity("host")
            )

    def _start(self, command: commands.Command) -> None:
        if command.name not in self._children:
            child = Child(command, cwd=self.layout.run, log=self.layout.log(command.name), changed=self._changed)
            self._children[command.name] = child
            child.start()

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
        shutil.rmtree(doomed)
