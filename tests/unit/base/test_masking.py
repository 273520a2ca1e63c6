"""Secrets do not leave in any of the forms that programs print them in."""

import base64
import json

import pytest

from extensa.base.masking import Masker, masker


def masking(*secrets: str) -> Masker:
    made = masker(secrets)
    assert made is not None
    return made


@pytest.mark.parametrize(
    "text",
    [
        "login with hunter2-long failed",
        'data: "hunter2-long"',
        base64.b64encode(b"hunter2-long").decode(),
        json.dumps({"error": json.dumps({"password": "hunter2-long"})}),
    ],
)
def test_a_secret_is_hidden_wherever_it_stands(text: str) -> None:
    masked = masking("hunter2-long")(text)

    assert "hunter2-long" not in masked
    assert "********" in masked


def test_a_secret_with_quotes_is_hidden_in_its_quoted_forms() -> None:
    secret = 'se"cr\\et-value'
    mask = masking(secret)

    assert '"********"' == mask(json.dumps(secret))
    assert "cr" not in mask(json.dumps(json.dumps(secret)))


def test_each_line_of_a_long_secret_is_hidden() -> None:
    mask = masking("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----")

    assert "bad key: ********" == mask("bad key: MIIEvQIBADANBg")


def test_a_short_secret_is_hidden_as_a_word_only() -> None:
    mask = masking("abc", "")

    assert "pin ******** in abcdef" == mask("pin abc in abcdef")


def test_the_longer_secret_wins() -> None:
    assert "********" == masking("secret", "secret-and-more")("secret-and-more")


def test_without_secrets_there_is_nothing_to_do() -> None:
    assert None is masker([])
    assert None is masker([""])
    assert None is masker(["short"], shortest=8)
