"""``/metadata/endpoints``: how tools find out where to sign in and where ARM is.

``az cloud register``, Terraform and the SDKs read it before they have a token. The newer form is one object, the older
(2018 to 2021) a list of clouds with other words; both say the same. The login endpoint is in Azure AD's form, which is
what Terraform needs; tools that want the ADFS form are told on their own command line.
"""

from typing import Any

from extensa.edge.exchange import Exchange, Reply
from extensa.edge.render import json_reply

CLOUD = "Extensa"
"""The name of this cloud, as tools that choose an environment by name spell it."""
_FIRST_OBJECT = "2022-09-01"


class MetadataHandler:
    """The endpoints of one installation."""

    def __init__(self, *, base_url: str, tenant_id: str) -> None:
        self._object = _endpoints(base_url, tenant_id)

    async def endpoints(self, exchange: Exchange) -> Reply:
        """Answer with one object, or with a list for an older api-version."""
        version = exchange.query.get("api-version", _FIRST_OBJECT)
        return json_reply(200, [self._object] if version < _FIRST_OBJECT else self._object)


def _endpoints(base_url: str, tenant_id: str) -> dict[str, Any]:
    return {
        "name": CLOUD,
        "portal": base_url,
        "authentication": {
            "loginEndpoint": base_url,
            "audiences": [base_url],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": base_url,
        "microsoftGraphResourceId": f"{base_url}/graph",
        "graph": f"{base_url}/graph",
        "graphAudience": f"{base_url}/graph",
        "gallery": f"{base_url}/gallery",
        "suffixes": {},
        "homeTenant": tenant_id,
    }
