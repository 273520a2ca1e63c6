"""A request's body as JSON: strict, and told where it breaks.

Here once, so that every refusal of a body names line and column in the same words. It does not know what a body means.
"""

from typing import Any

import msgspec

from extensa.base.errors import Refused

_BOM = b"\xef\xbb\xbf"


def decode(raw: bytes) -> Any:
    """Return strict JSON (a leading byte-order mark is passed over) as plain objects.

    Raises `Refused` (``InvalidRequestContent``) that names the place of the first error.
    """
    text = raw.removeprefix(_BOM)
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise invalid(f"The request content is not valid JSON: {_where(str(error), text)}.") from error
    except UnicodeDecodeError as error:
        raise invalid("The request content is not valid JSON: it is not UTF-8.") from error
    except RecursionError as error:
        raise invalid("The request content is not valid JSON: it is nested too deeply.") from error


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
