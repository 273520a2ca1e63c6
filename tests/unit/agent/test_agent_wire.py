"""HTTP as the agent speaks it: connections kept and let go, answers of every framing, and every way to break one."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from extensa.agent import wire
from extensa.agent.wire import Heard, Stream, Wire, WireError
from extensa.base.certificates import issue, new_authority

NOW = datetime.now(UTC)
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Peer:
    """Our double of whatever the agent calls, byte by byte: ``talk`` is one connection's life."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.heads: list[str] = []
        self.connections = 0
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.ended += 1
            writer.close()

    async def head(self, reader: asyncio.StreamReader) -> str:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        return self.heads[-1]


@asynccontextmanager
async def peer(talk: Callable[[Peer], Talk], tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Peer, int]]:
    made = Peer(lambda _r, _w: asyncio.sleep(0))
    made.talk = talk(made)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield made, server.sockets[0].getsockname()[1]
    finally:
        server.close()


def saying(*answers: bytes) -> Callable[[Peer], Talk]:
    """Every connection answers request after request with these, and ends after the last."""

    def of(made: Peer) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                await made.head(reader)
                writer.write(answer)

        return talk

    return of


@asynccontextmanager
async def line(port: int, *, idle: float = 60.0, prefix: str = "", **headers: str) -> AsyncIterator[Wire]:
    made = Wire(f"http://127.0.0.1:{port}{prefix}", tls=False, headers=headers, idle=idle)
    try:
        yield made
    finally:
        await made.close()


async def ask(made: Wire, patience: float = 5.0) -> Heard:
    return await made.ask("GET", "/x", patience=patience)


async def test_a_request_is_written_out() -> None:
    async with peer(saying(OK)) as (seen, port), line(port, prefix="/base/", authorization="Bearer t") as made:
        heard = await made.ask(
            "PATCH",
            "/a b/system:x",
            patience=5,
            params={"force": "true", "by": "a&b"},
            headers={"accept": "x"},
            content=b"",
        )

    assert Heard(200, b"ok") == heard
    [head] = seen.heads
    assert "PATCH /base/a%20b/system:x?force=true&by=a%26b HTTP/1.1" == head.split("\r\n")[0]
    assert {
        f"host: 127.0.0.1:{port}",
        "user-agent: extensa",
        "authorization: Bearer t",
        "accept: x",
        "content-length: 0",
    } == set(head.split("\r\n")[1:-2])


@pytest.mark.parametrize("bad", [{"x": "a\r\nb: c"}, {"x": "a\nb"}, {"x\r\n": "a"}, {"x": "\0"}])
async def test_a_header_cannot_hold_another(bad: dict[str, str]) -> None:
    async with peer(saying(OK)) as (seen, port), line(port) as made:
        with pytest.raises(WireError, match="no header"):
            await made.ask("GET", "/x", patience=5, headers=bad)

    assert [] == seen.heads


async def test_connections_are_kept_one_for_each_request_under_way() -> None:
    async with peer(saying(*[OK] * 9)) as (seen, port), line(port) as made:
        for _ in range(3):
            await ask(made)
        one = seen.connections
        await asyncio.gather(*(ask(made) for _ in range(4)))
        await asyncio.gather(*(ask(made) for _ in range(4)))

        assert (1, 4) == (one, seen.connections)


async def test_a_connection_is_not_used_again_when_it_was_closed_or_idle_too_long() -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")
    for answers, idle in (([closing], 60.0), ([OK], 60.0), ([OK] * 9, 0.0)):
        async with peer(saying(*answers)) as (seen, port), line(port, idle=idle) as made:
            for _ in range(3):
                await ask(made)
                await asyncio.sleep(0.02)

            assert 3 == seen.connections


