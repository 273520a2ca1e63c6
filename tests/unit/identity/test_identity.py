"""Identity over a real store: first start, sign-in, permission, and what mends itself when files are lost."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from extensa.arm.binding import Caller
from extensa.base.errors import ExtensaError, Forbidden, NotFound, Unauthenticated
from extensa.base.home import Home, write_file
from extensa.identity import directory
from extensa.identity.agent_credentials import LinkCaller
from extensa.identity.grants import OWNER, READER
from extensa.identity.service import Identity
from extensa.identity.signing_keys import load_signing_keys
from extensa.identity.token_requests import TokenRefused
from extensa.store.sqlite import SqliteStore, open_store

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
BASE = "https://localhost:9443"
WRITE = "Microsoft.KubernetesConfiguration/extensions/write"
Opener = Callable[[], Awaitable[Identity]]


@pytest.fixture(scope="module")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One RSA key for all tests here: making one takes longer than most of them."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    load_signing_keys(file)
    return file.read_bytes()


@pytest.fixture
def home(tmp_path: Path, signing_key: bytes) -> Home:
    made = Home(tmp_path)
    write_file(made.keys / "token-signing.json", signing_key)
    return made


@pytest.fixture
async def store(home: Home) -> AsyncIterator[SqliteStore]:
    opened = await open_store(home.database)
    yield opened
    await opened.close()


@pytest.fixture
def start(store: SqliteStore, home: Home) -> Opener:
    """Start the server's identity, as often as a test likes."""
    return lambda: Identity.open(store, home, base_url=BASE, clock=lambda: NOW)


@pytest.fixture
async def identity(start: Opener) -> Identity:
    return await start()


def owner_file(home: Home) -> dict[str, str]:
    document: dict[str, str] = json.loads(home.owner_credential.read_bytes())
    return document


def form(client: str, secret: str, **changed: str) -> dict[str, str]:
    asked = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    return asked | {"scope": f"{BASE}/.default"} | changed


async def sign_in(identity: Identity, client: str, secret: str, tenant: str = "") -> Caller:
    answer = await identity.token(tenant or identity.tenant_id, form(client, secret), None)
    return identity.authenticate(f"Bearer {answer['access_token']}")


async def owner_signs_in(identity: Identity, home: Home) -> Caller:
    file = owner_file(home)
    return await sign_in(identity, file["clientId"], file["clientSecret"])


async def test_the_first_start_makes_an_owner_who_may_do_everything(identity: Identity, home: Home) -> None:
    file = owner_file(home)
    caller = await owner_signs_in(identity, home)
    identity.authorize(caller, WRITE, "/subscriptions/s")
    identity.authorize(caller, "Microsoft.Authorization/roleAssignments/write", "")

    assert {"tenantId", "clientId", "clientSecret", "subscriptionId", "endpoint", "objectId"} == set(file)
    assert (identity.tenant_id, identity.subscription_id, BASE) == (
        file["tenantId"],
        file["subscriptionId"],
        file["endpoint"],
    )
    assert Caller(file["objectId"], identity.tenant_id, file["clientId"]) == caller
    assert 0o600 == home.owner_credential.stat().st_mode & 0o777


async def test_a_second_start_changes_nothing(identity: Identity, home: Home, start: Opener) -> None:
    files = [home.owner_credential, home.link_credential("host"), home.link_credential("agent")]
    before = [file.read_bytes() for file in files]
    caller = await owner_signs_in(identity, home)
    again = await start()

    assert before == [file.read_bytes() for file in files]
    assert (identity.tenant_id, identity.subscription_id) == (again.tenant_id, again.subscription_id)
    again.authorize(caller, WRITE, "/subscriptions/s")


async def test_a_token_outlives_a_restart(identity: Identity, home: Home, start: Opener) -> None:
    file = owner_file(home)
    answer = await identity.token("adfs", form(file["clientId"], file["clientSecret"]), None)
    again = await start()

    assert file["objectId"] == again.authenticate(f"bearer {answer['access_token']}").object_id


@pytest.mark.parametrize("damage", ["missing", "torn", "stale"])
async def test_a_lost_owner_file_is_written_anew(identity: Identity, home: Home, start: Opener, damage: str) -> None:
    before = owner_file(home)
    match damage:
        case "missing":
            home.owner_credential.unlink()
        case "torn":
            home.owner_credential.write_bytes(home.owner_credential.read_bytes()[:40])
        case _:
            home.owner_credential.write_text(json.dumps(before | {"clientSecret": "x"}))
    again = await start()
    await owner_signs_in(again, home)

    assert before["clientId"] == owner_file(home)["clientId"]
    with pytest.raises(TokenRefused):
        await sign_in(again, before["clientId"], before["clientSecret"])


