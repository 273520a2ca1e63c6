"""A host in a process of its own, without a control plane that answers: run as a program by tests that kill it.

Arguments: data folder, folder of programs, folder of stages, Kubernetes version.
"""

import asyncio
import sys
from pathlib import Path

from control_plane_double import MemoryControlPlane
from extensa.base.clock import utc_now
from extensa.base.home import Home
from extensa.localcluster.host import Host
from extensa.localcluster.model import Binaries, Profile
from extensa.localcluster.progress import Progress


async def main(home: Path, binaries: Binaries) -> None:
    """Run the host until killed."""
    control = MemoryControlPlane()
    control.answering = False

    async def find(version: str, progress: Progress) -> Binaries:
        return binaries

    await Host(Home(home), control, find, versions=[binaries.version], clock=utc_now, profile=Profile.LIGHT).run()


if __name__ == "__main__":
    data, folder, stages, version = sys.argv[1:]
    asyncio.run(main(Path(data), Binaries(Path(folder), version, Path(stages))))
