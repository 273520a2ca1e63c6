"""ETags and conditional requests (ARM RPC, "ETags for resources"): pure comparison, no storage.

Azure's extensions have no ETag at all; ours answer with one as a header only, which stock clients ignore.
"""

from extensa.arm.binding import Condition
from extensa.base.errors import Conflict


def parse_header(value: str | None) -> str | None:
    """Return the bare etag of an ``If-Match``/``If-None-Match`` header (``*`` stays ``*``), or None when absent."""
    if not value:
        return None
    return value.strip().removeprefix("W/").strip('"')


def header(etag: str) -> str:
    """Return ``etag`` as it stands in the ``ETag`` response header."""
    return f'"{etag}"'


def check(condition: Condition, present: str | None, *, target: str) -> None:
    """Return quietly when ``condition`` allows a write over the etag that is ``present`` (None: no resource).

    Raises `Conflict` with status 412 and code ``PreconditionFailed`` otherwise.
    """
    wanted, unwanted = condition.if_match, condition.if_none_match
    if wanted is not None and (present is None or wanted not in ("*", present)):
        raise _failed(f"If-Match names '{wanted}', but the resource is at '{present or 'absent'}'.", target)
    if unwanted is not None and present is not None and unwanted in ("*", present):
        raise _failed(f"If-None-Match names '{unwanted}', and the resource is at '{present}'.", target)


def _failed(message: str, target: str) -> Conflict:
    return Conflict(
        "PreconditionFailed",
        message,
        target=target,
        status=412,
        next_step="Read the resource again, apply your change to what it holds now, and send its new ETag.",
    )
