"""A server that many tests ask, and a look into its log after each of them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from extensa.base.home import Home
from scenarios.front_process import Front, sign_in
from scenarios.server_process import free_port


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A server with a group and a cluster in it; its log is looked through at the end."""
    folder = tmp_path_factory.mktemp("front")
    made = Front(Home(folder / "home"), free_port(), folder / "server.log")
    environ = {k: v for k, v in os.environ.items() if not k.startswith("EXTENSA_")}
    environ |= {"EXTENSA_HOME": str(made.home.path), "EXTENSA_LISTEN": f"127.0.0.1:{made.port}"}
    with made.log.open("wb") as log:
        argv = [sys.executable, "-P", "-m", "extensa.entry.cli", "server"]
        process = subprocess.Popen(argv, env=environ, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while not made.home.pid_file("server").exists():
            assert process.poll() is None, made.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        made.owner = json.loads(made.home.owner_credential.read_bytes())
        made.token = sign_in(made).json["access_token"]
        assert 201 == made.ask("PUT", made.path("group"), b'{"location":"westeurope"}').status
        pool = {"name": "nodepool1", "count": 1, "mode": "System"}
        wish = {"location": "westeurope", "identity": {"type": "SystemAssigned"}}
        wish["properties"] = {"dnsPrefix": "c1", "agentPoolProfiles": [pool]}
        assert 201 == made.ask("PUT", made.path("cluster"), json.dumps(wish).encode()).status
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(20)


@pytest.fixture
def nothing_crashes(front: Front) -> Iterator[None]:
    """No test of this file may make the server meet something it did not expect."""
    before = front.log.stat().st_size
    yield
    fresh = front.log.read_bytes()[before:].decode()
    assert "request crashed" not in fresh
    assert "Traceback" not in fresh