@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        (OK, Heard(200, b"ok")),
        (CHUNKED + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", Heard(200, b"abc")),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end", Heard(200, b"until the end")),
        (b"HTTP/1.0 200 OK\r\n\r\n", Heard(200, b"")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Heard(204, b"")),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\n\r\nnone", Heard(404, b"none")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, Heard(200, b"ok")),
        (b"HTTP/1.1 103 Early\r\nx: y\r\n\r\nHTTP/1.1 200 OK\r\nconnection: close\r\n\r\nend", Heard(200, b"end")),
    ],
)
@pytest.mark.parametrize("pieces", [1, 7])
async def test_answers_of_every_framing(answer: bytes, heard: Heard, pieces: int) -> None:
    def of(made: Peer) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await made.head(reader)
            size = -(-len(answer) // pieces)
            for start in range(0, len(answer), size):
                writer.write(answer[start : start + size])
                await asyncio.sleep(0.002)

        return talk

    async with peer(of) as (_, port), line(port) as made:
        assert heard == await ask(made)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-le", "closed"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", "closed"),
        (CHUNKED + b"5\r\nha", "closed"),
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2\r\n\r\n", "no HTTP|closed"),
    ],
)
async def test_a_broken_answer_says_so_and_the_next_is_asked_anew(answer: bytes, words: str) -> None:
    async with peer(saying(answer)) as (seen, port), line(port) as made:
        for _ in range(2):
            with pytest.raises(WireError, match=words):
                await ask(made)

        assert 2 == seen.connections


