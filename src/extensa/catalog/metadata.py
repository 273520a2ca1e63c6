"""What a chart's Chart.yaml says, read with suspicion.

Pure. Helm's own rules for the fields are applied (apiVersion v2, a name of plain letters, a semantic version, no
library chart), and the annotations by which a chart speaks to this service are understood:

    extensa.dev/asks                     values the chart wants from the platform, separated by commas: protectedKeys
    extensa.dev/unsupported-kubernetes   YAML: kind of cluster → list of {distributions, unsupportedVersions}

Other annotations, and other fields, are for Helm and people.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from extensa.base.errors import Problems
from extensa.catalog.model import CLUSTER_KINDS, Unsupported
from extensa.catalog.precedence import parse

ASKS = "extensa.dev/asks"
UNSUPPORTED = "extensa.dev/unsupported-kubernetes"
KNOWN_ASKS = ("protectedKeys",)
"""The values a chart can ask the platform for."""

LARGEST = 256 * 1024
"""Bytes of a Chart.yaml at the most: reading YAML of this size takes seconds if it is made to."""

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,249}\Z")
_NUMBER = r"v?\d+(?:\.\d+){0,2}"
_EXPRESSION = re.compile(rf"(?:(?:[<>]=?|=)?\s*{_NUMBER}|{_NUMBER}\.\.{_NUMBER})\Z")
_LONGEST_TEXT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The fields of a Chart.yaml that this service has a use for; all are valid."""

    name: str
    version: str
    app_version: str = ""
    description: str = ""
    kube_version: str = ""
    dependencies: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    unsupported: dict[str, list[Unsupported]] = field(default_factory=dict)


def read_metadata(content: bytes, problems: Problems) -> Metadata | None:
    """Return what a Chart.yaml says; when anything is wrong with it, that goes to ``problems`` and None comes back."""
    found = _mapping(content, problems)
    if found is None:
        return None
    before = len(problems.found)
    name, version = found.get("name"), found.get("version")
    if found.get("apiVersion") != "v2":
        _add(problems, f"apiVersion must be v2, not {_shown(found.get('apiVersion'))}; Helm 2's v1 is not taken.")
    if not isinstance(name, str) or not _NAME.match(name):
        _add(problems, f"name must be 1 to 250 letters, digits, '-', '_' and '.', not {_shown(name)}.")
    if not isinstance(version, str) or parse(version.removeprefix("v")) is None:
        _add(problems, f"version must be a semantic version such as 1.0.0, not {_shown(version)}.")
    if found.get("type", "application") != "application":
        _add(problems, f"type must be application, not {_shown(found['type'])}: only such a chart can be installed.")
    asks, unsupported = _annotations(found.get("annotations"), problems)
    if len(problems.found) > before:
        return None
    return Metadata(
        name=str(name),
        version=str(version),
        app_version=_text(found, "appVersion"),
        description=_text(found, "description"),
        kube_version=_text(found, "kubeVersion"),
        dependencies=_dependencies(found.get("dependencies")),
        asks=asks,
        unsupported=unsupported,
    )


def _mapping(content: bytes, problems: Problems) -> dict[str, Any] | None:
    if len(content) > LARGEST:
        _add(problems, f"it has {len(content)} bytes; at most {LARGEST} are taken.")
        return None
    try:
        found = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        _add(problems, f"it is not valid YAML: {reason}.")
        return None
    if not isinstance(found, dict):
        _add(problems, "it is no mapping of fields.")
        return None
    return found


def _annotations(found: Any, problems: Problems) -> tuple[tuple[str, ...], dict[str, list[Unsupported]]]:
    annotations = found if isinstance(found, dict) else {}
    asks = tuple(word.strip() for word in str(annotations.get(ASKS, "")).split(",") if word.strip())
    for word in asks:
        if word not in KNOWN_ASKS:
            _add(problems, f"the annotation {ASKS} names '{word}'; known are {', '.join(KNOWN_ASKS)}.")
    return asks, _unsupported(annotations.get(UNSUPPORTED), problems)


def _unsupported(text: Any, problems: Problems) -> dict[str, list[Unsupported]]:
    if text is None:
        return {}
    try:
        found = yaml.safe_load(text) if isinstance(text, str) else text
    except (yaml.YAMLError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        _add(problems, f"the annotation {UNSUPPORTED} is no mapping of cluster kinds.")
        return {}
    result: dict[str, list[Unsupported]] = {}
    for kind, items in found.items():
        if kind not in CLUSTER_KINDS or not isinstance(items, list):
            _add(problems, f"the annotation {UNSUPPORTED} must map {', '.join(CLUSTER_KINDS)} to lists.")
            continue
        result[kind] = [item for each in items if (item := _matrix_item(each, problems)) is not None]
    return result


def _matrix_item(found: Any, problems: Problems) -> Unsupported | None:
    table = found if isinstance(found, dict) else {}
    versions, distributions = _words(table.get("unsupportedVersions")), _words(table.get("distributions", []))
    if versions is None or distributions is None:
        _add(problems, f"the annotation {UNSUPPORTED} must list {{distributions, unsupportedVersions}} of strings.")
        return None
    for expression in versions:
        if not _EXPRESSION.match(expression):
            _add(problems, f"the annotation {UNSUPPORTED} has '{expression}'; write 1.21, 1.18..1.21 or >1.33.")
    return Unsupported(distributions=distributions, versions=versions)


def _words(found: Any) -> list[str] | None:
    return found if isinstance(found, list) and all(isinstance(word, str) for word in found) else None


def _dependencies(found: Any) -> tuple[str, ...]:
    items = found if isinstance(found, list) else []
    return tuple(str(each["name"]) for each in items if isinstance(each, dict) and each.get("name"))


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    return "" if value is None else str(value)[:_LONGEST_TEXT]


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:100]


def _add(problems: Problems, message: str) -> None:
    problems.add(
        "ChartMetadataInvalid",
        f"Chart.yaml: {message}",
        target="body",
        next_step="Correct Chart.yaml (`helm lint` helps) and publish again.",
    )
