"""What to do next with a cluster, and how to tell of it: facts in, one act out. Pure.

Level-triggered: nothing is remembered between two calls. Whatever happened in between, the same facts lead to the same
act, and a cluster that is as desired leads to `Act.REST`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from extensa.link.cluster import ClusterPhase, Power

PATIENCE = 90.0
"""Seconds that a started API server may take to become ready before everything is started afresh."""


class Act(StrEnum):
    """The one thing to do now."""

    START = "start"
    """Prepare the folder; start etcd and the API server."""
    START_CONTROLLERS = "start controllers"
    FILL = "fill"
    """Bring nodes, roles and storage classes to what they should be."""
    WAIT = "wait"
    RESTART = "restart"
    """Stop everything; the next look starts it afresh, with a port that is free and certificates that are good."""
    STOP = "stop"
    REMOVE = "remove"
    REST = "rest"
    """It is as it should be."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is desired of a cluster, and what was seen of it.

    ``unready_for`` counts the seconds since the API server was last seen ready, while it is started; ``failing`` is the
    code of a component's trouble, when one ends again and again.
    """

    power: Power
    exists: bool = False
    store_started: bool = False
    controllers_started: bool = False
    api_ready: bool = False
    controllers_ready: bool = False
    filled: bool = False
    nodes: Mapping[str, bool] = field(default_factory=dict)
    wanted_nodes: frozenset[str] = frozenset()
    keys_due: bool = False
    unready_for: float = 0.0
    failing: str = ""


def next_act(facts: Facts) -> Act:
    """Return the one act that brings the cluster nearer to what is desired, or `Act.REST`."""
    if facts.power is Power.ABSENT:
        return Act.REMOVE if facts.exists or facts.store_started else Act.REST
    if facts.power is Power.STOPPED:
        return Act.STOP if facts.store_started else Act.REST
    return _towards_running(facts)


def _towards_running(facts: Facts) -> Act:
    if not facts.store_started:
        return Act.START
    if facts.keys_due or facts.failing == "PortTaken" or facts.unready_for > PATIENCE:
        return Act.RESTART
    if not facts.api_ready:
        return Act.WAIT
    if not facts.controllers_started:
        return Act.START_CONTROLLERS
    if not facts.filled or frozenset(facts.nodes) != facts.wanted_nodes:
        return Act.FILL
    well = facts.controllers_ready and all(facts.nodes.values()) and not facts.failing
    return Act.REST if well else Act.WAIT


def phase(facts: Facts, act: Act) -> ClusterPhase:
    """Return where the cluster stands, for the link: only what was seen counts."""
    if act is not Act.REST:
        return ClusterPhase.WORKING
    return {
        Power.ABSENT: ClusterPhase.GONE,
        Power.STOPPED: ClusterPhase.STOPPED,
        Power.RUNNING: ClusterPhase.RUNNING,
    }[facts.power]


_SENTENCES = {
    Act.START: "Starting etcd and the API server.",
    Act.START_CONTROLLERS: "The API server is ready; starting the controllers.",
    Act.FILL: "Registering nodes, roles and storage classes.",
    Act.RESTART: "Starting the control plane afresh.",
    Act.STOP: "Stopping.",
    Act.REMOVE: "Removing the cluster and its data.",
}


def progress(facts: Facts, act: Act) -> str:
    """Return one sentence for people about what is going on."""
    if act is Act.WAIT:
        return _waiting(facts)
    if act is Act.REST:
        return {Power.ABSENT: "Gone.", Power.STOPPED: "Stopped.", Power.RUNNING: _running(facts)}[facts.power]
    return _SENTENCES[act]


def _waiting(facts: Facts) -> str:
    if not facts.api_ready:
        return "Waiting for the API server to become ready."
    if not facts.controllers_ready:
        return "Waiting for the controllers' first work."
    ready = sum(facts.nodes.values())
    if ready < len(facts.nodes):
        return f"{ready} of {_nodes(facts)} {'is' if ready == 1 else 'are'} ready."
    return "Waiting for a component that ended."


def _running(facts: Facts) -> str:
    return f"Running, {_nodes(facts)} ready." if facts.nodes else "Running."


def _nodes(facts: Facts) -> str:
    return f"{len(facts.nodes)} node{'' if len(facts.nodes) == 1 else 's'}"
