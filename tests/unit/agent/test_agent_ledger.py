"""What needs no look, and which fields are fought over."""

from datetime import UTC, datetime, timedelta

from extensa.agent.ledger import MOST_CORRECTIONS, WITHIN, Compared, Ledger
from extensa.helm.release import ObjectRef
from extensa.link.extension import Drift

NOW = datetime(2026, 11, 25, tzinfo=UTC)
WEB = ObjectRef("apps/v1", "Deployment", "ns", "web")
REPLICAS = Drift(kind="Deployment", name="web", namespace="ns", path="/spec/replicas", wanted="1", found="2")
IMAGE = Drift(kind="Deployment", name="web", namespace="ns", path="/spec/image", wanted="1", found="2")
MINUTE = timedelta(minutes=1)


def corrected(times: int, *, every: timedelta = MINUTE) -> Ledger:
    ledger = Ledger()
    for number in range(times):
        ledger.note_correction([REPLICAS], NOW + number * every)
    return ledger


def test_a_new_record_is_compared_after_a_while_and_new_rules_at_once() -> None:
    ledger = Ledger()
    ledger.turn_to("v1", (), NOW, calm=10)
    ledger.compared[WEB] = Compared("m")

    assert 10 == ledger.waits(NOW)
    assert 4 == ledger.waits(NOW + timedelta(seconds=6))
    assert ledger.waits(NOW + timedelta(seconds=10)) is None
    ledger.turn_to("v1", (), NOW, calm=10)
    assert {WEB: Compared("m")} == ledger.compared
    ledger.turn_to("v1", ("/spec",), NOW, calm=10)
    assert ({}, None) == (ledger.compared, ledger.waits(NOW))
    ledger.turn_to("v2", ("/spec",), NOW, calm=10)
    assert 10 == ledger.waits(NOW)


def test_a_field_that_was_put_right_too_often_is_contested() -> None:
    assert [] == corrected(MOST_CORRECTIONS - 1).contested([REPLICAS, IMAGE], NOW + MINUTE)
    assert [REPLICAS] == corrected(MOST_CORRECTIONS).contested([REPLICAS, IMAGE], NOW + 3 * MINUTE)


def test_corrections_of_long_ago_do_not_count() -> None:
    ledger = corrected(MOST_CORRECTIONS, every=WITHIN / 2)

    assert [] == ledger.contested([REPLICAS], NOW + WITHIN + MINUTE)


def test_it_stays_contested_for_as_long_as_it_is_seen() -> None:
    ledger = corrected(MOST_CORRECTIONS)
    ledger.contested([REPLICAS], NOW + 3 * MINUTE)

    assert [REPLICAS] == ledger.contested([REPLICAS], NOW + 10 * WITHIN)
    assert [] == ledger.contested([], NOW + 10 * WITHIN)
    assert [] == ledger.contested([REPLICAS], NOW + 10 * WITHIN)


def test_what_was_found_elsewhere_since_is_no_other_field() -> None:
    ledger = corrected(MOST_CORRECTIONS)
    other = Drift(kind="Deployment", name="web", namespace="ns", path="/spec/replicas", found="9", manager="x")

    assert [other] == ledger.contested([other], NOW + 3 * MINUTE)


def test_what_is_old_is_forgotten() -> None:
    ledger = corrected(MOST_CORRECTIONS)
    ledger.note_correction([IMAGE], NOW + 2 * WITHIN)

    assert 1 == len(ledger.corrections)
