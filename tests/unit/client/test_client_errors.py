"""ARM's envelope, turned back into the family of errors."""

import json
from typing import Any

import pytest

from extensa.arm.envelope import envelope
from extensa.base.errors import (
    Conflict,
    ExtensaError,
    Forbidden,
    NotFound,
    Problem,
    Refused,
    Unauthenticated,
    Unavailable,
)
from extensa.client.errors import OperationFailed, from_operation, from_reply


@pytest.mark.parametrize(
    ("status", "family"),
    [
        (400, Refused),
        (401, Unauthenticated),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (412, Conflict),
        (413, Refused),
        (429, Unavailable),
        (503, Unavailable),
        (500, ExtensaError),
    ],
)
def test_a_status_has_its_family(status: int, family: type[ExtensaError]) -> None:
    body = json.dumps({"error": {"code": "C", "message": "M"}}).encode()
    found = from_reply(status, body, target="/t")

    assert family is type(found)
    assert ("C", "M", status) == (found.code, found.message, found.status)


def test_what_the_service_says_comes_back_whole() -> None:
    problems = [Problem("A", "first", "/a", "do a"), Problem("B", "second")]
    sent = Refused("A", "2 problems", target="/x", next_step="Do this.", details=problems)
    found = from_reply(400, json.dumps(envelope(sent)).encode(), target="/other")

    assert (sent.code, sent.message, sent.target, sent.next_step) == (
        found.code,
        found.message,
        found.target,
        found.next_step,
    )
    assert sent.details == found.details


@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b"[]", b'{"error": "invalid"}', b'{"error": {}}'])
def test_an_answer_without_an_envelope_is_told_as_it_is(body: bytes) -> None:
    found = from_reply(502, body, target="/t")

    assert ("Http502", "/t", True) == (found.code, found.target, found.transient)
    assert body.decode() in found.message


def test_odd_additional_info_is_no_crash() -> None:
    odd: list[Any] = [None, {"type": "Other"}, {"type": "ExtensaNextStep", "info": None}]
    error = {"code": "C", "message": None, "details": None, "additionalInfo": odd}
    found = from_reply(400, json.dumps({"error": error}).encode(), target="/t")

    assert ("No message was given.", None, ()) == (found.message, found.next_step, found.details)


def test_a_failed_operation_says_why_and_on_what() -> None:
    error = {"code": "ImagePull", "message": "cannot pull", "additionalInfo": []}
    found = from_operation(error, status="Failed", target="/x")

    assert isinstance(found, OperationFailed)
    assert ("ImagePull", "cannot pull", "/x") == (found.code, found.message, found.target)
    assert "/y" == from_operation({**error, "target": "/y"}, status="Failed", target="/x").target
    assert "OperationCanceled" == from_operation(None, status="Canceled", target="/x").code
