"""The bodies that create and change an extension, from the words `az k8s-extension` has for them.

Pure, and shared by whoever makes an extension. It checks what az checks before it calls (contract §5.3), all of it at
once; what only the service can know is for the service to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extensa.base.errors import Problems


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


def create_body(wishes: Wishes) -> dict[str, Any]:
    """Return the PUT body for a new extension; raises `Refused` with every contradiction found."""
    problems = Problems()
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
    body: dict[str, Any] = {"properties": properties}
    if any(plan.values()):
        body["plan"] = plan
    if wishes.identity:
        body["identity"] = {"type": "SystemAssigned"}
    return body


def update_body(wishes: Wishes) -> dict[str, Any]:
    """Return the PATCH body; like az it always carries both maps, which the service merges key by key."""
    problems = Problems()
    _check_version(wishes, problems)
    problems.refuse_if_any()
    properties = _versioning(wishes)
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
