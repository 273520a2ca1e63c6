"""Access tokens: what stands in them, which are taken, and how quickly a known one is."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from extensa.arm.binding import Caller
from extensa.base.errors import Unauthenticated
from extensa.identity import tokens as module
from extensa.identity.principal import ServicePrincipal
from extensa.identity.signing_keys import SigningKeys, load_signing_keys
from extensa.identity.tokens import Tokens

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
BASE = "https://localhost:9443"
TENANT = "11111111-2222-3333-4444-555555555555"
WHO = ServicePrincipal(object_id="object", app_id="app", display_name="x", created=NOW)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> SigningKeys:
    return load_signing_keys(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture
def issuer(keys: SigningKeys) -> Tokens:
    return Tokens(keys, tenant_id=TENANT, base_url=BASE)


def forged(keys: SigningKeys, **changed: Any) -> str:
    """A token signed with our own key and ``changed`` claims."""
    start = int(NOW.timestamp())
    claims = {
        "iss": f"{BASE}/{TENANT}/v2.0",
        "aud": BASE,
        "tid": TENANT,
        "oid": "object",
        "appid": "app",
        "nbf": start,
        "exp": start + 60,
    } | changed
    return jwt.encode({"alg": "RS256", "kid": keys.first.kid}, claims, keys.first)


def test_the_claims_are_those_that_clients_of_entra_expect(issuer: Tokens, keys: SigningKeys) -> None:
    published = KeySet([RSAKey.import_key(key) for key in keys.public()["keys"]])
    token = jwt.decode(issuer.issue(WHO, BASE, NOW), published, algorithms=["RS256"])
    start = int(NOW.timestamp())

    assert {"alg": "RS256", "typ": "JWT", "kid": keys.first.kid} == token.header
    assert TENANT == token.claims["tid"]
    assert "object" == token.claims["oid"] == token.claims["sub"]
    assert "app" == token.claims["appid"] == token.claims["azp"]
    assert BASE == token.claims["aud"]
    assert f"{BASE}/{TENANT}/v2.0" == token.claims["iss"]
    assert (start, start, start + 3600) == tuple(token.claims[c] for c in ("iat", "nbf", "exp"))
    assert "2.0" == token.claims["ver"]


@pytest.mark.parametrize("audience", [BASE, BASE + "/", BASE + "//", "https://management.azure.com/"])
def test_what_is_issued_is_taken(issuer: Tokens, audience: str) -> None:
    assert issuer.accepts(audience)
    assert Caller("object", TENANT, "app") == issuer.verify(issuer.issue(WHO, audience, NOW), NOW)


def test_another_audience_is_not_ours(issuer: Tokens) -> None:
    assert not issuer.accepts("https://graph.microsoft.com")
    assert not issuer.accepts(BASE + ".evil.example")


def test_a_token_lives_an_hour_also_when_it_is_known(issuer: Tokens) -> None:
    token = issuer.issue(WHO, BASE, NOW)
    issuer.verify(token, NOW + timedelta(minutes=59))
    with pytest.raises(Unauthenticated) as refused:
        issuer.verify(token, NOW + timedelta(minutes=60))

    assert "ExpiredAuthenticationToken" == refused.value.code
    assert "05/01/2026 01:00:00 PM" in refused.value.message


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"aud": "https://graph.microsoft.com"}, "InvalidAuthenticationTokenAudience"),
        ({"aud": [BASE]}, "InvalidAuthenticationTokenAudience"),
        ({"iss": "https://sts.windows.net/x/"}, "InvalidAuthenticationTokenTenant"),
        ({"tid": "other"}, "InvalidAuthenticationTokenTenant"),
        ({"exp": int(NOW.timestamp())}, "ExpiredAuthenticationToken"),
        ({"exp": None}, "InvalidAuthenticationToken"),
        ({"exp": True}, "InvalidAuthenticationToken"),
        ({"exp": 10**18}, "InvalidAuthenticationToken"),
        ({"nbf": int(NOW.timestamp()) + 600}, "InvalidAuthenticationToken"),
        ({"nbf": "soon"}, "InvalidAuthenticationToken"),
        ({"oid": None}, "InvalidAuthenticationToken"),
        ({"appid": 5}, "InvalidAuthenticationToken"),
    ],
)
def test_wrong_claims_are_refused_by_name(
    issuer: Tokens, keys: SigningKeys, changed: dict[str, Any], code: str
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        issuer.verify(forged(keys, **changed), NOW)

    assert code == refused.value.code


def test_a_clock_that_runs_a_little_ahead_is_forgiven(issuer: Tokens, keys: SigningKeys) -> None:
    token = forged(keys, nbf=int(NOW.timestamp()) + 200)

    assert "object" == issuer.verify(token, NOW).object_id


def test_a_stranger_cannot_sign(issuer: Tokens, tmp_path: Path) -> None:
    stranger = load_signing_keys(tmp_path / "stranger.json")
    with pytest.raises(Unauthenticated, match="invalid"):
        issuer.verify(forged(stranger), NOW)


def test_an_unsigned_token_is_refused(issuer: Tokens, keys: SigningKeys) -> None:
    _, body, _ = forged(keys).split(".")
    for header in ("eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9"):
        with pytest.raises(Unauthenticated):
            issuer.verify(f"{header}.{body}.", NOW)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=st.one_of(st.text(max_size=40), st.from_regex(r"[A-Za-z0-9_-]{1,9}\.[A-Za-z0-9_-]{1,9}\.[A-Za-z0-9_-]*")))
def test_nonsense_is_refused_and_never_crashes(keys: SigningKeys, text: str) -> None:
    with pytest.raises(Unauthenticated):
        Tokens(keys, tenant_id=TENANT, base_url=BASE).verify(text, NOW)


def test_a_known_token_costs_microseconds(issuer: Tokens) -> None:
    token = issuer.issue(WHO, BASE, NOW)
    issuer.verify(token, NOW)
    began = time.process_time()
    for _ in range(1000):
        issuer.verify(token, NOW)

    assert 50e-6 > (time.process_time() - began) / 1000  # about 2 µs; verifying the signature takes 30 and more


def test_what_is_remembered_is_bounded(issuer: Tokens, keys: SigningKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 2)
    issued = [forged(keys, exp=int(NOW.timestamp()) + life) for life in (1, 50, 60, 70)]
    for token in issued[:2]:
        issuer.verify(token, NOW)
    later = NOW + timedelta(seconds=2)
    for token in issued[2:]:
        issuer.verify(token, later)

    assert 2 == len(issuer._known)
    assert "object" == issuer.verify(issued[1], later).object_id


def test_keys_rotate_without_a_sign_out(keys: SigningKeys, tmp_path: Path) -> None:
    issuer = Tokens(keys, tenant_id=TENANT, base_url=BASE)
    before = issuer.issue(WHO, BASE, NOW)
    issuer.keys = keys.rotated()
    issuer.keys.save(tmp_path / "rotated.json")
    again = Tokens(load_signing_keys(tmp_path / "rotated.json"), tenant_id=TENANT, base_url=BASE)
    after = again.issue(WHO, BASE, NOW)

    assert "object" == again.verify(before, NOW).object_id == again.verify(after, NOW).object_id
    assert 2 == len(again.keys.public()["keys"])
    with pytest.raises(Unauthenticated):
        Tokens(again.keys.rotated(), tenant_id=TENANT, base_url=BASE).verify(before, NOW)


def test_published_keys_hold_nothing_private(keys: SigningKeys, tmp_path: Path) -> None:
    keys.save(tmp_path / "keys.json")

    assert [{"kty", "n", "e", "kid", "use", "alg"}] == [set(key) for key in keys.public()["keys"]]
    assert 0o600 == (tmp_path / "keys.json").stat().st_mode & 0o777
