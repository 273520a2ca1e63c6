"""What the token endpoint is asked: well-formed requests of both styles, and Entra's numbers for all others."""

import base64
import re
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extensa.identity import token_requests
from extensa.identity.token_requests import TokenRefused, TokenRequest

BASE = "https://localhost:9443"
GOOD = {
    "grant_type": "client_credentials",
    "client_id": "app",
    "client_secret": "s3cret",
    "scope": f"{BASE}/.default",
    "client_info": "1",
    "claims": '{"access_token":{"xms_cc":{"values":["CP1"]}}}',
}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("form", "authorization", "asked"),
    [
        (GOOD, None, TokenRequest("app", "s3cret", BASE, old_style=False)),
        (GOOD | {"scope": f"{BASE}//.default"}, None, TokenRequest("app", "s3cret", BASE + "/", old_style=False)),
        (
            GOOD | {"scope": f"openid {BASE}/.default offline_access profile"},
            None,
            TokenRequest("app", "s3cret", BASE, old_style=False),
        ),
        (
            {"grant_type": "client_credentials", "resource": BASE},
            basic("app:s3c%2Bret"),
            TokenRequest("app", "s3c+ret", BASE, old_style=True),
        ),
    ],
)
def test_well_formed_requests(form: dict[str, str], authorization: str | None, asked: TokenRequest) -> None:
    assert asked == token_requests.read(form, authorization)


@pytest.mark.parametrize(
    ("changed", "status", "error", "number"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"grant_type": ""}, 400, "invalid_request", 900144),
        ({"client_id": ""}, 400, "invalid_request", 900144),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"scope": ""}, 400, "invalid_scope", 70011),
        ({"scope": "/.default"}, 400, "invalid_scope", 70011),
        ({"scope": "openid"}, 400, "invalid_scope", 70011),
        ({"scope": f"{BASE}/user_impersonation"}, 400, "invalid_scope", 70011),
        ({"scope": f"{BASE}/.default https://other/.default"}, 400, "invalid_scope", 70011),
    ],
)
def test_refusals_carry_entras_numbers(changed: dict[str, str], status: int, error: str, number: int) -> None:
    with pytest.raises(TokenRefused) as refused:
        token_requests.read(GOOD | changed, None)

    assert (status, error, (number,)) == (refused.value.status, refused.value.error, refused.value.codes)
    assert refused.value.description.startswith(f"AADSTS{number}: ")


@pytest.mark.parametrize("header", ["Basic !!!", "Basic", basic(":x"), "Basic /w=="])
def test_a_broken_basic_header_names_no_client(header: str) -> None:
    with pytest.raises(TokenRefused, match="client_id"):
        token_requests.read({"grant_type": "client_credentials"}, header)


def test_the_body_is_shaped_like_entras() -> None:
    body = token_requests.wrong_secret("app").body(datetime(2026, 5, 1, 12, 0, tzinfo=UTC))

    assert "invalid_client" == body["error"]
    assert [7000215] == body["error_codes"]
    assert re.match(
        r"AADSTS7000215: Invalid client secret provided\. .* for a secret added to app 'app'\. "
        r"Trace ID: \S+ Correlation ID: \S+ Timestamp: 2026-05-01 12:00:00Z$",
        body["error_description"],
    )


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "s3cret" not in repr(token_requests.read(GOOD, None))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    form=st.dictionaries(st.sampled_from(sorted(GOOD)), st.text(max_size=8), max_size=6),
    authorization=st.none() | st.text(max_size=20) | st.builds(basic, st.text(max_size=9)),
)
def test_nonsense_is_refused_and_never_crashes(form: dict[str, str], authorization: str | None) -> None:
    for asked in (form, form | {"grant_type": "client_credentials"}):
        with pytest.raises(TokenRefused):
            token_requests.read(asked, authorization)
