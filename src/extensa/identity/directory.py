"""The directory as it is kept: tenant, principals, assignments and link credentials, to and from rows of the store.

Everything is read once, when the server starts, because who may do what is asked at every request and must not wait for
a database. It decides nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import msgspec

from extensa.base.ids import named_id, new_id
from extensa.identity import grants
from extensa.identity.principal import (
    ASSIGNMENT_TYPE,
    CREDENTIAL_TYPE,
    PRINCIPAL_TYPE,
    TENANT_KEY,
    TENANT_TYPE,
    AgentCredential,
    RoleAssignment,
    ServicePrincipal,
    Tenant,
)
from extensa.store.port import Expect, PutResource, StaleWrite, Store

T = TypeVar("T")
_PAGE = 500


@dataclass(slots=True)
class Directory:
    """Everything identity knows, in memory; by object id, assignment id and credential name."""

    tenant: Tenant
    principals: dict[str, ServicePrincipal] = field(default_factory=dict)
    assignments: dict[str, RoleAssignment] = field(default_factory=dict)
    credentials: list[AgentCredential] = field(default_factory=list)

    def with_app_id(self, app_id: str) -> ServicePrincipal | None:
        """Return who signs in with ``app_id`` (in any case), or None."""
        wanted = app_id.casefold()
        return next((each for each in self.principals.values() if each.app_id == wanted), None)


async def read_directory(store: Store, *, now: datetime) -> Directory:
    """Return what the store keeps; at first start the tenant, its owner and the owner's role are made and kept."""
    tenant = await _tenant(store, now)
    return Directory(
        tenant,
        {each.object_id: each for each in await _all(store, PRINCIPAL_TYPE, ServicePrincipal)},
        {each.id: each for each in await _all(store, ASSIGNMENT_TYPE, RoleAssignment)},
        await _all(store, CREDENTIAL_TYPE, AgentCredential),
    )


def assignment(principal_id: str, role_id: str, scope: str) -> RoleAssignment:
    """Return the assignment of a role to a principal on ``scope``; the same three always have the same id."""
    return RoleAssignment(
        id=named_id(f"{principal_id}/{role_id}", scope), role_id=role_id, principal_id=principal_id, scope=scope
    )


def put(document: ServicePrincipal | RoleAssignment | AgentCredential) -> PutResource:
    """Return the write that keeps ``document``, whatever was there before."""
    kind = {ServicePrincipal: PRINCIPAL_TYPE, RoleAssignment: ASSIGNMENT_TYPE, AgentCredential: CREDENTIAL_TYPE}
    return PutResource(document.key, kind[type(document)], msgspec.json.encode(document), Expect.ANYTHING)


async def _tenant(store: Store, now: datetime) -> Tenant:
    row = await store.get(TENANT_KEY)
    if row is not None:
        return msgspec.json.decode(row.body, type=Tenant)
    owner = ServicePrincipal(object_id=new_id(), app_id=new_id(), display_name="Extensa owner", created=now)
    made = Tenant(tenant_id=new_id(), subscription_id=new_id(), owner_object_id=owner.object_id, created=now)
    first = PutResource(TENANT_KEY, TENANT_TYPE, msgspec.json.encode(made), Expect.ABSENT)
    try:
        await store.commit([first, put(owner), put(assignment(owner.object_id, grants.OWNER.id, "/"))])
    except StaleWrite:  # another process started first: what it made is what counts
        return await _tenant(store, now)
    return made


async def _all(store: Store, kind: str, document: type[T]) -> list[T]:
    found: list[T] = []
    after: str | None = None
    while True:
        rows = await store.list(type=kind, after=after, limit=_PAGE)
        found += [msgspec.json.decode(row.body, type=document) for row in rows]
        if len(rows) < _PAGE:
            return found
        after = rows[-1].key
