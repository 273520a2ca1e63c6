"""The engine's driver: what goes over the pipe, what comes back, and that an engine's death costs acts only."""

import asyncio
import contextlib
import io
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest
import yaml

from extensa.base.log import configure
from extensa.base.processes import alive
from extensa.helm.causes import TABLE
from extensa.helm.driver import Order, Place, classify
from extensa.helm.engine import EngineDriver
from extensa.helm.errors import HelmError
from extensa.helm.values import nest
from unit.helm import engine_double
from unit.helm.engine_protocol import EngineProtocol

RECORDED: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "recorded_engine.yaml").read_text())


class Double:
    """A program in the engine's place, and what it wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "helm-engine"
        self.program.write_text(f"#!{sys.executable}\n{Path(engine_double.__file__).read_text()}")
        self.program.chmod(0o700)
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.touch()

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


class TestTheDoubleKeepsToTheProtocol(EngineProtocol):
    """The double sits what the engine sits."""

    @pytest.fixture(autouse=True)
    def _double(self, double: Double) -> None:
        self.program, self.kubeconfig, self.folder = double.program, double.kubeconfig, double.folder


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


async def failure(act: Awaitable[object]) -> HelmError:
    """The error that an act ends with."""
    with pytest.raises(HelmError) as caught:
        await act
    return caught.value


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_words_of_the_engine_mean(name: str) -> None:
    sample = RECORDED[name]
    found = classify(sample["text"])

    assert (sample["code"], sample["target"]) == (found.code, found.target)
    assert found.message.startswith(TABLE[found.code].words.removesuffix("."))


async def test_an_install_is_one_line_with_all_it_needs(driver: EngineDriver, double: Double, tmp_path: Path) -> None:
    await driver.install(order(tmp_path, create_namespace=True, wait=True, force=True))

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
            "take_over": False,
            "force": True,
        }
    ] == double.heard


async def test_nothing_secret_stands_where_others_may_read(
    driver: EngineDriver, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/someone/.kube/config")
    await driver.install(order(tmp_path))
    [pid] = double.lives

    environment = proc(pid, "environ")
    assert [str(double.program), str(tmp_path / "home")] == proc(pid, "cmdline").split("\0")[1:-1]
    assert "hunter2" not in proc(pid, "cmdline") + environment
    assert "KUBECONFIG" not in environment


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


@pytest.mark.parametrize("last", ["dies", "babbles", "breaks-off"])
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


async def test_an_answer_to_nobody_harms_nobody(driver: EngineDriver, double: Double, tmp_path: Path) -> None:
    await driver.install(order(tmp_path, "mistakes"))
    await driver.install(order(tmp_path))
    assert 1 == len(double.lives)


async def test_an_engine_that_stands_still_is_ended_and_holds_up_nobody_for_longer_than_an_act_may_take(
    driver: EngineDriver, double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("extensa.helm.engine.SPARE", 0.0)
    monkeypatch.setattr("extensa.helm.engine.GRACE", 0.1)
    still = asyncio.create_task(driver.uninstall(place(tmp_path, "stops"), timeout=1))
    await double.hears("stops")
    values = nest({"a": "x" * 2**21}, {}, {})  # more than the pipe holds
    crowded = Order(place(tmp_path), tmp_path / "c.tgz", values, {}, 1.0)
    async with asyncio.timeout(10):
        codes = {(await failure(act)).code for act in (driver.install(crowded), still)}

    assert {"HelmTimedOut", "HelmKilled"} >= codes
    assert not alive(double.lives[0])
    await driver.install(order(tmp_path))
    assert 2 == len(double.lives)


async def test_a_kill_costs_what_is_under_way_and_the_pid_is_told(
    driver: EngineDriver, double: Double, tmp_path: Path
) -> None:
    assert driver.pid is None
    acts = [asyncio.create_task(driver.install(order(tmp_path, "deaf"))) for _ in range(3)]
    await double.hears("deaf")
    assert [driver.pid] == double.lives
    assert os.getpid() == int(proc(double.lives[0], "stat").rpartition(")")[2].split()[1])
    os.kill(double.lives[0], signal.SIGKILL)
    errors = [await failure(act) for act in acts]

    assert [("HelmKilled", True)] * 3 == [(error.code, error.transient) for error in errors]
    assert "by signal 9" in errors[0].message
    assert driver.pid is None
    await driver.install(order(tmp_path))
    assert [driver.pid] == double.lives[1:]


async def test_no_value_is_logged_nor_kept(
    driver: EngineDriver, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    written = io.StringIO()
    request.addfinalizer(lambda: configure("agent"))
    configure("agent", level="debug", stream=written)
    for release in ("r", "fails", "babbles", "breaks-off"):
        with contextlib.suppress(HelmError):
            await driver.upgrade(order(tmp_path, release))
    await driver.close()

    assert "engine act" in written.getvalue()
    assert "hunter2" not in written.getvalue()
    assert [] == [path for path in (tmp_path / "home").rglob("*") if "hunter2" in path.read_text()]


async def test_last_words_are_kept_and_never_much_of_them(driver: EngineDriver, tmp_path: Path) -> None:
    for _ in range(2):
        await driver.install(order(tmp_path, "mutters"))
    await driver.close()
    kept = sorted((tmp_path / "home").iterdir())

    assert ["engine.log", "engine.log.1"] == [path.name for path in kept]
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in kept}
    assert 2**19 < sum(path.stat().st_size for path in kept) <= 2**20
    assert kept[0].read_text().endswith("words\n")


async def test_what_comes_after_the_end_begins_no_engine(double: Double, tmp_path: Path) -> None:
    driver = EngineDriver(double.program, tmp_path / "home")
    under_way = asyncio.create_task(driver.install(order(tmp_path, "deaf")))
    await double.hears("deaf")
    await driver.close()
    codes = [(await failure(act)).code for act in (under_way, driver.install(order(tmp_path)))]

    assert ["HelmKilled", "HelmKilled"] == codes
    assert [False] == [alive(pid) for pid in double.lives]
