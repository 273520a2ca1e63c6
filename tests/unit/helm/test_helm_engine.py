"""The engine's driver: what goes over the pipe, what comes back, and that an engine's death costs acts only."""

import asyncio
import contextlib
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from extensa.base.processes import alive
from extensa.helm.causes import TABLE
from extensa.helm.driver import Order, Place, classify
from extensa.helm.engine import EngineDriver
from extensa.helm.errors import HelmError
from extensa.helm.values import nest

RECORDED: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "recorded_engine.yaml").read_text())

DOUBLE = """#!/usr/bin/python3
import json, os, sys
folder = {folder!r}
open(folder + "/lives", "a").write(str(os.getpid()) + "\\n")
held = []
def say(id, **more):
    sys.stdout.write(json.dumps(dict(id=id, **more)) + "\\n")
    sys.stdout.flush()
for line in iter(sys.stdin.readline, ""):
    open(folder + "/heard", "a").write(line)
    asked = json.loads(line)
    release = asked.get("release")
    if asked["act"] == "cancel":
        if "obeys" in held:
            say(asked["target"], error="failed pre-install: context canceled")
    elif release in ("obeys", "deaf"):
        held.append(release)
    elif release == "dies":
        sys.exit(3)
    elif release == "babbles":
        print("panic: hunter2-long", flush=True)
    elif release == "fails":
        say(asked["id"], error="execution error at (c/templates/a.yaml:1:3): bad hunter2-long")
    elif release == "second":
        first = asked["id"]
        held.append(first)
    elif release == "first":
        say(asked["id"])
        say(held[-1])
    elif asked["act"] == "render":
        say(asked["id"], result="kind: ConfigMap")
    elif asked["act"] == "history":
        one = dict(updated="2026-01-01T00:00:00Z", chart="c-1", description="d")
        say(asked["id"], result=[dict(one, revision=2, status="deployed"), dict(one, revision=1, status="superseded")])
    else:
        say(asked["id"])
open(folder + "/farewell", "w").close()
"""


