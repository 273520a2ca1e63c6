"""What a command may reach: the settings, the data folder, and the ARM front, each made when first asked for.

It is handed to every command as click's object, so that a test can hand over another one.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from extensa.base.errors import Refused
from extensa.base.home import Home
from extensa.base.settings import Settings, load_settings
from extensa.cli.output import FORMATS
from extensa.client.arm import Arm
from extensa.client.http import Http
from extensa.client.token import Credential, Tokens, find_credential, owner_credential


class Session:
    """One run of the command line, with the environment it was started in."""

    def __init__(
        self, environ: Mapping[str, str], *, processes: Mapping[str, Callable[[], int]] = MappingProxyType({})
    ) -> None:
        """``processes`` runs server, host and agent by name, in the foreground; ``entry`` brings them."""
        self.environ = environ
        self.processes = processes
        self._callers: list[Arm] = []
        self.as_owner = False
        """Call as the owner of the data folder, whatever the shell says; set before anything is called."""
        self.asked_format: str | None = None
        self.asked_subscription: str | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings of this run."""
        return load_settings(self.environ)

    @cached_property
    def home(self) -> Home:
        """The data folder; it need not exist."""
        return Home(self.settings.home_path)

    @cached_property
    def credential(self) -> Credential:
        """Who calls; raises `ExtensaError` (``NotSetUp``) when nobody can."""
        if self.as_owner:
            return find_credential("", {}, self.home)
        return find_credential(self.settings.arm, self.environ, self.home)

    @cached_property
    def arm(self) -> Arm:
        """The ARM front as the credential's own caller."""
        return self.caller()

    def caller(self) -> Arm:
        """Return a caller of its own, with its own connection, for use by another thread."""
        chosen = self.credential
        authority = Http(chosen.authority, ca=self._authority_of(chosen.authority))
        tokens = Tokens(chosen, authority=authority, cache=self.home.token_cache)
        http = Http(chosen.endpoint, ca=self._authority_of(chosen.endpoint))
        made = Arm(http, tokens, subscription=chosen.subscription)
        self._callers.append(made)
        return made

    def close(self) -> None:
        """Close every connection of this run."""
        for caller in self._callers:
            caller.close()

    @property
    def format(self) -> str:
        """The output format: what ``-o`` asked for, else the setting's; raises `Refused` for one there is not."""
        chosen = (self.asked_format or self.settings.output).lower()
        if chosen not in FORMATS:
            raise Refused(
                "SettingInvalid",
                f"EXTENSA_OUTPUT must be one of {', '.join(FORMATS)}, not '{chosen}'.",
                target="EXTENSA_OUTPUT",
            )
        return chosen

    @property
    def subscription(self) -> str:
        """The subscription: what ``--subscription`` asked for, else the credential's."""
        return self.asked_subscription or self.credential.subscription

    def _authority_of(self, address: str) -> Path | None:
        """Our own CA for an address that is this data folder's; otherwise what the shell or the system trusts."""
        owner = owner_credential(self.home)
        ours = owner is not None and _origin(owner.endpoint) == _origin(address)
        return self.home.ca_certificate if ours and self.home.ca_certificate.is_file() else None


def _origin(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    host = "localhost" if parts.hostname in ("127.0.0.1", "::1") else parts.hostname
    return parts.scheme, host, parts.port
