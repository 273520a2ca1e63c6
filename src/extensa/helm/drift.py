"""Which fields of a live object are no longer what Helm's record says: pure comparison, field by field.

Two steps, for an API that fills in defaults, rewrites quantities and lets webhooks alter what they admit makes every
live object differ from its manifest. `unmatched` is cheap and may be wrong in one way only: it may name a field that
is as it should be. `changes` compares the live object with what the API says it would be after an apply, and is exact.
Rules of `Ignore` take out what somebody else is meant to own. Nothing here asks or changes anything, and nothing of a
Secret's content comes out.
"""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from extensa.base.masking import Masker
from extensa.helm.manifest import HIDDEN
from extensa.helm.release import ObjectRef
from extensa.link.extension import Drift

MOST_FIELDS = 100
LONGEST_VALUE = 200
PRESENT = '"present"'
"""What is wanted of an object that is missing as a whole."""
CHANGED = '"changed"'
"""All that is said of a Secret's value."""
RELEASE_NAME = "meta.helm.sh/release-name"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"

Steps = tuple[str, ...]
_Object = Mapping[str, Any]


class _Missing:
    """Says that a field is not there; null is another thing."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Field:
    """One field that differs: where, what should be there and what is; either may be `MISSING`."""

    steps: Steps
    wanted: Any = MISSING
    found: Any = MISSING

    @property
    def path(self) -> str:
        """The JSON pointer."""
        return pointer(self.steps)


@dataclass(frozen=True, slots=True)
class Ignore:
    """A rule that leaves fields out: of a kind and a name ("" for any), at a pointer and beneath it."""

    kind: str
    name: str
    steps: Steps

    def covers(self, ref: ObjectRef, steps: Steps) -> bool:
        """Say whether the rule leaves out this field of this object."""
        if self.kind and self.kind.lower() != ref.kind.lower():
            return False
        if self.name and self.name != ref.name:
            return False
        return len(self.steps) <= len(steps) and all(
            own in ("*", step) for own, step in zip(self.steps, steps, strict=False)
        )


def read_rules(rules: Iterable[str]) -> tuple[Ignore, ...]:
    """Return the rules ``[kind[/name]:]json-pointer``; one that is not of this form covers nothing and is left out."""
    read = (_rule(text) for text in rules)
    return tuple(rule for rule in read if rule is not None)


def _rule(text: str) -> Ignore | None:
    selector, place = "", text
    if not text.startswith("/"):
        at = text.find(":/")
        if at < 0 and not text.endswith(":"):
            return None
        selector, place = (text[:at], text[at + 1 :]) if at >= 0 else (text[:-1], "")
    kind, _, name = selector.partition("/")
    return Ignore(kind, name, tuple(_unescaped(step) for step in place.split("/")[1:]))


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")


def pointer(steps: Steps) -> str:
    """Return steps as a JSON pointer."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def as_applied(document: _Object, release: str, namespace: str) -> dict[str, Any]:
    """Return a manifest's object as Helm hands it to the API: with its marks on it."""
    metadata = dict(document.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), "app.kubernetes.io/managed-by": "Helm"}
    marks = {RELEASE_NAME: release, RELEASE_NAMESPACE: namespace}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
    return {**document, "metadata": metadata}


def unmatched(wanted: _Object, live: _Object) -> list[Field]:
    """Return the fields of ``wanted`` that are not plainly in ``live``: what a closer look must confirm."""
    kind = str(wanted.get("kind", ""))
    how = _How(keyed=_is_built_in(str(wanted.get("apiVersion", "v1"))), literal=kind in _LITERAL)
    asked = _with_data(wanted) if kind == "Secret" else wanted
    shape = {key: value for key, value in asked.items() if key not in _NOT_COMPARED}
    return list(_lacking(shape, live, (), how))


def changes(after: _Object, live: _Object) -> list[Field]:
    """Return what an apply would change: ``after`` is the object as the API says it would then be."""
    return list(_differing(_comparable(after), _comparable(live), ()))


def kept_fields(fields: Iterable[Field], ref: ObjectRef, rules: Sequence[Ignore]) -> list[Field]:
    """Return the fields that no rule leaves out."""
    return [field for field in fields if not any(rule.covers(ref, field.steps) for rule in rules)]


