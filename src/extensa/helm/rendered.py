"""The objects of a release as Helm rendered them, read from its manifest: whole, and only those that are asked for.

A manifest may hold a megabyte of definitions that nobody asks about, so a document is parsed only when its head names
an object that is wanted. YAML is read as Helm reads it: a date is a text, and so is 1:30. It decides nothing.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml

from extensa.helm.release import ObjectRef

_SEPARATOR = re.compile(r"^---(?:[ \t].*)?$", re.MULTILINE)
_WHOLE = r"""^(?:[-+]?0b[0-1_]+|[-+]?0x[0-9a-fA-F_]+|[-+]?0o?[0-7_]+|[-+]?(?:0|[1-9][0-9_]*))$"""
_BROKEN = r"""^(?:[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"""


class _Loader(yaml.CSafeLoader):
    """YAML as Go programs read it: neither dates nor numbers to the base of sixty, and n is false."""

    bool_values = {**yaml.CSafeLoader.bool_values, "y": True, "n": False}  # noqa: RUF012 - PyYAML's own manner

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own manner
        letter: [
            (tag, pattern) for tag, pattern in known if tag.rpartition(":")[2] not in ("timestamp", "int", "float")
        ]
        for letter, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), list("yYnN"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(_WHOLE), list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(_BROKEN, re.VERBOSE), list("-+0123456789."))


def read_objects(manifest: str, namespace: str, wanted: Collection[ObjectRef]) -> dict[ObjectRef, dict[str, Any]]:
    """Return those objects of ``manifest`` that are ``wanted``; what names no namespace is in ``namespace``.

    Raises `yaml.YAMLError`.
    """
    names = {ref.name for ref in wanted}
    found: dict[ObjectRef, dict[str, Any]] = {}
    for text in _SEPARATOR.split(manifest):
        if not any(name in text for name in names):
            continue
        for document in _objects(yaml.load(text, Loader=_Loader)):  # noqa: S506 - a safe one
            ref = _ref(document, namespace)
            if ref in wanted:
                found[ref] = _with_text_keys(document)
    return found


def _with_text_keys(value: Any) -> Any:
    """Return what JSON makes of it: a key is a text, and ``yes`` is ``"true"``."""
    if isinstance(value, dict):
        return {_key(key): _with_text_keys(item) for key, item in value.items()}
    return [_with_text_keys(item) for item in value] if isinstance(value, list) else value


def _key(key: Any) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, dict):
        return
    items = document.get("items")
    if str(document.get("kind", "")).endswith("List") and isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))
    else:
        yield document


def _ref(document: Mapping[str, Any], namespace: str) -> ObjectRef:
    metadata = document.get("metadata") or {}
    return ObjectRef(
        str(document.get("apiVersion", "v1")),
        str(document.get("kind", "")),
        str(metadata.get("namespace") or namespace),
        str(metadata.get("name", "")),
    )
