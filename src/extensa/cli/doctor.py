"""`extensa doctor`: every check, one line each."""

import sys
from collections.abc import Iterator, Sequence

import click

from extensa.base.errors import ExtensaError
from extensa.cli import checks, folders, trust
from extensa.cli.cluster_health import clusters_are_well
from extensa.cli.finding import FAIL, OK, WARN, Check, Finding
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.session import Session

_CHECKS: tuple[Check, ...] = (
    checks.platform_is_known,
    checks.settings_make_sense,
    folders.folder_is_ours,
    folders.disk_has_room,
    folders.secrets_are_private,
    folders.credentials_are_whole,
    folders.binaries_are_there,
    checks.port_is_free,
    checks.processes_live,
    trust.certificates_last,
    trust.clock_is_sane,
    trust.server_answers,
)
_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}


@click.command(cls=Command, context_settings=CONTEXT, examples=[("Look for what is wrong", "extensa doctor")])
@click.pass_obj
def doctor(session: Session, /) -> int:
    """Look for what is wrong and say what to do; exit code 1 when something is."""
    session.as_owner = True
    worst = 0
    _ = session.home  # without one there is nothing to look at
    for finding in findings(session):
        click.echo(line(finding, colour=sys.stdout.isatty() and not session.environ.get("NO_COLOR")))
        worst = max(worst, int(finding.level == FAIL))
    return worst


def findings(session: Session) -> Iterator[Finding]:
    """Give what every check finds, one after the other; clusters are asked about when the front answers."""
    found: Sequence[Finding] = ()
    for check in _CHECKS:
        found = _made(check, session)
        yield from found
    if any(each.subject == "endpoint" and each.level == OK for each in found):
        yield from clusters_are_well(session)


def _made(check: Check, session: Session) -> Sequence[Finding]:
    """Return what ``check`` finds; one that cannot be made is a finding, and no reason not to make the others."""
    try:
        return check(session.settings, session.home)
    except ExtensaError as error:
        return [Finding(FAIL, "doctor", error.message, error.next_step or "", error.code)]
    except OSError as error:
        message = f"{check.__name__.replace('_', ' ')}: {error}"
        return [Finding(FAIL, "doctor", message, "See that this user may read it.", "NotReadable")]


def line(finding: Finding, *, colour: bool = False) -> str:
    """Return a finding as people read it."""
    level = finding.level.ljust(4)
    shown = click.style(level, fg=_COLOURS[finding.level]) if colour else level
    text = f"{shown}  {finding.subject:<12}  {finding.message}"
    return text + (f"\n{'':20}next: {finding.next_step}" if finding.next_step else "")
