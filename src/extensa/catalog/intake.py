"""Reading the body by which a publisher makes or changes a type: an addition of ours, in the words of the reads.

Pure: JSON in, facts or every complaint out. A body read by GET can be sent back as it is; what is left out takes its
default. Versions are no part of it: they are published one by one, with their charts.
"""

import re
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from extensa.arm import system_data
from extensa.arm.binding import Caller
from extensa.base.errors import Problems
from extensa.catalog.model import ExtensionType, PlanInfo, Scope, singular

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9]*([._-][a-zA-Z0-9]+)*\Z")
LONGEST_NAME = 128
"""Characters of a type's name at the most."""
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_LONGEST_TEXT = 4000
CLUSTER_TYPES = ("connectedClusters", "managedClusters", "provisionedClusters", "appliances", "fleets")
_DEFAULT_CLUSTER_TYPES = ("connectedClusters", "managedClusters")


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeFacts:
    """What a publisher may say of a type."""

    description: str
    publisher: str
    default_scope: Scope
    default_release_namespace: str | None
    allow_multiple_instances: bool
    supported_cluster_types: list[str]
    is_managed_identity_required: bool
    is_system_extension: bool
    plan: PlanInfo | None


def check_name(name: str, problems: Problems) -> None:
    """Put into ``problems`` what is wrong with the name of a type."""
    if not _NAME.match(name) or len(name) > LONGEST_NAME:
        problems.add(
            "InvalidExtensionTypeName",
            f"'{name}' cannot name an extension type: it takes 1 to {LONGEST_NAME} letters and digits, with '.', '-' "
            "or '_' between them, and begins with a letter.",
            target="extensionTypeName",
            next_step="Name it for its publisher and its purpose, such as contoso.app.",
        )


def read_facts(name: str, body: Any, problems: Problems) -> TypeFacts:
    """Return what ``body`` says of the type ``name``; everything wrong with it goes to ``problems``."""
    reader = _Reader(body if isinstance(body, dict) else {}, "", problems).inside("properties")
    spelled = reader.text("extensionType", name)
    if spelled.casefold() != name.casefold():
        reader.complain("extensionType", f"names '{spelled}', but the path names '{name}'")
    scopes = reader.inside("supportedScopes")
    settings = scopes.inside("clusterScopeSettings")
    settings = settings.inside("properties") if settings.has("properties") else settings
    plan = reader.inside("planInfo")
    publisher = reader.text("publisher", "") or name.partition(".")[0]
    offer, plan_id, plan_publisher = (plan.text(key, "") for key in ("offerId", "planId", "publisherId"))
    if bool(offer) is not bool(plan_id):
        plan.complain("planId", "and offerId belong together: a marketplace type has both")
    return TypeFacts(
        description=reader.text("description", ""),
        publisher=publisher,
        default_scope=scopes.scope("defaultScope"),
        default_release_namespace=settings.namespace("defaultReleaseNamespace"),
        allow_multiple_instances=settings.flag("allowMultipleInstances"),
        supported_cluster_types=reader.cluster_types("supportedClusterTypes"),
        is_managed_identity_required=reader.flag("isManagedIdentityRequired"),
        is_system_extension=reader.flag("isSystemExtension"),
        plan=PlanInfo(publisher_id=plan_publisher or publisher, offer_id=offer, plan_id=plan_id) if offer else None,
    )


def with_facts(
    before: ExtensionType | None, name: str, facts: TypeFacts, caller: Caller, now: datetime
) -> ExtensionType:
    """Return the type that ``facts`` describe, with the versions it had; the same object when nothing changes."""
    said = {each.name: getattr(facts, each.name) for each in fields(facts)}
    if before is None:
        return ExtensionType(name=name, system_data=system_data.created(caller, now), **said)
    after = replace(before, **said)
    if after == before:
        return before
    return replace(after, system_data=system_data.modified(before.system_data, caller, now))


class _Reader:
    """One object of the body: gives each field in its type, or its default and a complaint."""

    def __init__(self, found: dict[str, Any], path: str, problems: Problems) -> None:
        self._found = found
        self._path = path
        self._problems = problems

    def complain(self, key: str, what: str) -> None:
        target = f"{self._path}.{key}".strip(".")
        self._problems.add("InvalidRequestContent", f"The property '{target}' {what}.", target=target)

    def has(self, key: str) -> bool:
        return self._found.get(key) is not None

    def inside(self, key: str) -> "_Reader":
        value = self._found.get(key)
        if value is not None and not isinstance(value, dict):
            self.complain(key, "must be an object")
        return _Reader(value if isinstance(value, dict) else {}, f"{self._path}.{key}".strip("."), self._problems)

    def text(self, key: str, default: str) -> str:
        value = self._found.get(key)
        if value is None:
            return default
        if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
            self.complain(key, f"must be a string of at most {_LONGEST_TEXT} characters")
            return default
        return value

    def flag(self, key: str) -> bool:
        value = self._found.get(key)
        if value is not None and not isinstance(value, bool):
            self.complain(key, "must be true or false")
        return value is True

    def scope(self, key: str) -> Scope:
        word = self.text(key, Scope.CLUSTER).casefold()
        if word not in set(Scope):
            self.complain(key, f"must be cluster or namespace, not '{word}'")
            return Scope.CLUSTER
        return Scope(word)

    def namespace(self, key: str) -> str | None:
        name = self.text(key, "")
        if name and not _NAMESPACE.match(name):
            self.complain(key, f"must be the name of a Kubernetes namespace, not '{name}'")
        return name or None

    def cluster_types(self, key: str) -> list[str]:
        value = self._found.get(key)
        if value is None:
            return list(_DEFAULT_CLUSTER_TYPES)
        known = {singular(each): each for each in CLUSTER_TYPES}
        words = value if isinstance(value, list) else []
        if not words or not all(isinstance(word, str) and singular(word) in known for word in words):
            self.complain(key, f"must be a list of one or more of {', '.join(CLUSTER_TYPES)}")
            return list(_DEFAULT_CLUSTER_TYPES)
        return list(dict.fromkeys(known[singular(word)] for word in words))
