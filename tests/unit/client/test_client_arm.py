"""The verbs of a caller against a front on a socket."""

import io
from collections.abc import Iterator

import pytest

from extensa.base.errors import NotFound, Refused, Unauthenticated
from extensa.client.arm import Arm
from extensa.client.http import Http
from extensa.client.token import Credential, Tokens
from unit.client.arm_double import SUBSCRIPTION, TENANT, ArmDouble, Canned, serving


@pytest.fixture
def double() -> Iterator[ArmDouble]:
    with serving() as running:
        yield running


@pytest.fixture
def arm(double: ArmDouble) -> Iterator[Arm]:
    authority = Http(double.url)
    credential = Credential(double.url, double.url, TENANT, "me", "right", SUBSCRIPTION)
    caller = Arm(
        Http(double.url), Tokens(credential, authority=authority), subscription=SUBSCRIPTION, sleep=lambda _s: None
    )
    yield caller
    caller.close()
    authority.close()


def test_a_put_is_waited_for_and_read_back(arm: Arm, double: ArmDouble) -> None:
    double.polls_until_done = 3
    told: list[str] = []
    promise = arm.put("/a/b", "2025-03-01", {"properties": {"é": 1}}, headers={"if-match": "*"})
    arm.wait(promise, target="/a/b", on_turn=told.append)

    assert 201 == promise.status
    assert ["Creating", "Creating", "Succeeded"] == told
    assert {"é": 1, "provisioningState": "Succeeded"} == arm.get("/a/b", "2025-03-01")["properties"]
    sent = double.requests("PUT")[0]
    assert ("application/json", "*", "2025-03-01") == (
        sent.headers["content-type"],
        sent.headers["if-match"],
        sent.query["api-version"],
    )


def test_patch_post_and_delete_send_what_they_are_given(arm: Arm, double: ArmDouble) -> None:
    arm.patch("/a/b", "1", {"properties": {}})
    double.answer("POST", "/a/b/listObjects", Canned(200, {"value": []}))
    assert {"value": []} == arm.post("/a/b/listObjects", "1", live="true").body
    assert 202 == arm.delete("/a/b", "1", forceDelete="false").status
    assert 204 == arm.delete("/a/b", "1").status

    post, delete = double.requests("POST")[0], double.requests("DELETE")[0]
    assert ("true", b"", "0") == (post.query["live"], post.body, post.headers["content-length"])
    assert "false" == delete.query["forcedelete"]


def test_a_list_follows_its_pages(arm: Arm, double: ArmDouble) -> None:
    more = {"value": [3], "nextLink": None}
    double.answer("GET", "/items", Canned(200, {"value": [1, 2], "nextLink": f"{double.url}/more?x=1"}))
    double.answer("GET", "/more", Canned(200, more))

    assert [1, 2, 3] == list(arm.list("/items", "1"))


def test_a_refusal_is_an_error_of_the_family(arm: Arm) -> None:
    with pytest.raises(NotFound) as told:
        arm.get("/a/missing", "1")
    assert "ResourceNotFound" == told.value.code
    with pytest.raises(Refused):
        arm.get("no-path", "1")


def test_a_refused_token_is_renewed_once(arm: Arm, double: ArmDouble) -> None:
    arm.put("/a/b", "1", {})
    double.valid_token = "token-2"

    assert "/a/b" == arm.get("/a/b", "1")["id"]
    double.answer("GET", "/a/b", Canned(401, {"error": {"code": "InvalidAuthenticationToken", "message": "No."}}))
    with pytest.raises(Unauthenticated):
        arm.get("/a/b", "1")


def test_an_archive_is_streamed_with_its_length_and_again_after_a_new_token(arm: Arm, double: ArmDouble) -> None:
    taken = Canned(201, {"name": "1.0.0"})
    refused = Canned(401, {"error": {"code": "InvalidAuthenticationToken", "message": "No."}})
    double.answer("PUT", "/types/t/versions/1.0.0", refused, taken)
    promise = arm.upload("/types/t/versions/1.0.0", "1", io.BytesIO(b"x" * 70000), length=70000, train="stable")

    assert {"name": "1.0.0"} == promise.body
    sent = double.requests("PUT")
    assert [70000, 70000] == [len(s.body) for s in sent]
    assert ("application/gzip", "stable") == (sent[1].headers["content-type"], sent[1].query["train"])


def test_an_operation_is_read_by_its_address(arm: Arm, double: ArmDouble) -> None:
    double.outcome = {"status": "Failed", "error": {"code": "X"}}

    assert "Failed" == arm.operation(f"{double.url}/a/b/operations/1?api-version=1")["status"]


def test_names_cannot_leave_their_place_in_a_path(arm: Arm, double: ArmDouble) -> None:
    double.answer("GET", "/a/b c", Canned(200, {"ok": True}))

    assert {"ok": True} == arm.get("/a/b c", "1")
