"""The real product as three processes that are killed all the time, started again as a service manager would.

Each process is a child of the test and dies with it. `Installation` knows who is who: which pids belong to server,
host and agent, which to Helm, etcd and the API server, and which belong to nobody.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import random
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from e2e.product import ROOT, free_port
from extensa.base import crash_points
from extensa.base.home import Home
from extensa.base.processes import signal_group, spawn, start_ticks

NAMES = ("server", "host", "agent")
HELM = "helm"
"""How the programs of Helm begin: the command line, and an engine that stays."""


@dataclass(frozen=True)
class Running:
    """One process of the installation, found in /proc."""

    pid: int
    parent: int
    program: str
    line: str


@dataclass
class Installation:
    """Server, host and agent on a data folder of their own. ``chance`` decides how soon the killed are back."""

    path: Path
    chance: random.Random
    settings: Mapping[str, str] = field(default_factory=dict)
    data: Path | None = None
    """Where the data folder is to be, when not in ``path``."""
    port: int = field(default_factory=free_port)
    children: dict[str, Process] = field(default_factory=dict)
    _keepers: list[asyncio.Task[None]] = field(default_factory=list)
    starts: int = 0
    _starts_before: int = 0

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Home:
        """The data folder."""
        return Home(self.data or self.path / "home")

    @property
    def order(self) -> Path:
        """The file in which a crash at a named point is ordered."""
        return self.path / "crash-order"

    def clock(self, name: str) -> Path:
        """The file that says by how much the clock of a process is wrong."""
        return self.path / f"clock-{name}"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every process, and nothing else of ours."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "EXTENSA_", "KUBECONFIG"))}
        passed = {k: v for k, v in os.environ.items() if k.startswith("EXTENSA_KUBERNETES")}
        return {
            **kept,
            **passed,
            "EXTENSA_HOME": str(self.home.path),
            "EXTENSA_LISTEN": f"127.0.0.1:{self.port}",
            "EXTENSA_CLUSTER_PROFILE": "light",
            "EXTENSA_HELM_DRIVER": "cli",  # with the engine a release was seen held too long: docs/faults.md
            "PYTHONUNBUFFERED": "1",
            crash_points.VARIABLE: str(self.order),
            **self.settings,
        }

    async def start(self, *names: str) -> None:
        """Start processes and keep them running; return when they serve."""
        chosen = names or NAMES
        for group in (("server",), ("host", "agent")):
            mine = [name for name in group if name in chosen]
            for name in mine:
                await self._spawn(name)
                self._keepers.append(asyncio.create_task(self._keep(name), name=f"keep {name}"))
            for name in mine:
                await self.serving(name)

    async def _spawn(self, name: str) -> None:
        argv = [sys.executable, "-P", "-m", "extensa.entry.cli", name]
        environ = {**self.environ, "EXTENSA_CLOCK_OFFSET": str(self.clock(name))}
        self.children[name] = await spawn(argv, env=environ, cwd=ROOT, log=self.home.log(name))
        self.starts += 1

    async def _keep(self, name: str) -> None:
        while True:
            await self.children[name].wait()
            await asyncio.sleep(self.chance.choice((0.0, 0.05, 0.3)))
            await self._spawn(name)

    async def stop(self) -> None:
        """End everything as `extensa down` does: the agent and the host first, then the server."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        self._keepers.clear()
        for group in (("agent", "host"), ("server",)):
            await asyncio.gather(*(self._end(name) for name in group if name in self.children))

    async def _end(self, name: str) -> None:
        child = self.children.pop(name)
        if child.returncode is None:
            signal_group(child.pid, signal.SIGCONT)
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(child.wait(), 40)
            except TimeoutError:
                child.kill()
                await child.wait()

    async def serving(self, name: str, *, within: float = 60) -> int:
        """Wait until a process serves, and return its pid."""
        deadline = time.monotonic() + within
        while (pid := self.pid(name)) is None:
            assert time.monotonic() < deadline, f"the {name} does not come back: see {self.home.log(name)}"
            await asyncio.sleep(0.05)
        return pid

    def pid(self, name: str) -> int | None:
        """The pid of a process that serves now, as its own pid file has it."""
        try:
            kept = json.loads(self.home.pid_file(name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return int(kept["pid"]) if start_ticks(kept["pid"]) == kept["ticks"] else None

    def running(self) -> list[Running]:
        """Everything that runs for this data folder, by environment or command line."""
        found, home = [], str(self.home.path)
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                environ = (entry / "environ").read_bytes()
                stat = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            line = b" ".join(words).decode(errors="replace")
            if stat[0] != "Z" and (home in line or f"EXTENSA_HOME={home}\0".encode() in environ + b"\0"):
                found.append(Running(int(entry.name), int(stat[1]), Path(words[0].decode()).name, line))
        return found

    def named(self, program: str) -> list[int]:
        """Pids of a program of this installation: one of the three, or ``helm``, ``etcd``, ``kube-apiserver``…"""
        if program in NAMES:
            child = self.children.get(program)
            return [child.pid] if child is not None and child.returncode is None else []
        if program == "helm":
            mine = set(self.named("agent"))
            return [each.pid for each in self.running() if each.program.startswith(HELM) and each.parent in mine]
        wanted = ("etcd", "server") if program == "etcd" else (program,)
        mine = set(self.named("host"))
        return [each.pid for each in self.running() if each.program in wanted and each.parent in mine]

    def strays(self) -> list[str]:
        """Command lines of what runs for this data folder and is no descendant of the three processes."""
        known = {child.pid for child in self.children.values() if child.returncode is None}
        rest = self.running()
        while True:
            more = {each.pid for each in rest if each.parent in known or each.pid in known} - known
            if not more:
                return [each.line for each in rest if each.pid not in known]
            known |= more

    def locks(self) -> list[str]:
        """Locks and pid files of this data folder that a dead process has left behind."""
        found = []
        for name in NAMES:
            alive = self.named(name)
            file = self.home.pid_file(name)
            if file.exists() and json.loads(file.read_bytes())["pid"] not in alive:
                found.append(f"{file} names a process that is gone")
            if not alive and _held(self.home.process_lock(name)):
                found.append(f"{self.home.process_lock(name)} is held")
        return found

    def crash_at(self, point: str) -> None:
        """Order that the next process to reach ``point`` dies there."""
        self._starts_before = self.starts
        fresh = self.order.with_suffix(".new")
        fresh.write_text(point, encoding="ascii")
        fresh.replace(self.order)

    @property
    def crashed(self) -> bool:
        """Whether the order was obeyed and whoever did is being started again."""
        return not self.order.exists() and self.starts > self._starts_before


def _held(lock: Path) -> bool:
    if not lock.exists():
        return False
    with lock.open("a+b") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
