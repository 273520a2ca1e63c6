"""`extensa doctor`: every check, one line each."""

import sys

import click

from extensa.cli import checks, trust
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.session import Session

_CHECKS: tuple[checks.Check, ...] = (
    checks.platform_is_known,
    checks.settings_make_sense,
    checks.folder_is_ours,
    checks.disk_has_room,
    checks.secrets_are_private,
    checks.binaries_are_there,
    checks.port_is_free,
    checks.processes_live,
    trust.server_answers,
    trust.certificates_last,
    trust.clock_is_sane,
)
_COLOURS = {checks.OK: "green", checks.WARN: "yellow", checks.FAIL: "red"}


@click.command(cls=Command, context_settings=CONTEXT, examples=[("Look for what is wrong", "extensa doctor")])
@click.pass_obj
def doctor(session: Session, /) -> int:
    """Look for what is wrong and say what to do; exit code 1 when something is."""
    worst = 0
    for check in _CHECKS:
        for finding in check(session.settings, session.home):
            click.echo(line(finding, colour=sys.stdout.isatty() and not session.environ.get("NO_COLOR")))
            worst = max(worst, int(finding.level == checks.FAIL))
    return worst


def line(finding: checks.Finding, *, colour: bool = False) -> str:
    """Return a finding as people read it."""
    level = finding.level.ljust(4)
    shown = click.style(level, fg=_COLOURS[finding.level]) if colour else level
    text = f"{shown}  {finding.subject:<12}  {finding.message}"
    return text + (f"\n{'':20}next: {finding.next_step}" if finding.next_step else "")
