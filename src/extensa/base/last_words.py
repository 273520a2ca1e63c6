"""A process's last words: why it could not run, as the last line of its log, for whoever started it.

Apart from ``log``, so that the command line reads them without loading the logging library. What they mean for a person
is said by the error itself: code, message and next step.
"""

import json
from collections.abc import Sequence
from datetime import datetime

from extensa.base.errors import ExtensaError, Unavailable

EVENT = "cannot run"


def line(process: str, error: ExtensaError, now: datetime) -> str:
    """Return ``error`` as a line of the log of ``process``."""
    return json.dumps(
        {
            "time": now.isoformat().replace("+00:00", "Z"),
            "level": "error",
            "event": EVENT,
            "process": process,
            "code": error.code,
            "message": error.message,
            "target": error.target,
            "next_step": error.next_step,
        }
    )


def read(lines: Sequence[str]) -> Unavailable | None:
    """Return why a process could not run, from the end of its log; None when its last line says nothing of that."""
    try:
        said = json.loads(lines[-1])
        if said["event"] != EVENT:
            return None
        code, message, target, next_step = (said[name] for name in ("code", "message", "target", "next_step"))
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    return Unavailable(str(code), str(message), target=target, next_step=next_step)
