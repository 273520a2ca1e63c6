"""Signing in, in the forms that MSAL and azure-identity speak: OpenID discovery, keys, and the token endpoint.

Each is reached under the tenant's id, ``common``, ``organizations`` or ``adfs`` (the form in which MSAL skips instance
discovery). Who gets a token is for the identity room; this file reads forms and nothing else.
"""

from urllib.parse import parse_qsl

from extensa.base.errors import Refused
from extensa.edge.exchange import Exchange, Reply
from extensa.edge.port import Authority
from extensa.edge.render import json_reply

LARGEST_FORM = 64 * 1024
"""Bytes of a token request at the most: room for a client assertion."""
_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 64


class LoginHandler:
    """The login endpoints, over the identity room."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    async def discovery_v1(self, exchange: Exchange) -> Reply:
        """Answer with the OpenID configuration whose token endpoint takes ``resource`` (v1, ADFS)."""
        return json_reply(200, self._authority.discovery(exchange.names["tenant"], v2=False))

    async def discovery_v2(self, exchange: Exchange) -> Reply:
        """Answer with the OpenID configuration whose token endpoint takes ``scope``."""
        return json_reply(200, self._authority.discovery(exchange.names["tenant"], v2=True))

    async def keys(self, exchange: Exchange) -> Reply:  # noqa: ARG002 - a handler
        """Answer with the keys that tokens are signed with."""
        return json_reply(200, self._authority.jwks())

    async def token(self, exchange: Exchange) -> Reply:
        """Answer a form with a token; raises `TokenRefused` in Azure's words."""
        form = _form(exchange.header(b"content-type"), await exchange.body())
        answer = await self._authority.token(exchange.names["tenant"], form, exchange.header(b"authorization"))
        return json_reply(200, answer)


def _form(content_type: str | None, body: bytes) -> dict[str, str]:
    """Return the fields of a form; raises `Refused` (415, 400) for what is no form."""
    media = (content_type or _FORM).partition(";")[0].strip().casefold()
    if media != _FORM:
        raise Refused(
            "UnsupportedMediaType",
            f"The token endpoint takes a form ({_FORM}), not '{media}'.",
            target="Content-Type",
            status=415,
        )
    try:
        fields = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise Refused("InvalidRequestContent", "The form cannot be read.", target="body") from error
    return dict(fields)
