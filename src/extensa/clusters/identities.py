"""As whom a cluster acts: managed identity, service principal or nobody, and the one way between them. Pure.

Azure's rules: identity in a full PUT turns a service-principal cluster into a managed one, and there is no way back.
``servicePrincipalProfile.clientId`` is ``msi`` for a managed one; a service principal's secret is never kept.
"""

from dataclasses import dataclass, field
from typing import Any

from extensa.arm import resource_id
from extensa.base.errors import Problems, Refused
from extensa.clusters.bodies import objects
from extensa.clusters.model import MANAGED_IDENTITIES

NONE, SYSTEM, USER, PRINCIPAL = "None", "SystemAssigned", "UserAssigned", "ServicePrincipal"
_WORDS = {word.casefold(): word for word in (NONE, SYSTEM, USER)}
_MSI = "msi"


@dataclass(frozen=True, slots=True)
class Identities:
    """What a body says of identity: ``kind``, the user-assigned ids, the service principal's client id."""

    kind: str
    user_assigned: tuple[str, ...] = field(default=())
    client_id: str = ""

    def stored(self) -> dict[str, Any]:
        """Return what is kept of it in a record's body, ready to be merged into it."""
        if self.kind == USER:
            return {"identity": {"type": USER, "userAssignedIdentities": {each: {} for each in self.user_assigned}}}
        if self.kind == PRINCIPAL:
            return {"properties": {"servicePrincipalProfile": {"clientId": self.client_id}}}
        return {"identity": {"type": SYSTEM}} if self.kind == SYSTEM else {}


def kept(kind: str, body: dict[str, Any]) -> Identities:
    """Return what a record of ``kind`` with ``body`` says."""
    profile = objects(objects(body, "properties"), "servicePrincipalProfile")
    users = objects(objects(body, "identity"), "userAssignedIdentities")
    return Identities(kind, tuple(users), str(profile.get("clientId", "")))


def decide(body: dict[str, Any], present: Identities | None, problems: Problems) -> Identities:
    """Return as whom the cluster shall act after a PUT of ``body``; ``present`` is as whom it does (None: it is new).

    Adds to ``problems`` what is malformed and every way back from a managed identity.
    """
    asked = objects(body, "identity")
    kind = _kind(asked.get("type"), problems)
    client_id = str(objects(objects(body, "properties"), "servicePrincipalProfile").get("clientId") or "")
    if kind == USER:
        return Identities(USER, _user_assigned(asked, problems))
    if kind == SYSTEM:
        return Identities(SYSTEM)
    named = client_id if client_id.casefold() != _MSI else ""
    if present is not None and present.kind in MANAGED_IDENTITIES:
        if named or kind == NONE:
            problems.add(
                "PropertyChangeNotAllowed",
                "A cluster with a managed identity cannot be changed to a service principal or to no identity.",
                target="properties.servicePrincipalProfile" if named else "identity.type",
                next_step="Leave the identity as it is, or make a new cluster.",
            )
        return present
    implied = kind is None and client_id.casefold() == _MSI
    return _unmanaged(named, present, implied=implied, problems=problems)


def _unmanaged(named: str, present: Identities | None, *, implied: bool, problems: Problems) -> Identities:
    if present is not None and present.kind == PRINCIPAL:
        if named and named.casefold() != present.client_id.casefold():
            problems.add(
                "PropertyChangeNotAllowed",
                "Changing property 'servicePrincipalProfile.clientId' is not allowed.",
                target="properties.servicePrincipalProfile.clientId",
            )
        return present
    if named:
        return Identities(PRINCIPAL, client_id=named)
    return Identities(SYSTEM) if implied else Identities(NONE)


def _kind(word: object, problems: Problems) -> str | None:
    if word is None or word == "":
        return None
    kind = _WORDS.get(word.casefold()) if isinstance(word, str) else None
    if kind is None:
        problems.add(
            "InvalidParameter",
            f"The value of parameter identity.type is invalid: it is '{word}', and may be {SYSTEM}, {USER} or {NONE}.",
            target="identity.type",
        )
    return kind


def _user_assigned(asked: dict[str, Any], problems: Problems) -> tuple[str, ...]:
    found = asked.get("userAssignedIdentities")
    ids = tuple(found) if isinstance(found, dict) else ()
    if len(ids) != 1:
        problems.add(
            "InvalidParameter",
            f"A cluster takes exactly one user-assigned identity, not {len(ids)}.",
            target="identity.userAssignedIdentities",
        )
    for each in ids:
        if not _is_user_identity(each):
            problems.add(
                "InvalidParameter",
                f"'{each}' is not the id of a user-assigned identity.",
                target="identity.userAssignedIdentities",
                next_step="Name it as /subscriptions/{id}/resourceGroups/{group}/providers"
                "/Microsoft.ManagedIdentity/userAssignedIdentities/{name}.",
            )
    return ids


def _is_user_identity(text: str) -> bool:
    try:
        return resource_id.parse(text).type.casefold() == "microsoft.managedidentity/userassignedidentities"
    except Refused:
        return False
