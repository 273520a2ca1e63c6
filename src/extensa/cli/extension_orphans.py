"""`extensa extension orphans`: what forced deletes have left on a cluster, and asking for its removal again."""

from typing import Any

import click

from extensa.base.errors import NotFound
from extensa.cli import options
from extensa.cli.extension_answers import API
from extensa.cli.grammar import verb
from extensa.cli.output import Column, emit
from extensa.cli.session import Session
from extensa.client import paths

COLUMNS: tuple[Column, ...] = (
    ("Name", "name"),
    ("Namespace", "properties.releaseNamespace"),
    ("State", "properties.state"),
    ("Left", "properties.leftCount"),
    ("ForgottenAt", "properties.forgottenAt"),
    ("AgentLastSeen", "properties.agentLastSeen"),
    ("Cause", "properties.cause.message"),
)
_ON = "-g demo -c demo"


@verb(
    "orphans",
    examples=[
        ("What forced deletes have left on a cluster", f"extensa extension orphans {_ON} -o table"),
        ("With the objects that are still there", f"extensa extension orphans {_ON} -o json"),
        ("Ask the agent to remove it all again", f"extensa extension orphans {_ON} --clean"),
        (
            "Take the finalizers off what is held by them",
            f"extensa extension orphans {_ON} --clean --remove-finalizers",
        ),
    ],
)
@click.option("-n", "--name", metavar="NAME", help="Only what the extension of this name has left.")
@click.option("--clean", is_flag=True, help="Ask the agent again, now, to remove it.")
@click.option(
    "--remove-finalizers", is_flag=True, help="With --clean: take finalizers off; what they guard is not cleaned up."
)
@click.option(
    "--delete-crds", is_flag=True, help="With --clean: the chart's own definitions, too, and all made of them."
)
@options.yes
@options.output
@options.cluster
def orphans(
    session: Session,
    path: str,
    *,
    name: str | None,
    clean: bool,
    remove_finalizers: bool,
    delete_crds: bool,
    yes: bool,
) -> None:
    """List releases that `delete --force` has left and nobody has seen gone yet.

    Waiting: the agent has not looked yet. Removing: it is at it. Failed: it tried, and tries again by itself every ten
    minutes. A release that was seen gone is not listed any more.
    """
    if (remove_finalizers or delete_crds) and not clean:
        raise click.UsageError("--remove-finalizers and --delete-crds need --clean.")
    found = _found(session, path, name)
    if clean and found:
        if (remove_finalizers or delete_crds) and not yes:
            options.confirm(f"Remove {', '.join(each['name'] for each in found)}, not asking what guards them?")
        flags = {"removeFinalizers": remove_finalizers, "deleteCrds": delete_crds}
        query = {flag: "true" for flag, on in flags.items() if on}
        found = [
            session.arm.post(f"{paths.orphan(path, each['name'])}/clean", API, None, **query).body for each in found
        ]
        click.echo("The agent is asked again; what it has removed is not listed any more.", err=True)
    if not found:
        click.echo("Forced deletes have left nothing here.", err=True)
    emit(found, format=session.format, columns=COLUMNS)


def _found(session: Session, path: str, name: str | None) -> list[Any]:
    if name is None:
        return list(session.arm.list(paths.orphans(path), API))
    try:
        return [session.arm.get(paths.orphan(path, name), API)]
    except NotFound:
        return []


VERBS: tuple[click.Command, ...] = (orphans,)
