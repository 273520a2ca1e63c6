"""systemData: who made and last changed a resource, and when.

Extensions answer with the times only, as recorded traffic does (contract §0.8); who it was is kept for the audit log.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct

from extensa.arm.binding import Caller
from extensa.base.clock import arm_time


class SystemData(Struct, frozen=True, kw_only=True):
    """Maker and last changer of a resource: ``*_by`` are object ids, ``*_by_type`` as ARM words them."""

    created_by: str
    created_by_type: str
    created_at: datetime
    modified_by: str
    modified_by_type: str
    modified_at: datetime


def created(caller: Caller, now: datetime) -> SystemData:
    """Return the systemData of a resource that ``caller`` makes now."""
    return SystemData(
        created_by=caller.object_id,
        created_by_type=caller.kind,
        created_at=now,
        modified_by=caller.object_id,
        modified_by_type=caller.kind,
        modified_at=now,
    )


def modified(before: SystemData, caller: Caller, now: datetime) -> SystemData:
    """Return ``before`` with ``caller`` as the last one to change the resource."""
    return SystemData(
        created_by=before.created_by,
        created_by_type=before.created_by_type,
        created_at=before.created_at,
        modified_by=caller.object_id,
        modified_by_type=caller.kind,
        modified_at=now,
    )


def rendered(data: SystemData, *, names: bool) -> dict[str, Any]:
    """Return the JSON of ``data``; without ``names`` the ``*By`` fields are null, as the extensions provider has it."""
    return {
        "createdBy": data.created_by if names else None,
        "createdByType": data.created_by_type if names else None,
        "createdAt": arm_time(data.created_at),
        "lastModifiedBy": data.modified_by if names else None,
        "lastModifiedByType": data.modified_by_type if names else None,
        "lastModifiedAt": arm_time(data.modified_at),
    }
