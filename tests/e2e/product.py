"""The whole product on this machine, driven as a person would: through the `extensa` command and its environment."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

_T = TypeVar("_T")
ROOT = Path(__file__).resolve().parents[2]
EXTENSA = Path(sys.executable).parent / "extensa"


def free_port() -> int:
    """Return a loopback port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Product:
    """One installation in a data folder of its own. ``port`` is where its ARM front listens."""

    home: Path
    port: int
    program: Path = EXTENSA
    cwd: Path = ROOT
    settings: dict[str, str] = field(default_factory=dict)
    up: str = ""
    """What the first `extensa up` printed."""

    @property
    def env(self) -> dict[str, str]:
        """The environment of a person who chose a data folder and a port, and nothing else of ours."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "EXTENSA_", "KUBECONFIG"))}
        return {
            **kept,
            "EXTENSA_HOME": str(self.home),
            "EXTENSA_LISTEN": f"127.0.0.1:{self.port}",
            **self.settings,
        }

    def run(
        self, *argv: str, ok: bool = True, timeout: float = 300, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run ``extensa ARGV``; with ``ok`` a failure fails the test and shows what was printed."""
        done = subprocess.run(
            [str(self.program), *argv],
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            input=stdin,
            check=False,
        )
        if ok and done.returncode != 0:
            raise AssertionError(f"extensa {shlex.join(argv)} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def json(self, *argv: str, timeout: float = 300) -> Any:
        """Run ``extensa ARGV -o json`` and return what it printed, decoded."""
        return json.loads(self.run(*argv, "-o", "json", timeout=timeout).stdout)

    def shell(self, script: str, *, sdk: bool = False, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run ``script`` in a shell that has evaluated ``extensa env`` as the README tells."""
        form = " --sdk" if sdk else ""
        line = f'set -eu; eval "$({shlex.quote(str(self.program))} env{form})"; {script}'
        done = subprocess.run(
            ["bash", "-c", line],
            env=self.env,
            cwd=self.cwd,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise AssertionError(f"{script} exited {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def pid(self, process: str) -> int:
        """The pid of ``server``, ``host`` or ``agent`` as its pid file has it."""
        found = json.loads((self.home / "run" / f"{process}.json").read_text(encoding="utf-8"))
        return int(found["pid"])

    def kill(self, process: str) -> None:
        """End one process as a crash would: SIGKILL, no farewell."""
        os.kill(self.pid(process), signal.SIGKILL)

    def processes(self) -> list[str]:
        """Command lines of everything that runs for this data folder now."""
        return [line for _, line in self.running()]

    def running(self) -> list[tuple[int, str]]:
        """Pid and command line of everything that runs for this data folder now."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit() or int(entry.name) == os.getpid():
                continue
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                environ = (entry / "environ").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if line and (str(self.home) in line or f"EXTENSA_HOME={self.home}\0" in environ + "\0"):
                found.append((int(entry.name), line))
        return found


def eventually(look: Callable[[], _T], *, within: float, wanted: Callable[[_T], bool], every: float = 0.2) -> _T:
    """Look until what is seen is wanted; the last thing seen fails the test after ``within`` seconds."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"after {within} s still: {seen!r}")
        time.sleep(every)
