"""The nouns of identity: the tenant, service principals, role definitions and assignments, as they are kept.

Plain documents without behaviour; secrets stand in them as digests only. What they permit is for `grants` to say.
"""

from datetime import datetime

from msgspec import Struct

from extensa.arm.resource_id import ResourceId

TENANT_KEY = "/extensa/identity/tenant"
"""Where the one tenant of an installation is kept."""
TENANT_TYPE = "extensa.identity/tenants"
PRINCIPAL_TYPE = "extensa.identity/serviceprincipals"
ASSIGNMENT_TYPE = "microsoft.authorization/roleassignments"
CREDENTIAL_TYPE = "extensa.identity/agentcredentials"


class Tenant(Struct, frozen=True, kw_only=True):
    """The installation as a directory: its ids are drawn once, at first start, and never change."""

    tenant_id: str
    subscription_id: str
    owner_object_id: str
    created: datetime


class KeptSecret(Struct, frozen=True, kw_only=True):
    """A client secret as it is kept: HMAC-SHA-256 of 256 random bits, in hexadecimal."""

    digest: str
    created: datetime


class ServicePrincipal(Struct, frozen=True, kw_only=True):
    """Someone who signs in with a client id and a secret. ``kind`` is worded as in systemData."""

    object_id: str
    app_id: str
    display_name: str
    created: datetime
    kind: str = "Application"
    secrets: tuple[KeptSecret, ...] = ()

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"/extensa/identity/serviceprincipals/{self.object_id}"


class RoleDefinition(Struct, frozen=True, kw_only=True):
    """What a role permits: ``actions`` less ``not_actions``, both with ``*`` for any text, in any case."""

    id: str
    name: str
    description: str
    actions: tuple[str, ...]
    not_actions: tuple[str, ...] = ()


class RoleAssignment(Struct, frozen=True, kw_only=True):
    """A role given to a principal on a scope and everything below it. ``scope`` is a resource id, or ``/`` for all."""

    id: str
    role_id: str
    principal_id: str
    scope: str

    @property
    def key(self) -> str:
        """Where it is kept: below its scope, as in Azure."""
        return f"{self.scope.rstrip('/')}/providers/Microsoft.Authorization/roleAssignments/{self.id}".casefold()


class AgentCredential(Struct, frozen=True, kw_only=True):
    """What a host or an agent shows on the link: ``kind`` is host or agent, ``name`` the one of its lane."""

    name: str
    kind: str
    digest: str
    created: datetime

    @property
    def key(self) -> str:
        """Where it is kept."""
        return f"/extensa/identity/agentcredentials/{self.kind}/{self.name}"


class NewCredential(Struct, frozen=True, kw_only=True):
    """A service principal's sign-in, shown once when it is made; never kept, never logged."""

    object_id: str
    app_id: str
    secret: str

    def __repr__(self) -> str:
        return f"NewCredential(app_id={self.app_id!r}, secret=…)"


def scope_of(scope: ResourceId | str) -> str:
    """Return ``scope`` as assignments keep it: case-folded, without a trailing slash, ``/`` for everything."""
    text = scope.key if isinstance(scope, ResourceId) else scope.casefold()
    return text.rstrip("/") or "/"