class Double:
    """A program in the engine's place, and what it wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "helm-engine"
        self.program.write_text(DOUBLE.format(folder=str(folder)))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    @property
    def heard(self) -> list[dict[str, Any]]:
        try:
            return [json.loads(line) for line in (self.folder / "heard").read_text().splitlines()]
        except FileNotFoundError:
            return []

    @property
    def lives(self) -> list[int]:
        return [int(line) for line in (self.folder / "lives").read_text().split()]

    async def hears(self, release: str) -> None:
        """Return when an act for the release has come."""
        async with asyncio.timeout(10):
            while not any(asked.get("release") == release for asked in self.heard):
                await asyncio.sleep(0.01)


@pytest.fixture
def double(tmp_path: Path) -> Double:
    return Double(tmp_path)


@pytest.fixture
async def driver(double: Double, tmp_path: Path) -> AsyncIterator[EngineDriver]:
    made = EngineDriver(double.program, tmp_path / "home")
    yield made
    await made.close()


def proc(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def place(tmp_path: Path, release: str = "r", **more: str) -> Place:
    return Place(tmp_path / "kubeconfig", tmp_path / "cache", "ns", release, **more)


def order(tmp_path: Path, release: str = "r", **more: Any) -> Order:
    values = nest({"a": "1", "large": "5000000"}, {"password": "hunter2-long"}, {})
    return Order(place(tmp_path, release), tmp_path / "c.tgz", values, {"extensa.dev/uid": "u"}, 42.0, **more)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_words_of_the_engine_mean(name: str) -> None:
    sample = RECORDED[name]
    found = classify(sample["text"])

    assert (sample["code"], sample["target"]) == (found.code, found.target)
    assert found.message.startswith(TABLE[found.code].words)


async def test_an_install_is_one_line_with_all_it_needs(driver: EngineDriver, double: Double, tmp_path: Path) -> None:
    await driver.install(order(tmp_path, create_namespace=True, wait=True))

    assert [
        {
            "id": 1,
            "act": "install",
            "kubeconfig": str(tmp_path / "kubeconfig"),
            "as_user": "",
            "namespace": "ns",
            "release": "r",
            "timeout": 42,
            "chart": str(tmp_path / "c.tgz"),
            "values": {"a": 1, "large": 5000000, "password": "hunter2-long"},
            "exact": ["large=5000000"],
            "labels": {"extensa.dev/uid": "u"},
            "wait": True,
            "create_namespace": True,
        }
    ] == double.heard


async def test_nothing_secret_stands_where_others_may_read(
    driver: EngineDriver, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/someone/.kube/config")
    await driver.install(order(tmp_path))
    [pid] = double.lives

    environment = proc(pid, "environ")
    assert "hunter2" not in proc(pid, "cmdline") + environment
    assert "KUBECONFIG" not in environment
    assert 0o600 == stat.S_IMODE((tmp_path / "home" / "engine.log").stat().st_mode)


async def test_the_other_acts_say_what_they_want(driver: EngineDriver, double: Double, tmp_path: Path) -> None:
    await driver.upgrade(order(tmp_path))
    await driver.rollback(place(tmp_path), revision=3, description="why", timeout=9)
    await driver.uninstall(place(tmp_path, as_user="system:serviceaccount:ns:x"), timeout=0.2)
    upgrade, rollback, uninstall = double.heard

    assert (10, False) == (upgrade["history_max"], upgrade["create_namespace"])
    assert (3, "why", 10, 9) == tuple(rollback[name] for name in ("revision", "description", "history_max", "timeout"))
    assert ("uninstall", "system:serviceaccount:ns:x", 1) == (
        uninstall["act"],
        uninstall["as_user"],
        uninstall["timeout"],
    )
    assert 1 == len(double.lives)


async def test_render_and_history_return_what_the_engine_found(driver: EngineDriver, tmp_path: Path) -> None:
    assert "kind: ConfigMap" == await driver.render(order(tmp_path))
    found = await driver.history(place(tmp_path), timeout=5)
    assert [(1, "superseded"), (2, "deployed")] == [(each.revision, each.status) for each in found]


async def test_answers_find_their_acts_in_any_order(driver: EngineDriver, double: Double, tmp_path: Path) -> None:
    second = asyncio.create_task(driver.install(order(tmp_path, "second")))
    await double.hears("second")
    assert not second.done()
    await driver.install(order(tmp_path, "first"))
    await second


async def test_a_failure_is_typed_and_masked(driver: EngineDriver, tmp_path: Path) -> None:
    with pytest.raises(HelmError) as caught:
        await driver.install(order(tmp_path, "fails"))

    assert ("ChartDoesNotRender", "c/templates/a.yaml") == (caught.value.code, caught.value.target)
    assert "hunter2" not in caught.value.message + caught.value.raw
    assert "********" in caught.value.raw


@pytest.mark.parametrize("last", ["dies", "babbles"])
async def test_an_engines_death_costs_the_acts_under_way_and_another_begins(
    driver: EngineDriver, double: Double, tmp_path: Path, last: str
) -> None:
    under_way = asyncio.create_task(driver.install(order(tmp_path, "deaf")))
    await double.hears("deaf")
    for act in (driver.install(order(tmp_path, last)), under_way):
        with pytest.raises(HelmError) as caught:
            await act
        assert ("HelmKilled", True) == (caught.value.code, caught.value.transient)
        assert "hunter2" not in caught.value.message
    await driver.install(order(tmp_path))

    assert 2 == len(double.lives)


async def test_short_lives_are_followed_by_longer_and_longer_rests(
    driver: EngineDriver, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    really = asyncio.sleep

    async def sleep(pause: float) -> None:
        slept.append(pause)
        await really(0)

    monkeypatch.setattr("extensa.helm.engine.asyncio.sleep", sleep)
    for _ in range(9):
        with contextlib.suppress(HelmError):
            await driver.install(order(tmp_path, "dies"))

    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0] == [pause for pause in slept if pause >= 0.1]


async def test_a_cancelled_act_ends_before_its_caller_goes_on(
    driver: EngineDriver, double: Double, tmp_path: Path
) -> None:
    act = asyncio.create_task(driver.install(order(tmp_path, "obeys")))
    await double.hears("obeys")
    act.cancel()
    with pytest.raises(asyncio.CancelledError):
        await act

    assert {"act": "cancel", "target": 1} == double.heard[-1]
    await driver.install(order(tmp_path))
    assert 1 == len(double.lives)


async def test_an_act_that_does_not_end_when_told_ends_with_its_engine(
    driver: EngineDriver, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.helm.engine.GRACE", 0.1)
    act = asyncio.create_task(driver.install(order(tmp_path, "deaf")))
    await double.hears("deaf")
    act.cancel()
    with pytest.raises(asyncio.CancelledError):
        await act

    assert not alive(double.lives[0])


async def test_an_act_past_its_time_is_stopped(
    driver: EngineDriver, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.helm.engine.SPARE", 0.0)
    with pytest.raises(HelmError) as caught:
        await driver.uninstall(place(tmp_path, "obeys"), timeout=1)

    assert "HelmTimedOut" == caught.value.code
    assert "cancel" == double.heard[-1]["act"]


async def test_closing_lets_the_engine_end_by_itself(double: Double, tmp_path: Path) -> None:
    driver = EngineDriver(double.program, tmp_path / "home")
    await driver.install(order(tmp_path))
    await driver.close()
    await driver.close()

    assert (tmp_path / "farewell").exists()
    assert not alive(double.lives[0])


async def test_a_missing_program_is_told_with_what_to_do(tmp_path: Path) -> None:
    driver = EngineDriver(tmp_path / "nowhere", tmp_path / "home")
    with pytest.raises(HelmError) as caught:
        await driver.uninstall(place(tmp_path), timeout=5)

    assert ("HelmMissing", True) == (caught.value.code, caught.value.transient)
    assert "extensa kubernetes install" in (caught.value.next_step or TABLE["HelmMissing"].next_step)
    await driver.close()


def test_the_double_is_a_program(double: Double) -> None:
    assert os.access(double.program, os.X_OK)
