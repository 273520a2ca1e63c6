"""`extensa down`: end the three processes, in the order in which each can still say goodbye."""

import click

from extensa.base.home import Home
from extensa.cli import daemons
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.progress import step
from extensa.cli.session import Session

_ORDER = ("agent", "host", "server")


@click.command(cls=Command, context_settings=CONTEXT, examples=[("Stop everything; data is kept", "extensa down")])
@click.pass_obj
def down(session: Session, /) -> None:
    """Stop server, host and agent with all they started; data is kept.

    `extensa up` goes on where it left off.
    """
    stop_all(session.home)


def stop_all(home: Home) -> None:
    """End every process of this data folder and tell which."""
    if not any(daemons.running(home, name) for name in daemons.NAMES):
        for name in daemons.NAMES:
            home.pid_file(name).unlink(missing_ok=True)
        click.echo(f"Nothing runs for {home.path}.", err=True)
        return
    with step("Stopping Extensa") as shown:
        for name in _ORDER:
            daemons.stop(home, name, say=shown.say)
    click.echo(f"Stopped; data is kept in {home.path}.", err=True)
