"""What role assignments permit: Azure's actions and notActions with wildcards, on a scope and everything below it.

Pure and compiled once, so that a request pays a few dictionary and pattern look-ups. Deny by default: what no
assignment permits is refused. A ``not_action`` narrows its own role only; another role may still grant it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from extensa.identity.principal import RoleAssignment, RoleDefinition, scope_of

OWNER = RoleDefinition(
    id="8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    name="Owner",
    description="Grants full access to manage all resources, including the ability to assign roles.",
    actions=("*",),
)
CONTRIBUTOR = RoleDefinition(
    id="b24988ac-6180-42a0-ab88-20f7382dd24c",
    name="Contributor",
    description="Grants full access to manage all resources, but does not allow you to assign roles.",
    actions=("*",),
    not_actions=(
        "Microsoft.Authorization/*/Delete",
        "Microsoft.Authorization/*/Write",
        "Microsoft.Authorization/elevateAccess/Action",
    ),
)
READER = RoleDefinition(
    id="acdd72a7-3385-48ef-bd42-f606fba81ae7",
    name="Reader",
    description="View all resources, but does not allow you to make any changes.",
    actions=("*/read",),
)
EXTENSION_CONTRIBUTOR = RoleDefinition(
    id="85cb6faf-e071-4c9b-8136-154b5a04f717",
    name="Kubernetes Extension Contributor",
    description="Can create, update, get, list and delete Kubernetes Extensions, and get extension async operations.",
    actions=(
        "Microsoft.Authorization/*/read",
        "Microsoft.Insights/alertRules/*",
        "Microsoft.Resources/deployments/*",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.KubernetesConfiguration/extensions/write",
        "Microsoft.KubernetesConfiguration/extensions/read",
        "Microsoft.KubernetesConfiguration/extensions/delete",
        "Microsoft.KubernetesConfiguration/extensions/operations/read",
        "Microsoft.KubernetesConfiguration/extensions/listEvidence/action",
        "Microsoft.KubernetesConfiguration/extensions/getEvidence/action",
        "Microsoft.KubernetesConfiguration/extensions/listRevisions/action",
        "Microsoft.KubernetesConfiguration/extensions/listDrift/action",
        "Microsoft.KubernetesConfiguration/extensions/cancel/action",
        "Microsoft.KubernetesConfiguration/extensions/retry/action",
        "Microsoft.KubernetesConfiguration/extensions/pause/action",
        "Microsoft.KubernetesConfiguration/extensions/resume/action",
        "Microsoft.KubernetesConfiguration/extensions/rollback/action",
        "Microsoft.KubernetesConfiguration/orphanedExtensions/*",
    ),
)
USER_ACCESS_ADMINISTRATOR = RoleDefinition(
    id="18d7d88d-d35e-4fb5-a5c3-7773c20a72d9",
    name="User Access Administrator",
    description="Lets you manage user access to Azure resources.",
    actions=("*/read", "Microsoft.Authorization/*"),
)
BUILT_IN = (OWNER, CONTRIBUTOR, READER, EXTENSION_CONTRIBUTOR, USER_ACCESS_ADMINISTRATOR)
"""Azure's own roles that make sense here, with Azure's GUIDs, so that templates and scripts keep working."""


def permits(role: RoleDefinition, action: str) -> bool:
    """Return whether ``role`` alone permits ``action`` (such as ``Microsoft.Resources/tags/write``)."""
    return _Rule.of(role).permits(action.casefold())


@dataclass(frozen=True, slots=True)
class _Rule:
    """A role, compiled."""

    granted: re.Pattern[str]
    excepted: re.Pattern[str] | None

    @classmethod
    def of(cls, role: RoleDefinition) -> "_Rule":
        return cls(_pattern(role.actions), _pattern(role.not_actions) if role.not_actions else None)

    def permits(self, folded: str) -> bool:
        if self.granted.fullmatch(folded) is None:
            return False
        return self.excepted is None or self.excepted.fullmatch(folded) is None


def _pattern(actions: Sequence[str]) -> re.Pattern[str]:
    """Return what matches any of ``actions``; nothing at all when there are none."""
    branches = ("(?:" + ".*".join(map(re.escape, action.casefold().split("*"))) + ")" for action in actions)
    return re.compile("|".join(branches) or r"(?!)", re.DOTALL)


class Grants:
    """Who may do what where: built from assignments, asked per request, replaced whole when one changes."""

    def __init__(self, assignments: Iterable[RoleAssignment], roles: Sequence[RoleDefinition] = BUILT_IN) -> None:
        rules = {role.id: _Rule.of(role) for role in roles}
        held: dict[str, list[tuple[str, _Rule]]] = {}
        for each in assignments:
            rule = rules.get(each.role_id)
            if rule is not None:  # an assignment of a role nobody knows grants nothing
                held.setdefault(each.principal_id, []).append((scope_of(each.scope).rstrip("/"), rule))
        self._held = held

    def permit(self, principal_id: str, action: str, scope_key: str) -> bool:
        """Return whether ``principal_id`` may do ``action`` at the case-folded resource id ``scope_key``."""
        folded = action.casefold()
        return any(
            _within(scope_key, scope) and rule.permits(folded) for scope, rule in self._held.get(principal_id, ())
        )

    def reach(self, principal_id: str, scope_key: str) -> bool:
        """Return whether ``principal_id`` has any role at ``scope_key``, above it or below it."""
        held = self._held.get(principal_id, ())
        return any(_within(scope_key, scope) or _within(scope, scope_key) for scope, _ in held)


def _within(key: str, scope: str) -> bool:
    return not scope or key == scope or (key.startswith(scope) and key[len(scope)] == "/")
