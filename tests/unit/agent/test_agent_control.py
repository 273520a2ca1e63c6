"""The line to the control plane: what it sends, what it makes of the answers, and how it finds its feet again."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from extensa.agent.control import Backoff, LinkClient, LinkError
from extensa.base.log import correlated
from extensa.link.extension import ExtensionFeed, ExtensionReports
from unit.agent.loopback import Answered, Asked, Loopback, loopback


class Plane:
    """Our double of the control plane: one answer to everything."""

    def __init__(self) -> None:
        self.answered = Answered()

    async def answer(self, _: Asked) -> Answered:
        return self.answered


@pytest.fixture
def plane() -> Plane:
    return Plane()


@pytest.fixture
async def server(plane: Plane) -> AsyncIterator[Loopback]:
    async with loopback(plane.answer) as made:
        yield made


def credential(folder: Path, endpoint: str, secret: str = "s3cret") -> Path:
    path = folder / "agent.json"
    path.write_text(json.dumps({"name": "hosted-local", "secret": secret, "endpoint": endpoint, "more": 1}))
    return path


@pytest.fixture
async def client(server: Loopback, tmp_path: Path) -> AsyncIterator[LinkClient]:
    made = LinkClient(credential(tmp_path, server.url + "/"), tmp_path / "ca.crt")
    yield made
    await made.close()


async def test_a_feed_is_asked_for_what_came_after(client: LinkClient, server: Loopback, plane: Plane) -> None:
    plane.answered = Answered(body=b'{"cursor": 7, "desired": [], "later": true}')
    heard = await client.feed("/link/v1/extensions", ExtensionFeed, after=5, wait=9, headers={"Extensa-Agent-Key": "k"})
    [asked] = server.asked

    assert 7 == heard.cursor
    assert ("GET", "/link/v1/extensions", {"after": "5", "wait": "9"}) == (asked.method, asked.path, asked.query)
    assert ("Bearer hosted-local.s3cret", "k") == (asked.headers["authorization"], asked.headers["extensa-agent-key"])


async def test_a_report_is_sent_with_the_correlation_of_the_work(
    client: LinkClient, server: Loopback, plane: Plane
) -> None:
    plane.answered = Answered(status=204, body=b"")
    with correlated("corr-1"):
        await client.report("/link/v1/extensions", ExtensionReports(observed=[]))
    [asked] = server.asked

    assert ("POST", b'{"observed":[]}') == (asked.method, asked.body)
    assert ("application/json", "corr-1") == (
        asked.headers["content-type"],
        asked.headers["x-ms-correlation-request-id"],
    )


async def test_a_chart_comes_as_its_bytes(client: LinkClient, server: Loopback, plane: Plane) -> None:
    plane.answered = Answered(body=b"\x1f\x8bchart")

    assert b"\x1f\x8bchart" == await client.chart("sha256:abc")
    assert "/link/v1/charts/sha256:abc" == server.asked[0].path


@pytest.mark.parametrize(
    ("status", "code", "transient"),
    [
        (400, "LinkRefused", False),
        (401, "LinkCredentialRejected", True),
        (403, "LinkCredentialRejected", True),
        (404, "NotFound", False),
        (429, "LinkRefused", True),
        (500, "LinkRefused", True),
        (503, "LinkRefused", True),
    ],
)
async def test_a_refusal_says_whether_to_ask_again(
    client: LinkClient, plane: Plane, status: int, code: str, *, transient: bool
) -> None:
    plane.answered = Answered(status=status, body=b'{"error": {"code": "X", "message": "because"}}')
    with pytest.raises(LinkError) as caught:
        await client.chart("sha256:abc")

    assert (code, transient, status) == (caught.value.code, caught.value.transient, caught.value.http)
    assert "because" in caught.value.message


@pytest.mark.parametrize("body", [b"<html>", b'{"cursor": "x"}', b""])
async def test_an_answer_that_is_something_else_is_no_document(client: LinkClient, plane: Plane, body: bytes) -> None:
    plane.answered = Answered(body=body)
    with pytest.raises(LinkError) as caught:
        await client.feed("/link/v1/extensions", ExtensionFeed, after=0)

    assert ("LinkBroken", True) == (caught.value.code, caught.value.transient)


async def test_an_error_without_words_is_told_all_the_same(client: LinkClient, plane: Plane) -> None:
    plane.answered = Answered(status=502, body=b"<html>")
    with pytest.raises(LinkError, match="no reason given"):
        await client.report("/x", ExtensionReports(observed=[]))


async def test_before_the_credential_is_there_the_client_says_so(tmp_path: Path) -> None:
    client = LinkClient(tmp_path / "none.json", tmp_path / "ca.crt")
    with pytest.raises(LinkError) as caught:
        await client.chart("sha256:abc")

    assert ("LinkCredentialMissing", True) == (caught.value.code, caught.value.transient)
    assert "extensa up" in str(caught.value.next_step)


async def test_a_control_plane_set_up_anew_is_found(plane: Plane, server: Loopback, tmp_path: Path) -> None:
    path = credential(tmp_path, "http://127.0.0.1:1")
    client = LinkClient(path, tmp_path / "ca.crt")
    with pytest.raises(LinkError) as caught:
        await client.chart("sha256:abc")
    assert ("LinkUnreachable", True) == (caught.value.code, caught.value.transient)
    credential(tmp_path, server.url)

    assert b"{}" == await client.chart("sha256:abc")
    plane.answered = Answered(status=401)
    with pytest.raises(LinkError):
        await client.chart("sha256:abc")
    credential(tmp_path, server.url, secret="renewed")
    plane.answered = Answered()
    await client.chart("sha256:abc")
    assert "Bearer hosted-local.renewed" == server.asked[-1].headers["authorization"]
    await client.close()


async def test_a_server_without_our_authority_is_not_believed(tmp_path: Path) -> None:
    path = credential(tmp_path, "https://127.0.0.1:1")
    (tmp_path / "ca.crt").write_text("no certificate")
    with pytest.raises(LinkError) as caught:
        await LinkClient(path, tmp_path / "ca.crt").chart("sha256:abc")

    assert "LinkCredentialMissing" == caught.value.code


def test_pauses_double_are_bounded_and_begin_anew() -> None:
    pace = Backoff(first=1.0, longest=8.0)
    pauses = [pace.failed() for _ in range(6)]

    for pause, most in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True):
        assert most / 2 <= pause <= most
    pace.succeeded()
    assert pace.failed() <= 1


def test_documents_are_plain_json() -> None:
    assert b'{"observed":[]}' == msgspec.json.encode(ExtensionReports(observed=[]))
