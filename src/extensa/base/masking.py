"""Secrets kept out of texts: every spelling in which a program may show one is found and replaced.

Once for agent, server and support bundle, so that what one of them hides no other lets through. It knows the forms in
which JSON, Kubernetes and Helm quote a value: as it is, line by line, quoted once or twice, in base64. It does not know
compression or encryption: a text in which a secret stands in such a form must not be kept at all.
"""

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence

Masker = Callable[[str], str]
"""Returns its text with every secret replaced."""

MASK = "********"
_SHORT = 4
_LINE = 6


def masker(secrets: Iterable[str], *, shortest: int = 1) -> Masker | None:
    """Return what replaces every spelling of each of ``secrets`` by `MASK`; None when there is nothing to look for.

    A spelling of less than four characters is replaced only where it stands as a word of its own: replacing every ``1``
    would make the text unreadable and tell the value all the same. Secrets of less than ``shortest`` are left alone.
    Only what a text holds becomes an expression: one for every spelling of a large secret takes seconds to compile.
    """
    hidden = {form for secret in secrets if len(secret) >= shortest for form in _spellings(secret)}
    spellings = sorted(hidden, key=len)
    if not spellings:
        return None
    lengths = [len(spelling) for spelling in spellings]

    def mask(text: str) -> str:
        held = [each for each in spellings[: bisect_right(lengths, len(text))] if each in text]
        return _pattern(held).sub(MASK, text) if held else text

    return mask


def _pattern(spellings: Sequence[str]) -> re.Pattern[str]:
    """One expression for all of ``spellings``, longest first, so that no part of one shields the rest."""
    alternatives = (re.escape(s) if len(s) >= _SHORT else rf"(?<!\w){re.escape(s)}(?!\w)" for s in reversed(spellings))
    return re.compile("|".join(alternatives))


def _spellings(secret: str) -> set[str]:
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) >= _LINE}
    found = set()
    for plain in {secret, secret.strip(), *lines} - {""}:
        quoted = json.dumps(plain)[1:-1]
        encoded = base64.b64encode(plain.encode("utf-8", "surrogatepass")).decode()
        found |= {plain, quoted, json.dumps(quoted)[1:-1], encoded, encoded.rstrip("=")}
    return found
