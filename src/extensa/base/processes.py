"""The one door to child processes.

Every child gets its own process group, no shell, a bounded life and an end that is waited for: SIGTERM to the group,
a grace period, then SIGKILL. On Linux a child also dies with the thread that made it (``PR_SET_PDEATHSIG``), so that a
``kill -9`` of ours leaves no orphan behind. This file starts and ends processes; what they mean is for others to say.
"""

import asyncio
import contextlib
import ctypes
import functools
import os
import signal
import subprocess
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PIECE = 64 * 1024
_LONGEST_WORDS = 512 * 1024
_ORPHANED = 137
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a child ended: ``code`` as the kernel gives it (negative for a signal), and what it printed."""

    code: int
    stdout: bytes
    stderr: bytes
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """A child that is talked with: what it hears and what it says. ``keeping`` ends with its standard error."""

    child: Process
    hears: StreamWriter
    says: StreamReader
    keeping: asyncio.Task[None]


def _die_with(parent: int) -> None:
    """In the child, before it becomes another program: end when ``parent`` does, at once if it already has."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died between the fork and the line above: nobody would be told
        os._exit(_ORPHANED)


def _dying_with_us() -> Callable[[], None]:
    return functools.partial(_die_with, os.getpid())


def _given(content: bytes) -> int:
    """Return a file in memory, on no disk, that holds ``content`` to be read from its beginning.

    A pipe would be filled after the child was started: were we killed meanwhile, the child would take a part, or
    nothing, for the whole.
    """
    handle = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(handle), "wb") as sink:
            sink.write(content)
        os.lseek(handle, 0, os.SEEK_SET)
    except BaseException:
        os.close(handle)
        raise
    return handle


async def run(
    argv: Sequence[str],
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float,
    grace: float = 5.0,
) -> Finished:
    """Run ``argv`` to its end and return what happened; past ``timeout`` seconds it is stopped, ``timed_out`` set.

    The whole of ``stdin`` is there before the child is, in memory only. Cancelling the caller stops the child too
    (SIGTERM, ``grace`` seconds, SIGKILL) before the cancellation goes on.
    Raises `FileNotFoundError` when there is no such program.
    """
    given = _given(stdin)
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_dying_with_us(),
        )
    finally:
        os.close(given)
    talk = asyncio.ensure_future(child.communicate())
    try:
        async with asyncio.timeout(timeout):  # wait_for may swallow a cancellation (3.11)
            out, err = await asyncio.shield(talk)
    except TimeoutError:
        await stop(child, grace=grace)
        out, err = await talk
        return Finished(child.returncode or 0, out, err, timed_out=True)
    except asyncio.CancelledError:
        await stop(child, grace=grace)
        with contextlib.suppress(Exception):
            await talk
        raise
    return Finished(child.returncode or 0, out, err)


async def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path,
) -> Process:
    """Start a long-lived child whose output is appended to ``log``; it dies with this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(env) if env is not None else None,
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_dying_with_us(),
        )


async def converse(argv: Sequence[str], *, env: Mapping[str, str], log: Path, longest_line: int) -> Conversation:
    """Start a long-lived child to talk with, line by line, on its standard input and output; it dies with us.

    What it says on standard error is kept in ``log``, which only we may read: the last half MiB at least, in all a MiB
    at most, the older part beside it with ``.1`` behind its name. Raises `OSError` when it cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    child = await asyncio.create_subprocess_exec(
        *argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        limit=longest_line,
        env=dict(env),
        start_new_session=True,
        preexec_fn=_dying_with_us(),
    )
    if child.stdin is None or child.stdout is None or child.stderr is None:
        raise OSError("the child cannot be talked with")
    keeping = asyncio.create_task(_keep(child.stderr, log), name="last words")
    return Conversation(child, child.stdin, child.stdout, keeping)


async def _keep(source: StreamReader, log: Path) -> None:
    while piece := await source.read(_PIECE):
        with contextlib.suppress(OSError):  # a disk that is full is no reason to let the child wait for us
            _append(log, piece)


def _append(log: Path, piece: bytes) -> None:
    log.touch(mode=0o600)
    if log.stat().st_size + len(piece) > _LONGEST_WORDS:
        log.replace(log.with_name(f"{log.name}.1"))
        log.touch(mode=0o600)
    with log.open("ab") as sink:
        sink.write(piece)


async def stop(child: Process, *, grace: float = 5.0) -> None:
    """End ``child`` and its whole group: SIGTERM, ``grace`` seconds, SIGKILL; return when it is gone."""
    if child.returncode is None:
        signal_group(child.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), grace)
    if child.returncode is None:
        signal_group(child.pid, signal.SIGKILL)
        await child.wait()


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to the process group that ``pid`` leads; a group that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def start_detached(argv: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path | None = None) -> int:
    """Start a daemon that outlives this process, its output appended to ``log``; return its pid (also its group)."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
    child.returncode = 0  # nobody will wait for it: a daemon's end is not ours to collect, nor to warn of
    return child.pid


def run_sync(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float
) -> Finished:
    """Run ``argv`` to its end from synchronous code; past ``timeout`` seconds its group is killed."""
    with subprocess.Popen(
        list(argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(env) if env is not None else None,
        cwd=cwd,
        start_new_session=True,
    ) as child:
        try:
            out, err = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            signal_group(child.pid, signal.SIGKILL)
            out, err = child.communicate()
            return Finished(child.returncode, out, err, timed_out=True)
        return Finished(child.returncode, out, err)


def alive(pid: int, *, started: int | None = None) -> bool:
    """Say whether ``pid`` runs now and, when ``started`` is given, is still the same process (see `start_ticks`)."""
    ticks = start_ticks(pid)
    return ticks is not None and (started is None or ticks == started)


def start_ticks(pid: int) -> int | None:
    """Return when ``pid`` was started, in clock ticks since boot, or None if it is not running (or is a zombie).

    Together with the pid this names one process for good: pids are used again, the pair is not (proc(5), field 22).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
