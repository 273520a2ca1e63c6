"""What a process does about itself: one per data folder, a pid file that means ready, a refusal in two lines."""

import errno
import json
import os
from pathlib import Path

import pytest

from extensa.base.errors import Unavailable
from extensa.base.home import Home
from extensa.base.processes import start_ticks
from extensa.entry.own_process import claimed, told, unusable, write_pid_file


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


def test_a_refusal_is_two_lines_and_exit_code_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == told("server", Unavailable("X", "It is so.", next_step="Do this."))

    assert "extensa server: It is so.\n  Do this.\n" == capsys.readouterr().err
