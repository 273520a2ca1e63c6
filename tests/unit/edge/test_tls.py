"""The front's certificate: made once, kept, renewed in time, and bound to the names it is reached by."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from extensa.base.certificates import expires
from extensa.base.home import Home
from extensa.edge.tls import FrontCertificate, Names, names_of

LOOPBACK = Names(("localhost",), ("127.0.0.1", "::1"))
NOW = datetime.now(UTC)


class Time:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty data folder."""
    return Home(tmp_path)


def made(home: Home, *, names: Names = LOOPBACK, clock: Time | None = None, **environ: str) -> FrontCertificate:
    return FrontCertificate(home, names, clock=clock or Time(), environ=environ)


def handshake(front: FrontCertificate, client_side: ssl.SSLContext, name: str) -> bytes:
    """Shake hands in memory as a client that asks for ``name``; return the certificate it was shown."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_side.wrap_bio(to_client, to_server, server_hostname=name)
    server = front.context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert(binary_form=True) or b""


def trusting(home: Home) -> ssl.SSLContext:
    """What a client does that trusts our authority and nothing else."""
    return ssl.create_default_context(cafile=str(home.ca_certificate))


def blind() -> ssl.SSLContext:
    """What a client does that takes any certificate: the machine's clock has no say then."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.mark.parametrize(
    ("base_url", "address", "expected"),
    [
        ("https://localhost:9443", "127.0.0.1", LOOPBACK),
        (
            "https://extensa.example",
            "0.0.0.0",
            Names(("extensa.example", "localhost"), ("127.0.0.1", "::1")),
        ),
        ("https://[2001:db8::1]:9443", "2001:db8::1", Names(("localhost",), ("127.0.0.1", "2001:db8::1", "::1"))),
        ("https://box:9443", "10.0.0.5", Names(("box", "localhost"), ("10.0.0.5", "127.0.0.1", "::1"))),
    ],
)
def test_a_front_answers_to_its_public_name_and_to_loopback(base_url: str, address: str, expected: Names) -> None:
    assert expected == names_of(base_url=base_url, address=address)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_our_authority_reaches_it(home: Home, name: str) -> None:
    front = made(home)

    assert handshake(front, trusting(home), name)


def test_a_client_that_asks_for_another_name_does_not(home: Home) -> None:
    front = made(home)

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(front, trusting(home), "login.example.com")


def test_the_authority_vouches_for_nothing_else(home: Home) -> None:
    made(home)

    authority = x509.load_pem_x509_certificate(home.ca_certificate.read_bytes())
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical
    assert ["localhost"] == [
        each.value for each in constraints.value.permitted_subtrees or () if isinstance(each, x509.DNSName)
    ]


def test_keys_are_for_the_server_alone_and_certificates_for_everyone(home: Home) -> None:
    made(home)

    modes = {file.name: file.stat().st_mode & 0o777 for file in (*home.keys.iterdir(), home.ca_certificate)}
    assert {"front-ca.pem": 0o600, "front.pem": 0o600, "ca.crt": 0o644} == modes
    assert b"PRIVATE KEY" not in home.ca_certificate.read_bytes() + home.ca_bundle.read_bytes()


def test_a_second_start_changes_nothing(home: Home) -> None:
    made(home)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in home.path.rglob("*.*") if file.is_file()}
    made(home)

    assert before == {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in before}


async def test_a_certificate_is_renewed_before_its_end_without_a_restart(home: Home) -> None:
    clock = Time()
    front = made(home, clock=clock)
    first, authority = handshake(front, blind(), "localhost"), home.ca_certificate.read_bytes()

    clock.now = NOW + timedelta(days=300)
    await front.renew()
    assert first == handshake(front, blind(), "localhost")
    clock.now = NOW + timedelta(days=340)
    await front.renew()

    assert first != handshake(front, blind(), "localhost")
    assert authority == home.ca_certificate.read_bytes()
    assert clock.now + timedelta(days=300) < expires((home.keys / "front.pem").read_bytes())


def test_other_names_mean_another_authority(home: Home) -> None:
    made(home)
    before = home.ca_certificate.read_bytes()
    names = Names(("extensa.example", "localhost"), LOOPBACK.ips)

    front = made(home, names=names)

    assert before != home.ca_certificate.read_bytes()
    assert handshake(front, trusting(home), "extensa.example")


@pytest.mark.parametrize("file", ["front.pem", "front-ca.pem"])
def test_what_is_no_certificate_is_made_anew(home: Home, file: str) -> None:
    made(home)
    (home.keys / file).write_bytes(b"-----BEGIN CERTIFICATE-----\ncut off")

    front = made(home)

    assert handshake(front, trusting(home), "localhost")


def test_the_bundle_extends_the_one_a_person_has_chosen(home: Home, tmp_path: Path) -> None:
    chosen = tmp_path / "corporate.pem"
    chosen.write_bytes(b"corporate")

    made(home, REQUESTS_CA_BUNDLE=str(chosen))

    assert b"corporate\n" + home.ca_certificate.read_bytes() == home.ca_bundle.read_bytes()


def test_the_bundle_never_extends_itself(home: Home) -> None:
    made(home)
    before = home.ca_bundle.read_bytes()

    made(home, REQUESTS_CA_BUNDLE=str(home.ca_bundle), SSL_CERT_FILE=str(home.ca_bundle))

    assert before == home.ca_bundle.read_bytes()
    assert 1 == before.count(home.ca_certificate.read_bytes())
