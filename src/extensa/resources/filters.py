"""``$filter`` of lists: the part of OData that ARM's clients use, as a small parser.

Equality clauses joined by ``and``. What it does not know is refused in Azure's words rather than ignored, because an
ignored filter shows too much. Pure.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from extensa.base.errors import Refused

_CLAUSE = r"(\w+)\s+eq\s+'((?:[^']|'')*)'"
_WHOLE = re.compile(rf"{_CLAUSE}(?:\s+and\s+{_CLAUSE})*", re.IGNORECASE)
_ONE = re.compile(_CLAUSE, re.IGNORECASE)


def parse(text: str | None, *, known: Collection[str]) -> dict[str, str]:
    """Return the values that ``text`` demands, by the names in ``known``; empty without a filter.

    Raises `Refused` (``InvalidFilterInQueryString``) for anything but ``name eq 'value'`` clauses joined by ``and``,
    for an unknown name, and for a name that is demanded twice.
    """
    text = (text or "").strip()
    if not text:
        return {}
    if not _WHOLE.fullmatch(text):
        raise _refused(text, known)
    spelled = {name.casefold(): name for name in known}
    demands: dict[str, str] = {}
    for clause in _ONE.finditer(text):
        name = spelled.get(clause[1].casefold())
        if name is None or name in demands:
            raise _refused(text, known)
        demands[name] = clause[2].replace("''", "'")
    return demands


def matches_tag(demands: Mapping[str, str], tags: Mapping[str, Any] | None) -> bool:
    """Return whether ``tags`` meet the demands ``tagName`` and ``tagValue`` (names compare without case)."""
    if "tagName" not in demands:
        return True
    held = {name.casefold(): value for name, value in (tags or {}).items()}
    value = held.get(demands["tagName"].casefold())
    return value is not None and demands.get("tagValue", value) == value


def _refused(text: str, known: Collection[str]) -> Refused:
    return Refused(
        "InvalidFilterInQueryString",
        f"Invalid $filter '{text}' specified in the query string.",
        target="$filter",
        next_step=f"Write NAME eq 'VALUE', joined by 'and'; the names are {', '.join(known)}.",
    )
