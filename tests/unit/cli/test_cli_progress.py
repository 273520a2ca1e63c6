"""What is seen while something takes its time: a turning line on a terminal, plain lines in a pipe."""

import io
import time

import pytest

from extensa.cli import progress
from extensa.cli.progress import step
from extensa.cli.waiting import words


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Pipe(io.StringIO):
    """A stream that goes into a file."""

    encoding = "ascii"


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_TURN", 0.005)
    monkeypatch.setattr(progress, "_PLAIN_FIRST", 0.03)


def seen(stream: io.StringIO, wanted: str) -> None:
    """Return once ``wanted`` was written."""
    deadline = time.monotonic() + 5
    while wanted not in stream.getvalue():
        assert time.monotonic() < deadline, stream.getvalue()
        time.sleep(0.005)


def test_a_terminal_sees_one_line_that_turns() -> None:
    stream = Terminal()
    with step("Building", stream=stream) as shown:
        shown.say("etcd\nis built")
        seen(stream, "Building: etcd is built")

    assert stream.getvalue().endswith(f"\r\033[K✓ Building ({shown.seconds:.1f} s)\n")
    assert 1 == stream.getvalue().count("\n")


def test_a_pipe_sees_plain_lines_when_the_words_change() -> None:
    stream = Pipe()
    with step("Building", stream=stream) as shown:
        seen(stream, "  Building (")
        shown.say("etcd")
        seen(stream, "  Building: etcd (")

    assert "\033" not in stream.getvalue()
    assert "ok Building (" in stream.getvalue()
    assert 3 == len(stream.getvalue().splitlines())


def test_a_pipe_hears_from_long_work_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_AGAIN", 0.02)
    stream = Pipe()
    with step("Building", stream=stream):
        deadline = time.monotonic() + 5
        while stream.getvalue().count("Building") < 3 and time.monotonic() < deadline:
            time.sleep(0.005)

    assert stream.getvalue().count("Building") >= 3


def test_what_fails_is_marked_and_goes_on_its_way() -> None:
    stream = Pipe()
    with pytest.raises(KeyError), step("Building", stream=stream):
        raise KeyError("x")

    assert stream.getvalue().startswith("failed Building (")


def test_short_work_is_told_in_one_line() -> None:
    stream = Pipe()
    with step("Looking", stream=stream):
        pass

    assert 1 == len(stream.getvalue().splitlines())


def test_a_closed_stream_does_not_stop_the_work() -> None:
    stream = Pipe()
    with step("Working", stream=stream) as shown:
        stream.close()

    assert shown.seconds >= 0


def test_a_long_line_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")

    assert "x" * 17 + "…" == progress._fitted("x" * 40)
    assert "short" == progress._fitted("short")


def test_a_resource_speaks_by_its_newest_status_else_its_state() -> None:
    statuses = [{"message": "0 of 3 ready"}, {"message": "2 of 3 ready"}, {"code": "x"}]

    assert "2 of 3 ready" == words({"properties": {"statuses": statuses, "provisioningState": "Creating"}})
    assert "Creating" == words({"properties": {"statuses": [], "provisioningState": "Creating"}})
    assert ["", "", ""] == [words({}), words(None), words({"properties": {}})]
