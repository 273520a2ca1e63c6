"""Certificates: authorities of our own, and what they sign.

The control plane's front and every local cluster have an authority of their own, made by the same few lines: elliptic
curve P-256, SHA-256, constraints marked critical. The clock comes in as an argument. Nothing here touches a file, and
nothing here trusts a certificate made elsewhere.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Usage = Literal["server", "client", "both"]

_EARLIER = timedelta(minutes=5)  # clocks of two machines differ: a certificate is valid a little before it is made
_EXTENDED = {
    "server": [ExtendedKeyUsageOID.SERVER_AUTH],
    "client": [ExtendedKeyUsageOID.CLIENT_AUTH],
    "both": [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH],
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both PEM; the key is not encrypted, and never shown by ``repr``."""

    certificate: bytes
    key: bytes = field(repr=False)


def new_authority(
    common_name: str,
    *,
    now: datetime,
    days: int = 3650,
    permitted_dns: Sequence[str] = (),
    permitted_ips: Sequence[str] = (),
) -> Issued:
    """Return a new self-signed authority that may sign leaf certificates only.

    With any ``permitted_dns`` (names with all their subdomains) or ``permitted_ips`` (networks such as
    ``127.0.0.0/8``) it carries critical name constraints, so that a stolen key vouches for nothing else; a kind of
    name that is not permitted at all is then excluded whole. Raises `ValueError` for a network that is none.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(common_name)
    builder = _builder(name, name, key.public_key(), now, now + timedelta(days=days))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(authority=True), critical=True)
    if permitted_dns or permitted_ips:
        builder = builder.add_extension(_constraints(permitted_dns, permitted_ips), critical=True)
    return _sealed(builder, signer=key, key=key)


def issue(
    authority: Issued,
    *,
    common_name: str,
    now: datetime,
    organizations: Sequence[str] = (),
    dns: Sequence[str] = (),
    ips: Sequence[str] = (),
    usage: Usage,
    days: int = 365,
) -> Issued:
    """Return a new leaf certificate signed by ``authority``; it never outlives its authority.

    ``organizations`` are Kubernetes' groups when ``usage`` is ``client``. Raises `ValueError` for an address that is
    none, and for an authority that was not made by `new_authority`.
    """
    parent = x509.load_pem_x509_certificate(authority.certificate)
    signer = load_pem_private_key(authority.key, None)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("the authority's key is not an elliptic curve key")
    key = ec.generate_private_key(ec.SECP256R1())
    until = min(now + timedelta(days=days), parent.not_valid_after_utc)
    builder = _builder(_name(common_name, organizations), parent.subject, key.public_key(), now, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(_EXTENDED[usage]), critical=False)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        parent.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    builder = builder.add_extension(issuer_id, critical=False)
    names = [x509.DNSName(each) for each in dns] + [x509.IPAddress(ipaddress.ip_address(each)) for each in ips]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return _sealed(builder, signer=signer, key=key)


def expires(certificate: bytes) -> datetime:
    """Return the moment, in UTC, after which ``certificate`` (PEM) is not valid; `ValueError` if it is no PEM."""
    return x509.load_pem_x509_certificate(certificate).not_valid_after_utc


def _name(common_name: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _constraints(permitted_dns: Sequence[str], permitted_ips: Sequence[str]) -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = [x509.DNSName(each) for each in permitted_dns]
    permitted += [x509.IPAddress(ipaddress.ip_network(each)) for each in permitted_ips]
    excluded: list[x509.GeneralName] = []
    if not permitted_dns:
        excluded.append(x509.DNSName(""))
    if not permitted_ips:
        excluded += [x509.IPAddress(ipaddress.ip_network(each)) for each in ("0.0.0.0/0", "::/0")]
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=excluded or None)


def _sealed(
    builder: x509.CertificateBuilder, *, signer: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey
) -> Issued:
    certificate = builder.sign(signer, SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(certificate.public_bytes(Encoding.PEM), private)
