"""`extensa reset`: remove the data folder, after asking, and never a folder that is not ours."""

import shutil
from pathlib import Path

import click

from extensa.base.errors import Refused
from extensa.base.home import Home
from extensa.cli import options
from extensa.cli.down import stop_all
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.session import Session


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples=[("Begin anew", "extensa reset --yes && extensa up")],
)
@options.yes
@click.pass_obj
def reset(session: Session, /, *, yes: bool) -> None:
    """Stop everything and remove the data folder: all clusters, extensions, keys and logs.

    The Kubernetes programs stay in the cache.
    """
    home = session.home
    if not home.path.exists():
        click.echo(f"There is no data folder at {home.path}.", err=True)
        return
    require_ours(home, user_home=Path.home(), cwd=Path.cwd())
    if not yes:
        options.confirm(f"Remove {home.path} with all clusters, extensions and keys in it?")
    stop_all(home)
    shutil.rmtree(home.path)
    click.echo(f"Removed {home.path}.", err=True)


def require_ours(home: Home, *, user_home: Path, cwd: Path) -> None:
    """Return quietly when the folder looks like one that Extensa made; raises `Refused` otherwise."""
    path = home.path
    why = None
    if path.is_symlink() or not path.is_dir():
        why = "it is not a folder"
    elif path == Path(path.anchor) or user_home.is_relative_to(path) or cwd.is_relative_to(path):
        why = "it holds your home or the folder you are in"
    elif (path / ".git").exists():
        why = "it is a git repository"
    elif not home.marker.is_file() and not (home.database.is_file() and home.owner_credential.is_file()):
        why = f"{home.marker.name} is not in it"
    if why is not None:
        raise Refused(
            "NotOurFolder",
            f"{path} does not look like a data folder of Extensa: {why}. Nothing was removed.",
            target="EXTENSA_HOME",
            next_step="Check EXTENSA_HOME; remove the folder by hand if it is really meant.",
        )
