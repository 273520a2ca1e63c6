"""The `extensa agent` process, hosted: one for the managed clusters of this machine.

Wires what is real: the link over HTTPS, clusters by the host's kubeconfig files, Helm as a child process, memory in the
data folder. It ends on SIGTERM: Helm's children first, then what was seen is told, then the process.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from extensa.agent.charts import Charts
from extensa.agent.clusters import Clusters
from extensa.agent.control import LinkClient
from extensa.agent.loop import Agent
from extensa.agent.memory import FileMemory
from extensa.agent.reconcile import Tools
from extensa.base.clock import utc_now
from extensa.base.errors import ExtensaError
from extensa.base.home import Home, write_file
from extensa.base.log import configure, get_logger
from extensa.base.processes import start_ticks
from extensa.base.settings import Settings, load_settings
from extensa.helm.driver import CliDriver
from extensa.localcluster.binaries import ready_binaries

_log = get_logger("agent")

T = TypeVar("T")

_PROGRAM_EVERY = 2.0


def main() -> int:
    """Run the agent until it is told to stop; return the exit code."""
    settings = load_settings(os.environ)
    configure("agent", level=settings.log_level)
    try:
        asyncio.run(serve(settings, Home(settings.home_path)))
    except ExtensaError as error:
        _log.error("the agent cannot run", code=error.code, message=error.message, next_step=error.next_step)
        sys.stderr.write(f"{error} {error.next_step or ''}\n")
        return 1
    return 0


async def serve(settings: Settings, home: Home) -> None:
    """Run the agent of ``home`` until SIGTERM or SIGINT; raises `ExtensaError` when its folder cannot be used."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    memory = FileMemory(home.agent)
    link = LinkClient(home.link_credential("agent"), home.ca_certificate)
    try:
        private_key = await memory.private_key()
        helm = await _until(_helm(settings), stop)
        if helm is None:
            return
        tools = Tools(
            driver=CliDriver(helm, home.agent / "helm"),
            clusters=Clusters(home.agent_kubeconfig, home.agent / "kube"),
            charts=Charts(link, memory),
            memory=memory,
            slots=asyncio.Semaphore(max(int(settings.helm_parallel), 1)),
            clock=utc_now,
        )
        _say_ready(home)
        await _until(Agent(link, tools, private_key=private_key).run(), stop)
        _log.info("stopped")
    finally:
        home.pid_file("agent").unlink(missing_ok=True)
        await link.close()
        memory.close()


async def _until(work: Coroutine[Any, Any, T], stop: asyncio.Event) -> T | None:
    """Return what ``work`` returns, or None once ``stop`` is set and the work has ended cleanly."""
    task = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if task.done():
        return task.result()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


async def _helm(settings: Settings) -> Path:
    """Return the helm program: of the cluster's own binaries, else from PATH; waits until there is one."""
    told = False
    while True:
        ready = ready_binaries(settings)
        if ready is not None and ready.helm.is_file():
            return ready.helm
        if (found := shutil.which("helm")) is not None:
            return Path(found)
        if not told:
            _log.warning("no helm program yet", next_step="Run `extensa kubernetes install`.")
            told = True
        await asyncio.sleep(_PROGRAM_EVERY)


def _say_ready(home: Home) -> None:
    content = {"pid": os.getpid(), "ticks": start_ticks(os.getpid())}
    write_file(home.pid_file("agent"), msgspec.json.encode(content))
    _log.info("ready", home=str(home.path))


if __name__ == "__main__":
    sys.exit(main())
