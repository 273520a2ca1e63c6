"""The credential files in the data folder: what the owner signs in with, and what host and agent show on the link.

Their secrets exist nowhere else in the clear. A file that is missing, torn or no longer valid is written anew with a
fresh secret; one that is valid is left alone but for the addresses in it. All of it is read by people's own tools, so
the names of the fields are a contract.
"""

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from extensa.base.home import write_file


class OwnerFile(Struct, frozen=True, kw_only=True):
    """``credentials/owner.json``: the first service principal."""

    tenantId: str  # noqa: N815 - a contract with people's scripts, in ARM's spelling
    clientId: str  # noqa: N815
    clientSecret: str  # noqa: N815
    subscriptionId: str  # noqa: N815
    endpoint: str
    objectId: str  # noqa: N815


class LinkFile(Struct, frozen=True, kw_only=True):
    """``credentials/host.json`` and ``credentials/agent.json``."""

    name: str
    secret: str
    endpoint: str


def read_owner(file: Path) -> OwnerFile | None:
    """Return what ``file`` holds, or None when it is missing or is no such document. Raises other `OSError`."""
    found: OwnerFile | None = _read(file, OwnerFile)
    return found


def read_link(file: Path) -> LinkFile | None:
    """Return what ``file`` holds, or None when it is missing or is no such document. Raises other `OSError`."""
    found: LinkFile | None = _read(file, LinkFile)
    return found


def write(file: Path, document: OwnerFile | LinkFile) -> None:
    """Write ``document`` whole, 0600; raises `OSError` as the system gives it."""
    write_file(file, msgspec.json.format(msgspec.json.encode(document)) + b"\n")


def _read(file: Path, document: type[Any]) -> Any:
    try:
        return msgspec.json.decode(file.read_bytes(), type=document)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
