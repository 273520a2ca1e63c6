"""`extensa env`: what a shell needs so that az, kubectl, helm, the SDKs and extensa speak to this installation."""

from pathlib import Path

import click

from extensa.base.errors import ExtensaError
from extensa.base.home import Home, write_file
from extensa.cli.azure_config import prepare
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.session import Session
from extensa.cli.shell import exports, lines
from extensa.client.token import owner_credential


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples=[
        ("For this shell", 'eval "$(extensa env)"'),
        ("For DefaultAzureCredential of the Azure SDKs", 'eval "$(extensa env --sdk)"'),
    ],
)
@click.option(
    "--sdk", is_flag=True, help="The form that DefaultAzureCredential takes without asking a public directory."
)
@click.pass_obj
def env(session: Session, /, *, sdk: bool) -> None:
    """Print export lines for eval; az needs no login after them.

    They hold the owner's secret: whoever reads them is the owner of this installation.
    """
    credential = owner_credential(session.home)
    if credential is None:
        raise ExtensaError(
            "NotSetUp",
            f"There is no installation in {session.home.path} yet.",
            target=str(session.home.owner_credential),
            next_step="Run `extensa up` first; if it lives elsewhere, set EXTENSA_HOME.",
        )
    prepare(session.home.azure_config, credential)
    bundle = ca_bundle(session.home, session.environ.get("REQUESTS_CA_BUNDLE", ""))
    click.echo(lines(exports(credential, session.home, session.environ, ca_bundle=bundle, sdk=sdk)), nl=False)


def ca_bundle(home: Home, present: str) -> Path | None:
    """Return the bundle to name: the server's, or one that also holds what the shell trusted before us.

    None when there is no certificate of ours: the server was told to speak plain HTTP.
    """
    if not home.ca_bundle.is_file():
        return None
    before = Path(present).expanduser() if present else home.ca_bundle
    if before == home.ca_bundle or not before.is_file():
        return home.ca_bundle
    trusted, ours = before.read_bytes().strip(), home.ca_certificate.read_bytes().strip()
    if trusted in home.ca_bundle.read_bytes():
        return home.ca_bundle  # the server found the same variable and extended what it named
    together = trusted + b"\n" + (b"" if ours in trusted else ours + b"\n")
    if not home.shell_ca_bundle.is_file() or home.shell_ca_bundle.read_bytes() != together:
        write_file(home.shell_ca_bundle, together, mode=0o644)
    return home.shell_ca_bundle
