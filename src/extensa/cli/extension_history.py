"""`extensa extension history`, `rollback` and `drift`: what was wanted, the way back, what is no longer so."""

from collections.abc import Mapping
from typing import Any

import click

from extensa.cli import options
from extensa.cli.extension_answers import API, name_of, perform
from extensa.cli.grammar import verb
from extensa.cli.output import Column, emit
from extensa.cli.session import Session

_ON = "-g demo -c demo -n hello"
REVISIONS: tuple[Column, ...] = (
    ("Revision", "revision"),
    ("Result", "result"),
    ("Reason", "reason"),
    ("Version", "version"),
    ("Settings", "settingsDigest"),
    ("By", "createdBy"),
    ("CreatedAt", "createdAt"),
    ("Cause", "errorCode"),
    ("Helm", "helmRevision"),
)
FIELDS: tuple[Column, ...] = (
    ("Kind", "kind"),
    ("Namespace", "namespace"),
    ("Name", "name"),
    ("Path", "path"),
    ("Wanted", "wanted"),
    ("Found", "found"),
    ("SetBy", "manager"),
)
_SHORT = len("sha256:") + 12


@verb(
    "history",
    examples=[
        ("Who wanted what, when, and what became of it", f"extensa extension history {_ON} -o table"),
        ("Digests, operations and remedies, too", f"extensa extension history {_ON} -o json"),
    ],
)
@options.output
@options.extension
def history(session: Session, path: str) -> None:
    """List the last 20 accepted configurations, the newest first.

    A revision is what a PUT, PATCH, rollback, retry or resume wanted; Helm's own count is in column Helm. Settings
    are shown as a digest only: the same digest means the same settings.
    """
    found = (session.arm.post(f"{path}/listRevisions", API).body or {}).get("value") or []
    if session.format in ("table", "tsv"):
        found = [_shortened(each) for each in found]
    emit(found, format=session.format, columns=REVISIONS)


@verb(
    "rollback",
    examples=[
        ("See what there is", f"extensa extension history {_ON} -o table"),
        ("Go back to revision 3", f"extensa extension rollback {_ON} --to 3"),
    ],
)
@click.option(
    "--to", "revision", required=True, type=click.IntRange(min=1), metavar="REVISION", help="`history` lists them."
)
@options.no_wait
@options.output
@options.extension
def rollback(session: Session, path: str, *, revision: int, no_wait: bool) -> None:
    """Want an earlier configuration again: its version, chart, settings and protected settings.

    It becomes a new revision. Going back to another version pins that version; `update --auto-upgrade true` follows the
    train again. Policies (failure, drift, adoption) stay as they are.
    """
    title = f"Rolling {name_of(path)} back to revision {revision}"
    perform(session, path, "rollback", title=title, no_wait=no_wait, body={"revision": revision})


@verb(
    "drift",
    examples=[
        ("Which fields are no longer what the release says", f"extensa extension drift {_ON} -o table"),
        ("Put them right once", f"extensa extension retry {_ON}"),
        ("Have them put right from now on", f"extensa extension update {_ON} --drift correct"),
        ("Leave one to an autoscaler", f"extensa extension update {_ON} --drift-ignore Deployment/web:/spec/replicas"),
    ],
)
@options.output
@options.extension
def drift(session: Session, path: str) -> None:
    """List the fields of live objects that are not what the release says, as last seen.

    Wanted and found are JSON; an empty one means that the field is not there. Secrets are masked.
    """
    found = session.arm.post(f"{path}/listDrift", API).body or {}
    value = found.get("value") or []
    emit(value, format=session.format, columns=FIELDS)
    if int(found.get("count") or 0) > len(value):
        click.echo(f"{len(value)} of {found['count']} fields are shown.", err=True)
    elif not value:
        seen = found.get("observedAt")
        click.echo(f"No drift, as last seen {seen}." if seen else "The agent has not looked yet.", err=True)


def _shortened(revision: Mapping[str, Any]) -> dict[str, Any]:
    return {**revision, "settingsDigest": str(revision.get("settingsDigest") or "")[:_SHORT].removeprefix("sha256:")}


VERBS: tuple[click.Command, ...] = (history, rollback, drift)
