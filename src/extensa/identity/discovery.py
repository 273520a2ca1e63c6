"""The OpenID configuration that MSAL, azure-identity and other clients read before they sign in.

Three forms of one document: v2.0, v1 and ADFS; clients pick by the shape of their authority URL, and each form names
endpoints of its own. The issuer is the same in all, because the tokens are. Pure.
"""

from typing import Any

ALIASES = frozenset({"common", "organizations", "adfs"})
"""What may stand in place of the tenant's GUID: there is one tenant, so all of them mean it."""


def document(base_url: str, tenant: str, *, issuer: str, v2: bool) -> dict[str, Any]:
    """Return the OpenID configuration as asked for under the path word ``tenant``."""
    root = f"{base_url}/{tenant}"
    if tenant.casefold() == "adfs":
        authorize, token, keys = f"{root}/oauth2/authorize/", f"{root}/oauth2/token/", f"{root}/discovery/keys"
    elif v2:
        oauth = f"{root}/oauth2/v2.0"
        authorize, token, keys = f"{oauth}/authorize", f"{oauth}/token", f"{root}/discovery/v2.0/keys"
    else:
        authorize, token, keys = f"{root}/oauth2/authorize", f"{root}/oauth2/token", f"{root}/discovery/keys"
    return {
        "issuer": issuer,
        "authorization_endpoint": authorize,
        "token_endpoint": token,
        "jwks_uri": keys,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "claims_supported": ["aud", "iss", "iat", "nbf", "exp", "tid", "oid", "sub", "appid", "azp", "ver"],
        "cloud_instance_name": base_url.partition("://")[2],
    }
