"""Credentials of the link: what hosts and agents show on every call, ``Authorization: Bearer NAME.SECRET``.

They are not principals: they open the link's lanes of one host or one agent and no ARM route. Kept as digests; the
secret itself stands in one 0600 file on the machine of the one who shows it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from extensa.base.errors import Unauthenticated
from extensa.identity.principal import AgentCredential
from extensa.identity.secret_digests import SecretDigests

KINDS = {"host": "local", "agent": "hosted-local"}
"""The two callers every installation has: which kind, under which name."""

_STEP = (
    "Give the process the file in credentials/ of the data folder; restart the server and a lost one is written anew."
)


@dataclass(frozen=True, slots=True)
class LinkCaller:
    """Who calls on the link: ``kind`` is host or agent, ``name`` the one of its lane."""

    kind: str
    name: str


class AgentCredentials:
    """The credentials of an installation, in memory."""

    def __init__(self, digests: SecretDigests, kept: Iterable[AgentCredential]) -> None:
        self._digests = digests
        self._kept = {each.name: each for each in kept}

    def keep(self, credential: AgentCredential) -> None:
        """Know ``credential`` from now on, in place of the one of the same name."""
        self._kept[credential.name] = credential

    def caller(self, authorization: str | None) -> LinkCaller:
        """Return who shows this header; raises `Unauthenticated` (``LinkCredentialInvalid``) for anything else."""
        scheme, _, presented = (authorization or "").partition(" ")
        name, _, secret = presented.rpartition(".")
        credential = self._kept.get(name)
        matches = self._digests.match(secret, [credential.digest if credential else ""])
        if scheme.casefold() != "bearer" or credential is None or not matches:
            raise Unauthenticated(
                "LinkCredentialInvalid",
                "The credential of this host or agent is missing or not valid.",
                next_step=_STEP,
            )
        return LinkCaller(credential.kind, credential.name)
