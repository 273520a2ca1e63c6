"""`extensa extension cancel`, `retry`, `pause` and `resume`: say whether the agent may act, not what is wanted."""

import click

from extensa.cli import options
from extensa.cli.extension_answers import name_of, perform
from extensa.cli.grammar import verb
from extensa.cli.session import Session

_ON = "-g demo -c demo -n hello"


@verb("cancel", examples=[("Stop an installation that takes too long", f"extensa extension cancel {_ON}")])
@options.output
@options.extension
def cancel(session: Session, path: str) -> None:
    """End the operation that runs, as Canceled, and hold the agent.

    The agent stops at the next safe point; what was made by then stays. Nothing more is done until you retry, write to
    the extension, or delete it. A removal that is canceled is taken back: retry makes the extension whole again.
    """
    perform(session, path, "cancel", title=f"Canceling {name_of(path)}")
    click.echo("Canceled. Go on with `extensa extension retry`, or write to it again.", err=True)


@verb("retry", examples=[("Try again what failed or was canceled", f"extensa extension retry {_ON}")])
@options.no_wait
@options.output
@options.extension
def retry(session: Session, path: str, *, no_wait: bool) -> None:
    """Try again: the same version and settings, a new operation.

    For what has failed or was canceled; on one that has succeeded it is looked at anew, and drift is put right once. It
    joins an operation that runs already. `extensa extension diagnose` says why it failed.
    """
    perform(session, path, "retry", title=f"Retrying {name_of(path)}", no_wait=no_wait)


@verb("pause", examples=[("Work on the cluster by hand for a while", f"extensa extension pause {_ON}")])
@options.output
@options.extension
def pause(session: Session, path: str) -> None:
    """Have the agent look and change nothing, until it is resumed.

    Writes are refused meanwhile (ExtensionPaused); what is seen is still told; delete works. While an operation runs,
    cancel it or wait for its end first.
    """
    perform(session, path, "pause", title=f"Pausing {name_of(path)}")
    click.echo("Paused. Go on with `extensa extension resume`.", err=True)


@verb("resume", examples=[("Let the agent act again", f"extensa extension resume {_ON}")])
@options.no_wait
@options.output
@options.extension
def resume(session: Session, path: str, *, no_wait: bool) -> None:
    """Let the agent act again: what is wanted is made so, in a new operation.

    What was changed by hand meanwhile is put right as far as the release says it.
    """
    perform(session, path, "resume", title=f"Resuming {name_of(path)}", no_wait=no_wait)


VERBS: tuple[click.Command, ...] = (cancel, retry, pause, resume)
