"""Which version a wish stands for: the newest of a train, or exactly the one that was named.

Pure: the type with its versions goes in, a version or the reason for having none comes out. The rules are Azure's
(contract §2.2): no version named means the newest of the train, and an extension that is there already is carried
through minor and patch versions by itself but never into another major one. A train holds what was published to it and
no more, pre-releases too.
"""

from collections.abc import Iterable
from difflib import get_close_matches

from extensa.base.errors import Problem
from extensa.catalog.model import ExtensionType, TypeVersion
from extensa.catalog.precedence import newest_first, parse

_MOST_NAMED = 10
_VERSION = "properties.version"
_TRAIN = "properties.releaseTrain"


def choose(
    extension_type: ExtensionType,
    *,
    train: str,
    version: str | None,
    current: str | None = None,
    patches_only: bool = False,
) -> TypeVersion | Problem:
    """Return the version that is meant, or why there is none, with those that exist and what to do.

    With ``version`` it is that one, if ``train`` holds it. Without, the newest of ``train``; with ``current`` as well
    (the version that runs) the newest of the same major version, with ``patches_only`` of the same minor version, and
    never one older than what runs, unless that was withdrawn.
    """
    if not extension_type.versions:
        return _nothing_published(extension_type)
    held = newest_first(each for each in extension_type.versions if each.on(train))
    if version is not None:
        return _exactly(extension_type, version, train, held)
    if not held:
        return _no_train(extension_type, train)
    if current is None or (running := parse(current)) is None:
        return held[0]
    digits = 2 if patches_only else 1
    for each in held:
        parsed = parse(each.version)
        if parsed is not None and parsed.to_tuple()[:digits] == running.to_tuple()[:digits]:
            present = extension_type.find(current)
            return present if present is not None and parsed < running else each
    return extension_type.find(current) or _other_major(extension_type, train, current, held)


def _exactly(extension_type: ExtensionType, version: str, train: str, held: list[TypeVersion]) -> TypeVersion | Problem:
    found = extension_type.find(version)
    if found is not None and found.on(train):
        return found
    if found is not None:
        return Problem(
            "ExtensionVersionNotOnTrain",
            f"Failed to resolve the extension version from the given values: version {found.version} of "
            f"{extension_type.name} is not on the release train '{train}', but on {_listed(found.trains)}.",
            target=_TRAIN,
            next_step=f"Set releaseTrain to '{found.trains[0]}', or choose another version."
            if found.trains
            else "Choose another version.",
        )
    everything = newest_first(extension_type.versions)
    return Problem(
        "ExtensionVersionNotFound",
        f"Failed to resolve the extension version from the given values: {extension_type.name} has no version "
        f"'{version}'. Its versions are {_listed(each.version for each in everything)}.",
        target=_VERSION,
        next_step=_suggestion(version, held or everything),
    )


def _suggestion(version: str, held: list[TypeVersion]) -> str:
    names = [each.version for each in held]
    wanted = version.casefold().removeprefix("v")
    near = [name for name in names if name == wanted or name.startswith(wanted + ".")]
    near = near or get_close_matches(wanted, names, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    return f"{meant}Leave 'version' out to have the newest, {names[0]}."


def _nothing_published(extension_type: ExtensionType) -> Problem:
    return Problem(
        "ExtensionVersionNotFound",
        f"Failed to resolve the extension version from the given values: no version of {extension_type.name} has been "
        "published.",
        target="properties.extensionType",
        next_step=f"Publish one: extensa type publish CHART --type {extension_type.name} --version 1.0.0",
    )


def _no_train(extension_type: ExtensionType, train: str) -> Problem:
    trains = extension_type.trains
    near = get_close_matches(train.casefold(), trains, n=1)
    return Problem(
        "ReleaseTrainNotFound",
        f"Failed to resolve the extension version from the given values: {extension_type.name} has no version on the "
        f"release train '{train}'. Its trains are {_listed(trains)}.",
        target=_TRAIN,
        next_step=f"Set releaseTrain to '{(near or trains)[0]}'." if trains else "Publish a version to a train.",
    )


def _other_major(extension_type: ExtensionType, train: str, current: str, held: list[TypeVersion]) -> Problem:
    return Problem(
        "MajorVersionChange",
        f"Failed to resolve the extension version from the given values: the release train '{train}' of "
        f"{extension_type.name} holds {_listed(each.version for each in held)}, and no successor of the version that "
        f"runs, {current}. Automatic upgrades never change the major version.",
        target=_VERSION,
        next_step=f"Set version to '{held[0].version}' to move there knowingly.",
    )


def _listed(words: Iterable[str]) -> str:
    """Return words as a list for people, cut after ten."""
    names = list(words)
    shown = ", ".join(names[:_MOST_NAMED]) or "none"
    return shown if len(names) <= _MOST_NAMED else f"{shown} and {len(names) - _MOST_NAMED} older ones"
