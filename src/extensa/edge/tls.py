"""The front's certificate, and the authority of this installation that signs it: made, kept, and renewed in time.

Made on first start below the data folder's keys; what clients need (our CA, and a bundle with the system's CAs) is put
where `Home` says. The authority carries critical name constraints for exactly the names this front is reached by, so
whoever trusts it trusts it for nothing else; when those names change, so does the authority. Key and certificate are
kept in one file, so that a crash never leaves a pair that does not fit.
"""

import asyncio
import ipaddress
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from extensa.base.certificates import Issued, expires, issue, new_authority
from extensa.base.clock import Clock
from extensa.base.home import Home, write_file
from extensa.base.log import get_logger

RENEWED = timedelta(days=30)
"""How long before its end a certificate is replaced."""
_log = get_logger("edge")
_COMMON_NAME = "Extensa CA of this installation"
_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",
)
_CHOSEN_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_LOOPBACK = ("127.0.0.1", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared with, never bound


@dataclass(frozen=True, slots=True)
class Names:
    """By what a front is reached: DNS names and addresses, sorted."""

    dns: tuple[str, ...]
    ips: tuple[str, ...]


def names_of(*, base_url: str, address: str) -> Names:
    """Return the names a front at ``base_url`` that listens on ``address`` must answer to; loopback always is one."""
    dns, ips = {"localhost"}, {*_LOOPBACK}
    for name in (urlsplit(base_url).hostname or "", address):
        try:
            ips.add(str(ipaddress.ip_address(name)))
        except ValueError:
            dns.add(name)
    return Names(tuple(sorted(dns - {""})), tuple(sorted(ips - {*_EVERY_ADDRESS})))


class FrontCertificate:
    """What the front shows its callers; `renew` it now and then.

    ``environ`` tells which CA bundle the person has chosen; ours extends it. Making one raises `OSError`.
    """

    def __init__(self, home: Home, names: Names, *, clock: Clock, environ: Mapping[str, str]) -> None:
        self._home = home
        self._names = names
        self._clock = clock
        self._environ = environ
        _prepare(home, names, clock(), environ)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(_front_file(home))

    async def renew(self) -> None:
        """Replace what is near its end; connections from now on see the new one. Raises `OSError`."""
        made = await asyncio.to_thread(_prepare, self._home, self._names, self._clock(), self._environ)
        if made:
            self.context.load_cert_chain(_front_file(self._home))
            _log.info("certificate renewed", names=[*self._names.dns, *self._names.ips])


def _prepare(home: Home, names: Names, now: datetime, environ: Mapping[str, str]) -> bool:
    """See to it that authority, certificate and what clients need are on disk and valid; say whether one was made."""
    authority, made = _authority(home, names, now)
    made = _certificate(home, authority, names, now) or made
    _publish(home.ca_certificate, authority.certificate)
    _publish(home.ca_bundle, _bundle(home, environ) + authority.certificate)
    return made


def _front_file(home: Home) -> Path:
    return home.keys / "front.pem"


def _authority(home: Home, names: Names, now: datetime) -> tuple[Issued, bool]:
    """Return the authority, made anew when it is missing, near its end or bound to other names."""
    file = home.keys / "front-ca.pem"
    kept = _read(file)
    if kept is not None and expires(kept.certificate) - now > RENEWED and _permits(kept.certificate, names):
        return kept, False
    networks = [str(ipaddress.ip_network(ip)) for ip in names.ips]
    fresh = new_authority(_COMMON_NAME, now=now, permitted_dns=names.dns, permitted_ips=networks)
    write_file(file, fresh.key + fresh.certificate)
    return fresh, True


def _certificate(home: Home, authority: Issued, names: Names, now: datetime) -> bool:
    """See to it that the front's own certificate is there; say whether it was made now."""
    kept = _read(_front_file(home))
    if (
        kept is not None
        and expires(kept.certificate) - now > RENEWED
        and _shown(kept.certificate) == names
        and _signed_by(kept.certificate, authority.certificate)
    ):
        return False
    fresh = issue(authority, common_name=names.dns[0], dns=names.dns, ips=names.ips, usage="server", now=now)
    write_file(_front_file(home), fresh.key + fresh.certificate)
    return True


def _read(file: Path) -> Issued | None:
    """Return a pair that was written whole, None when there is none or what is there is none."""
    try:
        key, mark, rest = file.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")
    except FileNotFoundError:
        return None
    try:
        x509.load_pem_x509_certificate(mark + rest)
    except ValueError:
        return None
    return Issued(mark + rest, key)


def _permits(certificate: bytes, names: Names) -> bool:
    extensions = x509.load_pem_x509_certificate(certificate).extensions
    try:
        permitted = extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or ()
    except x509.ExtensionNotFound:
        return False
    dns = {each.value for each in permitted if isinstance(each, x509.DNSName)}
    networks = {str(each.value) for each in permitted if isinstance(each, x509.IPAddress)}
    return dns == {*names.dns} and networks == {str(ipaddress.ip_network(ip)) for ip in names.ips}


def _shown(certificate: bytes) -> Names:
    loaded = x509.load_pem_x509_certificate(certificate)
    shown = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns, ips = shown.get_values_for_type(x509.DNSName), shown.get_values_for_type(x509.IPAddress)
    return Names(tuple(sorted(dns)), tuple(sorted(map(str, ips))))


def _signed_by(certificate: bytes, authority: bytes) -> bool:
    try:
        x509.load_pem_x509_certificate(certificate).verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except Exception:  # noqa: BLE001 - InvalidSignature, ValueError, TypeError: whatever it is, it was not
        return False
    return True


def _publish(file: Path, content: bytes) -> None:
    if not file.exists() or file.read_bytes() != content:
        write_file(file, content, mode=0o644)


def _bundle(home: Home, environ: Mapping[str, str]) -> bytes:
    """Return the CAs a client trusts without us: the bundle the person has chosen, else the system's."""
    for file in _bundles(environ):
        if file.is_file() and file.resolve() != home.ca_bundle.resolve():
            return file.read_bytes().rstrip() + b"\n"
    return b""


def _bundles(environ: Mapping[str, str]) -> Sequence[Path]:
    chosen = [Path(environ[name]) for name in _CHOSEN_BUNDLES if environ.get(name)]
    return [*chosen, Path(ssl.get_default_verify_paths().openssl_cafile), *map(Path, _SYSTEM_BUNDLES)]
