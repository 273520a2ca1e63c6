"""`extensa group`: resource groups, in `az group`'s words."""

from typing import Any

import click

from extensa.base.errors import NotFound
from extensa.cli import options
from extensa.cli.grammar import Group
from extensa.cli.output import Column, emit
from extensa.cli.session import Session
from extensa.cli.waiting import wait
from extensa.client import paths
from extensa.client.extensions import pairs

_API = paths.GROUPS_API
COLUMNS: tuple[Column, ...] = (
    ("Name", "name"),
    ("Location", "location"),
    ("Status", "properties.provisioningState"),
)


@click.group(cls=Group)
def group() -> None:
    """Create, show, list and delete resource groups."""


@group.verb(
    "create",
    greedy=("--tags",),
    examples=[("Create a group in a region", "extensa group create -n demo -l westeurope")],
)
@click.option("-l", "--location", metavar="REGION", help="Region; by default EXTENSA_LOCATION.")
@options.tags
@options.output
@options.group
def create(session: Session, name: str, *, location: str | None, tags: tuple[str, ...]) -> None:
    """Create a resource group, or change its tags."""
    body: dict[str, Any] = {"location": location or session.settings.location}
    if tags:
        body["tags"] = pairs(tags, flag="--tags")
    made = session.arm.put(paths.group(session.subscription, name), _API, body)
    emit(made.body, format=session.format, columns=COLUMNS)


@group.verb("show", examples=[("Show one group", "extensa group show -n demo -o table")])
@options.output
@options.group
def show(session: Session, name: str) -> None:
    """Show a resource group."""
    found = session.arm.get(paths.group(session.subscription, name), _API)
    emit(found, format=session.format, columns=COLUMNS)


@group.verb("list", examples=[("List all groups", "extensa group list -o table")])
@options.output
@click.pass_obj
def list_(session: Session) -> None:
    """List the resource groups of the subscription."""
    found = session.arm.list(paths.groups(session.subscription), _API)
    emit(list(found), format=session.format, columns=COLUMNS)


@group.verb("exists", examples=[("Ask whether a group is there", "extensa group exists -n demo")])
@options.output
@options.group
def exists(session: Session, name: str) -> None:
    """Print true or false."""
    try:
        session.arm.get(paths.group(session.subscription, name), _API)
        found = True
    except NotFound:
        found = False
    emit(found, format=session.format)


@group.verb("delete", examples=[("Delete a group and all that is in it", "extensa group delete -n demo --yes")])
@options.yes
@options.no_wait
@options.output
@options.group
def delete(session: Session, name: str, *, yes: bool, no_wait: bool) -> None:
    """Delete a resource group: its clusters and their extensions go with it."""
    if not yes:
        options.confirm(f"Delete group '{name}' with everything in it?")
    path = paths.group(session.subscription, name)
    promise = session.arm.delete(path, _API)
    if not no_wait:
        wait(session, promise, path, _API, title=f"Deleting group {name}")
