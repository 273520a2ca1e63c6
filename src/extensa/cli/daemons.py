"""The three processes of this machine: which of them run, how they are started, how they end.

A process is known by its pid together with the tick it was started at (the pair is never used again); the process
itself writes both into its pid file when it serves. One that is still starting, or whose starter was killed, is found
by its command line and its ``EXTENSA_HOME``.
"""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from extensa.base.errors import ExtensaError, Unavailable
from extensa.base.home import Home
from extensa.base.processes import alive, start_detached, start_ticks
from extensa.cli.log_lines import last_lines, pretty

NAMES = ("server", "host", "agent")
PROGRAM = ("-P", "-m", "extensa.entry.cli")
"""What follows the interpreter on the command line of a process, before its name."""

_LOOK = 0.05
_READY = 60.0
_GRACE = {
    "server": 15.0,
    "host": 40.0,
    "agent": 20.0,
}  # seconds between SIGTERM and SIGKILL; the host ends its clusters


@dataclass(frozen=True, slots=True)
class Running:
    """One process that runs now; ``ready`` says whether it has told so itself."""

    name: str
    pid: int
    ticks: int
    ready: bool


def running(home: Home, name: str) -> Running | None:
    """Return the process called ``name`` of this data folder, or None when there is none."""
    return _told(home, name) or _found(home, name)


def start(home: Home, name: str) -> Running:
    """Start a process in the background, its output appended to its log, and return it (not ready yet)."""
    argv = [sys.executable, *PROGRAM, name]
    env = {**os.environ, "EXTENSA_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}
    pid = start_detached(argv, env=env, log=home.log(name), cwd=home.path)
    return Running(name, pid, start_ticks(pid) or 0, ready=False)


def await_ready(home: Home, started: Running, *, timeout: float, say: Callable[[str], None]) -> None:
    """Return when ``started`` has said that it serves.

    Raises `Unavailable` with the end of its log when it ends before that, or does not say so in time.
    """
    deadline = time.monotonic() + timeout
    while True:
        now = _told(home, started.name)
        if now is not None and now.pid == started.pid:
            return
        if not alive(started.pid, started=started.ticks):
            raise _not_up(home, started.name, f"The {started.name} ended before it was ready.")
        if time.monotonic() > deadline:
            raise _not_up(home, started.name, f"The {started.name} was not ready within {timeout:.0f} s.")
        say(f"{started.name} is starting")
        time.sleep(_LOOK)


def start_all(home: Home, say: Callable[[str], None]) -> None:
    """Start what does not run yet and return when all three serve: the server first, which the others need.

    What was started here is ended again when it does not come up. Raises `Unavailable` with the end of its log.
    """
    for group in (("server",), ("host", "agent")):
        begun = [running(home, name) or start(home, name) for name in group]
        for process in begun:
            try:
                await_ready(home, process, timeout=_READY, say=say)
            except BaseException:
                for each in begun:
                    if not each.ready:
                        _end(each)
                raise


def require_all(home: Home) -> None:
    """Return quietly when all three run; raises `Unavailable` with the end of the log of the one that does not."""
    for name in NAMES:
        if running(home, name) is None:
            raise _not_up(home, name, f"The {name} has ended.")


@contextlib.contextmanager
def blaming(home: Home) -> Iterator[None]:
    """Tell an error of the block as that of a process, when one of the three is no more."""
    try:
        yield
    except ExtensaError as error:
        try:
            require_all(home)
        except Unavailable as cause:
            raise cause from error
        raise


def stop(home: Home, name: str, *, say: Callable[[str], None] = lambda _words: None) -> bool:
    """End the process called ``name`` and return whether there was one: SIGTERM, patience, SIGKILL."""
    stopped = False
    while (now := running(home, name)) is not None:
        stopped = True
        say(f"{name} (pid {now.pid})")
        _end(now)
    home.pid_file(name).unlink(missing_ok=True)
    return stopped


def _end(process: Running) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE[process.name]
    while alive(process.pid, started=process.ticks) and time.monotonic() < deadline:
        time.sleep(_LOOK)
    if alive(process.pid, started=process.ticks):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        while alive(process.pid, started=process.ticks):
            time.sleep(_LOOK)


def _told(home: Home, name: str) -> Running | None:
    """Return the process that its own pid file names, when that one still runs."""
    try:
        kept = json.loads(home.pid_file(name).read_bytes())
        pid, ticks = int(kept["pid"]), int(kept["ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Running(name, pid, ticks, ready=True) if alive(pid, started=ticks) else None


def _found(home: Home, name: str) -> Running | None:
    """Return a process of ours that has not written its pid file, by what /proc says of it."""
    wanted = f"EXTENSA_HOME={home.path}".encode()
    for pid, words in _command_lines():
        if words[1:] == [*PROGRAM, name]:
            with contextlib.suppress(OSError):
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                ticks = start_ticks(pid)
                if wanted in environ and ticks is not None:
                    return Running(name, pid, ticks, ready=False)
    return None


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                yield int(entry.name), [w for w in words if w]


def _not_up(home: Home, name: str, message: str) -> Unavailable:
    log = home.log(name)
    lines = [pretty(line) for line in last_lines(log)]
    tail = "".join(f"\n    {line}" for line in lines) if lines else " Its log is empty."
    return Unavailable(
        "ProcessNotReady",
        f"{message} The last lines of its log:{tail}" if lines else message + tail,
        target=str(log),
        next_step=f"Run `extensa doctor`; all of it: `extensa logs {name}`.",
    )
