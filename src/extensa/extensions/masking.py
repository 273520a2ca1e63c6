"""The last look before an agent's words are kept: no value of a protected setting may stand in them.

The agent masks what it sends; this is the second lock on the same door, for a chart may print a secret in ways an agent
does not expect. Also masked are the encodings that Kubernetes and Helm use when they quote a value.
"""

from collections.abc import Callable, Iterable
from typing import Any

from msgspec.structs import replace

from extensa.base.masking import masker
from extensa.link.extension import Failure, ObjectHealth, ObservedExtension


def masked(observed: ObservedExtension, secrets: Iterable[str]) -> ObservedExtension:
    """Return ``observed`` with each of ``secrets`` blotted out of every text in it."""
    blot = masker(secrets)
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
    blot = masker(secrets)
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
