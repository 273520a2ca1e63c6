"""Errors become words and exit codes in one place."""

import click
import pytest

from extensa.base.errors import Conflict, NotFound, Problem, Refused, Unavailable
from extensa.cli.main import explained, outcome
from unit.cli.conftest import Shell
from unit.client.arm_double import ArmDouble, Canned


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("N", "m"), 3),
        (Refused("R", "m"), 1),
        (Conflict("C", "m"), 1),
        (Unavailable("U", "m"), 1),
        (PermissionError(13, "Permission denied"), 1),
        (ZeroDivisionError("x"), 1),
        (click.Abort(), 130),
    ],
)
def test_exit_codes_are_those_of_az(error: BaseException, code: int) -> None:
    text, found = outcome(error)

    assert code == found
    assert text


def test_an_error_reads_code_message_target_details_and_next_step() -> None:
    problems = [Problem("A", "First.", "/a", "Do a."), Problem("B", "Second.")]
    error = Refused("A", "2 problems.", target="/t", next_step="Do this.", details=problems)

    assert [
        "(A) 2 problems.",
        "  at:   /t",
        "  - (A) First. (at /a)",
        "    next: Do a.",
        "  - (B) Second.",
        "  next: Do this.",
    ] == explained(error).splitlines()


def test_a_fault_of_ours_shows_its_traceback_only_when_asked(extensa: Shell, front: ArmDouble) -> None:
    front.answer("GET", "/subscriptions/broken/resourcegroups", Canned(200, {"value": [{"properties": 1}]}))
    front.answer("POST", f"/{extensa.environ['AZURE_TENANT_ID']}/oauth2/v2.0/token", Canned(200, {"no": "token"}))
    quiet, loud = extensa("group", "list"), extensa("group", "list", "--debug")

    assert (1, 1) == (quiet.code, loud.code)
    assert "(InternalError) KeyError" in quiet.err
    assert "Traceback" not in quiet.err
    assert "Traceback" in loud.err


def test_what_is_not_there_is_exit_code_3_and_silent_on_standard_output(extensa: Shell) -> None:
    ran = extensa("group", "show", "-n", "absent")

    assert (3, "") == (ran.code, ran.out)
    assert ran.err.startswith("(ResourceNotFound) ")


def test_nothing_set_up_says_what_to_do(shell: Shell) -> None:
    ran = shell("group", "list")

    assert 1 == ran.code
    assert "(NotSetUp)" in ran.err
    assert "next: Run `extensa up` first" in ran.err
