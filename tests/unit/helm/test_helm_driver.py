"""The door to Helm: what goes in, what its words mean, and how an act ends that does not end by itself."""

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from extensa.helm.causes import TABLE
from extensa.helm.driver import CliDriver, Order, Place, classify
from extensa.helm.errors import HelmError
from extensa.helm.values import nest

RECORDED: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "recorded_helm_4_3.yaml").read_text())

STUB = """#!/usr/bin/python3
import json, os, sys, time, signal
record = {{"argv": sys.argv[1:], "stdin": sys.stdin.read(), "env": dict(os.environ)}}
open({where!r}, "w").write(json.dumps(record))
{body}
"""


class Stub:
    """A program in helm's place that writes down how it was started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "helm"

    def does(self, body: str) -> None:
        self.program.write_text(STUB.format(where=str(self.folder / "record"), body=body))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "record").read_text())
        return found

    @property
    def arguments(self) -> list[str]:
        found: list[str] = self.record["argv"]
        return found


@pytest.fixture
def stub(tmp_path: Path) -> Stub:
    made = Stub(tmp_path)
    made.does("")
    return made


@pytest.fixture
def driver(stub: Stub, tmp_path: Path) -> CliDriver:
    return CliDriver(stub.program, tmp_path / "home")


def place(tmp_path: Path, **more: str) -> Place:
    return Place(tmp_path / "kubeconfig", tmp_path / "cache", "ns", "r", **more)


def order(tmp_path: Path, **more: Any) -> Order:
    values = nest({"a": "1", "large": "5000000"}, {"password": "hunter2-long"}, {})
    return Order(place(tmp_path), tmp_path / "c.tgz", values, {"extensa.dev/uid": "u", "b": "2"}, 42.0, **more)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_recorded_words_mean(name: str) -> None:
    sample = RECORDED[name]
    found = classify(sample["text"])

    assert (sample["code"], sample["target"]) == (found.code, found.target)
    assert found.message.startswith(TABLE[found.code].words.removesuffix(".")) or "has no more" in found.message
    assert found.raw == sample["text"].strip()


def test_log_lines_do_not_repeat_in_the_message() -> None:
    assert "level=" not in classify(RECORDED["unreachable"]["text"]).message


def test_long_words_are_cut_in_the_message() -> None:
    assert len(classify("Error: " + "x" * 5000).message) < 800


async def test_an_install_says_everything_but_secrets_in_its_arguments(
    driver: CliDriver, stub: Stub, tmp_path: Path
) -> None:
    await driver.install(order(tmp_path, create_namespace=True))

    assert [
        "install",
        "r",
        str(tmp_path / "c.tgz"),
        "-f",
        "-",
        "--set=large=5000000",
        "--labels=b=2,extensa.dev/uid=u",
        "--disable-openapi-validation",
        "--wait=hookOnly",
        "--hide-notes",
        "--create-namespace",
        "--timeout=42s",
        "--namespace=ns",
        f"--kubeconfig={tmp_path / 'kubeconfig'}",
    ] == stub.arguments
    assert {"a": 1, "large": 5000000, "password": "hunter2-long"} == json.loads(stub.record["stdin"])
    assert "hunter2" not in json.dumps([stub.record["argv"], stub.record["env"]])


async def test_an_upgrade_keeps_no_value_from_before(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    await driver.upgrade(order(tmp_path))

    assert "--reset-values" in stub.arguments
    assert "--server-side=true" in stub.arguments
    assert "--create-namespace" not in stub.arguments


async def test_helm_never_rolls_back_by_itself(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    for act in (driver.install, driver.upgrade):
        await act(order(tmp_path))
        assert not {"--atomic", "--rollback-on-failure"} & set(stub.arguments)


async def test_a_chart_whose_hooks_come_after_is_waited_for(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    await driver.install(order(tmp_path, wait=True))

    assert {"--wait", "--wait-for-jobs"} <= set(stub.arguments)
    assert "--wait=hookOnly" not in stub.arguments


async def test_rollback_and_uninstall(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    await driver.rollback(place(tmp_path), revision=3, description="why", timeout=9)
    assert ["rollback", "r", "3", "--description=why", "--history-max=10"] == stub.arguments[:5]
    assert ["--server-side=true", "--force-conflicts", "--timeout=9s"] == stub.arguments[5:8]

    await driver.uninstall(place(tmp_path, as_user="system:serviceaccount:ns:x"), timeout=0.2)
    assert ["uninstall", "r", "--ignore-not-found", "--timeout=1s"] == stub.arguments[:4]
    assert "--kube-as-user=system:serviceaccount:ns:x" in stub.arguments


async def test_hooks_are_left_out_of_an_uninstall_when_asked(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    await driver.uninstall(place(tmp_path), timeout=9, skip_hooks=True)

    assert "--no-hooks" in stub.arguments


async def test_what_is_there_already_is_taken_over_only_when_asked(
    driver: CliDriver, stub: Stub, tmp_path: Path
) -> None:
    flags = {"--take-ownership", "--force-conflicts"}
    for act in (driver.install, driver.upgrade):
        await act(order(tmp_path))
        assert set() == flags & set(stub.arguments)
        await act(order(tmp_path, take_over=True, force=True))
        assert flags <= set(stub.arguments)


async def test_helm_sees_nothing_of_our_environment(
    driver: CliDriver, stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/someone/.kube/config")
    monkeypatch.setenv("HELM_NAMESPACE", "elsewhere")
    await driver.install(order(tmp_path))
    env = stub.record["env"]

    assert "KUBECONFIG" not in env
    assert "HELM_NAMESPACE" not in env
    assert str(tmp_path / "cache") == env["KUBECACHEDIR"]
    assert all(env[name].startswith(str(tmp_path / "home")) for name in ("HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"))


async def test_a_failure_is_typed_and_masked(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    stub.does(
        "print('Error: INSTALLATION FAILED: execution error at (c/templates/a.yaml:1:3): bad hunter2-long', "
        "file=sys.stderr); sys.exit(1)"
    )
    with pytest.raises(HelmError) as caught:
        await driver.install(order(tmp_path))

    assert ("ChartDoesNotRender", "c/templates/a.yaml") == (caught.value.code, caught.value.target)
    assert "hunter2" not in caught.value.message + caught.value.raw
    assert "********" in caught.value.raw


async def test_a_killed_helm_is_told_from_one_that_failed(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    stub.does("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(HelmError) as caught:
        await driver.upgrade(order(tmp_path))

    assert ("HelmKilled", True) == (caught.value.code, caught.value.transient)


async def test_a_missing_program_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(HelmError) as caught:
        await CliDriver(tmp_path / "nowhere", tmp_path).uninstall(place(tmp_path), timeout=5)

    assert "HelmMissing" == caught.value.code


async def test_an_act_past_its_time_is_stopped(stub: Stub, tmp_path: Path) -> None:
    driver = CliDriver(stub.program, tmp_path / "home", spare=0.0)
    stub.does("time.sleep(60)")
    with pytest.raises(HelmError) as caught:
        await driver.uninstall(place(tmp_path), timeout=1)

    assert "HelmTimedOut" == caught.value.code


async def test_cancelling_lets_helm_end_by_itself(driver: CliDriver, stub: Stub, tmp_path: Path) -> None:
    mark = tmp_path / "ended"
    stub.does(
        f"signal.signal(signal.SIGTERM, lambda *_: (open({str(mark)!r}, 'w').close(), sys.exit(1)))\n"
        f"open({str(tmp_path / 'began')!r}, 'w').close()\ntime.sleep(60)"
    )
    act = asyncio.create_task(driver.install(order(tmp_path)))
    while not (tmp_path / "began").exists():
        await asyncio.sleep(0.01)
    act.cancel()
    with pytest.raises(asyncio.CancelledError):
        await act

    assert mark.exists()


def test_the_stub_is_a_program(stub: Stub) -> None:
    assert os.access(stub.program, os.X_OK)
