"""From a desired document to what Helm is given: opened secrets, nested values, and the digest that says "the same".

The digest stands as a label on the release, so that an agent without a memory still knows that what is there is what
is wanted. It covers everything that shapes the release and nothing that does not (generation, operation, correlation).
Pure; plain secrets live only as long as what it returns.
"""

import hashlib
from dataclasses import dataclass, field

import msgspec

from extensa.base.errors import ExtensaError
from extensa.helm.errors import HelmError
from extensa.helm.state import Wanted
from extensa.helm.values import Values, nest
from extensa.link.extension import DesiredExtension, Presence
from extensa.link.sealing import unseal

_FORM = 1
_DIGEST_LETTERS = 40  # a label value holds 63


@dataclass(frozen=True, slots=True)
class Prepared:
    """A desired document, ready for Helm."""

    wanted: Wanted
    values: Values = field(repr=False)


def prepare(desired: DesiredExtension, *, private_key: str) -> Prepared:
    """Return what Helm is given for ``desired``.

    Raises `HelmError`: ``SettingsSealBroken`` when the protected settings were sealed to another key,
    ``SettingInvalid`` when a key cannot be placed.
    """
    absent = desired.presence is Presence.ABSENT
    protected = {} if absent else _open(desired, private_key)
    values = nest({}, {}, {}) if absent else nest(desired.settings, protected, desired.injected)
    wanted = Wanted(
        release=desired.release,
        namespace=desired.namespace,
        uid=desired.uid,
        owner=owner_mark(desired.resource_id),
        generation=desired.generation,
        digest=_digest(desired, values),
        present=not absent,
        create_namespace=desired.create_namespace,
        adopt=desired.adopt,
        remove_finalizers=desired.remove_finalizers,
    )
    return Prepared(wanted, values)


def owner_mark(resource_id: str) -> str:
    """Return what stands for a resource id in a label; ids are compared without regard to case."""
    return hashlib.sha256(resource_id.lower().encode()).hexdigest()[:_DIGEST_LETTERS]


def _open(desired: DesiredExtension, private_key: str) -> dict[str, str]:
    if desired.protected is None:
        return {}
    try:
        plain = unseal(desired.protected, private=private_key, purpose=desired.uid)
        return msgspec.json.decode(plain, type=dict[str, str])
    except (ExtensaError, msgspec.MsgspecError, ValueError) as error:
        raise HelmError(
            "SettingsSealBroken", "The protected settings could not be opened with the agent's key."
        ) from error


def _digest(desired: DesiredExtension, values: Values) -> str:
    chart = desired.chart.digest if desired.chart is not None else ""
    parts = [str(_FORM), chart, desired.release, desired.namespace, str(desired.namespace_scoped), *values.exact]
    shape = hashlib.sha256("\0".join(parts).encode() + b"\0" + values.document)
    return shape.hexdigest()[:_DIGEST_LETTERS]
