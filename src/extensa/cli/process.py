"""`extensa server`, `host`, `agent`: the three processes in the foreground, as a service manager runs them.

`extensa up` starts them in the background; what they are is wired in ``entry``, which hands them to this room.
"""

import click

from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.session import Session


@click.command(cls=Command, context_settings=CONTEXT)
@click.pass_obj
def server(session: Session) -> int:
    """Run the control plane in the foreground until SIGTERM or Ctrl-C.

    It answers the ARM API at EXTENSA_LISTEN and keeps its data in EXTENSA_HOME.
    """
    return session.processes["server"]()


@click.command(cls=Command, context_settings=CONTEXT)
@click.pass_obj
def host(session: Session) -> int:
    """Run the host of local clusters in the foreground until SIGTERM or Ctrl-C.

    It needs the server, and starts and stops Kubernetes control planes as the server asks.
    """
    return session.processes["host"]()


@click.command(cls=Command, context_settings=CONTEXT)
@click.pass_obj
def agent(session: Session) -> int:
    """Run the agent in the foreground until SIGTERM or Ctrl-C.

    It needs the server, and installs, watches and removes Helm releases in the clusters of this machine.
    """
    return session.processes["agent"]()
