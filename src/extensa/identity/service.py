"""Identity: one object that says who is calling and what they may do.

`authenticate` and `authorize` are asked at every request, so they are synchronous, answer from memory and touch no
database. What changes (principals, assignments, secrets) is written first and known in memory after. It keeps no secret
in the clear and logs none.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from extensa.arm.binding import Caller
from extensa.arm.resource_id import ResourceId
from extensa.base.clock import Clock
from extensa.base.errors import Forbidden, NotFound, Unauthenticated
from extensa.base.home import Home
from extensa.base.ids import new_id, new_secret
from extensa.base.log import get_logger
from extensa.identity import credential_files, discovery, token_requests
from extensa.identity.agent_credentials import KINDS, AgentCredentials, LinkCaller
from extensa.identity.credential_files import LinkFile, OwnerFile
from extensa.identity.directory import Directory, assignment, put, read_directory
from extensa.identity.grants import Grants
from extensa.identity.principal import (
    AgentCredential,
    KeptSecret,
    NewCredential,
    RoleAssignment,
    RoleDefinition,
    ServicePrincipal,
    scope_of,
)
from extensa.identity.secret_digests import SecretDigests, load_secret_digests
from extensa.identity.signing_keys import load_signing_keys
from extensa.identity.tokens import LIFETIME, Tokens
from extensa.store.port import DeleteResource, Store

_log = get_logger("identity")


class Identity:
    """The directory, the issuer and the judge of one installation. Made by `open`."""

    def __init__(
        self, store: Store, home: Home, directory: Directory, *, base_url: str, clock: Clock, digests: SecretDigests
    ) -> None:
        self._store = store
        self._home = home
        self._clock = clock
        self._base_url = base_url
        self._directory = directory
        self._digests = digests
        keys = load_signing_keys(home.keys / "token-signing.json")
        self._tokens = Tokens(keys, tenant_id=directory.tenant.tenant_id, base_url=base_url)
        self._grants = Grants(directory.assignments.values())
        self._link = AgentCredentials(digests, directory.credentials)

    @classmethod
    async def open(cls, store: Store, home: Home, *, base_url: str, clock: Clock) -> "Identity":
        """Return identity over ``store``. At first start it makes tenant, owner, keys and link credentials; at every
        start it sees to it that the credential files are there and valid. Raises `OSError` when a file cannot be
        written, and whatever the store raises.
        """
        digests = load_secret_digests(home.keys / "secret-digests.key")
        directory = await read_directory(store, now=clock())
        identity = cls(store, home, directory, base_url=base_url.rstrip("/"), clock=clock, digests=digests)
        await identity._mend_owner_file()
        for kind, name in KINDS.items():
            await identity._mend_link_file(kind, name)
        return identity

    @property
    def tenant_id(self) -> str:
        """The one tenant's GUID."""
        return self._directory.tenant.tenant_id

    @property
    def subscription_id(self) -> str:
        """The first subscription's GUID."""
        return self._directory.tenant.subscription_id

    @property
    def owner_object_id(self) -> str:
        """The object id of the first service principal."""
        return self._directory.tenant.owner_object_id

    # -- asked at every request

    def authenticate(self, authorization: str | None) -> Caller:
        """Return who presents this ``Authorization`` header; raises `Unauthenticated` in ARM's words."""
        if not authorization:
            raise Unauthenticated(
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing.",
                next_step="Sign in first; `extensa env` prints the settings that let az and the SDKs do so.",
            )
        scheme, _, token = authorization.partition(" ")
        if scheme.casefold() != "bearer":
            raise Unauthenticated(
                "AuthenticationFailedInvalidHeader",
                "Authentication failed. 'Authorization' header is provided in an invalid format.",
                next_step="Send 'Authorization: Bearer TOKEN'.",
            )
        return self._tokens.verify(token, self._clock())

    def authorize(self, caller: Caller, action: str, scope_key: str) -> None:
        """Return quietly when ``caller`` may do ``action`` at the case-folded resource id ``scope_key``.

        Raises `Forbidden` (``AuthorizationFailed``) in Azure's sentence otherwise.
        """
        if self._grants.permit(caller.object_id, action, scope_key):
            return
        raise Forbidden(
            "AuthorizationFailed",
            f"The client '{caller.app_id}' with object id '{caller.object_id}' does not have authorization to perform "
            f"action '{action}' over scope '{scope_key or '/'}' or the scope is invalid. If access was recently "
            "granted, please refresh your credentials.",
            next_step="Ask an owner of the scope for a role assignment that permits the action.",
        )

    def sees(self, caller: Caller, scope_key: str) -> bool:
        """Return whether ``caller`` has a role at the case-folded id ``scope_key``, above or below it: whether a list
        may show it that the scope exists.
        """
        return self._grants.reach(caller.object_id, scope_key)

    def link_caller(self, authorization: str | None) -> LinkCaller:
        """Return which host or agent presents this header; raises `Unauthenticated`."""
        return self._link.caller(authorization)

    # -- signing in

    async def token(self, tenant: str, form: Mapping[str, str], authorization: str | None) -> dict[str, Any]:
        """Return the token endpoint's answer to a client-credentials request; raises `TokenRefused`."""
        if not self._knows(tenant):
            raise token_requests.unknown_tenant(tenant)
        request = token_requests.read(form, authorization)
        principal = self._directory.with_app_id(request.client_id)
        if principal is None:
            raise token_requests.unknown_client(request.client_id, self.tenant_id)
        if not self._digests.match(request.secret, [kept.digest for kept in principal.secrets]):
            _log.warning("sign-in refused", app_id=principal.app_id, reason="wrong secret")
            raise token_requests.wrong_secret(principal.app_id)
        if not self._tokens.accepts(request.audience):
            raise token_requests.unknown_resource(request.audience, self.tenant_id)
        now = self._clock()
        seconds = int(LIFETIME.total_seconds()) - 1
        answer: dict[str, Any] = {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self._tokens.issue(principal, request.audience, now),
        }
        if request.old_style:
            answer |= {"expires_on": str(int(now.timestamp()) + seconds), "resource": request.audience}
        return answer

    def discovery(self, tenant: str, *, v2: bool) -> dict[str, Any]:
        """Return the OpenID configuration of ``tenant``; raises `TokenRefused` (AADSTS90002) for one we are not."""
        if not self._knows(tenant):
            raise token_requests.unknown_tenant(tenant)
        return discovery.document(self._base_url, tenant, issuer=self._tokens.issuer, v2=v2)

    def jwks(self) -> dict[str, Any]:
        """Return the public keys that tokens are verified with."""
        return self._tokens.keys.public()

    def _knows(self, tenant: str) -> bool:
        return tenant.casefold() in discovery.ALIASES or tenant.casefold() == self.tenant_id

    # -- changing who there is and what they may do

    async def add_principal(self, display_name: str, *, kind: str = "Application") -> NewCredential:
        """Make a service principal that may do nothing yet, and return its sign-in; the secret is shown only here."""
        secret, now = new_secret(), self._clock()
        principal = ServicePrincipal(
            object_id=new_id(),
            app_id=new_id(),
            display_name=display_name,
            created=now,
            kind=kind,
            secrets=(KeptSecret(digest=self._digests.of(secret), created=now),),
        )
        await self._store.commit([put(principal)])
        self._directory.principals[principal.object_id] = principal
        return NewCredential(object_id=principal.object_id, app_id=principal.app_id, secret=secret)

    async def assign(self, principal_id: str, role: RoleDefinition, scope: ResourceId | str) -> RoleAssignment:
        """Give ``role`` to a principal on ``scope`` and below; doing it twice is doing it once.

        Raises `NotFound` (``PrincipalNotFound``) for a principal that does not exist.
        """
        if principal_id not in self._directory.principals:
            raise NotFound(
                "PrincipalNotFound", f"Principal {principal_id} does not exist in the directory {self.tenant_id}."
            )
        made = assignment(principal_id, role.id, scope_of(scope))
        await self._store.commit([put(made)])
        self._directory.assignments[made.id] = made
        self._grants = Grants(self._directory.assignments.values())
        return made

    async def unassign(self, assignment_id: str) -> None:
        """Take a role assignment away; taking one away that is not there is no error."""
        gone = self._directory.assignments.get(assignment_id)
        if gone is None:
            return
        await self._store.commit([DeleteResource(gone.key)])
        self._directory.assignments.pop(assignment_id, None)
        self._grants = Grants(self._directory.assignments.values())

    async def renew_owner_secret(self) -> None:
        """Give the first service principal a fresh secret, in its file and nowhere else; the old one is void."""
        owner = self._directory.principals[self.owner_object_id]
        secret, now = new_secret(), self._clock()
        renewed = ServicePrincipal(
            object_id=owner.object_id,
            app_id=owner.app_id,
            display_name=owner.display_name,
            created=owner.created,
            kind=owner.kind,
            secrets=(KeptSecret(digest=self._digests.of(secret), created=now),),
        )
        await self._store.commit([put(renewed)])
        self._directory.principals[owner.object_id] = renewed
        file = self._owner_file(secret)
        await asyncio.to_thread(credential_files.write, self._home.owner_credential, file)
        _log.info("owner credential written", app_id=owner.app_id)

    async def rotate_signing_key(self) -> None:
        """Sign with a fresh key from now on; tokens of the one before stay valid until they expire."""
        rotated = await asyncio.to_thread(self._tokens.keys.rotated)
        await asyncio.to_thread(rotated.save, self._home.keys / "token-signing.json")
        self._tokens.keys = rotated

    # -- credential files

    def _owner_file(self, secret: str) -> OwnerFile:
        owner = self._directory.principals[self.owner_object_id]
        return OwnerFile(
            tenantId=self.tenant_id,
            clientId=owner.app_id,
            clientSecret=secret,
            subscriptionId=self.subscription_id,
            endpoint=self._base_url,
            objectId=owner.object_id,
        )

    async def _mend_owner_file(self) -> None:
        """Renew the owner's file unless it is valid; a valid one gets the present addresses."""
        found = credential_files.read_owner(self._home.owner_credential)
        kept = self._directory.principals[self.owner_object_id].secrets
        if found is None or not self._digests.match(found.clientSecret, [each.digest for each in kept]):
            await self.renew_owner_secret()
        elif found != (present := self._owner_file(found.clientSecret)):
            credential_files.write(self._home.owner_credential, present)

    async def _mend_link_file(self, kind: str, name: str) -> None:
        """Renew a link credential unless its file is valid; a valid one gets the present address."""
        file = self._home.link_credential(kind)
        found = credential_files.read_link(file)
        kept = [each.digest for each in self._directory.credentials if (each.kind, each.name) == (kind, name)]
        if found is not None and self._digests.match(found.secret, kept):
            present = LinkFile(name=name, secret=found.secret, endpoint=self._base_url)
            if found != present:
                credential_files.write(file, present)
            return
        secret = new_secret()
        made = AgentCredential(name=name, kind=kind, digest=self._digests.of(secret), created=self._clock())
        await self._store.commit([put(made)])
        self._link.keep(made)
        credential_files.write(file, LinkFile(name=name, secret=secret, endpoint=self._base_url))
