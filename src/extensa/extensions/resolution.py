"""Which version and chart a choice stands for, by the catalog's own rule.

What is already running and still wanted is kept without asking the catalog, so that a withdrawn version or type does
not stand in the way of a change of settings.
"""

from dataclasses import dataclass

from extensa.base.errors import Problem, Problems
from extensa.catalog.model import ExtensionType
from extensa.catalog.resolve import choose
from extensa.extensions.admission import unregistered
from extensa.extensions.choice import Choice
from extensa.extensions.model import Extension, UpgradeMode
from extensa.link.extension import Chart


@dataclass(frozen=True, slots=True)
class Resolved:
    """A version with the chart that carries it."""

    version: str
    chart: Chart | None


def resolve(
    choice: Choice, existing: Extension | None, extension_type: ExtensionType | None, location: str, problems: Problems
) -> Resolved:
    """Return what ``choice`` resolves to; that it resolves to nothing goes to ``problems``."""
    kept = _kept(choice, existing)
    if kept is not None:
        return kept
    if extension_type is None:
        if existing is not None:
            problems.found.append(unregistered(existing.extension_type, location))
        return Resolved("", None)
    chosen = choose(
        extension_type,
        train=choice.release_train,
        version=choice.pinned,
        current=existing.installed_version or None if existing is not None else None,
        patches_only=choice.mode is UpgradeMode.PATCH,
    )
    if isinstance(chosen, Problem):
        problems.found.append(chosen)
        return Resolved("", None)
    return Resolved(chosen.version, chosen.chart)


def _kept(choice: Choice, existing: Extension | None) -> Resolved | None:
    if existing is None or existing.chart is None:
        return None
    if choice.release_train.casefold() != existing.release_train.casefold():
        return None
    stays = (
        existing.version == choice.pinned
        if choice.pinned is not None
        else (choice.mode is UpgradeMode.NONE and bool(existing.installed_version))
    )
    return Resolved(existing.version, existing.chart) if stays else None
