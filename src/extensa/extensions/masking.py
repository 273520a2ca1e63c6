"""The last look before an agent's words are kept: no value of a protected setting may stand in them.

The agent masks what it sends; this is the second lock on the same door, for a chart may print a secret in ways an agent
does not expect. Also masked are the encodings that Kubernetes and Helm use when they quote a value.
"""

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from extensa.link.extension import ObservedExtension

MASK = "******"
_SHORT = 4
_LINE = 8


def masked(observed: ObservedExtension, secrets: Iterable[str]) -> ObservedExtension:
    """Return ``observed`` with each of ``secrets`` blotted out of every text in it."""
    blot = blotter(secrets)
    if blot is None:
        return observed
    failure = observed.failure
    return replace(
        observed,
        statuses=[replace(s, code=blot(s.code), message=blot(s.message)) for s in observed.statuses],
        objects=[replace(o, name=blot(o.name), waits_for=blot(o.waits_for)) for o in observed.objects],
        failure=failure
        and replace(
            failure,
            message=blot(failure.message),
            target=blot(failure.target),
            next_step=blot(failure.next_step),
            raw=blot(failure.raw),
        ),
    )


def blotter(secrets: Iterable[str]) -> Callable[[str], str] | None:
    """Return what blots each of ``secrets`` out of a text, None when there are none."""
    pattern = _pattern(secrets)
    return None if pattern is None else lambda text: pattern.sub(MASK, text)


def blotted(value: Any, blot: Callable[[str], str]) -> Any:
    """Return ``value``, plain data of any depth, with every text in it passed through ``blot``."""
    if isinstance(value, str):
        return blot(value)
    if isinstance(value, list):
        return [blotted(each, blot) for each in value]
    if isinstance(value, dict):
        return {key: blotted(each, blot) for key, each in value.items()}
    return value


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """One expression for all spellings of all secrets, longest first, so that no part of one shields the rest."""
    spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
    if not spellings:
        return None
    alternatives = (
        re.escape(s) if len(s) >= _SHORT else rf"(?<!\w){re.escape(s)}(?!\w)"
        for s in sorted(spellings, key=len, reverse=True)
    )
    return re.compile("|".join(alternatives))


def _spellings(secret: str) -> set[str]:
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) >= _LINE}
    plain = {secret, secret.strip(), *lines} - {""}
    quoted = {json.dumps(text)[1:-1] for text in plain}
    encoded = {base64.b64encode(text.encode()).decode() for text in plain}
    return plain | quoted | encoded
