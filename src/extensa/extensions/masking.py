"""The last look before an agent's words are kept: no value of a protected setting may stand in them.

The agent masks what it sends; this is the second lock on the same door, for a chart may print a secret in ways an agent
does not expect. Also masked are the encodings that Kubernetes and Helm use when they quote a value.
"""

import base64
import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from extensa.link.extension import Failure, ObjectHealth, ObservedExtension

MASK = "******"
_SHORT = 4
_LINE = 8


def masked(observed: ObservedExtension, secrets: Iterable[str]) -> ObservedExtension:
    """Return ``observed`` with each of ``secrets`` blotted out of every text in it."""
    blot = blotter(secrets)
    if blot is None:
        return observed
    remedy = observed.remedy
    return replace(
        observed,
        statuses=[replace(s, code=blot(s.code), message=blot(s.message)) for s in observed.statuses],
        objects=[_blotted(each, blot) for each in observed.objects],
        failure=_plain(observed.failure, blot),
        drift=[
            replace(d, name=blot(d.name), path=blot(d.path), wanted=blot(d.wanted), found=blot(d.found))
            for d in observed.drift
        ],
        remedy=remedy and replace(remedy, failure=_plain(remedy.failure, blot)),
    )


def _plain(failure: Failure | None, blot: Callable[[str], str]) -> Failure | None:
    return failure and replace(
        failure,
        message=blot(failure.message),
        target=blot(failure.target),
        next_step=blot(failure.next_step),
        raw=blot(failure.raw),
    )


def masked_objects(objects: Iterable[ObjectHealth], secrets: Iterable[str]) -> list[ObjectHealth]:
    """Return ``objects`` with each of ``secrets`` blotted out of every text in them."""
    blot = blotter(secrets)
    return [each if blot is None else _blotted(each, blot) for each in objects]


def _blotted(seen: ObjectHealth, blot: Callable[[str], str]) -> ObjectHealth:
    return replace(seen, name=blot(seen.name), waits_for=blot(seen.waits_for))


def blotted(value: Any, blot: Callable[[str], str]) -> Any:
    """Return ``value``, plain data of any depth, with every text in it passed through ``blot``."""
    if isinstance(value, str):
        return blot(value)
    if isinstance(value, list):
        return [blotted(each, blot) for each in value]
    if isinstance(value, dict):
        return {key: blotted(each, blot) for key, each in value.items()}
    return value


def blotter(secrets: Iterable[str]) -> Callable[[str], str] | None:
    """Return what blots all spellings of all secrets out of a text; None when there is nothing to look for.

    Only what a text holds becomes an expression: one for every spelling of a large secret takes seconds to compile.
    """
    spellings = sorted({spelling for secret in secrets for spelling in _spellings(secret)}, key=len)
    if not spellings:
        return None
    lengths = [len(spelling) for spelling in spellings]

    def blot(text: str) -> str:
        held = [each for each in spellings[: bisect_right(lengths, len(text))] if each in text]
        return _pattern(held).sub(MASK, text) if held else text

    return blot


def _pattern(spellings: Sequence[str]) -> re.Pattern[str]:
    """One expression for all of ``spellings``, longest first, so that no part of one shields the rest."""
    alternatives = (re.escape(s) if len(s) >= _SHORT else rf"(?<!\w){re.escape(s)}(?!\w)" for s in reversed(spellings))
    return re.compile("|".join(alternatives))


def _spellings(secret: str) -> set[str]:
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) >= _LINE}
    plain = {secret, secret.strip(), *lines} - {""}
    quoted = {json.dumps(text)[1:-1] for text in plain}
    encoded = {base64.b64encode(text.encode()).decode() for text in plain}
    return plain | quoted | encoded
