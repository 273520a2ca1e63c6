"""`extensa operation`: the record of accepted work, by the address that a write's answer gave."""

import click

from extensa.cli import options
from extensa.cli.grammar import Group
from extensa.cli.output import Column, emit
from extensa.cli.session import Session
from extensa.client import paths

COLUMNS: tuple[Column, ...] = (
    ("Name", "name"),
    ("Status", "status"),
    ("StartTime", "startTime"),
    ("EndTime", "endTime"),
    ("ErrorCode", "error.code"),
    ("ErrorMessage", "error.message"),
)


@click.group(cls=Group)
def operation() -> None:
    """Long-running operations."""


@operation.verb(
    "show",
    examples=[
        (
            "Show the operation whose address a write's answer gave",
            'extensa operation show "https://localhost:9443/subscriptions/…/operations/…?api-version=2025-03-01"',
        ),
    ],
)
@click.argument("address", metavar="URL-OR-PATH")
@options.output
@click.pass_obj
def show(session: Session, /, address: str) -> None:
    """Show an operation; URL-OR-PATH is what Azure-AsyncOperation held."""
    if "api-version=" not in address.lower():
        address += f"{'&' if '?' in address else '?'}api-version={paths.EXTENSIONS_API}"
    emit(session.arm.operation(address), format=session.format, columns=COLUMNS)
