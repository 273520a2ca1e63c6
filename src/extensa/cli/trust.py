"""The doctor's checks of time: certificates and the clock they depend on.

They load the certificate library, which the rest of the command line does without.
"""

import contextlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from extensa.base.clock import Clock, utc_now
from extensa.base.errors import ExtensaError
from extensa.base.home import Home
from extensa.base.settings import Settings
from extensa.cli import daemons
from extensa.cli.finding import FAIL, OK, WARN, Finding
from extensa.client.http import Http
from extensa.client.token import owner_credential

MENDED_BY_A_START = frozenset({"CertificateNotTrusted", "CertificateUnreadable", "CredentialUnreadable", "NotSetUp"})
"""Codes of findings about a running server that are gone once it has been started anew."""
_SOON = timedelta(days=14)
_SKEW = timedelta(minutes=5)


def certificates_last(settings: Settings, home: Home, *, clock: Clock = utc_now) -> Sequence[Finding]:
    """Every certificate in the data folder is valid for a while."""
    del settings
    files = [f for f in (home.ca_certificate, *home.keys.glob("*.pem")) if f.is_file()]
    files += [*home.clusters.glob("*/pki/*.crt"), *home.clusters.glob("*/pki/*.pem")]
    found = [finding for file in files for finding in judge(file, clock(), home)]
    return found or [Finding(OK, "certificates", f"{len(files)} valid" if files else "none made yet")]


def judge(file: Path, now: datetime, home: Home) -> Sequence[Finding]:
    """Return what is wrong with one certificate file, nothing when all is well."""
    from extensa.base.certificates import expires

    where = file.relative_to(home.path) if file.is_relative_to(home.path) else file
    try:
        end = expires(file.read_bytes())
    except (OSError, ValueError) as error:
        advice, why = "extensa down && extensa up", error.strerror if isinstance(error, OSError) else "it is damaged"
        return [Finding(FAIL, "certificates", f"{where} cannot be read: {why}", advice, "CertificateUnreadable")]
    renewal = "extensa down && extensa up  (certificates are renewed at the start)"
    if file.suffix == ".crt" and file.is_relative_to(home.clusters):
        renewal = (
            "See that the clock is right; else delete the cluster and create it again: its authority has no other."
        )
    if end <= now:
        return [Finding(FAIL, "certificates", f"{where} expired on {end:%Y-%m-%d}", renewal, "CertificateExpired")]
    if end - now < _SOON:
        return [Finding(WARN, "certificates", f"{where} expires on {end:%Y-%m-%d}", renewal)]
    return []


def clock_is_sane(settings: Settings, home: Home, *, clock: Clock = utc_now) -> Sequence[Finding]:
    """The clock has not gone back behind what was written here, which would make tokens and certificates invalid."""
    del settings
    written = [f.stat().st_mtime for f in (home.database, home.ca_certificate, home.owner_credential) if f.is_file()]
    now = clock()
    if written and now.timestamp() + _SKEW.total_seconds() < max(written):
        behind = timedelta(seconds=max(written) - now.timestamp())
        message = f"{now:%Y-%m-%d %H:%M} UTC is {behind} before the newest file here"
        return [Finding(FAIL, "clock", message, "Set the clock: tokens and certificates depend on it.", "ClockBehind")]
    return [Finding(OK, "clock", f"{now:%Y-%m-%d %H:%M} UTC")]


def server_answers(settings: Settings, home: Home) -> Sequence[Finding]:
    """A running server answers, with a certificate that is to be trusted, and is ready."""
    now = daemons.running(home, "server")
    if now is None:
        return []
    del settings
    try:
        owner = owner_credential(home)
        if owner is None:
            return [Finding(FAIL, "endpoint", "no credential to find it by", "extensa up", "NotSetUp")]
        endpoint = owner.endpoint
        http = Http(endpoint, ca=home.ca_certificate if endpoint.startswith("https") else None, timeout=10)
        with contextlib.closing(http):
            reply = http.request("GET", "/readyz")
    except ExtensaError as error:
        advice = "extensa up" if error.code in MENDED_BY_A_START else "extensa logs server; extensa down && extensa up"
        return [Finding(FAIL, "endpoint", error.message, advice, error.code)]
    if reply.status != 200:
        text = reply.body.decode("utf-8", "replace").strip()[:200]
        return [Finding(FAIL, "endpoint", f"not ready ({reply.status}): {text}", "extensa logs server", "NotReady")]
    return [Finding(OK, "endpoint", f"{endpoint} answers")]
