"""What the token endpoint is asked, read and checked: pure, every refusal in Entra's own words and numbers.

Clients show these sentences to people and match on the numbers (AADSTS…), so both are kept. Whether the client exists
and its secret is right is for `service` to say, with the refusals drawn here.

    TokenRefused(status, error, description, codes)
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from extensa.base.errors import ExtensaError
from extensa.base.ids import new_id

_OIDC_WORDS = frozenset({"openid", "profile", "offline_access", "email"})


class TokenRefused(ExtensaError):
    """The token endpoint says no: ``error`` is OAuth's word, ``codes`` are Entra's numbers."""

    def __init__(self, status: int, error: str, number: int, sentence: str) -> None:
        self.error = error
        self.codes = (number,)
        self.description = f"AADSTS{number}: {sentence}"
        super().__init__(error, self.description, status=status)

    def body(self, now: datetime) -> dict[str, Any]:
        """Return the JSON that the token endpoint answers with."""
        trace, correlation, moment = new_id(), new_id(), f"{now:%Y-%m-%d %H:%M:%SZ}"
        described = f"{self.description} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
        return {
            "error": self.error,
            "error_description": described,
            "error_codes": list(self.codes),
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
        }


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A well-formed request of the client-credentials grant. ``audience`` is what the token shall be for."""

    client_id: str
    secret: str = field(repr=False)
    audience: str
    old_style: bool
    """Asked with ``resource`` (the v1 endpoint), which also wants ``expires_on`` and ``resource`` in the answer."""


def read(form: Mapping[str, str], authorization: str | None) -> TokenRequest:
    """Return what is asked for; raises `TokenRefused` for the first thing that is wrong, as Entra does."""
    grant = _needed(form, "grant_type")
    if grant != "client_credentials":
        raise TokenRefused(
            400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
        )
    client_id, secret = _client(form, authorization)
    if "resource" in form:
        return TokenRequest(client_id, secret, form["resource"], old_style=True)
    return TokenRequest(client_id, secret, _audience(form.get("scope", "")), old_style=False)


def _needed(form: Mapping[str, str], name: str) -> str:
    value = form.get(name, "")
    if not value:
        raise TokenRefused(
            400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
        )
    return value


def _client(form: Mapping[str, str], authorization: str | None) -> tuple[str, str]:
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.casefold() == "basic":
        try:
            identifier, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            identifier = secret = ""
        return _needed({"client_id": unquote_plus(identifier)}, "client_id"), unquote_plus(secret)
    identifier, secret = _needed(form, "client_id"), form.get("client_secret", "")
    if not secret:
        raise TokenRefused(
            401,
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    return identifier, secret


def _audience(scope: str) -> str:
    wanted = [word for word in scope.split() if word not in _OIDC_WORDS]
    audience = wanted[0].removesuffix("/.default") if len(wanted) == 1 else ""
    if not audience or audience == wanted[0]:
        raise TokenRefused(
            400,
            "invalid_scope",
            70011,
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter "
            f"'scope' is not valid. The scope {scope} is not valid: client credential flows must have a scope value "
            "with /.default suffixed to the resource identifier.",
        )
    return audience


def unknown_tenant(tenant: str) -> TokenRefused:
    """Return the refusal for a tenant that is not ours."""
    return TokenRefused(
        400,
        "invalid_request",
        90002,
        f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant.",
    )


def unknown_client(client_id: str, tenant: str) -> TokenRefused:
    """Return the refusal for a client id that nobody has."""
    return TokenRefused(
        400,
        "unauthorized_client",
        700016,
        f"Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You may have sent your authentication request to the wrong tenant.",
    )


def wrong_secret(client_id: str) -> TokenRefused:
    """Return the refusal for a secret that is not this client's; the secret itself is never repeated."""
    return TokenRefused(
        401,
        "invalid_client",
        7000215,
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
        f"the client secret ID, for a secret added to app '{client_id}'.",
    )


def unknown_resource(audience: str, tenant: str) -> TokenRefused:
    """Return the refusal for an audience that is not this service."""
    return TokenRefused(
        400,
        "invalid_resource",
        500011,
        f"The resource principal named {audience} was not found in the tenant named {tenant}. This can happen if the "
        "application has not been installed by the administrator of the tenant or consented to by any user in the "
        "tenant. You might have sent your authentication request to the wrong tenant.",
    )