async def test_an_answer_may_not_be_larger_than_memory_bears(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST", 1000)
    async with peer(saying(CHUNKED + b"400\r\n" + b"x" * 1024)) as (_, port), line(port) as made:
        with pytest.raises(WireError, match="too large"):
            await ask(made)


async def test_what_comes_unasked_is_not_taken_for_an_answer() -> None:
    def of(made: Peer) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await made.head(reader)
            writer.write(OK)
            await asyncio.sleep(0.01)
            writer.write(OK)
            await made.head(reader)

        return talk

    async with peer(of) as (seen, port), line(port) as made:
        await ask(made)
        await asyncio.sleep(0.05)
        await ask(made)

        assert 2 == seen.connections


async def test_patience_ends_and_so_does_the_connection() -> None:
    async with peer(silent) as (seen, port), line(port) as made:
        with pytest.raises(WireError, match=r"no answer within 0\.05 seconds"):
            await ask(made, patience=0.05)
        await until(lambda: seen.ended == 1)


async def test_a_cancelled_request_ends_its_connection() -> None:
    async with peer(silent) as (seen, port), line(port) as made:
        task = asyncio.create_task(ask(made))
        await until(lambda: len(seen.heads) == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: seen.ended == 1)


async def test_nobody_there_is_an_error() -> None:
    async with line(1) as made:
        with pytest.raises(WireError, match=r"Connect call failed|refused"):
            await ask(made)


async def test_one_who_never_shakes_hands_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_CONNECTING", 0.05)
    async with peer(silent) as (_, port):
        made = Wire(f"https://127.0.0.1:{port}", tls=ssl.create_default_context(), headers={}, idle=1.0)
        with pytest.raises(WireError, match="no connection within"):
            await ask(made)
        await made.close()


async def test_closing_ends_what_is_under_way_and_nothing_is_asked_afterwards() -> None:
    async with peer(silent) as (seen, port), line(port) as made:
        task = asyncio.create_task(ask(made))
        await until(lambda: len(seen.heads) == 1)
        await made.close()
        with pytest.raises(WireError, match="closed"):
            await task
        with pytest.raises(WireError, match="closed"):
            await ask(made)
        await until(lambda: seen.ended == 1)


@asynccontextmanager
async def streamed(made: Wire, silence: float = 5.0) -> AsyncIterator[Stream]:
    async with made.stream("/x", params={"watch": "1"}, headers={}, silence=silence) as stream:
        yield stream


async def read_lines(stream: Stream) -> list[bytes]:
    async with aclosing(stream.lines()) as lines:
        return [each async for each in lines]


@pytest.mark.parametrize(
    "answer",
    [
        CHUNKED + b"4\r\none\n\r\n3\r\n\ntw\r\n5\r\no\nthr\r\n2\r\nee\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\none\n\ntwo\nthree",
    ],
)
async def test_lines_come_whole_whatever_the_pieces(answer: bytes) -> None:
    async with peer(saying(answer)) as (_, port), line(port) as made, streamed(made) as stream:
        assert 200 == stream.status
        assert [b"one", b"two", b"three"] == await read_lines(stream)


async def test_a_line_is_given_as_soon_as_it_is_there_and_the_connection_ends_with_the_block() -> None:
    def of(made: Peer) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await made.head(reader)
            writer.write(CHUNKED + b"4\r\none\n\r\n")
            await reader.read()

        return talk

    async with peer(of) as (seen, port), line(port) as made:
        async with streamed(made) as stream, aclosing(stream.lines()) as lines:
            assert b"one" == await anext(lines)
            assert 0 == seen.ended
        await until(lambda: seen.ended == 1)


async def test_a_refused_stream_can_be_read() -> None:
    refused = b"HTTP/1.1 410 Gone\r\ncontent-length: 7\r\n\r\ntoo old"
    async with peer(saying(refused)) as (_, port), line(port) as made, streamed(made) as stream:
        assert (410, b"too old") == (stream.status, await stream.read())


async def test_a_stream_that_breaks_off_or_falls_silent_is_an_error() -> None:
    def of(made: Peer) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if "watch" in await made.head(reader):
                writer.write(CHUNKED + b"4\r\none\n\r\n")
                await asyncio.sleep(0.1)

        return talk

    async with peer(of) as (_, port), line(port) as made:
        async with streamed(made) as stream:
            with pytest.raises(WireError, match="closed"):
                await read_lines(stream)
        async with streamed(made, silence=0.03) as stream:
            with pytest.raises(WireError, match="nothing was heard"):
                await read_lines(stream)


async def test_a_line_may_not_be_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_LONGEST_LINE", 10)
    async with peer(saying(CHUNKED + b"10\r\n" + b"x" * 16)) as (_, port), line(port) as made, streamed(made) as stream:
        with pytest.raises(WireError, match="too long"):
            await read_lines(stream)


async def test_who_reads_slowly_makes_the_sender_wait() -> None:
    sent = 0

    def of(made: Peer) -> Talk:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal sent
            await made.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(400):
                writer.write(b"x" * 65535 + b"\n")
                await writer.drain()
                sent += 1

        return talk

    async with peer(of) as (_, port), line(port) as made, streamed(made) as stream:
        await asyncio.sleep(0.2)
        ahead = sent
        assert 400 == len(await read_lines(stream))

    assert ahead < 300


async def test_a_server_is_believed_by_its_authority_and_its_name(tmp_path: Path) -> None:
    authority, other = new_authority("ours", now=NOW), new_authority("theirs", now=NOW)
    leaf = issue(authority, common_name="server", now=NOW, dns=["localhost"], usage="server")
    (tmp_path / "leaf.pem").write_bytes(leaf.certificate + leaf.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "leaf.pem")
    async with peer(saying(OK, OK), serving) as (seen, port):

        async def try_it(host: str, trusted: bytes) -> Heard:
            tls = ssl.create_default_context(cadata=trusted.decode())
            made = Wire(f"https://{host}:{port}", tls=tls, headers={}, idle=60.0)
            try:
                await ask(made)
                return await ask(made)
            finally:
                await made.close()

        assert Heard(200, b"ok") == await try_it("localhost", authority.certificate)
        for host, trusted in (("127.0.0.1", authority), ("localhost", other)):
            with pytest.raises(WireError, match="certificate verify failed"):
                await try_it(host, trusted.certificate)

        assert 2 == len(seen.heads)


def silent(made: Peer) -> Talk:
    """Every connection is heard out and never answered."""

    async def talk(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await made.head(reader)
        await reader.read()

    return talk


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not seen():
            await asyncio.sleep(0.005)
