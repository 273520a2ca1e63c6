"""How a new generation begins: what every write and every command that has the agent act does to the record. Pure.

It stands apart because ``rules`` (PUT, PATCH, DELETE) and ``commands`` (POST actions) must begin one in the same way:
a clean slate for what is seen, a fresh active operation, and no hold. Whether one may begin is not decided here.
"""

from msgspec.structs import replace

from extensa.arm import operations, system_data
from extensa.arm.operations import Operation, Style
from extensa.extensions.decision import Facts
from extensa.extensions.model import Extension, State
from extensa.link.extension import Presence


def begin(existing: Extension, doing: State, facts: Facts, *, presence: Presence) -> Extension:
    """Return ``existing`` at its next generation, with a fresh active operation; what is to be present is its next
    revision, too.
    """
    return replace(
        existing,
        generation=existing.generation + 1,
        revision=existing.revision + (presence is Presence.PRESENT),
        presence=presence,
        hold=False,
        paused=False,
        delete_crds=False,
        remove_finalizers=False,
        state=doing,
        correlation_id=facts.correlation_id,
        operation_id=facts.fresh_operation,
        operation=facts.fresh_operation,
        statuses=[],
        error=None,
        system_data=system_data.modified(existing.system_data, facts.caller, facts.now),
    )


def begun(extension: Extension, doing: State, facts: Facts) -> Operation:
    """Return the operation of the generation that has just begun."""
    return operations.begun(
        operation_id=facts.fresh_operation,
        resource_id=extension.id,
        resource_uid=extension.uid,
        style=Style.EXTENSIONS,
        doing=doing,
        now=facts.now,
        correlation_id=facts.correlation_id,
        generation=extension.generation,
    )


def active(facts: Facts) -> Operation | None:
    """Return the operation that runs, if one does."""
    operation, existing = facts.operation, facts.existing
    if operation is None or existing is None or operation.terminal or operation.id != existing.operation:
        return None
    return operation


def doing_of(existing: Extension) -> State:
    """Return what making ``existing`` present is called: an update once it has been seen healthy."""
    return State.UPDATING if existing.installed_version else State.CREATING
