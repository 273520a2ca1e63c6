"""Authorities and leaves: what stands in them, and that a real TLS handshake believes them, or not."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from extensa.base.certificates import Issued, Usage, expires, issue, new_authority

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def read(issued: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(issued.certificate)


def test_an_authority_signs_leaves_and_nothing_else() -> None:
    certificate = read(new_authority("extensa test", now=NOW))
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (True, True, 0) == (constraints.critical, constraints.value.ca, constraints.value.path_length)
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert (True, True, False) == (usage.critical, usage.value.key_cert_sign, usage.value.digital_signature)


def test_an_authority_without_permitted_names_is_not_constrained() -> None:
    with pytest.raises(x509.ExtensionNotFound):
        read(new_authority("x", now=NOW)).extensions.get_extension_for_class(x509.NameConstraints)


def test_a_constrained_authority_excludes_the_kinds_of_name_it_does_not_permit() -> None:
    certificate = read(new_authority("x", now=NOW, permitted_dns=["localhost"]))
    found = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert found.critical
    assert [x509.DNSName("localhost")] == found.value.permitted_subtrees
    assert ["0.0.0.0/0", "::/0"] == [str(each.value) for each in found.value.excluded_subtrees or []]


def test_a_network_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="not-a-network"):
        new_authority("x", now=NOW, permitted_ips=["not-a-network"])


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ("server", {ExtendedKeyUsageOID.SERVER_AUTH}),
        ("client", {ExtendedKeyUsageOID.CLIENT_AUTH}),
        ("both", {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}),
    ],
)
def test_a_leaf_is_good_for_what_it_was_made_for(usage: Usage, expected: set[x509.ObjectIdentifier]) -> None:
    leaf = read(issue(new_authority("x", now=NOW), common_name="n", now=NOW, usage=usage))
    assert expected == set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_client_carries_kubernetes_groups() -> None:
    made = issue(
        new_authority("x", now=NOW), common_name="admin", organizations=["system:masters", "b"], now=NOW, usage="client"
    )
    subject = read(made).subject
    assert ["system:masters", "b"] == [a.value for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    assert "admin" == subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_a_leaf_expires_when_it_says_and_never_after_its_authority() -> None:
    authority = new_authority("x", now=NOW, days=30)
    assert NOW + timedelta(days=10) == expires(
        issue(authority, common_name="n", now=NOW, usage="client", days=10).certificate
    )
    assert expires(authority.certificate) == expires(
        issue(authority, common_name="n", now=NOW, usage="client", days=365).certificate
    )


def test_the_private_key_is_not_shown() -> None:
    assert "PRIVATE" not in repr(new_authority("x", now=NOW))


def handshake(folder: Path, authority: Issued, leaf: Issued, name: str) -> None:
    """Shake hands in memory, as a client that trusts ``authority`` with a server that shows ``leaf``."""
    bundle = folder / "leaf.pem"
    bundle.write_bytes(leaf.certificate + leaf.key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(bundle)
    client_context = ssl.create_default_context(cadata=authority.certificate.decode())
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(up, down, server_side=True)
    client = client_context.wrap_bio(down, up, server_hostname=name)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


def test_a_handshake_believes_a_leaf_within_the_constraints(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = new_authority("x", now=now, permitted_dns=["localhost"], permitted_ips=["127.0.0.0/8"])
    leaf = issue(authority, common_name="n", now=now, dns=["localhost"], ips=["127.0.0.1"], usage="server")
    handshake(tmp_path, authority, leaf, "localhost")
    handshake(tmp_path, authority, leaf, "127.0.0.1")


def test_a_handshake_refuses_a_leaf_outside_the_constraints(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    authority = new_authority("x", now=now, permitted_dns=["localhost"])
    stolen = issue(authority, common_name="n", now=now, dns=["bank.example"], usage="server")
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(tmp_path, authority, stolen, "bank.example")
