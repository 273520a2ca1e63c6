"""The agent's process: one per data folder, patient with a control plane that is not there, gone when told to go."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from extensa.base.home import Home
from extensa.base.processes import start_ticks

Running = subprocess.Popen[bytes]


class Processes:
    """Starts agents of one data folder and ends whatever still runs at the end."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.path.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        helm = programs / "helm"
        helm.write_text("#!/bin/sh\nexit 1\n")
        helm.chmod(helm.stat().st_mode | stat.S_IXUSR)
        self._env = {**os.environ, "EXTENSA_HOME": str(self.home.path), "PATH": f"{programs}:/usr/bin:/bin"}
        self._started: list[Running] = []

    def start(self, **env: str) -> Running:
        argv = [sys.executable, "-m", "extensa.entry.agent"]
        started = subprocess.Popen(argv, env={**self._env, **env}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self._started.append(started)
        return started

    def ready(self) -> dict[str, int]:
        deadline = time.monotonic() + 20
        while not self.home.pid_file("agent").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        found: dict[str, int] = json.loads(self.home.pid_file("agent").read_text())
        return found

    def end(self) -> None:
        for process in self._started:
            process.kill()
            process.communicate()


@pytest.fixture
def agents(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    made.end()


def test_an_agent_says_who_it_is_and_goes_when_told(agents: Processes) -> None:
    process = agents.start()
    said = agents.ready()

    assert {"pid": process.pid, "ticks": start_ticks(process.pid)} == said
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=10)
    assert 0 == process.returncode
    assert not agents.home.pid_file("agent").exists()
    events = [json.loads(line) for line in log.decode().splitlines()]
    assert {"agent"} == {event["process"] for event in events}
    assert "LinkCredentialMissing" in {event.get("code") for event in events}
    assert "stopped" == events[-1]["event"]


def test_there_is_one_agent_per_folder(agents: Processes) -> None:
    agents.start()
    agents.ready()
    second = agents.start()
    _, words = second.communicate(timeout=20)

    assert 1 == second.returncode
    assert b"runs already" in words
    assert b"extensa down" in words
    assert b"Traceback" not in words


@pytest.mark.parametrize("variable", ["EXTENSA_HELM_PARALLEL", "EXTENSA_LOG_LEVEL"])
def test_a_setting_that_cannot_be_read_is_told(agents: Processes, variable: str) -> None:
    process = agents.start(**{variable: "many"})
    _, words = process.communicate(timeout=20)

    assert 1 == process.returncode
    assert b"many" in words
    assert b"Traceback" not in words
