"""Waiting for accepted work: both forms of promise, honoured pauses, a server that is away for a while."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from extensa.base.errors import ExtensaError, NotFound, Unavailable
from extensa.client.errors import OperationFailed
from extensa.client.http import Reply
from extensa.client.operations import accepted, path_of, pause, poll


def reply(status: int, body: Any = None, **headers: str) -> Reply:
    content = b"" if body is None else json.dumps(body).encode()
    return Reply(status, {k.replace("_", "-"): v for k, v in headers.items()}, content)


def scripted(*steps: Reply | ExtensaError) -> Callable[[str], Reply]:
    """Return a ``get`` that gives ``steps`` one after the other."""
    left = list(steps)

    def get(path: str) -> Reply:
        assert path == "/op"
        step = left.pop(0)
        if isinstance(step, ExtensaError):
            raise step
        return step

    return get


def test_a_promise_names_what_to_poll() -> None:
    link = "https://other-name:9443/x/operations/1?api-version=y"

    assert "/x/operations/1?api-version=y" == accepted(reply(201, {}, azure_asyncoperation=link)).operation
    assert "/x" == accepted(reply(202, None, location="/x")).operation
    assert "/a" == accepted(reply(202, None, location="/l", azure_asyncoperation="/a")).operation
    assert None is accepted(reply(201, {}, location="/regional")).operation
    assert None is accepted(reply(200, {"id": "/x"})).operation


def test_links_lose_their_host_and_keep_their_query() -> None:
    assert "/a/b?c=d&e=f" == path_of("https://h:1/a/b?c=d&e=f#g")
    assert "/a" == path_of("/a")


def test_a_pause_is_what_the_answer_says_within_reason() -> None:
    assert [5.0, 0.5, 1.0, 1.0, 0.0, 60.0] == [
        pause({"retry-after": "5"}),
        pause({"retry-after": "0.5"}),
        pause({}),
        pause({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        pause({"retry-after": "-3"}),
        pause({"retry-after": "86400"}),
    ]


def test_polling_ends_with_the_record_and_tells_every_turn() -> None:
    slept: list[float] = []
    told: list[str] = []
    get = scripted(
        reply(200, {"status": "Creating"}, retry_after="2"),
        reply(200, {"status": "InProgress"}),
        reply(200, {"status": "Succeeded", "name": "1"}),
    )
    record = poll(get, "/op", target="/x", on_turn=told.append, sleep=slept.append)

    assert {"status": "Succeeded", "name": "1"} == record
    assert ["Creating", "InProgress", "Succeeded"] == told
    assert [2.0, 1.0] == slept


@pytest.mark.parametrize("last", [reply(204), reply(200), reply(200, {"value": 1})])
def test_the_location_form_is_done_when_it_is_no_longer_202(last: Reply) -> None:
    assert {} == poll(scripted(reply(202), last), "/op", target="/x", sleep=lambda _s: None)


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_work_that_ended_badly_is_an_error(status: str) -> None:
    answer = reply(200, {"status": status, "error": {"code": "Broken", "message": "It broke."}})
    with pytest.raises(OperationFailed) as told:
        poll(scripted(answer), "/op", target="/x", sleep=lambda _s: None)

    assert ("Broken", "/x") == (told.value.code, told.value.target)


def test_a_server_that_comes_back_in_time_is_waited_for() -> None:
    away = Unavailable("ServerUnreachable", "Nobody.")
    get = scripted(away, reply(503), reply(200, {"status": "Succeeded"}))

    assert {"status": "Succeeded"} == poll(get, "/op", target="/x", sleep=lambda _s: None)


def test_a_server_that_stays_away_is_not_waited_for_for_ever() -> None:
    slept: list[float] = []

    def get(_path: str) -> Reply:
        raise Unavailable("ServerUnreachable", "Nobody.")

    with pytest.raises(Unavailable):
        poll(get, "/op", target="/x", sleep=slept.append)
    assert 60 == sum(slept)


def test_an_unknown_operation_is_not_waited_for() -> None:
    with pytest.raises(NotFound):
        poll(scripted(reply(404)), "/op", target="/x", sleep=lambda _s: None)
