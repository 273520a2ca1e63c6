"""One child kept running: started, waited for, started again with backoff, until it is told to stop.

A child that ends is started again after a pause that doubles with every quick end and is forgotten after a good while
of running. What its end means is for `diagnose`; whether the cluster is well is for `keeper`.
"""

import asyncio
import contextlib
import os
from asyncio.subprocess import Process
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from extensa.base import processes
from extensa.base.log import get_logger
from extensa.localcluster.commands import Command
from extensa.localcluster.diagnose import STARTED

_log = get_logger("localcluster")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0
_GOOD_WHILE = 30.0
_SOME_WHILE = 10.0
_TOO_OFTEN = 4
_LARGEST_LOG = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ChildState:
    """How a child stands: running or not, how often in a row it ended early, and how it ended last."""

    running: bool
    quick_ends: int
    last_exit: int | None
    pid: int | None
    uptime: float = 0.0
    reason: str = ""

    @property
    def failing(self) -> bool:
        """Whether it ends again and again: four early ends in a row, and not up for a while since."""
        return self.quick_ends >= _TOO_OFTEN and not (self.running and self.uptime > _SOME_WHILE)


def pause_after(quick_ends: int) -> float:
    """Return how many seconds to wait before the next start, after so many early ends in a row."""
    return float(min(_FIRST_PAUSE * 2 ** max(0, quick_ends - 1), _LONGEST_PAUSE))


class Child:
    """A supervised program; ``changed`` is called whenever it starts or ends."""

    def __init__(self, command: Command, *, cwd: Path, log: Path, changed: Callable[[], None]) -> None:
        self.command = command
        self._cwd = cwd
        self._log = log
        self._changed = changed
        self._process: Process | None = None
        self._quick_ends = 0
        self._last_exit: int | None = None
        self._reason = ""
        self._began = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def state(self) -> ChildState:
        """How the child stands now."""
        process = self._process
        running = process is not None and process.returncode is None
        pid = process.pid if process is not None and running else None
        uptime = asyncio.get_running_loop().time() - self._began if running else 0.0
        return ChildState(running, self._quick_ends, self._last_exit, pid, uptime, self._reason)

    def start(self) -> None:
        """Begin to keep the child running; a second call changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=f"keep {self.command.name}")

    async def stop(self, *, grace: float = 5.0) -> None:
        """End the child and stop keeping it; return when it is gone."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._process is not None:
            await processes.stop(self._process, grace=grace)
            self._process = None

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._began = loop.time()
            code = await self._run_once()
            self._last_exit = code
            self._quick_ends = 1 if loop.time() - self._began > _GOOD_WHILE else self._quick_ends + 1
            pause = pause_after(self._quick_ends)
            _log.warning("a component ended", component=self.command.name, code=code, restart_in=round(pause, 1))
            self._changed()
            await asyncio.sleep(pause)

    async def _run_once(self) -> int | None:
        """Start the child and wait for its end; return its exit code, or None when it could not even be started."""
        try:
            with contextlib.suppress(OSError):  # a full disk must not keep a program from trying
                mark_start(self._log)
            env = {**os.environ, **self.command.env}
            # Shielded: a child that was started while we were told to stop must be known, to be stopped too.
            starting = asyncio.ensure_future(processes.spawn(self.command.argv, env=env, cwd=self._cwd, log=self._log))
            try:
                self._process = await asyncio.shield(starting)
            except asyncio.CancelledError:
                with contextlib.suppress(OSError):
                    self._process = await starting
                raise
        except OSError as error:
            self._reason = f"{error.filename or self.command.argv[0]}: {error.strerror or error}"
            return None
        self._reason = ""
        self._changed()
        return await self._process.wait()


def mark_start(log: Path) -> None:
    """Write into a log that a new run begins. Raises `OSError`."""
    bound_log(log)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        sink.write(f"{STARTED}\n".encode())


def bound_log(path: Path, *, largest: int = _LARGEST_LOG) -> None:
    """Keep a log from filling the disk: one that has grown past ``largest`` bytes moves to ``NAME.1`` and starts anew.

    The content is copied and the file cut, so that a running child that appends to it goes on undisturbed.
    """
    if path.exists() and path.stat().st_size > largest:
        path.with_name(f"{path.name}.1").write_bytes(path.read_bytes())
        os.truncate(path, 0)
