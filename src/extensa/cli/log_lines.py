"""Lines of a log, as people read them.

The processes write JSON, one object a line; programs of others write what they like and are shown as they are.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_FIRST = ("time", "level", "process", "event")


def last_lines(log: Path, count: int = 12, *, since: int = 0) -> list[str]:
    """Return the last lines of a log after its first ``since`` bytes, none when it is not there."""
    try:
        with log.open("rb") as source:
            source.seek(0, os.SEEK_END)
            source.seek(max(since, source.tell() - 65536))
            return source.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def size(log: Path) -> int:
    """Return how many bytes a log has, none when it is not there."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def interleaved(logs: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Return the lines of several logs as one, each with the label of its log, in the order they were written.

    A line that tells no time stays behind the one before it in its log; no log is reordered within itself.
    """
    timed = []
    for label, lines in logs.items():
        latest = ""
        for line in lines:
            latest = max(latest, _written_at(line))
            timed.append((latest, label, line))
    timed.sort(key=lambda each: each[0])
    return [(label, line) for _, label, line in timed]


def _written_at(line: str) -> str:
    """Return the time that a JSON log line tells, which sorts as text; "" for any other line."""
    try:
        entry = json.loads(line)
    except ValueError:
        return ""
    return str(entry.get("time", "")) if isinstance(entry, dict) else ""


def without_traces(lines: Sequence[str]) -> list[str]:
    """Return lines without the tracebacks among them; the line that names the error stays."""
    kept, inside = [], False
    for line in lines:
        inside = line.startswith("Traceback (most recent call last)") or (inside and line.startswith(" "))
        if not inside:
            kept.append(line)
    return kept


def pretty(line: str, *, trace: bool = True) -> str:
    """Return a JSON log line as people read it: time, level, process, event, then the rest; other lines as they are.

    A traceback follows on lines of its own, unless ``trace`` is false.
    """
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    if not isinstance(entry, dict):
        return line
    head = [str(entry.pop(key)) for key in _FIRST if key in entry]
    raised = entry.pop("exception", None)
    rest = [f"{key}={value if isinstance(value, str) else json.dumps(value)}" for key, value in entry.items()]
    return "  ".join(head + rest) + (f"\n{raised}" if raised and trace else "")
