"""Paging: opaque skip tokens and absolute next links (ARM RPC, "GET for a collection")."""

import base64
from urllib.parse import quote, urlencode

from extensa.base.errors import Refused

PAGE = 100
"""Items on a page when the caller names no ``$top``."""
LARGEST_PAGE = 1000
"""Items on a page at the most."""
_SAFE = "/()!$&'*+,;=:@"  # what may stand in a path as it is


def page_size(top: str | None) -> int:
    """Return how many items a page holds for the ``$top`` asked for; raises `Refused` when it is no positive number."""
    if top is None:
        return PAGE
    digits = top.lstrip("0") if top.isascii() and top.isdecimal() else ""
    if not digits:
        raise Refused("InvalidTop", f"$top must be a positive whole number, not '{top}'.", target="$top")
    return min(int(digits[:9]), LARGEST_PAGE)  # nine digits are more than any page


def token(after: str) -> str:
    """Return the skip token for "everything after this key"."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def after_token(skip_token: str | None) -> str | None:
    """Return the key that a skip token stands for; raises `Refused` when it was not made by `token`."""
    if not skip_token:
        return None
    try:
        return base64.b64decode(skip_token + "=" * (-len(skip_token) % 4), altchars=b"-_", validate=True).decode()
    except ValueError as error:  # not base64, not ASCII, not UTF-8
        raise Refused(
            "InvalidSkipToken", "The $skipToken is not one this service gave out.", target="$skipToken"
        ) from (error)


def next_link(base_url: str, path: str, *, query: dict[str, str], after: str | None) -> str | None:
    """Return the absolute URL of the next page, carrying the request's own query, or None on the last page."""
    if after is None:
        return None
    kept = {k: v for k, v in query.items() if k.casefold() != "$skiptoken"}
    return f"{base_url}{quote(path, safe=_SAFE)}?{urlencode({**kept, '$skipToken': token(after)})}"
