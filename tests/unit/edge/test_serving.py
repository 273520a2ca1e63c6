"""Listening and serving: refusals in words, an orderly end, the old way of logging joined to ours."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from extensa.base import log
from extensa.base.errors import Unavailable
from extensa.edge import protocol
from extensa.edge import serving as serving_module
from extensa.edge.serving import Forwarding, bind, serve


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"hi"})


async def ask(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_the_signal_and_then_returns(number: signal.Signals) -> None:
    listener = bind("127.0.0.1", 0)
    said: list[str] = []
    ready = asyncio.Event()

    def say_ready() -> None:
        said.append("ready")
        ready.set()

    serving = asyncio.create_task(
        serve(hello, listener, tls=None, ready=say_ready, ending=lambda: said.append("ending"))
    )
    await ready.wait()
    answer = await ask(listener.getsockname()[1])
    os.kill(os.getpid(), number)
    await asyncio.wait_for(serving, 10)

    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"hi")
    assert b"server:" not in answer.lower()
    assert ["ready", "ending"] == said


async def test_a_request_that_is_being_answered_is_finished() -> None:
    listener, ready, slow = bind("127.0.0.1", 0), asyncio.Event(), asyncio.Event()

    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        await slow.wait()
        await hello(scope, receive, send)

    serving = asyncio.create_task(serve(slowly, listener, tls=None, ready=ready.set, ending=slow.set))
    await ready.wait()
    answer = asyncio.create_task(ask(listener.getsockname()[1]))
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGTERM)

    assert (await answer).endswith(b"hi")
    await asyncio.wait_for(serving, 10)


def test_a_taken_port_is_told_with_a_way_out() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match="is taken") as refusal:
            bind("127.0.0.1", port)

    assert "ListenRefused" == refusal.value.code
    assert f"EXTENSA_LISTEN=127.0.0.1:{port + 1}" in (refusal.value.next_step or "")


@pytest.mark.parametrize(
    ("address", "says"), [("203.0.113.7", "no address of this machine"), ("nosuch.invalid", "cannot be listened on")]
)
def test_an_address_that_is_not_ours_is_told(address: str, says: str) -> None:
    with pytest.raises(Unavailable, match=says):
        bind(address, 0)


def test_loopback_may_be_of_the_newer_kind() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = bind("::1", 0)
    except Unavailable:
        pytest.skip("no IPv6 loopback here")
    with listener:
        assert socket.AF_INET6 == listener.family


def test_what_libraries_log_joins_ours() -> None:
    stream = StringIO()
    log.configure("server", stream=stream)
    library = logging.getLogger("a.library")
    handler = Forwarding()
    library.addHandler(handler)
    try:
        library.info("chatter")
        library.warning("careful: %s", "this")
        library.error("broken")
    finally:
        library.removeHandler(handler)
        log.configure("server")

    lines: list[dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [("warning", "careful: this"), ("error", "broken")] == [(each["level"], each["event"]) for each in lines]
    assert {"a.library"} == {each["library"] for each in lines}


class TestPeersThatDoNotGoOn:
    """Who has begun a request, or only a connection, does not keep it for ever."""

    @pytest.mark.parametrize(
        "said",
        [
            b"",
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET / HTTP",
        ],
    )
    async def test_it_is_let_go(self, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(protocol, "PATIENCE", 0.2)
        monkeypatch.setattr(serving_module, "_KEPT_ALIVE", 1)
        async with served(reading) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 5)
            writer.close()

    async def test_a_head_that_is_dripped_gets_no_more_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(protocol, "PATIENCE", 0.3)
        async with served(reading) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n")
            with pytest.raises(ConnectionError):
                await drip(writer)

    async def test_who_waits_for_us_is_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(protocol, "PATIENCE", 0.1)

        async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
            await asyncio.sleep(0.5)
            await hello(scope, receive, send)

        async with served(slowly) as port:
            assert (await ask(port)).endswith(b"hi")


async def drip(writer: asyncio.StreamWriter) -> None:
    for number in range(40):
        writer.write(b"x-%d: y\r\n" % number)
        await writer.drain()
        await asyncio.sleep(0.05)


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer once the body is there."""
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] != "http.disconnect":
        await hello(scope, receive, send)


@contextlib.asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[int]:
    listener, ready = bind("127.0.0.1", 0), asyncio.Event()
    serving = asyncio.create_task(serve(app, listener, tls=None, ready=ready.set, ending=lambda: None))
    await ready.wait()
    yield listener.getsockname()[1]
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 10)
