"""What a request asks for, in our words and in no api-version's: the product of ``versions`` and the food of ``rules``.

Null says as little as silence, with one exception (`Draft.version`), so a field that was not said is None. A draft may
carry problems: what could not be read is a reason for refusal like any other and is told with the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from extensa.base.errors import Problem
from extensa.extensions.model import Plan, UpgradeMode
from extensa.extensions.policies import SILENT, PolicyWishes


@dataclass(frozen=True, slots=True)
class Scope:
    """Where the caller wants the release: ``namespace`` is None when only the kind of scope was said."""

    namespaced: bool
    namespace: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """The wishes of one PUT, PATCH or rollback.

    ``settings`` and ``protected`` map keys to text, or to None where the body said null. ``names_version`` tells a
    ``version`` of null (follow the train again, in a PATCH) from none at all. ``sees_mode`` is False for an api-version
    in which the upgrade mode cannot be seen, so that its silence on it means nothing. ``revision`` is the earlier
    configuration that a rollback asks for.
    """

    extension_type: str | None = None
    auto_upgrade_minor_version: bool | None = None
    auto_upgrade_mode: UpgradeMode | None = None
    release_train: str | None = None
    version: str | None = None
    names_version: bool = False
    scope: Scope | None = None
    settings: Mapping[str, str | None] | None = None
    protected: Mapping[str, str | None] | None = None
    plan: Plan | None = None
    identity_type: str | None = None
    managed_by: str | None = None
    provisioning_state: str | None = None
    sees_mode: bool = False
    policies: PolicyWishes = SILENT
    revision: int | None = None
    problems: tuple[Problem, ...] = ()