async def test_lost_keys_cost_fresh_secrets_and_nothing_else(identity: Identity, home: Home, start: Opener) -> None:
    tenant = identity.tenant_id
    for key in home.keys.iterdir():
        key.unlink()
    again = await start()
    await owner_signs_in(again, home)

    assert tenant == again.tenant_id


async def test_a_new_address_is_written_into_the_files(store: SqliteStore, home: Home, identity: Identity) -> None:
    before = owner_file(home)
    await Identity.open(store, home, base_url="https://extensa.example/", clock=lambda: NOW)

    assert before | {"endpoint": "https://extensa.example"} == owner_file(home)
    for kind in ("host", "agent"):
        assert "https://extensa.example" == json.loads(home.link_credential(kind).read_bytes())["endpoint"]


async def test_the_owners_secret_can_be_renewed(identity: Identity, home: Home) -> None:
    before = owner_file(home)
    await identity.renew_owner_secret()
    await owner_signs_in(identity, home)

    with pytest.raises(TokenRefused):
        await sign_in(identity, before["clientId"], before["clientSecret"])


@pytest.mark.parametrize(
    ("changed", "tenant", "answer"),
    [
        ({"client_secret": "wrong"}, "", (401, 7000215)),
        ({"client_id": "nobody"}, "", (400, 700016)),
        ({"grant_type": "password"}, "", (400, 70003)),
        ({"scope": "x"}, "", (400, 70011)),
        ({"scope": "https://graph.microsoft.com/.default"}, "", (400, 500011)),
        ({}, "00000000-0000-0000-0000-000000000000", (400, 90002)),
    ],
)
async def test_refused_sign_ins(
    identity: Identity, home: Home, changed: dict[str, str], tenant: str, answer: tuple[int, int]
) -> None:
    file = owner_file(home)
    asked = form(file["clientId"], file["clientSecret"]) | changed
    with pytest.raises(TokenRefused) as refused:
        await identity.token(tenant or identity.tenant_id, asked, None)

    assert answer == (refused.value.status, *refused.value.codes)
    assert file["clientSecret"] not in str(refused.value)


async def test_the_answer_to_a_sign_in(identity: Identity, home: Home) -> None:
    file = owner_file(home)
    asked = form(file["clientId"].upper(), file["clientSecret"])
    new = await identity.token("organizations", asked, None)
    old = await identity.token(identity.tenant_id.upper(), asked | {"resource": BASE + "/"}, None)

    assert {"token_type", "expires_in", "ext_expires_in", "access_token"} == set(new)
    assert ("Bearer", 3599) == (new["token_type"], new["expires_in"])
    assert BASE + "/" == old["resource"]
    assert str(int(NOW.timestamp()) + 3599) == old["expires_on"]


@pytest.mark.parametrize("header", [None, "", "Basic abc", "Bearer", "Bearer ", "Bearer x.y.z", "Token abc"])
async def test_who_shows_no_token_is_nobody(identity: Identity, header: str | None) -> None:
    with pytest.raises(Unauthenticated):
        identity.authenticate(header)


async def test_anyone_but_the_owner_is_denied_until_assigned(identity: Identity, start: Opener) -> None:
    made = await identity.add_principal("someone")
    caller = await sign_in(identity, made.app_id, made.secret)
    with pytest.raises(Forbidden) as refused:
        identity.authorize(caller, WRITE, "/subscriptions/s/resourcegroups/g")
    given = await identity.assign(made.object_id, OWNER, "/subscriptions/S/resourceGroups/G")
    identity.authorize(caller, WRITE, "/subscriptions/s/resourcegroups/g")
    (await start()).authorize(caller, WRITE, "/subscriptions/s/resourcegroups/g/providers/x")

    assert "AuthorizationFailed" == refused.value.code
    assert (
        f"The client '{made.app_id}' with object id '{made.object_id}' does not have authorization to perform action "
        f"'{WRITE}' over scope '/subscriptions/s/resourcegroups/g' or the scope is invalid. If access was recently "
        "granted, please refresh your credentials." == refused.value.message
    )
    assert given == await identity.assign(made.object_id, OWNER, "/subscriptions/s/resourcegroups/g/")
    await identity.unassign(given.id)
    await identity.unassign(given.id)
    with pytest.raises(Forbidden):
        (await start()).authorize(caller, WRITE, "/subscriptions/s/resourcegroups/g")


