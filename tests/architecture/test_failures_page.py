"""The page of causes is what the code says, and every cause on it is brought about by a test named after it."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from extensa.extensions.failures import SERVER_CAUSES
from extensa.helm.causes import TABLE

ROOT = Path(__file__).resolve().parents[2]
EXEMPT = {
    "ClusterGone": "a cluster's deletion cancels what runs in it; this is what is left to say after a crash in between",
    "ExtensionGone": "said of an operation whose record a damaged database has lost",
}
"""Causes that no test of the whole brings about, and why."""


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """The program that writes the page."""
    spec = importlib.util.spec_from_file_location("failures_page", ROOT / "tools" / "failures_page.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_the_page_is_what_the_tool_writes(tool: ModuleType) -> None:
    assert 0 == tool.main(["--check"])


def test_the_tool_tells_of_a_page_that_is_not(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tool, "PAGE", tmp_path / "failures.md")
    monkeypatch.setattr(tool, "ROOT", tmp_path)

    assert 1 == tool.main(["--check"])
    assert "tools/failures_page.py" in capsys.readouterr().err
    assert (0, 0) == (tool.main([]), tool.main(["--check"]))


def test_every_cause_is_brought_about_by_a_test(tool: ModuleType) -> None:
    produced, known = set(tool.produced()), {*TABLE, *SERVER_CAUSES}

    assert set() == produced - known
    assert sorted(EXEMPT) == sorted(known - produced)
    assert len(produced & set(TABLE)) >= 60


def test_a_test_is_named_after_its_cause(tool: ModuleType) -> None:
    for code, place in tool.produced().items():
        words = re.sub(r"(?<!^)(?=[A-Z])", "_", code).lower()
        assert place.endswith(f"::test_{words}"), place


def test_every_cause_of_the_server_says_what_it_is_and_what_to_do() -> None:
    for cause in SERVER_CAUSES.values():
        assert cause.words.endswith(".")
        assert cause.next_step.endswith(".")


def test_the_links_of_the_page_lead_somewhere(tool: ModuleType) -> None:
    for file in re.findall(r"\]\(([\w./-]+)", tool.page()):
        assert (tool.PAGE.parent / file).exists(), file


def test_no_cause_has_two_rows() -> None:
    assert set() == set(TABLE) & set(SERVER_CAUSES)
