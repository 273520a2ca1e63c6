"""What a resource group may be: pure decisions over a request's body and what is there.

Facts in, decision or every reason out, in Azure's words and codes; no store, no clock.
"""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from extensa.arm import system_data
from extensa.arm.binding import Caller
from extensa.arm.resource_id import ResourceId
from extensa.base.errors import Conflict, NotFound, Problems, Refused
from extensa.resources.locations import normalised
from extensa.resources.model import ResourceGroup, State

_BAD_CHARACTERS = re.compile(r"[^-\w.()]")
_LONGEST_NAME = 90
_MOST_TAGS, _LONGEST_TAG_NAME, _LONGEST_TAG_VALUE = 50, 512, 256


class Draft(Struct, frozen=True, kw_only=True):
    """What a request wants a group to be."""

    location: str
    tags: dict[str, str] | None = None
    managed_by: str | None = None


def read_draft(body: Any, *, name: str, regions: Collection[str]) -> Draft:
    """Return what the body of a PUT wants for the group ``name``; raises `Refused` with every reason against it."""
    problems = Problems()
    _check_name(name, problems)
    if not isinstance(body, dict):
        problems.add("InvalidRequestContent", "The body of the request must be a JSON object.", target="body")
        raise Refused.because(problems.found)
    location = _location(body.get("location"), regions, problems)
    tags = _tags(body.get("tags"), problems)
    managed_by = body.get("managedBy")
    if managed_by is not None and not isinstance(managed_by, str):
        problems.add("InvalidRequestContent", "managedBy must be a resource id.", target="managedBy")
    problems.refuse_if_any()
    return Draft(location=location, tags=tags, managed_by=managed_by)


def read_patch(body: Any, *, present: ResourceGroup, regions: Collection[str]) -> Draft:
    """Return what ``present`` becomes by the body of a PATCH; raises `Refused`.

    A field that is not named stays, one that is named is replaced whole: for tags, too, as Azure does it here.
    """
    if not isinstance(body, dict):
        return read_draft(body, name=present.name, regions=regions)
    whole = {"location": present.location, "tags": present.tags, "managedBy": present.managed_by}
    return read_draft(whole | body, name=present.name, regions=regions)


def decide_put(
    draft: Draft, *, present: ResourceGroup | None, id: ResourceId, uid: str, caller: Caller, now: datetime
) -> ResourceGroup:
    """Return the group after the write; ``uid`` is for a new one.

    Raises `Conflict`: ``ResourceGroupBeingDeleted``, or ``InvalidResourceGroupLocation`` for another location.
    """
    if present is None:
        return ResourceGroup(
            uid=uid,
            id=f"/subscriptions/{id.subscription}/resourceGroups/{id.resource_group}",
            name=id.resource_group or "",
            location=draft.location,
            tags=draft.tags,
            managed_by=draft.managed_by,
            system_data=system_data.created(caller, now),
        )
    if present.state is State.DELETING:
        raise being_deleted(present)
    if draft.location != present.location:
        raise Conflict(
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{draft.location}'. The Resource group already exists in location "
            f"'{present.location}'.",
            target="location",
            next_step=f"Leave the location at '{present.location}', or choose another name for the new group.",
        )
    return msgspec.structs.replace(
        present,
        tags=draft.tags,
        managed_by=draft.managed_by,
        system_data=system_data.modified(present.system_data, caller, now),
    )


def being_deleted(group: ResourceGroup) -> Conflict:
    """Return the error for a write to a group on its way out."""
    return Conflict(
        "ResourceGroupBeingDeleted",
        f"The resource group '{group.name}' is in deprovisioning state and cannot perform this operation.",
        target=group.id,
        next_step="Wait until its deletion has ended, then create it again.",
    )


def group_not_found(name: str) -> NotFound:
    """Return the error for a group that is not there."""
    return NotFound(
        "ResourceGroupNotFound",
        f"Resource group '{name}' could not be found.",
        target=name,
        next_step=f"az group create --name {name} --location REGION makes it.",
    )


def _check_name(name: str, problems: Problems) -> None:
    bad = "".join(dict.fromkeys(_BAD_CHARACTERS.findall(name)))
    if not bad and name.endswith("."):
        bad = "."
    if bad:
        problems.add(
            "InvalidResourceGroup",
            f"The provided resource group name '{name}' has these invalid characters: '{bad}'. The name can only be a "
            "letter, digit, '-', '.', '(', ')' or '_', and cannot end with '.'.",
            target="resourceGroupName",
        )
    if len(name) > _LONGEST_NAME:
        problems.add(
            "InvalidResourceGroup",
            f"The provided resource group name has {len(name)} characters; it can have {_LONGEST_NAME} at the most.",
            target="resourceGroupName",
        )


def _location(value: Any, regions: Collection[str], problems: Problems) -> str:
    if not isinstance(value, str) or not value:
        problems.add("LocationRequired", "The location property is required for this definition.", target="location")
        return ""
    location = normalised(value)
    if location not in regions:
        problems.add(
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{value}' is not available for resource group. List of available regions is "
            f"'{','.join(regions)}'.",
            target="location",
        )
    return location


def _tags(value: Any, problems: Problems) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        problems.add("InvalidRequestContent", "tags must be an object of names and text values.", target="tags")
        return None
    if len(value) > _MOST_TAGS:
        problems.add(
            "InvalidTagCount", f"There are {len(value)} tags; a resource can have {_MOST_TAGS}.", target="tags"
        )
    if len({name.casefold() for name in value}) < len(value):
        problems.add("DuplicateTagNames", "Tag names must differ in more than case.", target="tags")
    for name, text in value.items():
        if not name or len(name) > _LONGEST_TAG_NAME or re.search(r"[<>%&\\?/]", name):
            problems.add(
                "InvalidTagName",
                f"A tag name has 1 to {_LONGEST_TAG_NAME} characters and none of < > % & \\ ? /: '{name[:80]}'.",
                target="tags",
            )
        if len(text) > _LONGEST_TAG_VALUE:
            problems.add(
                "InvalidTagValueLength",
                f"The value of tag '{name[:80]}' has {len(text)} characters; {_LONGEST_TAG_VALUE} are allowed.",
                target="tags",
            )
    return value
