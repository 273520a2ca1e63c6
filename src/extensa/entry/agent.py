"""`extensa agent`, hosted: the process that cares for the extensions of this machine's clusters, put together.

Wires what is real: the link over HTTPS, clusters by the host's kubeconfig files, Helm as a child process, memory in the
data folder. At SIGTERM Helm's children end first, then what was seen is told, then the process.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from extensa.agent.charts import Charts
from extensa.agent.clusters import Clusters
from extensa.agent.control import LinkClient
from extensa.agent.loop import Agent
from extensa.agent.memory import FileMemory
from extensa.agent.reconcile import Tools
from extensa.base.clock import steady
from extensa.base.home import Home
from extensa.base.log import get_logger
from extensa.base.settings import Settings, load_settings
from extensa.entry.own_process import claimed, guarded, reading_settings, write_pid_file
from extensa.helm.driver import CliDriver, Driver
from extensa.helm.engine import EngineDriver
from extensa.localcluster.binaries import ready_binaries

PROCESS = "agent"
_log = get_logger(PROCESS)

_LOOK_FOR_HELM_EVERY = 2.0
_AT_ONCE: dict[type, int] = {EngineDriver: 16, CliDriver: 4}
"""How many acts run at once where nobody says: one of the engine's that waits costs nearly nothing, a helm 70 MB."""


def main() -> int:
    """Run the agent until it is told to end; return 0, or 1 when it could not start."""
    settings = load_settings(os.environ)
    return guarded(PROCESS, settings, lambda home: asyncio.run(run(settings, home)))


async def run(settings: Settings, home: Home) -> None:
    """Care for extensions until SIGTERM or SIGINT; raises `ExtensaError` and `OSError` when it cannot."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with reading_settings():
        parallel = int(settings.helm_parallel or 0)
        settings.driver  # noqa: B018 - reading it is the check
    with claimed(home, PROCESS):
        memory = FileMemory(home.agent)
        link = LinkClient(home.link_credential(PROCESS), home.ca_certificate)
        caring = asyncio.create_task(_care(settings, home, link, memory, parallel=parallel), name="agent")
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            write_pid_file(home, PROCESS)
            _log.info("ready", home=str(home.path))
            await asyncio.wait((caring, stopping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            failed = caring.done()
            for task in (caring, stopping):
                task.cancel()
            await asyncio.gather(caring, stopping, return_exceptions=True)
            await link.close()
            memory.close()
        if failed:
            caring.result()
        _log.info("stopped")


async def _care(settings: Settings, home: Home, link: LinkClient, memory: FileMemory, *, parallel: int) -> None:
    private_key = await memory.private_key()
    async with helm_driver(settings, home) as driver:
        tools = Tools(
            driver=driver,
            clusters=Clusters(home.agent_kubeconfig, home.agent / "kube"),
            charts=Charts(link, memory),
            memory=memory,
            slots=asyncio.Semaphore(parallel if parallel > 0 else _AT_ONCE[type(driver)]),
            clock=settings.clock,
            steady=steady(settings.clock),
        )
        await Agent(link, tools, private_key=private_key).run()


@contextlib.asynccontextmanager
async def helm_driver(settings: Settings, home: Home) -> AsyncIterator[Driver]:
    """Give the driver that ``settings`` ask for, waiting until its program is there; an engine ends with the block."""
    program, is_engine = await _program(settings)
    _log.info("helm", driver="engine" if is_engine else "cli", program=str(program))
    if not is_engine:
        yield CliDriver(program, home.agent / "helm")
        return
    engine = EngineDriver(program, home.agent / "helm")
    try:
        yield engine
    finally:
        await engine.close()


async def _program(settings: Settings) -> tuple[Path, bool]:
    """Return the program that does Helm's acts, and whether it is our engine; waits until there is one.

    It comes from the clusters' own programs; helm may come from PATH.
    """
    told_once = False
    while True:
        ready = ready_binaries(settings)
        if ready is not None and ready.engine is not None and settings.driver != "cli":
            return ready.engine, True
        if settings.driver != "engine":
            if ready is not None and ready.helm.is_file():
                return ready.helm, False
            if (found := shutil.which("helm")) is not None:
                return Path(found), False
        if not told_once:
            _log.warning("no helm program yet", driver=settings.driver, next_step="Run `extensa kubernetes install`.")
            told_once = True
        await asyncio.sleep(_LOOK_FOR_HELM_EVERY)


if __name__ == "__main__":
    sys.exit(main())
