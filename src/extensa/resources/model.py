"""What is kept of one resource group.

Written by ``rules`` (wishes), ``groups`` (the beginning of a deletion) and ``cascade`` (its end), and by nobody else.
"""

from enum import StrEnum

from msgspec import Struct

from extensa.arm.system_data import SystemData

TYPE = "Microsoft.Resources/resourceGroups"
"""The resource type, as spelled in ``type`` on the wire; rows carry it case-folded."""


class State(StrEnum):
    """A group's provisioning words."""

    SUCCEEDED = "Succeeded"
    DELETING = "Deleting"


class ResourceGroup(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One resource group. ``id`` and ``name`` keep the spelling of the first PUT; ``location`` is a short name.

    ``operation_id`` names the running deletion, and only that one may remove the group.
    """

    uid: str
    id: str
    name: str
    location: str
    system_data: SystemData
    tags: dict[str, str] | None = None
    managed_by: str | None = None
    state: State = State.SUCCEEDED
    operation_id: str = ""

    @property
    def key(self) -> str:
        """The case-folded id: the key of its row, and with a slash the prefix of everything inside."""
        return self.id.casefold()
