"""From a draft to a whole choice: what the changeable properties will be if the write is accepted.

PUT replaces and PATCH merges; both end in the same `Choice`, so that everything after this file is decided once.
What a client of an older api-version cannot see, it cannot mean to change.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from extensa.base.errors import Problems
from extensa.extensions import policies, settings
from extensa.extensions.draft import Draft
from extensa.extensions.model import Extension, Policies, UpgradeMode

DEFAULT_TRAIN = "Stable"


@dataclass(frozen=True, slots=True)
class Choice:
    """The changeable properties of an extension, whole. ``protected`` is plaintext and lives only in memory."""

    mode: UpgradeMode
    pinned: str | None
    release_train: str
    settings: Mapping[str, str]
    protected: Mapping[str, str]
    policies: Policies

    def differs_from(self, extension: Extension, protected: Mapping[str, str]) -> bool:
        """Whether this asks for anything else than ``extension``, whose protected settings are ``protected``."""
        return (
            self.mode is not extension.mode
            or self.pinned != extension.pinned
            or self.release_train.casefold() != extension.release_train.casefold()
            or self.settings != extension.settings
            or self.protected != protected
            or self.policies != extension.policies
        )


def replacing(draft: Draft, existing: Extension | None, protected: Mapping[str, str], problems: Problems) -> Choice:
    """Return the choice that a PUT makes; contradictions go to ``problems``."""
    _check_upgrades(draft, problems)
    if draft.version is not None:
        mode = UpgradeMode.NONE
    else:
        kept = existing.mode if existing is not None and not draft.sees_mode else UpgradeMode.COMPATIBLE
        mode = _mode(draft, kept) or _following(kept)
    return _checked(
        Choice(
            mode=mode,
            pinned=draft.version,
            release_train=_spelled(draft.release_train or DEFAULT_TRAIN, existing),
            settings=settings.replaced(draft.settings),
            protected=settings.protected(protected, draft.protected),
            policies=policies.laid_over(Policies() if existing is None else existing.policies, draft.policies),
        ),
        problems,
    )


def merging(draft: Draft, existing: Extension, protected: Mapping[str, str], problems: Problems) -> Choice:
    """Return the choice that a PATCH makes; contradictions go to ``problems``.

    Automatic upgrades switched on without a version release a pin: older SDKs can say it in no other way.
    """
    _check_upgrades(draft, problems)
    mode, pinned = _mode(draft, existing.mode) or existing.mode, existing.pinned
    if draft.version is not None:
        mode, pinned = UpgradeMode.NONE, draft.version
    elif draft.names_version or mode is not UpgradeMode.NONE:
        pinned = None
    return _checked(
        Choice(
            mode=mode,
            pinned=pinned,
            release_train=_spelled(draft.release_train or existing.release_train, existing),
            settings=settings.merged(existing.settings, draft.settings),
            protected=settings.protected(protected, draft.protected),
            policies=policies.laid_over(existing.policies, draft.policies),
        ),
        problems,
    )


def _mode(draft: Draft, kept: UpgradeMode) -> UpgradeMode | None:
    """The upgrade mode a draft asks for, by either of its two words; None when it says neither."""
    if draft.auto_upgrade_mode is not None:
        return draft.auto_upgrade_mode
    if draft.auto_upgrade_minor_version is None:
        return None
    return _following(kept) if draft.auto_upgrade_minor_version else UpgradeMode.NONE


def _following(kept: UpgradeMode) -> UpgradeMode:
    """What "upgrade automatically" means where a finer mode may have been chosen before."""
    return UpgradeMode.COMPATIBLE if kept is UpgradeMode.NONE else kept


def _spelled(train: str, existing: Extension | None) -> str:
    """``train`` as the resource spells it already, if it is the same word in other letters."""
    if existing is not None and existing.release_train.casefold() == train.casefold():
        return existing.release_train
    return train


def _check_upgrades(draft: Draft, problems: Problems) -> None:
    flag, mode = draft.auto_upgrade_minor_version, draft.auto_upgrade_mode
    if flag is not None and mode is not None and flag is (mode is UpgradeMode.NONE):
        problems.add(
            "InvalidAutoUpgradeMode",
            f"autoUpgradeMode '{mode}' contradicts autoUpgradeMinorVersion {str(flag).lower()}.",
            target="properties.autoUpgradeMode",
            next_step="Send only one of the two.",
        )
    if draft.version is not None and (flag or mode not in (None, UpgradeMode.NONE)):
        problems.add(
            "InvalidAutoUpgradeMinorVersion",
            "The extension version can be set only when automatic upgrades are off: "
            "autoUpgradeMinorVersion must be false when version is given.",
            target="properties.autoUpgradeMinorVersion" if flag else "properties.autoUpgradeMode",
            next_step="Leave 'version' out to follow the release train, or set autoUpgradeMinorVersion to false.",
        )


def _checked(choice: Choice, problems: Problems) -> Choice:
    settings.check(choice.settings, choice.protected, problems)
    return choice
