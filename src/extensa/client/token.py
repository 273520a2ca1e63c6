"""Who the caller is, and the access token that proves it.

Two sources: the shell that ``extensa env`` set up (``EXTENSA_ARM`` and Azure's own variables), else the owner of the
data folder. Azure's variables alone are never used: they may belong to real Azure, and a secret goes only to the
authority it was made for.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from extensa.base.clock import Clock, utc_now
from extensa.base.errors import ExtensaError, Unauthenticated
from extensa.base.home import Home, write_file
from extensa.client.errors import from_reply
from extensa.client.http import Http, Reply

_MARGIN = timedelta(minutes=2)  # a token this close to its end is not used for a new command


@dataclass(frozen=True, slots=True)
class Credential:
    """A service principal: where it signs in (``authority``), whom it calls (``endpoint``), for which subscription."""

    endpoint: str
    authority: str
    tenant: str
    client_id: str
    client_secret: str = field(repr=False)
    subscription: str = ""


def find_credential(endpoint: str, environ: Mapping[str, str], home: Home) -> Credential:
    """Return the credential for ``endpoint`` (``EXTENSA_ARM``) that the shell names, else the data folder's owner.

    Raises `ExtensaError` (``NotSetUp``) when there is neither.
    """
    endpoint = endpoint.rstrip("/")
    if endpoint and environ.get("AZURE_CLIENT_ID") and environ.get("AZURE_CLIENT_SECRET"):
        return Credential(
            endpoint=endpoint,
            authority=(environ.get("AZURE_AUTHORITY_HOST") or endpoint).rstrip("/"),
            tenant=environ.get("AZURE_TENANT_ID") or "organizations",
            client_id=environ["AZURE_CLIENT_ID"],
            client_secret=environ["AZURE_CLIENT_SECRET"],
            subscription=environ.get("AZURE_SUBSCRIPTION_ID", ""),
        )
    owner = owner_credential(home)
    if owner is not None and endpoint in ("", owner.endpoint):
        return owner
    where = f"for {endpoint}" if endpoint else f"in {home.path}"
    raise ExtensaError(
        "NotSetUp",
        f"There is no credential {where}.",
        target=endpoint or str(home.owner_credential),
        next_step="Run `extensa up` first; or, for a server elsewhere, set EXTENSA_ARM, AZURE_TENANT_ID, "
        "AZURE_CLIENT_ID, AZURE_CLIENT_SECRET and AZURE_SUBSCRIPTION_ID.",
    )


def owner_credential(home: Home) -> Credential | None:
    """Return the first service principal of this data folder, or None before the first start.

    Raises `ExtensaError` when the file is there and cannot be read.
    """
    try:
        kept = json.loads(home.owner_credential.read_bytes())
        return Credential(
            endpoint=kept["endpoint"].rstrip("/"),
            authority=kept["endpoint"].rstrip("/"),
            tenant=kept["tenantId"],
            client_id=kept["clientId"],
            client_secret=kept["clientSecret"],
            subscription=kept["subscriptionId"],
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ExtensaError(
            "CredentialUnreadable",
            f"The owner's credential cannot be read: {error}.",
            target=str(home.owner_credential),
            next_step="Run `extensa doctor`.",
        ) from error


class Tokens:
    """Access tokens for one credential, taken from ``cache`` (a 0600 file) while they last."""

    def __init__(
        self, credential: Credential, *, authority: Http, cache: Path | None = None, clock: Clock = utc_now
    ) -> None:
        self._credential = credential
        self._authority = authority
        self._cache = cache
        self._clock = clock
        self._key = f"{credential.endpoint} {credential.tenant} {credential.client_id}"
        self._held: str | None = None

    def get(self) -> str:
        """Return a token that will last a while; raises `Unauthenticated` when the authority refuses to give one."""
        if self._held is None:
            self._held = self._cached() or self._ask()
        return self._held

    def forget(self) -> None:
        """Never give the present token again: the server refused it."""
        self._held = None
        kept = self._read()
        if kept.pop(self._key, None) is not None:
            self._write(kept)

    def _ask(self) -> str:
        chosen = self._credential
        path = "/adfs/oauth2/token" if chosen.tenant == "adfs" else f"/{chosen.tenant}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": chosen.client_id,
            "client_secret": chosen.client_secret,
            "scope": f"{chosen.endpoint}/.default",
        }
        sent = {"content-type": "application/x-www-form-urlencoded"}
        reply = self._authority.request("POST", path, headers=sent, body=urlencode(form).encode())
        self._authority.close()  # the next token is an hour away
        if reply.status != 200:
            raise _refusal(reply, self._authority.base_url)
        answer = reply.json()
        token = str(answer["access_token"])
        until = self._clock() + timedelta(seconds=int(answer.get("expires_in", 0)))
        self._write({**self._read(), self._key: {"token": token, "until": until.timestamp()}})
        return token

    def _cached(self) -> str | None:
        entry = self._read().get(self._key)
        if isinstance(entry, dict) and entry.get("until", 0) > (self._clock() + _MARGIN).timestamp():
            return str(entry["token"])
        return None

    def _read(self) -> dict[str, Any]:
        if self._cache is None:
            return {}
        try:
            kept = json.loads(self._cache.read_bytes())
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self, entries: dict[str, Any]) -> None:
        if self._cache is None or not self._cache.parent.is_dir():
            return
        try:
            write_file(self._cache, json.dumps(entries).encode())
        except OSError:
            return  # a cache that cannot be kept costs one request a command, and `extensa doctor` tells of the folder


def _refusal(reply: Reply, authority: str) -> ExtensaError:
    try:
        answer = reply.json()
    except ExtensaError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("error"), str):
        return from_reply(reply.status, reply.body, target=authority)
    return Unauthenticated(
        answer["error"],
        str(answer.get("error_description") or "The sign-in was refused."),
        target=authority,
        next_step='Set the shell up again with `eval "$(extensa env)"`, or unset AZURE_CLIENT_ID and EXTENSA_ARM.',
    )
