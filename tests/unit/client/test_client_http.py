"""One connection: what comes back, what is told when nobody answers, and whom it trusts."""

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from extensa.base.certificates import issue, new_authority
from extensa.base.clock import utc_now
from extensa.base.errors import ExtensaError, Unavailable
from extensa.client.http import Http, Reply
from unit.client.arm_double import ArmDouble, Canned, serving


@pytest.fixture
def double() -> Iterator[ArmDouble]:
    with serving() as running:
        yield running


def test_an_answer_is_read_whole_whatever_its_status(double: ArmDouble) -> None:
    double.answer("GET", "/x", Canned(418, {"short": "stout"}, {"Retry-After": "3"}))
    http = Http(double.url)
    try:
        reply = http.request("GET", "/x?api-version=1", headers={"x-one": "1"})
    finally:
        http.close()

    assert (418, {"short": "stout"}, "3") == (reply.status, reply.json(), reply.headers["retry-after"])
    assert ("1", "1") == (double.asked[0].headers["x-one"], double.asked[0].query["api-version"])


def test_a_connection_is_kept_between_requests_and_opened_again_when_idle(
    double: ArmDouble,
) -> None:
    double.answer("GET", "/x", Canned(200, {}))
    http = Http(double.url)
    try:
        http.request("GET", "/x")
        first = http._connection
        http.request("GET", "/x")
        assert first is http._connection
        http._used -= 60
        http.request("GET", "/x")
        assert first is not http._connection
    finally:
        http.close()


def test_nobody_listening_is_told_with_the_next_step() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unavailable) as told:
        Http(address).request("GET", "/")

    assert ("ServerUnreachable", True) == (told.value.code, told.value.transient)
    assert "connection refused" in told.value.message
    assert "extensa up" in str(told.value.next_step)


def test_a_server_that_says_nothing_is_told_apart_from_one_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        http = Http(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)
        with pytest.raises(Unavailable) as told:
            http.request("GET", "/")

    assert "ServerSilent" == told.value.code


def test_only_https_is_spoken_with_another_machine() -> None:
    for address in ("http://example.com", "ftp://localhost", "localhost:9443", ""):
        with pytest.raises(ExtensaError) as told:
            Http(address)
        assert "AddressNotUnderstood" == told.value.code


def test_an_answer_that_is_not_json_is_no_crash() -> None:
    assert Reply(200, {}, b"").json() is None
    with pytest.raises(ExtensaError) as told:
        Reply(200, {}, b"<html>").json()

    assert "AnswerNotUnderstood" == told.value.code


def test_a_certificate_of_our_authority_is_trusted_and_no_other(tmp_path: Path) -> None:
    now = utc_now()
    ours, other = new_authority("ours", now=now), new_authority("other", now=now)
    leaf = issue(ours, common_name="localhost", now=now, dns=("localhost",), ips=("127.0.0.1",), usage="server")
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    (tmp_path / "ours.crt").write_bytes(ours.certificate)
    (tmp_path / "other.crt").write_bytes(other.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer_twice, args=(listener, context))
        thread.start()
        address = f"https://localhost:{listener.getsockname()[1]}"
        trusting, doubting = Http(address, ca=tmp_path / "ours.crt"), Http(address, ca=tmp_path / "other.crt")
        assert 204 == trusting.request("GET", "/").status
        trusting.close()
        with pytest.raises(ExtensaError) as told:
            doubting.request("GET", "/")
        thread.join()

    assert ("CertificateNotTrusted", False) == (told.value.code, told.value.transient)


def test_a_missing_ca_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ExtensaError) as told:
        Http("https://localhost:1", ca=tmp_path / "absent.crt").request("GET", "/")

    assert ("CertificateUnreadable", str(tmp_path / "absent.crt")) == (told.value.code, told.value.target)


def _answer_twice(listener: socket.socket, context: ssl.SSLContext) -> None:
    for _ in range(2):
        plain, _peer = listener.accept()
        with plain:
            try:
                with context.wrap_socket(plain, server_side=True) as secure:
                    secure.recv(4096)
                    secure.sendall(b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
            except OSError:
                continue
