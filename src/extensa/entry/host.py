"""`extensa host`: the process that runs the local clusters of this machine, put together. Reads top to bottom.

Wires what is real: the link over HTTPS, the programs as they are found or built, the clock. Every control plane is a
child of this process and dies with it; at SIGTERM they end one after the other as they should, and their data stays.
"""

import asyncio
import os
import signal
import sys

from extensa.agent.control import LinkClient
from extensa.base.home import Home
from extensa.base.log import get_logger
from extensa.base.settings import Settings, load_settings
from extensa.entry.own_process import claimed, guarded, reading_settings, write_pid_file
from extensa.link.cluster import ClusterFeed, ClusterReports
from extensa.localcluster.binaries import available_versions, find_binaries
from extensa.localcluster.host import Host
from extensa.localcluster.model import Binaries, Profile
from extensa.localcluster.progress import Progress

PROCESS = "host"
_CLUSTERS = "/link/v1/clusters"
_log = get_logger(PROCESS)


class HostLink:
    """The link's second pair over HTTPS; two connections, so that trouble with one call leaves the other alone."""

    def __init__(self, home: Home) -> None:
        self._reading = LinkClient(home.link_credential(PROCESS), home.ca_certificate)
        self._writing = LinkClient(home.link_credential(PROCESS), home.ca_certificate)

    async def clusters(self, *, after: int, wait: int) -> ClusterFeed:
        """See `extensa.localcluster.port.ControlPlane`."""
        return await self._reading.feed(_CLUSTERS, ClusterFeed, after=after, wait=wait)

    async def report_clusters(self, reports: ClusterReports) -> None:
        """See `extensa.localcluster.port.ControlPlane`."""
        await self._writing.report(_CLUSTERS, reports)

    async def close(self) -> None:
        """End both connections."""
        await self._reading.close()
        await self._writing.close()


class FoundBinaries:
    """The programs by Kubernetes version, found once however many clusters ask at the same time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: dict[str, Binaries] = {}
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, version: str, progress: Progress) -> Binaries:
        """Return the programs of ``version``; raises `LocalClusterError`."""
        if self._one_at_a_time.locked():
            progress("Waiting for the Kubernetes programs, which are being made ready for another cluster.")
        async with self._one_at_a_time:
            if version not in self._found or not self._found[version].folder.is_dir():
                self._found[version] = await find_binaries(self._settings, version=version, progress=progress)
            return self._found[version]


def main() -> int:
    """Run the host until it is told to end; return 0, or 1 when it could not start."""
    settings = load_settings(os.environ)
    return guarded(PROCESS, settings, lambda home: asyncio.run(run(settings, home)))


async def run(settings: Settings, home: Home) -> None:
    """Keep the clusters of ``home`` until SIGTERM or SIGINT; raises `ExtensaError` and `OSError` when it cannot."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with reading_settings():
        profile = Profile(settings.cluster_profile)
    with claimed(home, PROCESS):
        link = HostLink(home)
        host = Host(
            home,
            link,
            FoundBinaries(settings),
            versions=await available_versions(settings),
            clock=settings.clock,
            profile=profile,
        )
        keeping = asyncio.create_task(host.run(), name="host")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            write_pid_file(home, PROCESS)
            _log.info("ready", home=str(home.path))
            await asyncio.wait((keeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed = keeping.done()
            for task in (keeping, stopping):
                task.cancel()
            await asyncio.gather(keeping, stopping, return_exceptions=True)
            await link.close()
        if failed:
            keeping.result()
        _log.info("stopped")


if __name__ == "__main__":
    sys.exit(main())
