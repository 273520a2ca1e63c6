"""`extensa server` as a process of its own: over TLS, stopped, killed, and refused."""

import asyncio
import json
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from scenarios.server_process import Server


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that serves."""
    made = Server(tmp_path / "home")
    await made.start()
    yield made
    if made.process is not None and made.process.returncode is None:
        made.stop(signal.SIGKILL)
        await made.ended()


async def test_it_serves_over_tls_and_its_owner_signs_in(server: Server) -> None:
    owner = json.loads(server.home.owner_credential.read_bytes())
    form = {
        "client_id": owner["clientId"],
        "client_secret": owner["clientSecret"],
        "grant_type": "client_credentials",
        "scope": f"{owner['endpoint']}/.default",
    }
    async with server.client() as client:
        token = (await client.post("/adfs/oauth2/token/", data=form)).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        listed = await client.get("/subscriptions?api-version=2022-12-01", headers=headers)

    assert [owner["subscriptionId"]] == [each["subscriptionId"] for each in listed.json()["value"]]
    assert f"https://localhost:{server.port}" == owner["endpoint"]
    secret_files = [server.home.owner_credential, *server.home.keys.iterdir(), server.home.database]
    assert {0o600} == {file.stat().st_mode & 0o777 for file in secret_files}


async def test_a_held_request_ends_with_the_server(server: Server) -> None:
    credential = json.loads(server.home.link_credential("agent").read_bytes())
    headers = {"Authorization": f"Bearer {credential['name']}.{credential['secret']}"}
    async with server.client() as client:
        held = asyncio.create_task(client.get("/link/v1/questions?after=0&wait=50", headers=headers))
        while "extensa_requests_held 1.0" not in (await client.get("/metrics")).text:
            await asyncio.sleep(0.02)
        server.stop()
        answer = await asyncio.wait_for(held, 20)

    assert (200, []) == (answer.status_code, answer.json()["questions"])
    code, said = await server.ended()
    assert 0 == code
    assert '"event":"ended"' in said
    assert "Traceback" not in said
    assert not server.home.pid_file("server").exists()


async def test_it_ends_at_once_whoever_keeps_a_connection_and_says_nothing(server: Server) -> None:
    context = ssl.create_default_context(cafile=str(server.home.ca_certificate))
    with (
        socket.create_connection(("127.0.0.1", server.port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as idle,
    ):
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert idle.recv(4096).startswith(b"HTTP/1.1 200")
        began = asyncio.get_running_loop().time()
        server.stop()
        code, said = await server.ended()

    assert 0 == code
    assert 3 > asyncio.get_running_loop().time() - began
    assert '"event":"ended"' in said
    assert "timeout graceful shutdown exceeded" not in said


async def test_killed_it_starts_again_with_all_it_had(server: Server) -> None:
    before = server.home.owner_credential.read_bytes(), server.home.ca_certificate.read_bytes()
    server.stop(signal.SIGKILL)
    await server.ended()

    await server.start()

    assert before == (server.home.owner_credential.read_bytes(), server.home.ca_certificate.read_bytes())
    async with server.client() as client:
        assert 200 == (await client.get("/readyz")).status_code


async def test_a_second_one_on_the_same_folder_is_refused(server: Server) -> None:
    code, said = await Server(server.home.path).refusal()

    assert 1 == code
    assert f"runs already (pid {server.process.pid if server.process else 0})" in said


async def test_a_taken_port_is_told_in_two_lines(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, said = await Server(tmp_path / "home", EXTENSA_LISTEN=f"127.0.0.1:{port}").refusal()

    assert 1 == code
    assert f"extensa server: 127.0.0.1:{port} is taken: another process listens there.\n" in said
    assert "EXTENSA_LISTEN=" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("EXTENSA_LISTEN", "9443"),
        ("EXTENSA_LOG_LEVEL", "loud"),
        ("EXTENSA_PLAIN_HTTP", "perhaps"),
        ("EXTENSA_HELM_TIMEOUT", "soon"),
        ("EXTENSA_HOME", "/proc/extensa"),
    ],
)
async def test_a_setting_that_makes_no_sense_is_told(tmp_path: Path, variable: str, value: str) -> None:
    code, said = await Server(tmp_path / "home", **{variable: value}).refusal()

    assert 1 == code
    assert value in said
    assert "Traceback" not in said
    assert not (tmp_path / "home" / "extensa.sqlite3").exists()


async def test_without_tls_only_when_asked_for(tmp_path: Path) -> None:
    server = Server(tmp_path / "home", EXTENSA_PLAIN_HTTP="yes")
    await server.start()
    async with httpx2.AsyncClient() as client:
        body = (await client.get(f"http://127.0.0.1:{server.port}/metadata/endpoints")).json()
    server.stop()
    await server.ended()

    assert f"http://localhost:{server.port}" == body["resourceManager"]
