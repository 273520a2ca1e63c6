"""Access tokens: RS256 JSON Web Tokens with Entra's claims, issued for an hour and verified at every request.

A token that was verified once is known by its digest until it expires, so that a GET pays a hash and a look-up and not
a signature. Tokens say who; what the caller may do is looked up fresh every time.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError

from extensa.arm.binding import Caller
from extensa.base.errors import Unauthenticated
from extensa.base.ids import new_id
from extensa.identity.principal import ServicePrincipal
from extensa.identity.signing_keys import SigningKeys

LIFETIME = timedelta(hours=1)
SKEW = timedelta(minutes=5)
"""How far another machine's clock may run ahead of ours."""
REMEMBERED = 8192
"""Verified tokens kept in memory at the most."""
AZURE_AUDIENCES = ("https://management.azure.com", "https://management.core.windows.net")
"""What SDK clients ask for when nobody tells them another audience; our signature is what makes a token ours."""

_NEXT = "Sign in again; `extensa env` prints the settings that do."


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    expires: datetime


class Tokens:
    """Issues and verifies the tokens of one tenant. ``base_url`` is issuer root and audience."""

    def __init__(self, keys: SigningKeys, *, tenant_id: str, base_url: str) -> None:
        self.keys = keys
        self.issuer = f"{base_url}/{tenant_id}/v2.0"
        self.audiences = (base_url, *AZURE_AUDIENCES)
        self._tenant_id = tenant_id
        self._known: OrderedDict[bytes, _Known] = OrderedDict()

    def accepts(self, audience: str) -> bool:
        """Return whether tokens may be issued for ``audience``, with or without trailing slashes."""
        return audience.rstrip("/") in self.audiences

    def issue(self, principal: ServicePrincipal, audience: str, now: datetime) -> str:
        """Return a signed token that says that ``principal`` has proved who it is, for ``audience``."""
        issued = int(now.timestamp())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": self.issuer,
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "tid": self._tenant_id,
            "oid": principal.object_id,
            "sub": principal.object_id,
            "appid": principal.app_id,
            "azp": principal.app_id,
            "appidacr": "1",
            "azpacr": "1",
            "idtyp": principal.kind,
            "uti": new_id(),
            "ver": "2.0",
        }
        first = self.keys.first
        return jwt.encode({"typ": "JWT", "alg": "RS256", "kid": first.kid}, claims, first, algorithms=["RS256"])

    def verify(self, token: str, now: datetime) -> Caller:
        """Return who ``token`` speaks of; raises `Unauthenticated` in ARM's words for one we do not take."""
        digest = blake2b(token.encode(errors="replace"), digest_size=32).digest()
        known = self._known.get(digest)
        if known is None:
            known = self._verified(token, now)
            self._remember(digest, known, now)
        if known.expires <= now:
            raise _expired(known.expires, now)
        return known.caller

    def _verified(self, token: str, now: datetime) -> _Known:
        try:
            claims = jwt.decode(token, self.keys.all, algorithms=["RS256"]).claims
        except (JoseError, ValueError, TypeError) as error:
            raise Unauthenticated(
                "InvalidAuthenticationToken", "The access token is invalid.", next_step=_NEXT
            ) from error
        return self._read(claims, now)

    def _read(self, claims: dict[str, Any], now: datetime) -> _Known:
        expires, starts = _moment(claims.get("exp")), _moment(claims.get("nbf"))
        if claims.get("iss") != self.issuer or claims.get("tid") != self._tenant_id:
            raise Unauthenticated(
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer '{claims.get('iss')}'. It must match the tenant "
                f"'{self._tenant_id}' of this installation.",
                next_step=_NEXT,
            )
        audience = claims.get("aud")
        if not isinstance(audience, str) or not self.accepts(audience):
            raise Unauthenticated(
                "InvalidAuthenticationTokenAudience",
                f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly "
                f"match with one of the allowed audiences {_listed(self.audiences)}.",
                next_step=_NEXT,
            )
        subject, app = claims.get("oid"), claims.get("appid")
        if expires is None or starts is None or not isinstance(subject, str) or not isinstance(app, str):
            raise Unauthenticated("InvalidAuthenticationToken", "The access token lacks claims.", next_step=_NEXT)
        if starts > now + SKEW:
            raise Unauthenticated(
                "InvalidAuthenticationToken", f"The access token is not valid before {starts:%Y-%m-%dT%H:%M:%SZ}."
            )
        kind = str(claims.get("idtyp", "Application"))
        return _Known(Caller(subject, self._tenant_id, app, kind), expires)

    def _remember(self, digest: bytes, known: _Known, now: datetime) -> None:
        if len(self._known) >= REMEMBERED:
            for each in [d for d, k in self._known.items() if k.expires <= now]:
                del self._known[each]
            while len(self._known) >= REMEMBERED:
                self._known.popitem(last=False)
        self._known[digest] = known


def _expired(expires: datetime, now: datetime) -> Unauthenticated:
    return Unauthenticated(
        "ExpiredAuthenticationToken",
        f"The access token expiry UTC time '{expires:%m/%d/%Y %I:%M:%S %p}' is earlier than current UTC time "
        f"'{now:%m/%d/%Y %I:%M:%S %p}'.",
        next_step=_NEXT,
    )


def _moment(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
