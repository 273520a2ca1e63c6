"""`extensa server` as a process of its own, and clients that trust its CA and nothing else."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path

import httpx2

from extensa.base.home import Home
from extensa.base.processes import spawn, start_ticks


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A server process on a data folder of its own."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.home = Home(home)
        self.port = free_port()
        self.process: asyncio.subprocess.Process | None = None
        self._log = home.parent / f"server-{self.port}.log"
        self._environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("EXTENSA_")},
            "EXTENSA_HOME": str(home),
            "EXTENSA_LISTEN": f"127.0.0.1:{self.port}",
            **environ,
        }

    async def _begin(self) -> None:
        argv = [sys.executable, "-P", "-m", "extensa.entry.cli", "server"]
        self._log.unlink(missing_ok=True)
        self.process = await spawn(argv, env=self._environ, log=self._log)

    async def start(self) -> None:
        """Start it, and return when it serves."""
        await self._begin()
        while not self.serves():
            assert self.process is not None
            assert self.process.returncode is None, self._log.read_text()
            await asyncio.sleep(0.05)

    def serves(self) -> bool:
        """Whether the pid file names the very process that was started."""
        file = self.home.pid_file("server")
        if self.process is None or not file.exists():
            return False
        kept = json.loads(file.read_bytes())
        return (kept["pid"], kept["ticks"]) == (self.process.pid, start_ticks(self.process.pid))

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait for its end; return the exit code and what it said."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), 30), self._log.read_text()

    async def refusal(self) -> tuple[int, str]:
        """Start it, expecting that it will not serve."""
        await self._begin()
        return await self.ended()

    def client(self) -> httpx2.AsyncClient:
        """A client that trusts this installation's CA and nothing else."""
        context = ssl.create_default_context(cafile=str(self.home.ca_certificate))
        return httpx2.AsyncClient(base_url=f"https://localhost:{self.port}", verify=context, timeout=60)
