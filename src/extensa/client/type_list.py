"""``types.yaml``: extension types that are published together, with their charts and trains.

The sample types come in such a file (``charts/types.yaml``), and anyone may keep one for types of their own. It is read
whole before anything is published, so that a mistake in it leaves nothing half done.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml
from msgspec import Struct

import extensa
from extensa.base.errors import Problems, Refused

FILE = "types.yaml"


class _Version(Struct, forbid_unknown_fields=True):
    version: str
    chart: str
    trains: list[str] = msgspec.field(default_factory=lambda: ["stable"])


class _Type(Struct, forbid_unknown_fields=True):
    name: str
    versions: list[_Version]
    properties: dict[str, Any] = {}


class _List(Struct, forbid_unknown_fields=True):
    types: list[_Type]


@dataclass(frozen=True, slots=True)
class ListedVersion:
    """One version to publish: the chart is a folder or an archive that exists."""

    version: str
    chart: Path
    trains: Sequence[str]


@dataclass(frozen=True, slots=True)
class ListedType:
    """One type to publish: ``properties`` are the body of its PUT; its versions come in the order of the file."""

    name: str
    properties: dict[str, Any]
    versions: Sequence[ListedVersion]


def samples_folder() -> Path:
    """Return where the sample charts lie: in a wheel's package data, else in the checkout.

    Raises `Refused` when they are in neither.
    """
    package = Path(extensa.__file__).resolve().parent
    for candidate in (package / "_data" / "charts", package.parents[1] / "charts"):
        if (candidate / FILE).is_file():
            return candidate
    raise Refused(
        "SamplesMissing",
        f"The sample charts (charts/{FILE}) are not where they should be.",
        next_step="Install Extensa again, or run it from a clone.",
    )


def read_types(folder: Path) -> list[ListedType]:
    """Return the types that ``types.yaml`` in ``folder`` lists; its charts are named relative to ``folder``.

    Raises `Refused` when the file cannot be read, with every chart in it that is missing.
    """
    path = folder / FILE
    try:
        listed = msgspec.convert(yaml.safe_load(path.read_bytes()), _List)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise Refused(
            "TypeListInvalid",
            f"The list of types cannot be read: {' '.join(str(error).split())}.",
            target=str(path),
            next_step="It lists 'types' of 'name', 'properties' and 'versions', each of 'version', 'chart', 'trains'.",
        ) from error
    problems = Problems()
    for each in listed.types:
        for version in each.versions:
            if not (folder / version.chart).exists():
                what = f"{each.name} {version.version} names the chart '{version.chart}', which is not there."
                problems.add("TypeListInvalid", what, target=str(folder / version.chart))
    problems.refuse_if_any()
    return [
        ListedType(
            each.name,
            each.properties,
            [ListedVersion(version.version, folder / version.chart, version.trains) for version in each.versions],
        )
        for each in listed.types
    ]