async def test_everyone_is_read_page_by_page(
    identity: Identity, start: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "_PAGE", 2)
    made = [await identity.add_principal(f"number {n}") for n in range(4)]
    again = await start()

    assert {each.object_id for each in made} == {
        (await sign_in(again, each.app_id, each.secret)).object_id for each in made
    }


async def test_a_role_for_nobody_is_refused(identity: Identity) -> None:
    with pytest.raises(NotFound, match="does not exist in the directory"):
        await identity.assign("nobody", READER, "/")


async def test_hosts_and_agents_have_credentials_of_their_own(identity: Identity, home: Home, start: Opener) -> None:
    def shown(kind: str) -> tuple[str, dict[str, Any]]:
        file = json.loads(home.link_credential(kind).read_bytes())
        return f"Bearer {file['name']}.{file['secret']}", file

    host, file = shown("host")
    agent, _ = shown("agent")

    assert LinkCaller("host", "local") == identity.link_caller(host)
    assert LinkCaller("agent", "hosted-local") == identity.link_caller(agent)
    assert BASE == file["endpoint"]
    assert 0o600 == home.link_credential("host").stat().st_mode & 0o777
    for wrong in (None, "", host + "x", host.replace("local", "hosted-local"), "Basic " + host[7:], "Bearer local."):
        with pytest.raises(Unauthenticated):
            identity.link_caller(wrong)
    with pytest.raises(Unauthenticated):
        identity.authenticate(host)
    home.link_credential("host").unlink()
    again = await start()
    assert LinkCaller("host", "local") == again.link_caller(shown("host")[0])
    with pytest.raises(Unauthenticated):
        again.link_caller(host)


async def test_no_secret_stands_in_the_database_or_the_log(
    identity: Identity, home: Home, store: SqliteStore, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await identity.add_principal("someone")
    with pytest.raises(TokenRefused):
        await sign_in(identity, made.app_id, "wrong-secret-of-mine")
    file = owner_file(home)
    secrets = [file["clientSecret"], json.loads(home.link_credential("host").read_bytes())["secret"], made.secret]
    kept = b"".join(row.body for row in await store.list(limit=1000))
    printed = "".join(capsys.readouterr())

    assert made.secret not in repr(made)
    assert [] == [s for s in [*secrets, "wrong-secret-of-mine"] if s.encode() in kept or s in printed]


async def test_signing_keys_rotate_while_serving(identity: Identity, home: Home, start: Opener) -> None:
    file = owner_file(home)
    answer = await identity.token("common", form(file["clientId"], file["clientSecret"]), None)
    await identity.rotate_signing_key()
    await owner_signs_in(identity, home)

    assert 2 == len(identity.jwks()["keys"])
    assert file["objectId"] == (await start()).authenticate(f"Bearer {answer['access_token']}").object_id


@pytest.mark.parametrize(
    ("word", "v2", "token_path", "keys_path"),
    [
        ("T", True, "T/oauth2/v2.0/token", "T/discovery/v2.0/keys"),
        ("T", False, "T/oauth2/token", "T/discovery/keys"),
        ("common", True, "common/oauth2/v2.0/token", "common/discovery/v2.0/keys"),
        ("adfs", False, "adfs/oauth2/token/", "adfs/discovery/keys"),
    ],
)
async def test_discovery_documents(identity: Identity, word: str, v2: bool, token_path: str, keys_path: str) -> None:
    def here(path: str) -> str:
        return f"{BASE}/{path.replace('T/', identity.tenant_id + '/')}"

    document = identity.discovery(identity.tenant_id if word == "T" else word, v2=v2)

    assert here(token_path) == document["token_endpoint"]
    assert here(keys_path) == document["jwks_uri"]
    assert f"{BASE}/{identity.tenant_id}/v2.0" == document["issuer"]
    assert document["authorization_endpoint"].startswith(BASE)


async def test_discovery_of_a_stranger(identity: Identity) -> None:
    with pytest.raises(TokenRefused, match="AADSTS90002"):
        identity.discovery("fabrikam.example", v2=True)


@pytest.mark.parametrize("cut", [b"", b"short"])
async def test_a_cut_key_of_secret_digests_is_told_and_not_used(start: Opener, home: Home, cut: bytes) -> None:
    await start()
    write_file(home.keys / "secret-digests.key", cut)

    with pytest.raises(ExtensaError) as refused:
        await start()
    assert "SecretDigestKeyDamaged" == refused.value.code
    assert cut == (home.keys / "secret-digests.key").read_bytes()
