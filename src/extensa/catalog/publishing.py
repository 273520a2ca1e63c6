"""Whether a chart may become a version of a type, and what the type is then.

Pure: the type, what the publisher asks and the chart's facts go in; the new document, or a refusal, comes out. A
version that has been published never changes its chart: clusters run it. Publishing the same chart again may put it on
more trains, and takes it off none.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from extensa.base.errors import Conflict, Problems
from extensa.catalog.archive import ChartFacts
from extensa.catalog.model import DEFAULT_TRAIN, ExtensionType, TypeVersion
from extensa.catalog.precedence import newest_first, parse
from extensa.link.extension import Chart

MOST_VERSIONS = 1000
"""Versions of one type at the most: all of them are one document."""
_TRAIN = re.compile(r"[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?\Z")


def read_trains(text: str | None) -> list[str]:
    """Return the trains that a query names, separated by commas, in lower case and each once; stable for none."""
    words = [word.strip().casefold() for word in (text or "").split(",")]
    return list(dict.fromkeys(word for word in words if word)) or [DEFAULT_TRAIN]


def check_names(version: str, trains: Sequence[str], problems: Problems) -> None:
    """Put into ``problems`` what is wrong with the name of a version or of its trains."""
    if parse(version) is None:
        bare = version.removeprefix("v")
        problems.add(
            "InvalidVersion",
            f"'{version}' is not a semantic version.",
            target="version",
            next_step=f"Publish it as {bare if parse(bare) is not None else '1.0.0'}.",
        )
    for train in trains:
        if not _TRAIN.match(train):
            problems.add(
                "InvalidReleaseTrain",
                f"'{train}' cannot name a release train: it takes 1 to 40 letters, digits, '.', '-' and '_'.",
                target="train",
                next_step="Use stable or preview, unless you have reason for a train of your own.",
            )


def published(
    extension_type: ExtensionType, version: str, trains: Sequence[str], facts: ChartFacts, now: datetime
) -> ExtensionType:
    """Return ``extension_type`` with the version in it; the same object when nothing changes.

    Raises `Conflict` for another chart under a version that is taken, and for one version too many.
    """
    present = extension_type.find(version)
    if present is None:
        if len(extension_type.versions) >= MOST_VERSIONS:
            raise Conflict(
                "TooManyVersions",
                f"{extension_type.name} has {MOST_VERSIONS} versions already, and no room for another.",
                target=version,
                next_step="Publish it under a type of another name.",
            )
        return replace(
            extension_type, versions=newest_first([*extension_type.versions, _new(version, trains, facts, now)])
        )
    if present.chart.digest != facts.digest:
        raise Conflict(
            "ExtensionTypeVersionExists",
            f"Version {present.version} of {extension_type.name} was published before with another chart "
            f"({present.chart.digest[:19]}…, now {facts.digest[:19]}…), and a version never changes.",
            target=present.version,
            next_step=f"Publish the changed chart under a new version, such as {_next(extension_type)}.",
        )
    more = sorted({*present.trains, *trains})
    if more == sorted(present.trains):
        return extension_type
    others = [each for each in extension_type.versions if each is not present]
    return replace(extension_type, versions=newest_first([*others, replace(present, trains=more)]))


def _new(version: str, trains: Sequence[str], facts: ChartFacts, now: datetime) -> TypeVersion:
    metadata = facts.metadata
    return TypeVersion(
        version=version,
        trains=sorted(trains),
        chart=Chart(
            name=metadata.name,
            version=metadata.version,
            digest=facts.digest,
            size=facts.size,
            asks=list(metadata.asks),
        ),
        published_at=now,
        app_version=metadata.app_version,
        kube_version=metadata.kube_version,
        unsupported=metadata.unsupported,
    )


def _next(extension_type: ExtensionType) -> str:
    newest = parse(extension_type.versions[0].version)
    return str(newest.bump_patch()) if newest is not None else "1.0.1"
