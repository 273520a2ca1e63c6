"""Crash points: each named one is in the source, once; an order is obeyed once; without one nothing happens."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from extensa.base import crash_points
from extensa.base.crash_points import POINTS, reached

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "extensa"
CALL = re.compile(r'\breached\("([^"]+)"\)')


def test_every_named_point_is_in_the_source_once_and_no_other_is() -> None:
    found = [name for file in SOURCE.rglob("*.py") for name in CALL.findall(file.read_text(encoding="utf-8"))]

    assert sorted(POINTS) == sorted(found)


def test_the_page_tells_of_every_point() -> None:
    page = (ROOT / "docs" / "chaos.md").read_text(encoding="utf-8")

    assert [] == [f"{name}: {words}" for name, words in POINTS.items() if f"| `{name}` | {words} |" not in page]


def test_without_an_order_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("nobody has ordered that"))
    reached("server.accept-kept")


def test_an_order_is_obeyed_once_and_at_its_own_point_only(tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = (
        "from extensa.base.crash_points import reached\n"
        "reached('agent.outcome-kept')\nprint('passed', flush=True)\nreached('server.accept-kept')\nprint('survived')"
    )
    env = {**os.environ, crash_points.VARIABLE: str(order)}

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)

    order.write_text("server.accept-kept\n", encoding="ascii")
    first, second = run(), run()

    assert (-signal.SIGKILL, "passed\n") == (first.returncode, first.stdout)
    assert not order.exists()
    assert (0, "passed\nsurvived\n") == (second.returncode, second.stdout)
