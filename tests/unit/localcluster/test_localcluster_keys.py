"""Keys of a cluster: made once, renewed in time, closed to others; kubeconfigs as az would write them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from extensa.base.certificates import expires
from extensa.localcluster import keys
from extensa.localcluster.errors import ClusterError
from extensa.localcluster.keys import IDENTITIES, due, make_keys, read_identity, write_kubeconfigs
from extensa.localcluster.layout import Layout
from extensa.localcluster.model import ClusterSpec

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SPEC = ClusterSpec(uid="u", name="demo", group="rg", location="westeurope", pools=())
SERVER = "https://127.0.0.1:6443"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path / "u")
    made.make()
    return made


def files(layout: Layout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (layout.folder / "pki").iterdir()}


def test_everything_is_made_at_first_and_nothing_the_second_time(layout: Layout) -> None:
    assert list(IDENTITIES) == due(layout, NOW)
    assert list(IDENTITIES) == make_keys(layout, NOW)
    before = files(layout)
    assert [] == make_keys(layout, NOW + timedelta(days=300))
    assert before == files(layout)


def test_no_file_is_open_to_others(layout: Layout) -> None:
    make_keys(layout, NOW)
    write_kubeconfigs(layout, SPEC, SERVER)
    made = [*(layout.folder / "pki").iterdir(), *layout.folder.glob("*.kubeconfig")]
    assert {0o600} == {path.stat().st_mode & 0o777 for path in made}
    assert 0o700 == layout.folder.stat().st_mode & 0o777


def test_certificates_are_renewed_thirty_days_before_their_end(layout: Layout) -> None:
    make_keys(layout, NOW)
    before = files(layout)
    later = NOW + timedelta(days=336)
    assert set(IDENTITIES) == set(due(layout, later))
    assert list(IDENTITIES) == make_keys(layout, later)
    after = files(layout)
    assert before["ca.crt"] == after["ca.crt"]
    assert before["service-account.key"] == after["service-account.key"]
    assert before["encryption.yaml"] == after["encryption.yaml"]
    assert later + timedelta(days=365) == expires(read_identity(layout, "admin").certificate)


def test_a_damaged_certificate_is_made_again(layout: Layout) -> None:
    make_keys(layout, NOW)
    layout.identity("kwok").write_bytes(b"half a certifi")
    assert ["kwok"] == make_keys(layout, NOW)


def test_an_authority_that_has_ended_is_told_plainly(layout: Layout) -> None:
    make_keys(layout, NOW)
    with pytest.raises(ClusterError, match="ended on 2036-11-22") as caught:
        make_keys(layout, NOW + timedelta(days=3651))
    assert "CertificateExpired" == caught.value.code
    assert "clock" in (caught.value.next_step or "")


def test_an_authority_whose_certificate_never_got_written_is_made_anew(layout: Layout) -> None:
    layout.authority_key("ca").write_bytes(b"the key of a making that was interrupted")
    make_keys(layout, NOW)
    assert b"BEGIN CERTIFICATE" in layout.authority("ca").read_bytes()
    assert b"BEGIN PRIVATE KEY" in layout.authority_key("ca").read_bytes()


def test_the_server_answers_to_every_name_it_has(layout: Layout) -> None:
    make_keys(layout, NOW)
    certificate = x509.load_pem_x509_certificate(read_identity(layout, "kube-apiserver").certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert {"127.0.0.1", "10.0.0.1"} <= {str(each) for each in names.get_values_for_type(x509.IPAddress)}


@pytest.mark.parametrize(
    ("who", "group"), [("admin", "system:masters"), ("user", "extensa:users"), ("agent", "extensa:agents")]
)
def test_people_and_agents_are_told_apart(layout: Layout, who: str, group: str) -> None:
    make_keys(layout, NOW)
    subject = x509.load_pem_x509_certificate(read_identity(layout, who).certificate).subject
    assert [group] == [each.value for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def test_the_key_for_secrets_has_256_bits(layout: Layout) -> None:
    make_keys(layout, NOW)
    configuration = json.loads(layout.encryption.read_bytes())
    (rule,) = configuration["resources"]
    assert ["secrets"] == rule["resources"]
    (provider,) = rule["providers"]
    assert 32 == len(base64.b64decode(provider["secretbox"]["keys"][0]["secret"], validate=True))


@pytest.mark.parametrize(
    ("who", "user", "context"),
    [
        ("admin", "clusterAdmin_rg_demo", "demo-admin"),
        ("user", "clusterUser_rg_demo", "demo"),
        ("agent", "extensa:agent", "demo"),
    ],
)
def test_kubeconfigs_are_named_as_az_names_them(layout: Layout, who: str, user: str, context: str) -> None:
    make_keys(layout, NOW)
    assert write_kubeconfigs(layout, SPEC, SERVER)
    document = json.loads(layout.kubeconfig(who).read_bytes())
    assert context == document["current-context"]
    assert {"cluster": "demo", "user": user} == document["contexts"][0]["context"]
    assert SERVER == document["clusters"][0]["cluster"]["server"]
    authority = base64.b64decode(document["clusters"][0]["cluster"]["certificate-authority-data"])
    assert layout.authority(keys.AUTHORITY).read_bytes() == authority


def test_kubeconfigs_follow_the_port_and_are_otherwise_left_alone(layout: Layout) -> None:
    make_keys(layout, NOW)
    assert write_kubeconfigs(layout, SPEC, SERVER)
    assert not write_kubeconfigs(layout, SPEC, SERVER)
    assert write_kubeconfigs(layout, SPEC, "https://127.0.0.1:7443")
