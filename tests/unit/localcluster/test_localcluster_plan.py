"""What to do next with a cluster: every state leads somewhere, and only what was seen counts."""

from dataclasses import replace

import pytest

from extensa.link.cluster import ClusterPhase, Power
from extensa.localcluster.plan import PATIENCE, Act, Facts, next_act, phase, progress

WELL = Facts(
    power=Power.RUNNING,
    exists=True,
    store_started=True,
    controllers_started=True,
    api_ready=True,
    controllers_ready=True,
    filled=True,
    nodes={"a": True, "b": True},
    wanted_nodes=frozenset({"a", "b"}),
)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(power=Power.RUNNING), Act.START),
        (Facts(power=Power.RUNNING, exists=True), Act.START),
        (Facts(power=Power.RUNNING, exists=True, store_started=True), Act.WAIT),
        (replace(WELL, controllers_started=False, filled=False, nodes={}), Act.START_CONTROLLERS),
        (replace(WELL, filled=False), Act.FILL),
        (replace(WELL, nodes={"a": True}), Act.FILL),
        (replace(WELL, nodes={"a": True, "b": True, "c": True}), Act.FILL),
        (replace(WELL, nodes={"a": True, "b": False}), Act.WAIT),
        (replace(WELL, controllers_ready=False), Act.WAIT),
        (replace(WELL, failing="ComponentFailed"), Act.WAIT),
        (replace(WELL, failing="PortTaken", api_ready=False), Act.RESTART),
        (replace(WELL, api_ready=False, unready_for=PATIENCE + 1), Act.RESTART),
        (replace(WELL, keys_due=True), Act.RESTART),
        (WELL, Act.REST),
        (replace(WELL, nodes={}, wanted_nodes=frozenset()), Act.REST),
        (replace(WELL, power=Power.STOPPED), Act.STOP),
        (Facts(power=Power.STOPPED, exists=True), Act.REST),
        (replace(WELL, power=Power.ABSENT), Act.REMOVE),
        (Facts(power=Power.ABSENT, exists=True), Act.REMOVE),
        (Facts(power=Power.ABSENT), Act.REST),
    ],
)
def test_one_act_at_a_time(facts: Facts, expected: Act) -> None:
    assert expected is next_act(facts)


@pytest.mark.parametrize(
    ("power", "expected"),
    [
        (Power.RUNNING, ClusterPhase.RUNNING),
        (Power.STOPPED, ClusterPhase.STOPPED),
        (Power.ABSENT, ClusterPhase.GONE),
    ],
)
def test_a_phase_is_an_outcome_only_at_rest(power: Power, expected: ClusterPhase) -> None:
    facts = replace(WELL, power=power)
    assert expected is phase(facts, Act.REST)
    assert {ClusterPhase.WORKING} == {phase(facts, act) for act in Act if act is not Act.REST}


@pytest.mark.parametrize(
    ("facts", "act", "expected"),
    [
        (WELL, Act.REST, "Running, 2 nodes ready."),
        (replace(WELL, nodes={"a": True}), Act.REST, "Running, 1 node ready."),
        (replace(WELL, nodes={}), Act.REST, "Running."),
        (replace(WELL, api_ready=False), Act.WAIT, "Waiting for the API server to become ready."),
        (replace(WELL, controllers_ready=False), Act.WAIT, "Waiting for the controllers' first work."),
        (replace(WELL, nodes={"a": True, "b": False}), Act.WAIT, "1 of 2 nodes is ready."),
        (replace(WELL, failing="ComponentFailed"), Act.WAIT, "Waiting for a component that ended."),
        (replace(WELL, power=Power.STOPPED), Act.REST, "Stopped."),
        (replace(WELL, power=Power.ABSENT), Act.REST, "Gone."),
    ],
)
def test_progress_is_a_sentence_that_says_what_is_waited_for(facts: Facts, act: Act, expected: str) -> None:
    assert expected == progress(facts, act)


@pytest.mark.parametrize("act", [act for act in Act if act not in (Act.WAIT, Act.REST)])
def test_every_act_has_a_sentence(act: Act) -> None:
    assert progress(WELL, act).endswith(".")
