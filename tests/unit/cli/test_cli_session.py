"""What a command may reach: whom it calls, as whom, and whom it trusts."""

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extensa.base.errors import ExtensaError, Refused, Unavailable
from extensa.base.home import Home, write_file
from extensa.cli import links, main, status, waiting
from extensa.cli.session import Session
from extensa.client.operations import Accepted
from unit.cli.conftest import Shell
from unit.client.arm_double import SUBSCRIPTION, ArmDouble
from unit.client.test_client_token import keep_owner

OURS = "https://localhost:9443"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    folder = Home(tmp_path / "home")
    keep_owner(folder, OURS)
    write_file(folder.ca_certificate, b"pem")
    return folder


def session(home: Home, **environ: str) -> Session:
    return Session({"EXTENSA_HOME": str(home.path), **environ})


def test_our_own_front_is_trusted_by_our_own_authority_alone(home: Home) -> None:
    assert home.ca_certificate == session(home)._authority_of("https://127.0.0.1:9443")
    assert None is session(home)._authority_of("https://localhost:9444")
    assert None is session(home)._authority_of("https://elsewhere:9443")
    home.ca_certificate.unlink()
    assert None is session(home)._authority_of(OURS)


def test_the_owner_calls_unless_the_shell_names_another(home: Home) -> None:
    shell = {"EXTENSA_ARM": "https://e:1", "AZURE_CLIENT_ID": "other", "AZURE_CLIENT_SECRET": "s"}
    assert "owner" == session(home).credential.client_id
    assert "other" == session(home, **shell).credential.client_id
    as_owner = session(home, **shell)
    as_owner.as_owner = True
    assert "owner" == as_owner.credential.client_id


def test_flags_of_the_run_win_over_settings_and_credentials(home: Home) -> None:
    chosen = session(home, EXTENSA_OUTPUT="table")
    assert ("table", SUBSCRIPTION) == (chosen.format, chosen.subscription)
    chosen.asked_format, chosen.asked_subscription = "TSV", "other"
    assert ("tsv", "other") == (chosen.format, chosen.subscription)
    with pytest.raises(Refused):
        _ = session(home, EXTENSA_OUTPUT="xml").format


def test_connections_are_made_when_asked_for_and_closed_at_the_end(home: Home) -> None:
    made = session(home)
    made.close()
    assert made.arm is made.arm
    assert made.caller() is not made.caller()
    made.close()


@pytest.fixture
def calling(extensa: Shell) -> Iterator[Session]:
    made = Session(extensa.environ)
    yield made
    made.close()


def test_a_wait_tells_what_the_resource_says_of_itself(
    calling: Session, front: ArmDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_LOOK", 0.01)
    statuses = [{"message": "1 of 2 ready"}]
    front.documents["/x"] = {"id": "/x", "properties": {"statuses": statuses}}
    said: list[str] = []
    with waiting.telling(calling, "/x", "1", say=said.append):
        deadline = time.monotonic() + 5
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)

    assert "1 of 2 ready" == said[0]


def test_a_resource_that_cannot_be_read_is_no_reason_to_stop_waiting(
    calling: Session, front: ArmDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_LOOK", 0.01)
    said: list[str] = []
    with waiting.telling(calling, "/absent", "1", say=said.append):
        deadline = time.monotonic() + 5
        while not front.requests("GET") and time.monotonic() < deadline:
            time.sleep(0.01)

    assert [] == said
    waiting.wait(calling, Accepted(200), "/x", "1", title="Nothing to wait for")


def test_links_are_made_and_replaced_and_nothing_else_is_touched(home: Home, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    links.make(home, {"kubectl": old, "helm": old})
    (home.bin / "mine").write_text("kept")
    before = (home.bin / "helm").lstat().st_ino
    links.make(home, {"kubectl": new, "helm": old})

    assert (new, old) == ((home.bin / "kubectl").readlink(), (home.bin / "helm").readlink())
    assert before == (home.bin / "helm").lstat().st_ino
    assert {"kubectl", "helm", "mine"} == {entry.name for entry in home.bin.iterdir()}


def test_the_program_is_the_script_that_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "extensa"
    script.touch()
    monkeypatch.setattr(sys, "argv", [str(script), "up"])
    assert script == links.program()
    monkeypatch.setattr(sys, "argv", ["-m"])
    assert Path(sys.executable).parent / "extensa" == links.program()


def test_a_reader_that_goes_away_ends_it_silently() -> None:
    code = "import sys; from extensa.entry.cli import main; sys.exit(main())"
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as gone:
        argv = [sys.executable, "-c", code, "completion", "bash"]
        done = subprocess.run(argv, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)

    assert (1, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 s"), (65, "1 min 5 s"), (3600, "1 h 0 min"), (90000, "1 d 1 h")],
)
def test_uptime_is_told_in_two_units(seconds: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "clock_gettime", lambda _clock: 1_000_000.0)
    ticks = int((1_000_000 - seconds) * os.sysconf("SC_CLK_TCK"))

    assert words == status._uptime(ticks)
    assert None is status._memory(2**22 + 1)


def test_red_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    for wanted in (True, False):
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        main._tell("(Code) words")
        assert wanted is ("\033[31m" in stream.getvalue())
        monkeypatch.setenv("NO_COLOR", "1")


def test_an_unset_subscription_is_the_credentials_own(home: Home) -> None:
    with pytest.raises(ExtensaError) as told:
        _ = Session({"EXTENSA_HOME": str(home.path / "none")}).subscription
    assert not isinstance(told.value, Unavailable)


def test_a_link_of_ours_that_was_typed_leads_to_the_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    script = tmp_path / "venv" / "extensa"
    script.parent.mkdir()
    script.touch()
    links.make(home, {"extensa": script})
    monkeypatch.setattr(sys, "argv", [str(home.bin / "extensa")])

    links.make(home, {"extensa": links.program()})
    assert script == links.program()
    assert script == (home.bin / "extensa").readlink()
