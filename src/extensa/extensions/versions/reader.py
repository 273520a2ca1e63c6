"""JSON of a PUT or PATCH → a draft, for any api-version; the shape says which fields it can see. A DELETE's query, too.

Unknown and read-only properties are let through unread, as ARM does; a known one of the wrong kind becomes a problem of
the draft, so that the caller hears it together with everything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from extensa.base.errors import Problems
from extensa.extensions import policies, settings
from extensa.extensions.decision import Removal
from extensa.extensions.draft import Draft, Scope
from extensa.extensions.model import Plan, UpgradeMode
from extensa.extensions.versions.shape import Shape

_KINDS = {str: "a string", bool: "true or false", dict: "an object"}


def read(body: Any, shape: Shape) -> Draft:
    """Return the wishes that ``body`` holds; never raises: what is wrong with it stands in ``problems``."""
    top = _Fields(body, "")
    properties = _Fields(top.value("properties", dict) or {}, "properties.")
    properties.problems = top.problems
    flag = properties.value("autoUpgradeMinorVersion", bool)
    version = properties.value("version", str) or None
    if version is not None and not shape.refuses_pin_with_upgrades:
        flag = False
    return Draft(
        extension_type=properties.value("extensionType", str),
        auto_upgrade_minor_version=flag,
        auto_upgrade_mode=_mode(properties) if shape.management else None,
        release_train=properties.value("releaseTrain", str) or None,
        version=version,
        names_version="version" in properties.given,
        scope=_scope(properties),
        settings=_map(properties, "configurationSettings"),
        protected=_map(properties, "configurationProtectedSettings"),
        plan=_plan(top) if shape.plan else None,
        identity_type=_identity(top),
        managed_by=top.value("managedBy", str) if shape.management else None,
        provisioning_state=properties.value("provisioningState", str),
        sees_mode=shape.management,
        policies=policies.read(properties.given, top.problems),
        problems=tuple(top.problems.found),
    )


def read_removal(query: Mapping[str, str]) -> Removal:
    """Return what a DELETE's ``query`` (keys case-folded) asks for. ``forceDelete`` is read as Azure does, any other
    text than ``true`` meaning no; a word of ours must be one of two.
    """
    problems = Problems()
    crds, finalizers = (_flag(query, name, problems) for name in ("deleteCrds", "removeFinalizers"))
    force = query.get("forcedelete", "").casefold() == "true"
    return Removal(force, crds, finalizers, tuple(problems.found))


def _flag(query: Mapping[str, str], name: str, problems: Problems) -> bool:
    word = query.get(name.casefold(), "false").casefold()
    if word not in ("true", "false"):
        problems.add("InvalidQuery", f"'{name}' must be 'true' or 'false', not '{word[:64]}'.", target=name)
    return word == "true"


@dataclass(slots=True)
class _Fields:
    """An object of the body with the path to it; wrong kinds are noted in ``problems``."""

    given: Any
    path: str
    problems: Problems = field(default_factory=Problems)

    def __post_init__(self) -> None:
        if not isinstance(self.given, dict):
            where = f"'{self.path.rstrip('.')}'" if self.path else "The request body"
            self.wrong(f"{where} must be an object.", self.path.rstrip("."))
            self.given = {}

    def value(self, name: str, kind: type) -> Any:
        value = self.given.get(name)
        if value is None or isinstance(value, kind):
            return value
        self.wrong(f"'{self.path}{name}' must be {_KINDS[kind]}.", self.path + name)
        return None

    def inside(self, name: str) -> "_Fields | None":
        found = self.value(name, dict)
        return None if found is None else _Fields(found, f"{self.path}{name}.", self.problems)

    def wrong(self, message: str, target: str) -> None:
        self.problems.add("InvalidRequestContent", message, target=target or None)


def _mode(properties: _Fields) -> UpgradeMode | None:
    word = properties.value("autoUpgradeMode", str)
    if word is None:
        return None
    try:
        return UpgradeMode(word.casefold())
    except ValueError:
        known = ", ".join(f"'{mode}'" for mode in UpgradeMode)
        properties.wrong(f"'properties.autoUpgradeMode' must be one of {known}.", "properties.autoUpgradeMode")
        return None


def _scope(properties: _Fields) -> Scope | None:
    scope = properties.inside("scope")
    if scope is None:
        return None
    cluster, namespace = scope.inside("cluster"), scope.inside("namespace")
    if cluster is not None and namespace is not None:
        properties.problems.add(
            "InvalidScope",
            "The scope must be either 'cluster' or 'namespace', not both.",
            target="properties.scope",
            next_step="Leave one of the two out.",
        )
    if namespace is not None:
        return Scope(namespaced=True, namespace=namespace.value("targetNamespace", str) or None)
    if cluster is not None:
        return Scope(namespaced=False, namespace=cluster.value("releaseNamespace", str) or None)
    return None


def _map(properties: _Fields, name: str) -> settings.Given:
    return settings.read(properties.given.get(name), f"properties.{name}", properties.problems)


def _plan(top: _Fields) -> Plan | None:
    plan = top.inside("plan")
    if plan is None:
        return None
    for name in ("name", "publisher", "product"):
        if not plan.value(name, str):
            plan.wrong(f"'plan.{name}' is required in a plan.", f"plan.{name}")
    return Plan(
        name=plan.value("name", str) or "",
        publisher=plan.value("publisher", str) or "",
        product=plan.value("product", str) or "",
        promotion_code=plan.value("promotionCode", str),
        version=plan.value("version", str),
    )


def _identity(top: _Fields) -> str | None:
    identity = top.inside("identity")
    if identity is None:
        return None
    kind = identity.value("type", str)
    return None if kind is None or kind.casefold() == "none" else str(kind)
