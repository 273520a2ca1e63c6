"""No value of a protected setting survives in an agent's words."""

import base64
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extensa.base.masking import MASK
from extensa.extensions.masking import masked
from extensa.link.extension import Failure, Phase
from unit.extensions.extension_facts import health, observed, status

SECRET = 'pa"ss\\word\nsecond line'


@pytest.mark.parametrize(
    "spelling",
    [SECRET, json.dumps(SECRET)[1:-1], base64.b64encode(SECRET.encode()).decode(), "second line"],
)
def test_every_spelling_is_blotted_out_everywhere(spelling: str) -> None:
    words = f"before {spelling} after"
    report = observed(
        Phase.FAILED,
        statuses=[status("Note", words)],
        objects=[health("x", "InProgress", words)],
        failure=Failure(code="C", message=words, step="ready", target=words, next_step=words, raw=words),
    )

    found = masked(report, [SECRET])

    texts = [found.statuses[0].message, found.objects[0].waits_for]
    assert found.failure is not None
    texts += [found.failure.message, found.failure.target, found.failure.next_step, found.failure.raw]
    assert [f"before {MASK} after"] * 6 == texts


def test_a_short_secret_is_masked_as_a_word_only() -> None:
    report = observed(Phase.WORKING, statuses=[status("Note", "pin 42, port 4200, 42")])

    assert f"pin {MASK}, port 4200, {MASK}" == masked(report, ["42"]).statuses[0].message


def test_a_longer_secret_is_not_shielded_by_a_shorter_one() -> None:
    report = observed(Phase.WORKING, statuses=[status("Note", "it is hunter2-long")])

    assert f"it is {MASK}" == masked(report, ["hunter2", "hunter2-long"]).statuses[0].message


def test_without_secrets_a_report_is_itself() -> None:
    report = observed(Phase.READY)

    assert report is masked(report, [])
    assert report is masked(report, [""])


@given(st.text(min_size=4, max_size=30).filter(lambda s: s.strip() == s), st.text(max_size=20), st.text(max_size=20))
def test_no_secret_survives(secret: str, before: str, after: str) -> None:
    report = observed(Phase.WORKING, statuses=[status("Note", before + secret + after)])

    assert secret not in masked(report, [secret]).statuses[0].message.replace(MASK, "\0")


def test_a_large_secret_costs_a_report_no_seconds() -> None:
    large = "\n".join(f"line {n:06} {'x' * 60}" for n in range(5000))
    words = [status("Note", "before line 004321 " + "x" * 60 + " after")] + [status("Note", "all is well")] * 100
    started = time.process_time()
    found = masked(observed(Phase.WORKING, statuses=words), [large])

    assert f"before {MASK} after" == found.statuses[0].message
    assert time.process_time() - started < 0.5
