"""One act each: the right door, the labels that say whose it is, and a failure as an outcome."""

from dataclasses import replace
from pathlib import Path

import pytest

from extensa.helm.actions import Work, perform
from extensa.helm.driver import Order, Place
from extensa.helm.errors import HelmError
from extensa.helm.plan import Act, Step
from extensa.helm.release import (
    ACT_MARK,
    LABEL_ACT,
    LABEL_DIGEST,
    LABEL_GENERATION,
    LABEL_OWNER,
    LABEL_UID,
    ObjectRef,
)
from extensa.helm.state import Wanted
from extensa.helm.values import nest
from unit.agent.doubles import FakeApi

PLACE = Place(Path("/k"), Path("/c"), "ns", "r")
WANTED = Wanted("r", "ns", "uid", "owner", 7, "digest", present=True, create_namespace=True)
WORK = Work(PLACE, WANTED, Path("/chart.tgz"), nest({}, {}, {}), wait=True)


class Door:
    """Our double of the driver: writes down what it was asked."""

    def __init__(self, error: HelmError | None = None) -> None:
        self.asked: list[tuple[str, object]] = []
        self.orders: list[Order] = []
        self._error = error

    async def install(self, order: Order) -> None:
        self._note("install", order)

    async def upgrade(self, order: Order) -> None:
        self._note("upgrade", order)

    async def rollback(self, place: Place, *, revision: int, description: str, timeout: float) -> None:
        self._note("rollback", (revision, description))

    async def uninstall(self, place: Place, *, timeout: float, skip_hooks: bool = False) -> None:
        self._note("uninstall", place)

    def _note(self, verb: str, what: object) -> None:
        self.asked.append((verb, what))
        if isinstance(what, Order):
            self.orders.append(what)
        if self._error is not None:
            raise self._error


@pytest.mark.parametrize("step", [Step.INSTALL, Step.UPGRADE, Step.ROLLBACK, Step.UNINSTALL])
async def test_a_step_goes_through_its_door(step: Step) -> None:
    door = Door()

    assert await perform(door, Act(step, "because"), WORK, timeout=30) is None
    assert [step.value] == [verb for verb, _ in door.asked]


async def test_a_release_says_whose_it_is_and_by_which_act() -> None:
    door = Door()
    for _ in range(2):
        await perform(door, Act(Step.INSTALL, "because"), WORK, timeout=30)
    first, second = door.orders

    assert {LABEL_UID: "uid", LABEL_OWNER: "owner", LABEL_GENERATION: "7", LABEL_DIGEST: "digest"} == {
        key: value for key, value in first.labels.items() if key != LABEL_ACT
    }
    assert first.labels[LABEL_ACT] != second.labels[LABEL_ACT]
    assert (True, True, 30) == (first.wait, first.create_namespace, first.timeout)


async def test_a_rollback_says_by_its_description_whose_it_is() -> None:
    door = Door()
    await perform(door, Act(Step.ROLLBACK, "because", revision=4), WORK, timeout=30)
    [(_, what)] = door.asked

    assert isinstance(what, tuple)
    assert 4 == what[0]
    assert what[1].startswith(ACT_MARK)


async def test_a_failure_is_an_outcome() -> None:
    found = await perform(Door(HelmError("QuotaExceeded", "no more")), Act(Step.UPGRADE, "x"), WORK, timeout=30)

    assert found is not None
    assert ("QuotaExceeded", "no more", "upgrade") == (found.code, found.message, found.step)


@pytest.mark.parametrize(("as_user", "transient"), [("", True), ("system:serviceaccount:ns:x", False)])
async def test_a_denial_of_our_own_account_may_pass(as_user: str, *, transient: bool) -> None:
    work = replace(WORK, place=replace(PLACE, as_user=as_user))
    found = await perform(Door(HelmError("Forbidden", "no")), Act(Step.UPGRADE, "x"), work, timeout=30)

    assert found is not None
    assert transient is found.transient


async def test_without_a_chart_nothing_is_installed() -> None:
    door = Door()
    found = await perform(door, Act(Step.INSTALL, "x"), Work(PLACE, WANTED), timeout=30)

    assert found is not None
    assert "ChartNotFound" == found.code
    assert [] == door.asked


async def test_waiting_is_no_act() -> None:
    with pytest.raises(ValueError, match="no act"):
        await perform(Door(), Act(Step.WAIT, "x"), WORK, timeout=30)


async def test_what_helm_does_not_do_is_done_by_hand() -> None:
    api = FakeApi()
    api.put("ConfigMap", "a")
    api.put("Secret", "record", labels={"owner": "helm"})
    work = replace(WORK, hands=api, record="record")
    leftover = ObjectRef("v1", "ConfigMap", "ns", "a")

    assert await perform(Door(), Act(Step.CLEAN, "x", objects=(leftover,)), work, timeout=30) is None
    assert await perform(Door(), Act(Step.SET_ASIDE, "x"), work, timeout=30) is None
    assert ([], ["extensa.aside.record"]) == (api.names("ConfigMap"), api.names("Secret"))


async def test_a_cluster_that_refuses_is_an_outcome_too() -> None:
    api = FakeApi()
    api.silent = True
    found = await perform(Door(), Act(Step.SET_ASIDE, "x"), replace(WORK, hands=api, record="r"), timeout=30)

    assert found is not None
    assert ("ApiServerUnreachable", True) == (found.code, found.transient)


async def test_what_exists_is_taken_over_only_when_adoption_was_asked_for() -> None:
    door = Door()
    for adopt, force in ((False, False), (False, True), (True, False)):
        work = replace(WORK, wanted=replace(WANTED, adopt=adopt))
        await perform(door, Act(Step.UPGRADE, "x", force=force), work, timeout=30)

    assert [(False, False), (False, True), (True, True)] == [(o.take_over, o.force) for o in door.orders]
