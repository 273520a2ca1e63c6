"""`extensa kubernetes`: the programs that local clusters are made of, found, fetched or built ahead of time."""

import asyncio
from collections.abc import Callable

import click

from extensa.base.settings import Settings
from extensa.cli import options
from extensa.cli.grammar import Group
from extensa.cli.output import Column, emit
from extensa.cli.progress import step
from extensa.cli.session import Session
from extensa.localcluster.binaries import find_binaries, known_versions, ready_binaries
from extensa.localcluster.model import Binaries

COLUMNS: tuple[Column, ...] = (("Version", "version"), ("Installed", "installed"), ("Folder", "folder"))


@click.group(cls=Group)
def kubernetes() -> None:
    """Find, fetch or build the programs that local clusters run."""


@kubernetes.verb("install", examples=[("Have them ready before the first start", "extensa kubernetes install")])
@click.option("--version", metavar="VERSION", default="", help="Kubernetes version; by default the newest known.")
@click.pass_obj
def install(session: Session, /, version: str) -> None:
    """Find, fetch or build the Kubernetes programs; the first build takes about 8 minutes.

    They are looked for in EXTENSA_KUBERNETES_BINARIES, in the cache, among upstream's release files (when an address is
    set), and are built with Go otherwise. An interrupted build goes on where it stopped.
    """
    with step("Kubernetes programs") as shown:
        found = ready(session.settings, shown.say, version=version)
    click.echo(f"Kubernetes {found.version} in {found.folder}")


@kubernetes.verb("list", examples=[("Show which versions there are", "extensa kubernetes list")])
@options.output
@click.pass_obj
def list_(session: Session, /) -> None:
    """List the Kubernetes versions that can be run here."""
    found = ready_binaries(session.settings)
    rows = [
        {"version": v, "installed": found is not None, "folder": str(found.folder) if found else None}
        for v in ([found.version] if found else known_versions())
    ]
    emit(rows, format=session.asked_format or "table", columns=COLUMNS)


def ready(settings: Settings, say: Callable[[str], None], *, version: str = "") -> Binaries:
    """Return the programs, made ready first when they are not; raises `BinariesError`."""
    return asyncio.run(find_binaries(settings, version=version, progress=say))
