"""The log: one JSON object a line, read from left to right, with the correlation id of the work in progress."""

import contextlib
import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from extensa.base import log

early = log.get_logger("early")


@pytest.fixture
def stream() -> Iterator[StringIO]:
    """Where the log goes."""
    written = StringIO()
    log.configure("server", stream=written)
    yield written
    log.configure("server")


def lines(stream: StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_begins_with_when_how_serious_and_what(stream: StringIO) -> None:
    log.get_logger("edge").warning("it happened", status=503)

    (line,) = lines(stream)
    assert ["time", "level", "event"] == list(line)[:3]
    assert ("warning", "it happened", "edge", "server", 503) == tuple(
        line[name] for name in ("level", "event", "room", "process", "status")
    )


def test_a_full_disk_costs_lines_and_not_the_work() -> None:
    with Path("/dev/full").open("w", encoding="utf-8", buffering=1) as full:
        log.configure("server", stream=full)
        log.get_logger("edge").warning("nobody will read this")
        log.configure("server")
        with contextlib.suppress(OSError):
            full.close()  # what it could not write goes with it


def test_a_logger_made_before_the_log_was_set_up_writes_to_it_all_the_same(stream: StringIO) -> None:
    early.info("said")

    assert ["early"] == [line["room"] for line in lines(stream)]


def test_the_correlation_id_stands_on_every_line_inside(stream: StringIO) -> None:
    with log.correlated("c-1"):
        assert "c-1" == log.current_correlation()
        log.get_logger("edge").info("inside")
    log.get_logger("edge").info("outside")

    assert ["c-1", None] == [line.get("correlation") for line in lines(stream)]
    assert log.current_correlation() is None


def test_what_json_cannot_say_is_written_as_its_repr_and_a_traceback_in_one_line(stream: StringIO) -> None:
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        log.get_logger("edge").error("failed", path=Path("/x"), exc_info=True)

    (line,) = lines(stream)
    assert "PosixPath('/x')" == line["path"]
    assert "RuntimeError: broken" in line["exception"]


def test_below_the_level_nothing_is_written(stream: StringIO) -> None:
    log.get_logger("edge").debug("chatter")

    assert [] == lines(stream)


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="loud"):
        log.configure("server", level="loud")
