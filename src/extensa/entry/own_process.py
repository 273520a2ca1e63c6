"""What each of the three processes does about itself: be the only one of its kind, say when it is ready, say why not.

The kernel lets the lock go with the process, however it ends, so nothing stale is ever left to clean up; the pid file
names the process for good (pid and start tick) and is only written once it serves. What keeps a process from starting
is told on standard error in two lines, without a traceback.
"""

import errno
import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from extensa.base import last_words
from extensa.base.clock import utc_now
from extensa.base.errors import ExtensaError, Refused, Unavailable
from extensa.base.home import Home, write_file
from extensa.base.log import configure, get_logger
from extensa.base.processes import start_ticks
from extensa.base.settings import Settings


@contextmanager
def claimed(home: Home, process: str) -> Iterator[None]:
    """Be the one ``process`` of this data folder inside the block; its pid file is gone afterwards.

    Raises `Unavailable` (``AlreadyRunning``) when there is one, and `OSError`.
    """
    lock = home.process_lock(process)
    lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock.open("a+", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            handle.seek(0)
            raise _running(home, process, handle.read().strip()) from error
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        try:
            yield
        finally:
            home.pid_file(process).unlink(missing_ok=True)


def write_pid_file(home: Home, process: str) -> None:
    """Say that this process is ready to serve. Raises `OSError`."""
    pid = os.getpid()
    write_file(home.pid_file(process), json.dumps({"pid": pid, "ticks": start_ticks(pid)}).encode())


def unusable(home: Home, error: OSError) -> Unavailable:
    """Return what an error of the system means for the data folder, and what to do about it."""
    where = str(error.filename or home.path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable(
            "HomeFull",
            f"The disk (or quota) of the data folder {home.path} is full.",
            target=where,
            next_step="Free some space there (df shows it), or choose another data folder with EXTENSA_HOME.",
        )
    return Unavailable(
        "HomeUnusable",
        f"The data folder {home.path} cannot be used: {where}: {error.strerror or error}.",
        target=where,
        next_step="Make it readable and writable for this user, or choose another with EXTENSA_HOME.",
    )


def guarded(process: str, settings: Settings, work: Callable[[Home], None]) -> int:
    """Log as ``process`` and do its ``work`` in the data folder; return 0, or 1 when it could not go on, which is told.

    What nobody foresaw is logged with its traceback, and told without.
    """
    try:
        home = Home(settings.home_path)
        with reading_settings():
            configure(process, level=settings.log_level)
        work(home)
    except KeyboardInterrupt:  # before the signal was ours
        return 130
    except ExtensaError as error:
        return told(process, error)
    except OSError as error:
        return told(process, unusable(home, error))
    except Exception as error:  # noqa: BLE001 - the last word of a process that cannot go on
        get_logger(process).error("cannot go on", exc_info=True)
        return told(process, _unforeseen(process, error))
    return 0


@contextmanager
def reading_settings() -> Iterator[None]:
    """Tell a `ValueError` of the block as a setting that makes no sense: `Refused` (``SettingInvalid``)."""
    try:
        yield
    except ValueError as error:
        raise Refused("SettingInvalid", f"{error}.", next_step="docs/settings.md lists every setting.") from error


def _unforeseen(process: str, error: Exception) -> Unavailable:
    return Unavailable(
        "ProcessFailed",
        f"The {process} cannot go on: {type(error).__name__}: {error}",
        next_step=f"`extensa logs {process}` shows where; a damaged file in the data folder is the usual cause.",
    )


def told(process: str, error: ExtensaError) -> int:
    """Say on standard error why ``process`` does not run and what to do, and return its exit code, 1.

    In a log the same stands once more, for whoever started the process.
    """
    words = f"extensa {process}: {error.message}\n" + (f"  {error.next_step}\n" if error.next_step else "")
    with suppress(OSError):  # a full disk
        sys.stderr.write(words if sys.stderr.isatty() else f"{words}{last_words.line(process, error, utc_now())}\n")
    return 1


def _running(home: Home, process: str, pid: str) -> Unavailable:
    return Unavailable(
        "AlreadyRunning",
        f"The {process} of {home.path} runs already{f' (pid {pid})' if pid else ''}.",
        target=str(home.path),
        next_step="`extensa down` ends it; another data folder is chosen with EXTENSA_HOME.",
    )
