"""What a process does about itself: one per data folder, a pid file that means ready, a refusal in two lines."""

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from extensa.base import last_words
from extensa.base.errors import Unavailable
from extensa.base.home import Home
from extensa.base.processes import start_ticks
from extensa.base.settings import Settings
from extensa.entry.own_process import claimed, guarded, told, unusable, write_pid_file


@pytest.fixture(autouse=True)
def log_of_its_own() -> Iterator[None]:
    """Leave no log behind that writes to this test's standard error."""
    yield
    structlog.reset_defaults()


def test_there_is_one_of_a_kind(tmp_path: Path) -> None:
    home = Home(tmp_path)

    with claimed(home, "server"):
        with (
            pytest.raises(Unavailable, match=f"runs already \\(pid {os.getpid()}\\)") as refusal,
            claimed(home, "server"),
        ):
            pass
        with claimed(home, "host"):
            pass
    with claimed(home, "server"):
        pass

    assert "AlreadyRunning" == refusal.value.code


def test_the_pid_file_names_the_process_for_good_and_goes_with_it(tmp_path: Path) -> None:
    home = Home(tmp_path)

    with claimed(home, "server"):
        assert not home.pid_file("server").exists()
        write_pid_file(home, "server")
        kept = json.loads(home.pid_file("server").read_bytes())

    assert {"pid": os.getpid(), "ticks": start_ticks(os.getpid())} == kept
    assert not home.pid_file("server").exists()


@pytest.mark.parametrize(
    ("number", "code", "says"),
    [
        (errno.ENOSPC, "HomeFull", "is full"),
        (errno.EDQUOT, "HomeFull", "is full"),
        (errno.EROFS, "HomeUnusable", "/data/keys"),
        (errno.EACCES, "HomeUnusable", "/data/keys"),
    ],
)
def test_an_error_of_the_system_is_told_by_its_meaning(number: int, code: str, says: str) -> None:
    found = unusable(Home(Path("/data")), OSError(number, os.strerror(number), "/data/keys"))

    assert code == found.code
    assert says in found.message
    assert found.next_step


def test_a_refusal_is_two_lines_for_people_and_one_for_whoever_started_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == told("server", Unavailable("X", "It is so.", target="here", next_step="Do this."))

    first, second, last = capsys.readouterr().err.splitlines()
    assert ("extensa server: It is so.", "  Do this.") == (first, second)
    heard = last_words.read([first, second, last])
    assert heard is not None
    assert ("X", "It is so.", "here", "Do this.") == (heard.code, heard.message, heard.target, heard.next_step)


@pytest.mark.parametrize("line", ["", "no JSON", "[]", '{"event": "ended"}', '{"event": "cannot run"}'])
def test_other_last_lines_are_no_last_words(line: str) -> None:
    assert last_words.read([line]) is None
    assert last_words.read([]) is None


def test_what_nobody_foresaw_is_logged_with_its_traceback_and_told_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stumble(_home: Home) -> None:
        raise KeyError("surprise")

    assert 1 == guarded("server", Settings(home=str(tmp_path)), stumble)
    logged, words, _, last = capsys.readouterr().err.splitlines()
    assert "Traceback" in json.loads(logged)["exception"]
    assert "extensa server: The server cannot go on: KeyError: 'surprise'" == words
    assert "ProcessFailed" == json.loads(last)["code"]


def test_each_end_of_a_process_has_its_words_and_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(error: BaseException) -> Callable[[Home], None]:
        def work(_home: Home) -> None:
            raise error

        return work

    settings = Settings(home=str(tmp_path))
    assert 0 == guarded("host", settings, lambda _home: None)
    assert 130 == guarded("host", settings, refuse(KeyboardInterrupt()))
    for error, code in (
        (Unavailable("StoreLocked", "Locked."), "StoreLocked"),
        (OSError(errno.ENOSPC, "full"), "HomeFull"),
    ):
        capsys.readouterr()
        assert 1 == guarded("host", settings, refuse(error))
        assert code == json.loads(capsys.readouterr().err.splitlines()[-1])["code"]
    assert 1 == guarded("host", Settings(home=str(tmp_path), log_level="loud"), refuse(KeyError()))
    assert "SettingInvalid" == json.loads(capsys.readouterr().err.splitlines()[-1])["code"]
