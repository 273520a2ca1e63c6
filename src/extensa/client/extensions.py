"""The bodies that create and change an extension, from the words `az k8s-extension` has for them.

Pure, and shared by whoever makes an extension. It checks what az checks before it calls (contract §5.3), all of it at
once; what only the service can know is for the service to say.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extensa.base.errors import Problems

_PARTS = re.compile(r"(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a caller asked for, flag by flag; None and empty mean the flag was not given."""

    extension_type: str | None = None
    scope: str | None = None
    version: str | None = None
    auto_upgrade: bool | None = None
    auto_upgrade_mode: str | None = None
    release_train: str | None = None
    release_namespace: str | None = None
    target_namespace: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    protected: Mapping[str, str] = field(default_factory=dict, repr=False)
    plan_name: str | None = None
    plan_product: str | None = None
    plan_publisher: str | None = None
    identity: bool = False
    on_failure: str | None = None
    retries: int | None = None
    timeout: str | None = None
    drift: str | None = None
    drift_ignore: Sequence[str] | None = None
    adopt: bool | None = None


def create_body(wishes: Wishes) -> dict[str, Any]:
    """Return the PUT body for a new extension; raises `Refused` with every contradiction found."""
    problems = Problems()
    policies = _policies(wishes, problems)
    _check_version(wishes, problems)
    _check_scope(wishes, problems)
    plan = {"name": wishes.plan_name, "product": wishes.plan_product, "publisher": wishes.plan_publisher}
    if any(plan.values()) and not all(plan.values()):
        problems.add(
            "InvalidPlan",
            "A plan needs a name, a product and a publisher.",
            target="--plan-name",
            next_step="Give all of --plan-name, --plan-product and --plan-publisher.",
        )
    problems.refuse_if_any()
    properties: dict[str, Any] = {"extensionType": (wishes.extension_type or "").lower(), **_versioning(wishes)}
    if (scope := _scope(wishes)) is not None:
        properties["scope"] = scope
    properties["configurationSettings"] = dict(wishes.settings)
    properties["configurationProtectedSettings"] = dict(wishes.protected)
    body: dict[str, Any] = {"properties": properties | policies}
    if any(plan.values()):
        body["plan"] = plan
    if wishes.identity:
        body["identity"] = {"type": "SystemAssigned"}
    return body


def update_body(wishes: Wishes) -> dict[str, Any]:
    """Return the PATCH body; like az it always carries both maps, which the service merges key by key."""
    problems = Problems()
    policies = _policies(wishes, problems)
    _check_version(wishes, problems)
    problems.refuse_if_any()
    properties = _versioning(wishes) | policies
    properties["configurationSettings"] = dict(wishes.settings)
    properties["configurationProtectedSettings"] = dict(wishes.protected)
    return {"properties": properties}


def pairs(words: Sequence[str], *, flag: str) -> dict[str, str]:
    """Return ``key=value`` words as a map, split at the first ``=``; the last of two equal keys wins.

    Raises `Refused` naming every word that is no pair.
    """
    problems = Problems()
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not key or not equals:
            problems.add("InvalidSetting", f"'{word}' is not key=value.", target=flag)
        found[key] = value
    problems.refuse_if_any()
    return found


def duration(text: str) -> str | None:
    """Return a length of time as an ISO 8601 duration: seconds (``90``), ``90s``, ``10m``, ``1h30m``, or one already.

    None for anything else; of what is written as ISO 8601 already, the service is the judge.
    """
    word = text.strip().upper()
    if word.startswith("P"):
        return word
    if word.isascii() and word.isdigit():
        word += "S"
    return f"PT{word}" if word and _PARTS.fullmatch(word) else None


def _policies(wishes: Wishes, problems: Problems) -> dict[str, Any]:
    """The policies that were asked for, and nothing of the others."""
    timeout = None if wishes.timeout is None else duration(wishes.timeout)
    if wishes.timeout is not None and timeout is None:
        problems.add(
            "InvalidTimeout",
            f"'{wishes.timeout}' is no length of time.",
            target="--timeout",
            next_step="Write seconds, or 90s, 10m, 1h30m, PT10M.",
        )
    failure = {"onFailure": _word(wishes.on_failure), "retries": wishes.retries, "timeout": timeout}
    drift = {
        "mode": _word(wishes.drift),
        "ignore": None if wishes.drift_ignore is None else [rule for rule in wishes.drift_ignore if rule],
    }
    found: dict[str, Any] = {
        "failurePolicy": {key: value for key, value in failure.items() if value is not None},
        "driftPolicy": {key: value for key, value in drift.items() if value is not None},
        "adoption": None if wishes.adopt is None else "Adopt" if wishes.adopt else "Refuse",
    }
    return {key: value for key, value in found.items() if value}


def _word(word: str | None) -> str | None:
    return None if word is None else word.capitalize()


def _versioning(wishes: Wishes) -> dict[str, Any]:
    given = {
        "autoUpgradeMinorVersion": wishes.auto_upgrade,
        "autoUpgradeMode": wishes.auto_upgrade_mode,
        "releaseTrain": wishes.release_train,
        "version": wishes.version,
    }
    if wishes.version and wishes.auto_upgrade is None and wishes.auto_upgrade_mode is None:
        given["autoUpgradeMinorVersion"] = False
    return {key: value for key, value in given.items() if value is not None}


def _scope(wishes: Wishes) -> dict[str, Any] | None:
    if wishes.scope == "namespace" or (wishes.scope is None and wishes.target_namespace):
        return {"namespace": {"targetNamespace": wishes.target_namespace}}
    if wishes.scope == "cluster" or wishes.release_namespace:
        return {"cluster": {"releaseNamespace": wishes.release_namespace} if wishes.release_namespace else {}}
    return None


def _check_version(wishes: Wishes, problems: Problems) -> None:
    if wishes.version and wishes.auto_upgrade:
        problems.add(
            "InvalidVersionChoice",
            "A version can be named or followed automatically, not both.",
            target="--version",
            next_step="Leave out --version, or add --auto-upgrade-minor-version false.",
        )
    if wishes.auto_upgrade is not None and wishes.auto_upgrade_mode is not None:
        problems.add(
            "InvalidVersionChoice",
            "--auto-upgrade-minor-version and --auto-upgrade-mode say the same thing in two ways.",
            target="--auto-upgrade-mode",
            next_step="Give one of them.",
        )


def _check_scope(wishes: Wishes, problems: Problems) -> None:
    if wishes.scope == "cluster" and wishes.target_namespace:
        problems.add(
            "InvalidScope",
            "A target namespace belongs to scope 'namespace'.",
            target="--target-namespace",
            next_step="Use --release-namespace, or --scope namespace.",
        )
    if wishes.scope == "namespace" and wishes.release_namespace:
        problems.add(
            "InvalidScope",
            "A release namespace belongs to scope 'cluster'.",
            target="--release-namespace",
            next_step="Use --target-namespace, or --scope cluster.",
        )
    if wishes.scope == "namespace" and not wishes.target_namespace:
        problems.add(
            "InvalidScope",
            "Scope 'namespace' needs a namespace.",
            target="--target-namespace",
            next_step="Name one with --target-namespace.",
        )
    if wishes.scope is None and wishes.release_namespace and wishes.target_namespace:
        problems.add(
            "InvalidScope",
            "An extension has a release namespace or a target namespace, not both.",
            target="--scope",
            next_step="Say which with --scope cluster or --scope namespace.",
        )
