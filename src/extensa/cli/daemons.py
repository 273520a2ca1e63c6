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

from extensa.base import last_words
from extensa.base.errors import ExtensaError, Unavailable
from extensa.base.home import Home
from extensa.base.processes import alive, start_detached, start_ticks
from extensa.cli.log_lines import last_lines, pretty, size, without_traces

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
    """One process that runs now; ``ready`` says whether it has told so itself, and what it wrote since it was seen
    follows the first ``log_from`` bytes of its log.
    """

    name: str
    pid: int
    ticks: int
    ready: bool
    log_from: int = 0


def running(home: Home, name: str) -> Running | None:
    """Return the process called ``name`` of this data folder, or None when there is none."""
    return _told(home, name) or _found(home, name)


def start(home: Home, name: str) -> Running:
    """Start a process in the background, its output appended to its log, and return it (not ready yet)."""
    argv = [sys.executable, *PROGRAM, name]
    env = {**os.environ, "EXTENSA_HOME": str(home.path), "PYTHONUNBUFFERED": "1"}
    log_from = size(home.log(name))
    pid = start_detached(argv, env=env, log=home.log(name), cwd=home.path)
    return Running(name, pid, start_ticks(pid) or 0, ready=False, log_from=log_from)


def await_ready(home: Home, started: Running, *, timeout: float, say: Callable[[str], None]) -> None:
    """Return when ``started`` has said that it serves.

    Raises `Unavailable` when it ends before that, or does not say so in time: what it said itself of why, else the end
    of its log.
    """
    deadline = time.monotonic() + timeout
    while True:
        now = _told(home, started.name)
        if now is not None and now.pid == started.pid:
            return
        if not alive(started.pid, started=started.ticks):
            raise _not_up(home, started.name, f"The {started.name} ended before it was ready.", since=started.log_from)
        if time.monotonic() > deadline:
            words = f"The {started.name} was not ready within {timeout:.0f} s."
            raise _not_up(home, started.name, words, since=started.log_from)
        say(f"{started.name} is starting")
        time.sleep(_LOOK)


def start_all(home: Home, say: Callable[[str], None]) -> None:
    """Start what does not run yet and return when all three serve: the server first, which the others need.

    What was started here is ended again when it does not come up. Raises `Unavailable` with why.
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
    """Return quietly when all three run; raises `Unavailable` with why the one does not that does not."""
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
                    return Running(name, pid, ticks, ready=False, log_from=size(home.log(name)))
    return None


def _command_lines() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
                yield int(entry.name), [w for w in words if w]


def last_said(home: Home, name: str) -> Unavailable | None:
    """Return why the process called ``name`` could not run when it was last started, None when it said nothing."""
    return last_words.read(last_lines(home.log(name), 1))


def _not_up(home: Home, name: str, message: str, *, since: int = 0) -> Unavailable:
    log = home.log(name)
    lines = last_lines(log, since=since)
    said = last_words.read(lines)
    if said is not None:
        said.message = f"The {name} cannot run. {said.message}"
        return said
    shown = [pretty(line, trace=False) for line in without_traces(lines)]
    tail = "".join(f"\n    {line}" for line in shown)
    return Unavailable(
        "ProcessNotReady",
        message + (f" The last lines of its log:{tail}" if shown else " Its log is empty."),
        target=str(log),
        next_step=f"Run `extensa doctor`; all of it: `extensa logs {name}`.",
    )
