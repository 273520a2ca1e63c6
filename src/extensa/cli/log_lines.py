"""Lines of a log, as people read them.

The processes write JSON, one object a line; programs of others write what they like and are shown as they are.
"""

import json
import os
from pathlib import Path

_FIRST = ("time", "level", "process", "event")


def last_lines(log: Path, count: int = 12) -> list[str]:
    """Return the last lines of a log, none when it is not there."""
    try:
        with log.open("rb") as source:
            source.seek(0, os.SEEK_END)
            source.seek(max(0, source.tell() - 65536))
            return source.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def pretty(line: str) -> str:
    """Return a JSON log line as people read it: time, level, process, event, then the rest; other lines as they are."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    head = [str(entry.pop(key)) for key in _FIRST if key in entry]
    trace = entry.pop("exception", None)
    rest = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in entry.items()]
    return "  ".join(head + rest) + (f"\n{trace}" if trace else "")
