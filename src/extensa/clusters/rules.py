"""What a write to a managed cluster means, and every reason why it may not be. Pure: facts in, decision out.

A PUT replaces what the client may say; what it leaves out or sends empty is the server's choice, or stays as it was
where it can be chosen only once. An identical PUT joins a running operation or changes nothing; any other supersedes.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from extensa.arm.resource_id import ResourceId
from extensa.base.errors import Conflict, Problems, Refused
from extensa.base.merge import merge_patch
from extensa.clusters import bodies, identities, pools, versions
from extensa.clusters.model import SUCCEEDED, Record
from extensa.link.cluster import Power

_NAME = re.compile(r"[a-zA-Z0-9]([-_a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_DNS_PREFIX = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,52}[a-zA-Z0-9])?")
_LOCATION = re.compile(r"[a-z0-9]{1,64}")
_OBJECTS = (
    "aadProfile",
    "identityProfile",
    "networkProfile",
    "oidcIssuerProfile",
    "servicePrincipalProfile",
    "windowsProfile",
)
_ONCE = (("networkProfile", "podCidr"), ("networkProfile", "serviceCidr"), ("networkProfile", "dnsServiceIP"))
"""Besides what `_fill` keeps by itself: what can be chosen only when the cluster is made."""


class Outcome(StrEnum):
    """What a write comes to."""

    CREATE = "create"
    UNCHANGED = "unchanged"
    """It is so already."""
    JOIN = "join"
    """The running operation does just that."""
    REWRITE = "rewrite"
    """Something is remembered that no host needs to know."""
    CHANGE = "change"
    """A new generation; what is running is superseded."""


@dataclass(frozen=True, slots=True)
class PutFacts:
    """All that a PUT is decided by. ``versions`` are those the host has, newest last; none when it never spoke."""

    id: ResourceId
    body: Any
    existing: Record | None
    versions: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """What the record will say of the client's wishes."""

    location: str
    identity: str
    body: dict[str, Any]
    kubernetes_version: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and with which wishes."""

    outcome: Outcome
    draft: Draft


def decide_put(facts: PutFacts) -> Decision:
    """Return what the PUT comes to; raises `Refused` with every reason, or `Conflict` when the cluster's state
    forbids it.
    """
    existing = facts.existing
    if existing is not None and existing.power is Power.ABSENT and existing.active:
        raise being_deleted(existing)
    draft = _draft(facts)
    if existing is None:
        return Decision(Outcome.CREATE, draft)
    before = Draft(existing.location, existing.identity, existing.body, existing.kubernetes_version)
    same = draft == before
    if existing.power is Power.ABSENT:  # a deletion that failed: asking for it again is the way out
        return Decision(Outcome.CHANGE, draft)
    if existing.active and same:
        return Decision(Outcome.JOIN, draft)
    well = existing.provisioning_state == SUCCEEDED
    if same and well:
        return Decision(Outcome.UNCHANGED, draft)
    if existing.power is Power.STOPPED:
        raise _stopped(existing)
    quiet = well and not existing.active and _projected(draft) == _projected(before)
    return Decision(Outcome.REWRITE if quiet else Outcome.CHANGE, draft)


def _projected(draft: Draft) -> tuple[Any, ...]:
    """What of a draft a host must know."""
    return draft.location, draft.kubernetes_version, pools.node_pools(draft.body["properties"]["agentPoolProfiles"])


def decide_power(existing: Record, wanted: Power) -> Outcome:
    """Return what a request to stop, start or delete comes to; raises `Conflict` for a cluster being deleted."""
    if existing.power is Power.ABSENT and existing.active and wanted is not Power.ABSENT:
        raise being_deleted(existing)
    if existing.power is not wanted:
        return Outcome.CHANGE
    if existing.active:
        return Outcome.JOIN
    well = existing.provisioning_state == SUCCEEDED and wanted is not Power.ABSENT
    return Outcome.UNCHANGED if well else Outcome.CHANGE


def doing(existing: Record, wanted: Power) -> str:
    """Return the provisioning word of a change of ``existing`` towards ``wanted``."""
    if wanted is Power.ABSENT:
        return "Deleting"
    if wanted is Power.STOPPED:
        return "Stopping"
    return "Starting" if existing.power is Power.STOPPED else "Updating"


def decide_tags(body: Any, existing: Record) -> dict[str, Any]:
    """Return the record's body after a PATCH: tags only, merged key by key. Raises `Refused` with every reason."""
    problems = Problems()
    if not isinstance(body, dict):
        raise _no_object()
    for key in body:
        if key != "tags":
            problems.add(
                "PropertyChangeNotAllowed",
                f"A PATCH changes the tags of a managed cluster, not '{key}'.",
                target=key,
                next_step="Send the whole cluster with PUT.",
            )
    tags = merge_patch(existing.body.get("tags", {}), body.get("tags", {})) if body.get("tags", 0) is not None else {}
    _check_tags(tags, problems)
    problems.refuse_if_any()
    rest = {key: value for key, value in existing.body.items() if key != "tags"}
    return {**rest, "tags": tags} if tags else rest