def owner(field: Field, owners: Mapping[str, str]) -> str:
    """Return who manages a field, of the ``owners`` that the API named, "" when none did."""
    for place, manager in owners.items():
        if any(_in_api_words(field.steps[:count]).fullmatch(place) for count in range(len(field.steps), 0, -1)):
            return manager
        if _in_api_words(field.steps, beneath=True).fullmatch(place):
            return manager
    return ""


def _in_api_words(steps: Steps, *, beneath: bool = False) -> re.Pattern[str]:
    """Return what matches a field as the API writes it: ``.spec.containers[name="a"].image``; with ``beneath`` any
    field in it.
    """
    words = "".join(r"(?:\[[^\]]*\]|\." + step + ")" if step.isdigit() else r"\." + re.escape(step) for step in steps)
    return re.compile(words + (r"[.\[].*" if beneath else ""))


def as_drift(ref: ObjectRef, field: Field, mask: Masker, *, manager: str = "") -> Drift:
    """Return a field as the link carries it: bounded, with nothing secret in it."""
    hidden = ref.kind == "Secret" and field.steps[:1] in _SECRET_PARTS
    return Drift(
        kind=ref.kind,
        name=ref.name,
        namespace=ref.namespace,
        path=field.path,
        wanted=_text(HIDDEN if hidden and field.wanted is not MISSING else field.wanted, mask),
        found=CHANGED if hidden and field.found is not MISSING else _text(field.found, mask),
        manager=manager,
    )


def missing(ref: ObjectRef) -> Drift:
    """Return what is said of an object that is not there."""
    return Drift(kind=ref.kind, name=ref.name, namespace=ref.namespace, path="", wanted=PRESENT)


@dataclass(frozen=True, slots=True)
class _How:
    """``keyed``: lists of named things are matched by their keys, as the API's own kinds have it. ``literal``: texts
    are content and mean nothing but themselves.
    """

    keyed: bool
    literal: bool


def _lacking(wanted: Any, live: Any, steps: Steps, how: _How) -> Iterator[Field]:
    if wanted is None or (live is MISSING and wanted in ({}, [])):
        return
    if isinstance(wanted, Mapping) and isinstance(live, Mapping):
        for key, value in wanted.items():
            yield from _lacking(value, live.get(key, MISSING), (*steps, str(key)), how)
    elif isinstance(wanted, list) and isinstance(live, list):
        yield from _lacking_items(wanted, live, steps, how)
    elif not _same(wanted, live, steps, how):
        yield Field(steps, wanted, live)


def _lacking_items(wanted: list[Any], live: list[Any], steps: Steps, how: _How) -> Iterator[Field]:
    if how.keyed and (known := _by_key(live, steps)) is not None and (asked := _by_key(wanted, steps)) is not None:
        for number, (key, item) in enumerate(asked.items()):
            yield from _lacking(item, known.get(key, MISSING), (*steps, str(number)), how)
    elif len(wanted) == len(live):
        for number, (item, found) in enumerate(zip(wanted, live, strict=True)):
            yield from _lacking(item, found, (*steps, str(number)), how)
    else:
        yield Field(steps, wanted, live)


def _differing(after: Any, live: Any, steps: Steps) -> Iterator[Field]:
    """A map that is there on one side only is named field by field, an item of a list as a whole."""
    other = live if after is MISSING else after
    if MISSING in (after, live) and isinstance(other, Mapping) and other and not steps[-1].isdigit():
        after, live = ({}, live) if after is MISSING else (after, {})
    if isinstance(after, Mapping) and isinstance(live, Mapping):
        for key in [*live, *(key for key in after if key not in live)]:
            yield from _differing(after.get(key, MISSING), live.get(key, MISSING), (*steps, str(key)))
    elif isinstance(after, list) and isinstance(live, list):
        yield from _differing_items(after, live, steps)
    elif after is MISSING or live is MISSING or not _equal(after, live):
        yield Field(steps, after, live)


def _differing_items(after: list[Any], live: list[Any], steps: Steps) -> Iterator[Field]:
    """Match by key where there is one, and name an item by its place in the live list, or where it would come."""
    there, then = _by_key(live, steps), _by_key(after, steps)
    if there is not None and then is not None:
        places = {key: number for number, key in enumerate(there)}
        for key in then:
            places.setdefault(key, len(places))
        for key, number in places.items():
            yield from _differing(then.get(key, MISSING), there.get(key, MISSING), (*steps, str(number)))
    elif len(after) == len(live):
        for number, (item, found) in enumerate(zip(after, live, strict=True)):
            yield from _differing(item, found, (*steps, str(number)))
    else:
        yield Field(steps, after, live)


