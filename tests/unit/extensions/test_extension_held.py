"""What is seen of a held extension, and of drift: told, and no outcome."""

from typing import Any

import pytest
from msgspec.structs import replace

from extensa.extensions.model import Extension, Policies, State
from extensa.extensions.settle import Settled, settle
from extensa.extensions.versions import KNOWN, shape_of
from extensa.extensions.versions.renderer import render
from extensa.link.extension import Drift, DriftMode, DriftPolicy, Level, Phase, Status
from unit.extensions.extension_facts import NOW, extension, observed, running

DRIFT = Drift(kind="Deployment", name="web", namespace="hello-system", path="/spec/replicas", wanted="3", found="5")


def after(existing: Extension, phase: Phase, **more: Any) -> Extension:
    outcome = settle(existing, None, observed(phase, **more), NOW)
    assert isinstance(outcome, Settled)
    assert outcome.operation is None
    assert outcome.extension is not None
    return outcome.extension


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELED])
@pytest.mark.parametrize("phase", [Phase.HELD, Phase.READY, Phase.FAILED, Phase.WORKING])
def test_nothing_that_is_seen_of_a_held_one_is_an_outcome(state: State, phase: Phase) -> None:
    held = extension(hold=True, paused=state is not State.CANCELED, state=state)
    found = after(held, phase, revision=4)

    assert (state, True, 4) == (found.state, found.hold, found.observed and found.observed.revision)
    assert ["Canceled" if state is State.CANCELED else "Paused"] == [each.code for each in found.statuses]


def test_what_the_agent_warns_of_stands_below() -> None:
    warning = Status(code="ObjectMissing", message="Deployment web is missing.", level=Level.WARNING)
    how = Status(code="Held", message="The release is as wanted.")
    found = after(extension(hold=True, paused=True), Phase.HELD, statuses=[how, warning])

    assert ["Paused", "Held", "ObjectMissing"] == [each.code for each in found.statuses]
    assert found.observed is not None
    again = observed(Phase.HELD, statuses=[replace(how, time=NOW), warning], seconds=9)
    assert settle(replace(found, operation=None), None, again, NOW) is None, "the same words are no news"


def test_one_that_is_not_held_hears_of_no_holding() -> None:
    updating, operation = running(State.UPDATING)

    assert settle(updating, operation, observed(Phase.HELD), NOW) is None


@pytest.mark.parametrize("version", KNOWN)
def test_a_held_one_shows_that_it_is_paused(version: str) -> None:
    shown = render(after(extension(hold=True, paused=True), Phase.HELD), shape_of(version))["properties"]

    assert shown["paused"] is True
    assert "paused" not in render(extension(hold=True, state=State.CANCELED), shape_of(version))["properties"]
    if "extensionState" in shown:
        assert "Held" == shown["extensionState"]


def test_drift_is_counted_named_and_no_failure() -> None:
    outcome = settle(extension(), None, observed(Phase.READY, drift=[DRIFT] * 4, drift_count=120), NOW)
    assert outcome is not None
    assert outcome.extension is not None
    found = outcome.extension

    assert ([DRIFT] * 4, State.SUCCEEDED) == (outcome.drift, found.state)
    assert [("Drifted", Level.WARNING)] == [(each.code, each.level) for each in found.statuses]
    message = found.statuses[0].message
    assert message.startswith(
        "120 fields are not what the release says: Deployment web /spec/replicas is 5, wanted 3; "
    )
    assert message.endswith("; and 117 more. A retry puts it right, once.")
    assert {"count": 120} == render(found, shape_of(KNOWN[0]))["properties"]["drift"]


def test_the_same_drift_is_no_news_and_its_end_is() -> None:
    drifted = after(extension(), Phase.READY, drift=[DRIFT])
    assert settle(drifted, None, observed(Phase.READY, drift=[DRIFT], seconds=2), NOW) is None
    outcome = settle(drifted, None, observed(Phase.READY, seconds=3), NOW)

    assert outcome is not None
    assert outcome.extension is not None
    assert ([], []) == (outcome.drift, outcome.extension.statuses)
    assert "drift" not in render(outcome.extension, shape_of(KNOWN[-1]))["properties"]


def test_a_correction_says_so_and_the_agents_own_words_are_enough() -> None:
    correcting = extension(policies=Policies(drift=DriftPolicy(mode=DriftMode.CORRECT)))
    lone = Drift(kind="ConfigMap", name="c", namespace="n", path="/data/x", wanted='"a"')
    found = after(correcting, Phase.READY, drift=[lone])
    own = Status(code="Drifted", message="mine", level=Level.WARNING)

    words = '1 field is not what the release says: ConfigMap c /data/x is not there, wanted "a". It is put right.'
    assert [words] == [each.message for each in found.statuses]
    told = after(correcting, Phase.READY, drift=[lone], statuses=[own])
    assert ["mine"] == [each.message for each in told.statuses]
