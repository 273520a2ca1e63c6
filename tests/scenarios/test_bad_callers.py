"""Callers that are not who they should be, and what is hardly HTTP: each is told in its own shape."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from extensa.identity.principal import ServicePrincipal
from extensa.identity.signing_keys import SigningKeys, load_signing_keys
from extensa.identity.tokens import Tokens
from scenarios.front_process import FORM, OTHER, Front, sign_in, told

pytestmark = pytest.mark.usefixtures("nothing_crashes")


# -- who calls


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "AuthenticationFailed"),
        ("", "AuthenticationFailed"),
        ("Basic YTpi", "AuthenticationFailedInvalidHeader"),
        ("Bearer", "InvalidAuthenticationToken"),
        ("Bearer garbage", "InvalidAuthenticationToken"),
        ("Bearer a.b.c", "InvalidAuthenticationToken"),
        ("Bearer \xe9\xe9", "InvalidAuthenticationToken"),
        ("Bearer eyJhbGciOiJub25lIn0.eyJvaWQiOiJ4In0.", "InvalidAuthenticationToken"),
        ("Bearer " + "a" * 50_000, "InvalidAuthenticationToken"),
    ],
)
def test_a_wrong_token_is_refused(front: Front, header: str | None, code: str) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = front.raw.ask("GET", front.path("extension"), headers=headers)

    assert (401, code) == told(answer)
    assert answer.headers["www-authenticate"].startswith("Bearer authorization_uri=")
    assert answer.next_step


def issued(front: Front, keys: SigningKeys | None = None, *, ago: timedelta = timedelta(), **changed: str) -> str:
    """A token for the owner that the server's own key (or another) has signed, otherwise than it would."""
    keys = keys or load_signing_keys(front.home.keys / "token-signing.json")
    of = {"tenant": front.owner["tenantId"], "audience": front.owner["endpoint"], **changed}
    now = datetime.now(UTC) - ago
    owner = ServicePrincipal(
        object_id=front.owner["objectId"], app_id=front.owner["clientId"], display_name="owner", created=now, secrets=()
    )
    tokens = Tokens(keys, tenant_id=of["tenant"], base_url=front.owner["endpoint"])
    return tokens.issue(owner, of["audience"], now)


def test_an_expired_foreign_or_forged_token_is_refused(front: Front, tmp_path: Path) -> None:
    def status(token: str) -> tuple[int, str]:
        return told(front.raw.ask("GET", front.path("group"), headers={"Authorization": f"Bearer {token}"}))

    good = issued(front)
    headers = {"Authorization": f"Bearer {good}"}
    assert 200 == front.raw.ask("GET", front.path("group"), headers=headers).status
    assert (401, "ExpiredAuthenticationToken") == status(issued(front, ago=timedelta(hours=3)))
    assert (401, "InvalidAuthenticationTokenTenant") == status(issued(front, tenant=OTHER))
    assert (401, "InvalidAuthenticationTokenAudience") == status(issued(front, audience="https://elsewhere.example"))
    assert (401, "InvalidAuthenticationToken") == status(issued(front, load_signing_keys(tmp_path / "keys.json")))
    assert (401, "InvalidAuthenticationToken") == status(good[:-8] + "AAAAAAAA")


def test_a_credential_of_the_link_opens_nothing_else_and_no_token_opens_the_link(front: Front) -> None:
    kept = json.loads(front.home.link_credential("agent").read_bytes())
    agent = {"Authorization": f"Bearer {kept['name']}.{kept['secret']}"}

    assert (401, "InvalidAuthenticationToken") == told(front.raw.ask("GET", front.path("group"), headers=agent))
    assert (401, "LinkCredentialInvalid") == told(front.ask("GET", "/link/v1/clusters"))
    assert (403, "LinkCredentialMismatch") == told(front.raw.ask("GET", "/link/v1/clusters", headers=agent))
    for query in ("after=x", "after=%C2%B2", f"after={'9' * 30}", f"after={'9' * 5000}"):
        answer = front.raw.ask("GET", f"/link/v1/questions?{query}", headers=agent)
        assert (400, "InvalidCursor") == told(answer)
    for body in (b"{", b"[]", b'{"observed":5}', b'{"observed":[{}]}'):
        answer = front.raw.ask("POST", "/link/v1/extensions", body, headers=agent)
        assert (400, "InvalidRequestContent") == told(answer)


def test_a_sign_in_that_fails_is_told_as_oauth_wants_it(front: Front) -> None:
    wrong = sign_in(front, client_secret="wrong")
    unknown = sign_in(front, client_id=OTHER)

    assert (401, "invalid_client") == (wrong.status, wrong.json["error"])
    assert "AADSTS7000215" in wrong.json["error_description"]
    assert "AADSTS700016" in unknown.json["error_description"]
    assert (415, "UnsupportedMediaType") == told(
        front.raw.ask("POST", "/adfs/oauth2/token", b"{}", headers={"Content-Type": "application/json"})
    )
    assert (413, "RequestContentTooLarge") == told(
        front.raw.ask("POST", "/adfs/oauth2/token", b"a=" + b"x" * 100_000, headers=FORM)
    )


# -- what is hardly HTTP


@pytest.mark.parametrize("size", [100_000, 5_000_000])
def test_headers_without_measure_are_refused(front: Front, size: int) -> None:
    answer = front.ask("GET", front.path("group"), X_Large="x" * size)

    assert (431, "RequestHeaderFieldsTooLarge") == told(answer)
    assert answer.next_step


def test_many_headers_or_a_long_query_are_refused_alike(front: Front) -> None:
    many = front.ask("GET", front.path("group"), **{f"X_{number}": "y" * 100 for number in range(1000)})
    long = front.ask("GET", f"{front.path('group')}&x={'y' * 70_000}")

    assert (431, "RequestHeaderFieldsTooLarge") == told(many)
    assert (431, "RequestHeaderFieldsTooLarge") == told(long)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_is_told_too(front: Front, sent: bytes) -> None:
    answer = front.raw.send(sent)

    assert (400, "InvalidHttpRequest") == told(answer)
    assert "close" == answer.headers["connection"]
    assert answer.next_step


def test_a_chunk_that_is_none_ends_the_request(front: Front) -> None:
    head = f"PUT {front.path('extension')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {front.token}\r\n"
    answer = front.raw.send(head.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n")

    assert (400, "InvalidHttpRequest") == told(answer)


def test_a_client_that_hangs_up_in_the_middle_hurts_nobody(front: Front) -> None:
    head = f"PUT {front.path('extension')} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {front.token}\r\n"
    front.raw.hang_up(head.encode() + b'Content-Length: 1000\r\n\r\n{"properties":')

    assert 200 == front.ask("GET", front.path("group")).status


def test_a_name_of_any_script_is_a_url_in_headers(front: Front) -> None:
    assert 201 == front.ask("PUT", front.path("group", g="gr%C3%BC%C3%9Fe"), b'{"location":"westeurope"}').status
    pool = b'{"name":"nodepool1","count":1,"mode":"System"}'
    wish = b'{"location":"westeurope","properties":{"dnsPrefix":"c1","agentPoolProfiles":[%s]}}' % pool
    accepted = front.ask("PUT", front.path("cluster", g="gr%C3%BC%C3%9Fe"), wish)
    assert 201 == accepted.status, accepted
    listed = front.ask("GET", front.path("clusters", g="gr%C3%BC%C3%9Fe") + "&$top=1")
    assert "grüße" in listed.json["value"][0]["id"]
    assert accepted.headers["azure-asyncoperation"].isascii()
