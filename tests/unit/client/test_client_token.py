"""Who calls, where the secret may go, and how long a token is used."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extensa.base.errors import ExtensaError, Unauthenticated
from extensa.base.home import Home, write_file
from extensa.client.http import Http
from extensa.client.token import Credential, Tokens, find_credential, owner_credential
from unit.client.arm_double import SUBSCRIPTION, TENANT, ArmDouble, serving

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def double() -> Iterator[ArmDouble]:
    with serving() as running:
        yield running


def keep_owner(home: Home, endpoint: str, secret: str = "right") -> None:
    """Write the owner's credential as the server does."""
    document = {
        "tenantId": TENANT,
        "clientId": "owner",
        "clientSecret": secret,
        "subscriptionId": SUBSCRIPTION,
        "endpoint": endpoint,
        "objectId": "o",
    }
    write_file(home.owner_credential, json.dumps(document).encode())


def credential(endpoint: str, *, tenant: str = TENANT, secret: str = "right") -> Credential:
    return Credential(endpoint, endpoint, tenant, "me", secret, SUBSCRIPTION)


def test_the_owner_of_the_data_folder_calls_when_the_shell_says_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keep_owner(home, "https://localhost:9443/")
    found = find_credential("", {}, home)

    assert ("https://localhost:9443", "owner", SUBSCRIPTION) == (found.endpoint, found.client_id, found.subscription)
    assert "right" not in repr(found)


def test_a_shell_that_was_set_up_wins_and_azure_variables_alone_do_not(tmp_path: Path) -> None:
    home = Home(tmp_path)
    keep_owner(home, "https://localhost:9443")
    azure = {
        "AZURE_CLIENT_ID": "shell",
        "AZURE_CLIENT_SECRET": "of-real-azure",
        "AZURE_TENANT_ID": "t",
        "AZURE_AUTHORITY_HOST": "https://login.example/",
        "AZURE_SUBSCRIPTION_ID": "s",
    }

    assert "owner" == find_credential("", azure, home).client_id
    chosen = find_credential("https://other:1/", azure, home)
    assert ("https://other:1", "https://login.example", "shell") == (
        chosen.endpoint,
        chosen.authority,
        chosen.client_id,
    )
    assert "owner" == find_credential("https://localhost:9443", {}, home).client_id


def test_no_credential_is_told_with_what_to_do(tmp_path: Path) -> None:
    for endpoint in ("", "https://elsewhere:1"):
        with pytest.raises(ExtensaError) as told:
            find_credential(endpoint, {}, Home(tmp_path))
        assert "NotSetUp" == told.value.code
        assert "extensa up" in str(told.value.next_step)


def test_a_torn_credential_file_is_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert owner_credential(home) is None
    write_file(home.owner_credential, b'{"endpoint": ')
    with pytest.raises(ExtensaError) as told:
        owner_credential(home)

    assert ("CredentialUnreadable", str(home.owner_credential)) == (told.value.code, told.value.target)


def test_a_token_is_asked_for_once_and_kept_private_until_it_expires(double: ArmDouble, tmp_path: Path) -> None:
    cache = tmp_path / "tokens.json"
    now = NOW
    authority = Http(double.url)

    def tokens() -> Tokens:
        return Tokens(credential(double.url), authority=authority, cache=cache, clock=lambda: now)

    try:
        assert ["token-1", "token-1"] == [tokens().get(), tokens().get()]
        assert 1 == double.tokens_given
        assert 0o600 == cache.stat().st_mode & 0o777
        now = NOW + timedelta(minutes=59)
        assert "token-1" == tokens().get()
        assert 2 == double.tokens_given
    finally:
        authority.close()
    form = double.asked[0].body.decode()
    assert f"/{TENANT}/oauth2/v2.0/token" == double.asked[0].path
    assert "grant_type=client_credentials" in form
    assert "%2F.default" in form


def test_a_forgotten_token_is_asked_for_again(double: ArmDouble, tmp_path: Path) -> None:
    authority = Http(double.url)
    tokens = Tokens(credential(double.url), authority=authority, cache=tmp_path / "t.json", clock=lambda: NOW)
    try:
        tokens.get()
        double.valid_token = "token-2"
        tokens.forget()
        tokens.forget()
        assert "token-2" == tokens.get()
    finally:
        authority.close()


def test_tenant_adfs_signs_in_where_no_discovery_is_needed(double: ArmDouble) -> None:
    authority = Http(double.url)
    try:
        Tokens(credential(double.url, tenant="adfs"), authority=authority).get()
    finally:
        authority.close()

    assert "/adfs/oauth2/token" == double.asked[0].path


def test_a_wrong_secret_is_told_in_the_authoritys_words(double: ArmDouble) -> None:
    authority = Http(double.url)
    try:
        with pytest.raises(Unauthenticated) as told:
            Tokens(credential(double.url, secret="wrong"), authority=authority).get()
    finally:
        authority.close()

    assert ("invalid_client", "AADSTS7000215: wrong secret.") == (told.value.code, told.value.message)
    assert "wrong" not in str(told.value.next_step)


@pytest.mark.parametrize("content", [b"", b"[]", b"not json"])
def test_a_damaged_cache_is_no_more_than_a_missing_one(double: ArmDouble, tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "tokens.json"
    cache.write_bytes(content)
    authority = Http(double.url)
    try:
        assert "token-1" == Tokens(credential(double.url), authority=authority, cache=cache, clock=lambda: NOW).get()
    finally:
        authority.close()