def being_deleted(record: Record) -> Conflict:
    """Return the refusal of any write to a cluster whose deletion runs."""
    return Conflict(
        "OperationNotAllowed",
        f"The managed cluster '{record.name}' is being deleted; another operation is in progress.",
        target=record.id,
        next_step="Wait until it is gone, then send the request again.",
    )


def _stopped(record: Record) -> Conflict:
    return Conflict(
        "OperationNotAllowed",
        f"The managed cluster '{record.name}' is in Stopped state; only start and delete are allowed.",
        target=record.id,
        next_step=f"az aks start --resource-group {record.resource_id.resource_group} --name {record.name}",
    )


def _draft(facts: PutFacts) -> Draft:
    """Return what the body asks for, defaults filled in; raises `Refused` with every reason at once."""
    if not isinstance(facts.body, dict):
        raise _no_object()
    body, existing, problems = facts.body, facts.existing, Problems()
    if existing is None and not _NAME.fullmatch(facts.id.name):
        problems.add(
            "InvalidParameter",
            f"The managed cluster name '{facts.id.name}' is invalid: 1 to 63 letters, digits, '-' and '_', beginning "
            "and ending with a letter or digit.",
            target="name",
        )
    _check_shape(body, problems)
    location = _location(body, existing, problems)
    present = identities.kept(existing.identity, existing.body) if existing else None
    acting = identities.decide(body, present, problems)
    asked = bodies.objects(body, "properties").get("kubernetesVersion") or ""
    if not isinstance(asked, str):
        problems.add("InvalidParameter", "kubernetesVersion must be text.", target="properties.kubernetesVersion")
    version = versions.resolve(
        str(asked),
        present=existing.kubernetes_version if existing else "",
        known=facts.versions,
        cluster=facts.id.name,
        problems=problems,
    )
    kept = merge_patch(bodies.cleaned(body, facts.id), acting.stored())
    _check_tags(kept.get("tags", {}), problems)
    _fill(kept, facts, location, problems)
    problems.refuse_if_any()
    return Draft(location, acting.kind, kept, version)


def _check_shape(body: dict[str, Any], problems: Problems) -> None:
    """Ask that what is read here are objects; what is only kept may be anything."""
    named = [("", body, name) for name in ("properties", "identity", "sku")]
    named += [("properties.", bodies.objects(body, "properties"), name) for name in _OBJECTS]
    for prefix, holder, name in named:
        if holder.get(name) is not None and not isinstance(holder[name], dict):
            problems.add("InvalidParameter", f"{prefix}{name} must be an object.", target=f"{prefix}{name}")


