"""Structured logs: one JSON object a line, with the correlation id of the request that caused it.

Everything that is logged goes through `get_logger`; the correlation id travels in a context variable and, between
processes, in the documents of the link. Secrets are never passed to a logger: there is no filter here to rely on.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure(process: str, *, level: str = "info", stream: TextIO | None = None) -> None:
    """Set up logging for one process: ``process`` (server, host, agent) is written on every line.

    Lines go to ``stream``, by default standard error. Raises `ValueError` for an unknown level.
    """
    if level not in _LEVELS:
        raise ValueError(f"unknown log level {level!r}: use one of {', '.join(_LEVELS)}")
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Unfailing(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)


class _Unfailing:
    """A stream that lets go of what it cannot write: a full disk (or a closed pipe) costs lines of the log, and not the
    work they tell of.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        """Write ``text`` if that is possible."""
        with suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        """Hand on what was written."""
        with suppress(OSError, ValueError):
            self._stream.flush()


def _line(_logger: object, _method: str, event: EventDict) -> str:
    """Return one line: when, how serious and what first, then everything else; what JSON cannot say, as its repr."""
    first = {name: event.pop(name, None) for name in ("time", "level", "event")}
    return msgspec.json.encode({**first, **event}, enc_hook=repr).decode()


def get_logger(room: str) -> FilteringBoundLogger:
    """Return a logger that writes ``room`` on each of its lines, the way `configure` says when the line is written."""
    logger: FilteringBoundLogger = structlog.get_logger(room=room)
    return logger


@contextmanager
def correlated(correlation_id: str) -> Iterator[None]:
    """Write ``correlation_id`` on every line logged inside the block, in this task and the ones it starts."""
    with structlog.contextvars.bound_contextvars(correlation=correlation_id):
        yield


def current_correlation() -> str | None:
    """Return the correlation id of the work in progress, or None outside of any."""
    value = structlog.contextvars.get_contextvars().get("correlation")
    return value if isinstance(value, str) else None
