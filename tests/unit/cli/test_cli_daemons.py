"""Starting, finding and ending the three processes; a stand-in takes their place."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from extensa.base.errors import Refused, Unavailable
from extensa.base.home import Home, write_file
from extensa.base.processes import alive, start_ticks
from extensa.cli import daemons
from extensa.cli.log_lines import last_lines

STAND_IN = Path(__file__).parent / "stand_in_process.py"


def quiet(_words: str) -> None:
    """Hear and say nothing."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setattr(daemons, "PROGRAM", (str(STAND_IN),))
    monkeypatch.setattr(daemons, "_GRACE", dict.fromkeys(daemons.NAMES, 0.3))
    folder = Home(tmp_path / "home")
    folder.path.mkdir()
    yield folder
    for name in daemons.NAMES:
        daemons.stop(folder, name)


def how(home: Home, words: str) -> None:
    (home.path / "how").write_text(words, encoding="ascii")


def test_all_three_are_started_found_and_ended(home: Home) -> None:
    daemons.start_all(home, quiet)
    found = [daemons.running(home, name) for name in daemons.NAMES]

    assert all(each is not None and each.ready for each in found)
    daemons.require_all(home)
    daemons.start_all(home, quiet)
    assert found == [daemons.running(home, name) for name in daemons.NAMES]
    assert [True] * 3 == [daemons.stop(home, name) for name in daemons.NAMES]
    assert [None] * 3 == [daemons.running(home, name) for name in daemons.NAMES]
    assert not daemons.stop(home, "server")
    assert ["server begins"] == last_lines(home.log("server"))


def test_one_that_dies_is_told_with_its_last_words_and_nothing_is_left(home: Home) -> None:
    how(home, "die host")
    with pytest.raises(Unavailable) as told:
        daemons.start_all(home, quiet)

    assert "The host ended before it was ready" in told.value.message
    assert "something is amiss" in told.value.message
    assert str(home.log("host")) == told.value.target
    assert "extensa logs host" in str(told.value.next_step)


def test_one_that_says_why_it_cannot_run_is_quoted(home: Home) -> None:
    write_file(home.log("server"), b"Traceback (most recent call last)\nof an earlier day\n")
    assert daemons.last_said(home, "server") is None
    how(home, "refuse server")
    with pytest.raises(Unavailable) as told:
        daemons.start_all(home, quiet)

    assert ("StoreDamaged", "/db", "Put it back.") == (told.value.code, told.value.target, told.value.next_step)
    assert "The server cannot run. It is damaged." == told.value.message
    said = daemons.last_said(home, "server")
    assert said is not None
    assert "It is damaged." == said.message


def test_one_that_crashes_is_told_without_its_traceback_and_without_what_was_logged_before(home: Home) -> None:
    write_file(home.log("host"), b"of an earlier day\n")
    how(home, "crash host")
    with pytest.raises(Unavailable) as told:
        daemons.start_all(home, quiet)

    assert "RuntimeError: a fault of its own" in told.value.message
    assert "Traceback" not in told.value.message
    assert "stand_in_process.py" not in told.value.message
    assert "earlier day" not in told.value.message


def test_one_that_is_never_ready_is_told_and_ended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "_READY", 0.5)
    how(home, "never ready")
    with pytest.raises(Unavailable) as told:
        daemons.start_all(home, quiet)

    assert "not ready within" in told.value.message
    assert None is daemons.running(home, "server")


def test_one_that_is_still_starting_is_found_and_not_started_again(home: Home) -> None:
    how(home, "never ready")
    begun = daemons.start(home, "agent")
    found = daemons.running(home, "agent")

    assert found is not None
    assert (begun.pid, False) == (found.pid, found.ready)
    assert None is daemons.running(Home(home.path.parent), "agent")
    assert daemons.stop(home, "agent")
    assert not alive(begun.pid, started=begun.ticks)


def test_one_that_ignores_sigterm_is_killed(home: Home) -> None:
    how(home, "stubborn")
    begun = daemons.start(home, "server")
    daemons.await_ready(home, begun, timeout=10, say=quiet)

    assert daemons.stop(home, "server")
    assert not alive(begun.pid, started=begun.ticks)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pid": "x", "ticks": 1}'])
def test_a_damaged_pid_file_names_nobody(home: Home, content: bytes) -> None:
    write_file(home.pid_file("server"), content)

    assert None is daemons.running(home, "server")


def test_a_reused_pid_is_not_mistaken_for_ours(home: Home) -> None:
    ticks = start_ticks(os.getpid())
    assert ticks is not None
    write_file(home.pid_file("server"), json.dumps({"pid": os.getpid(), "ticks": ticks + 1}).encode())

    assert None is daemons.running(home, "server")
    assert not daemons.stop(home, "server")


def test_an_error_is_told_as_that_of_the_process_that_is_gone(home: Home) -> None:
    daemons.start_all(home, quiet)
    with pytest.raises(Refused), daemons.blaming(home):
        raise Refused("Own", "Its own.")
    daemons.stop(home, "agent")
    with pytest.raises(Unavailable) as told, daemons.blaming(home):
        raise Refused("Own", "Its own.")

    assert "The agent has ended" in told.value.message


def test_the_end_of_a_log_is_bounded(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    assert [] == last_lines(log)
    log.write_text("".join(f"{i}\n" for i in range(100_000)), encoding="ascii")

    assert ["99998", "99999"] == last_lines(log, 2)