def _location(body: dict[str, Any], existing: Record | None, problems: Problems) -> str:
    asked = body.get("location")
    location = "".join(asked.split()).casefold() if isinstance(asked, str) else ""
    if existing is None:
        if asked in (None, ""):
            problems.add(
                "LocationRequired", "The location property is required for this definition.", target="location"
            )
        elif not _LOCATION.fullmatch(location):
            problems.add("InvalidParameter", f"'{asked}' is not the name of a location.", target="location")
        return location
    if location and location != existing.location:
        problems.add(
            "InvalidResourceLocation",
            f"The resource '{existing.name}' already exists in location '{existing.location}'. A resource with the "
            f"same name cannot be created in location '{location}'. Please select a new resource name.",
            target="location",
        )
    return existing.location


def _fill(kept: dict[str, Any], facts: PutFacts, location: str, problems: Problems) -> None:
    """Fill the server's choices into ``kept`` and refuse to choose again what can be chosen only once."""
    before = facts.existing.properties if facts.existing else {}
    properties = kept["properties"]
    kept.setdefault("sku", {"name": "Base", "tier": "Free"})
    once = {
        "dnsPrefix": _dns_prefix(facts.id),
        "nodeResourceGroup": bodies.default_node_group(facts.id, location),
        "enableRBAC": True,
    }
    for name, default in once.items():
        if properties.get(name) in (None, ""):
            properties[name] = before.get(name, default)
        elif name in before and properties[name] != before[name]:
            _refuse_change(name, problems)
    for profile, name in _ONCE:
        was, asked = bodies.objects(before, profile).get(name), bodies.objects(properties, profile).get(name)
        if was and asked and was != asked:
            _refuse_change(f"{profile}.{name}", problems)
    if not isinstance(properties["dnsPrefix"], str) or not _DNS_PREFIX.fullmatch(properties["dnsPrefix"]):
        problems.add(
            "InvalidParameter",
            f"The dnsPrefix '{properties['dnsPrefix']}' is invalid: 1 to 54 letters, digits and '-', beginning and "
            "ending with a letter or digit.",
            target="properties.dnsPrefix",
        )
    _fill_issuer(properties, before, problems)
    present = before.get("agentPoolProfiles", [])
    properties["agentPoolProfiles"] = pools.decide(properties.get("agentPoolProfiles"), present, problems)


def _fill_issuer(properties: dict[str, Any], before: dict[str, Any], problems: Problems) -> None:
    profile = {**bodies.objects(properties, "oidcIssuerProfile")}
    was = bool(bodies.objects(before, "oidcIssuerProfile").get("enabled"))
    if was and profile.get("enabled") is False:
        problems.add(
            "OIDCIssuerFeatureCannotBeDisabled",
            "The OIDC issuer feature cannot be disabled once it was enabled.",
            target="properties.oidcIssuerProfile.enabled",
        )
    profile["enabled"] = bool(profile.get("enabled", was))
    properties["oidcIssuerProfile"] = profile


def _refuse_change(name: str, problems: Problems) -> None:
    problems.add(
        "PropertyChangeNotAllowed",
        f"Changing property '{name}' is not allowed.",
        target=f"properties.{name}",
        next_step="Leave it as it is, or make a new cluster.",
    )


def _dns_prefix(cluster: ResourceId) -> str:
    """Return the prefix that ``az`` would choose: from the names of cluster, group and subscription."""
    name = re.sub(r"[^a-zA-Z0-9-]", "", cluster.name)[:10]
    group = re.sub(r"[^a-zA-Z0-9-]", "", cluster.resource_group or "")[:16]
    return f"{name}-{group}-{(cluster.subscription or '')[:6]}".strip("-")


def _check_tags(tags: object, problems: Problems) -> None:
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        problems.add("InvalidTags", "tags must be an object whose values are text.", target="tags")
        return
    if len(tags) > bodies.MOST_TAGS:
        problems.add("InvalidTags", f"A resource has at most {bodies.MOST_TAGS} tags, not {len(tags)}.", target="tags")
    for name, value in tags.items():
        if not 1 <= len(name) <= 512 or len(value) > 256:
            problems.add(
                "InvalidTags", f"The tag '{name[:40]}' is too long: 512 characters, and 256 of value.", target="tags"
            )


def _no_object() -> Refused:
    return Refused("InvalidRequestContent", "The request content must be a JSON object.", target="body")
