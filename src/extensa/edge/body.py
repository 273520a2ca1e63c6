"""A request's body as JSON: strict, and told where it breaks.

Here once, so that every refusal of a body names line and column in the same words. It does not know what a body means.
"""

from typing import Any

import msgspec

from extensa.base.errors import Refused

_BOM = b"\xef\xbb\xbf"
DEEPEST = 100
"""Objects and arrays in one another at the most: far more than any resource has, far less than Python can follow."""


def decode(raw: bytes) -> Any:
    """Return strict JSON (a leading byte-order mark is passed over) as plain objects.

    Raises `Refused` (``InvalidRequestContent``) that names the place of the first error.
    """
    text = raw.removeprefix(_BOM)
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise invalid(f"The request content is not valid JSON: {_where(str(error), text)}.") from error
    except UnicodeDecodeError as error:
        raise invalid("The request content is not valid JSON: it is not UTF-8.") from error
    except RecursionError as error:
        raise _too_deep() from error
    if text.count(b"{") + text.count(b"[") > DEEPEST and _depth(found) > DEEPEST:
        raise _too_deep()
    return found


def decode_object(raw: bytes) -> dict[str, Any]:
    """Return strict JSON that is one object; raises `Refused` like `decode`, and for anything but an object."""
    found = decode(raw)
    if isinstance(found, dict):
        return found
    kind = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(type(found), "a number")
    raise invalid(f"The request content is {kind}; a JSON object is expected.")


def expect_json(content_type: str | None) -> None:
    """Return quietly for a JSON content type or none at all; raises `Refused` (415 ``UnsupportedMediaType``)."""
    if content_type is None:
        return
    media = content_type.partition(";")[0].strip().casefold()
    if media in ("application/json", "text/json") or (media.startswith("application/") and media.endswith("+json")):
        return
    raise Refused(
        "UnsupportedMediaType",
        f"The content media type '{media}' is not supported. Only 'application/json' is supported.",
        target="Content-Type",
        next_step="Send the header 'Content-Type: application/json'.",
        status=415,
    )


def invalid(message: str) -> Refused:
    """Return the refusal of a body, in ARM's words."""
    return Refused("InvalidRequestContent", message, target="body", next_step="Send one JSON object, in UTF-8.")


def _too_deep() -> Refused:
    return invalid(f"The request content is nested too deeply: at most {DEEPEST} objects and arrays in one another.")


def _depth(found: Any) -> int:
    """Return how deep ``found`` is, level by level, for it may be deeper than calls can go."""
    level, depth = [found], 0
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _where(reason: str, text: bytes) -> str:
    """Return msgspec's reason with its byte offset told as line and column."""
    told, _, rest = reason.removeprefix("JSON is malformed: ").partition(" (byte ")
    offset = rest.rstrip(")")
    if not offset.isdigit():
        return "it ends too early" if "truncated" in reason else told
    before = text[: int(offset)]
    column = len(before) - (before.rfind(b"\n") + 1) + 1
    line = before.count(b"\n") + 1
    return f"{told} at line {line}, column {column}"
