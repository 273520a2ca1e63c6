"""Who listens on a port of this machine, as far as /proc tells.

It names the program in the way of `extensa up`; another user's program may be seen listening and still have no name.
"""

import contextlib
import errno
import itertools
import socket
from pathlib import Path

_LISTEN = "0A"
_FIRST = 1024  # ports below it are for root


def taken(address: str, port: int) -> bool:
    """Say whether nobody new can listen on ``address`` and ``port``; raises `OSError` for an address we do not have."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return True
            raise
    return False


def free_near(address: str, port: int) -> int:
    """Return a port of ``address`` that nobody listens on now: the next above ``port``, else one below it.

    Raises `OSError` for an address we do not have.
    """
    candidates = itertools.chain(range(port + 1, 1 << 16), range(_FIRST, port))
    return next((each for each in candidates if not taken(address, each)), port)


def holder(port: int) -> str | None:
    """Return ``name (pid N)`` of the program that listens on ``port``, or None when it cannot be told."""
    inodes = _listening(port)
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for handle in (process / "fd").iterdir():
                target = str(handle.readlink())
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _listening(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    found.add(fields[9])
    return found