def _by_key(items: list[Any], steps: Steps) -> dict[tuple[str, ...], Any] | None:
    """Return a list's items by what names each, None when this is no list of named things or names are not unique."""
    names = _SERVICE_PORTS if steps == ("spec", "ports") else _KEYS.get(steps[-1]) if steps else None
    if names is None:
        return None
    found: dict[tuple[str, ...], Any] = {}
    for item in items:
        if not isinstance(item, Mapping):
            return None
        key = tuple(str(next((item[name] for name in options if name in item), default)) for options, default in names)
        if not key[0] or key in found:
            return None
        found[key] = item
    return found


def _same(wanted: Any, live: Any, steps: Steps, how: _How) -> bool:
    if live is MISSING or isinstance(wanted, Mapping | list) or isinstance(live, Mapping | list):
        return False
    if _equal(wanted, live):
        return True
    if how.literal or isinstance(wanted, bool) or isinstance(live, bool):
        return False
    if str(wanted) == str(live):
        return True
    if not _QUANTITIES.isdisjoint(steps):
        one, other = _quantity(wanted), _quantity(live)
        return one is not None and one == other
    return False


def _equal(one: Any, other: Any) -> bool:
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _quantity(value: Any) -> Decimal | None:
    """Return what a Kubernetes quantity amounts to: 1000m is 1."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    try:
        return Decimal(found[1]) * _SUFFIXES[found[2]]
    except (InvalidOperation, KeyError):
        return None


def _with_data(secret: _Object) -> dict[str, Any]:
    """Return a Secret with its ``stringData`` where the API keeps it."""
    texts = secret.get("stringData") or {}
    coded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
    plain = {key: value for key, value in secret.items() if key != "stringData"}
    return {**plain, "data": {**(secret.get("data") or {}), **coded}}


def _comparable(found: _Object) -> dict[str, Any]:
    metadata = {key: value for key, value in (found.get("metadata") or {}).items() if key not in _BOOKKEEPING}
    return {**{key: value for key, value in found.items() if key not in _NOT_COMPARED}, "metadata": metadata}


def _text(value: Any, mask: Masker) -> str:
    if value is MISSING:
        return ""
    text = msgspec.json.encode(_masked(value, mask)).decode()
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


def _masked(value: Any, mask: Masker) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, Mapping):
        return {key: _masked(item, mask) for key, item in value.items()}
    return [_masked(item, mask) for item in value] if isinstance(value, list) else value


def _is_built_in(api_version: str) -> bool:
    group = api_version.rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


_LITERAL = frozenset({"ConfigMap", "Secret"})
_SECRET_PARTS = (("data",), ("stringData",))
_NOT_COMPARED = frozenset({"apiVersion", "kind", "status"})
_BOOKKEEPING = frozenset(
    {"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink",
     "deletionTimestamp", "deletionGracePeriodSeconds"}
)  # fmt: skip

_NAME = ((("name",), ""),)
_KEYS: dict[str, tuple[tuple[tuple[str, ...], str], ...]] = {
    **dict.fromkeys(
        ("containers", "initContainers", "ephemeralContainers", "volumes", "env", "imagePullSecrets", "webhooks",
         "secrets"),
        _NAME,
    ),
    "volumeMounts": ((("mountPath",), ""),),
    "volumeDevices": ((("devicePath",), ""),),
    "ports": ((("containerPort",), ""), (("protocol",), "TCP")),
    "hostAliases": ((("ip",), ""),),
    "topologySpreadConstraints": ((("topologyKey",), ""), (("whenUnsatisfiable",), "")),
}  # fmt: skip
_SERVICE_PORTS = ((("port",), ""), (("protocol",), "TCP"))
"""What names an item in the lists of the API's own kinds that are merged by key; every other list is one value."""

_QUANTITIES = frozenset(
    {"limits", "requests", "capacity", "hard", "sizeLimit", "divisor", "averageValue", "value", "default",
     "defaultRequest", "max", "min", "maxLimitRequestRatio", "cpu", "memory", "overhead"}
)  # fmt: skip
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)")
_SUFFIXES = {
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in zip(range(-3, 0), ("n", "u", "m"), strict=True)},
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
