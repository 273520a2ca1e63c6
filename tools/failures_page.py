"""Writes docs/operations/failures.md from the tables of causes and from the tests that bring them about.

    python tools/failures_page.py           write the page
    python tools/failures_page.py --check   fail when it is not what would be written

What a cause is stands in ``extensa.helm.causes`` and ``extensa.extensions.failures``; which test produces it stands
above the test, as ``@produces("Code")``. Nothing on the page is written by hand.
"""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from extensa.extensions.failures import SERVER_CAUSES
from extensa.helm.causes import TABLE

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "operations" / "failures.md"
TESTS = ROOT / "tests"

HEAD = """\
# Every cause of a failed extension

Generated from the code by `python tools/failures_page.py`; a test compares them.

A failed operation has Azure's code and sentence ([extensions.md](../extensions.md#when-it-fails)); the cause stands
beside them, in the `ExtensaFailure` of `additionalInfo` and as the code of the last error line of `statuses`
(the first is Azure's; what was done about it stands between):

| field | what it says |
| --- | --- |
| `code` | the cause, from the tables below |
| `message` | the cause in plain words, and what is known of this very case |
| `target` | the object at fault, in the form that the tables give |
| `step` | during what: `install`, `upgrade`, `rollback`, `uninstall`, `render` or `ready` |
| `nextStep` (in `ExtensaNextStep`) | the way out |

What was to be seen when it failed is kept and shown by `extensa extension diagnose` ([diagnose.md](../diagnose.md)).

*Tried again* means: time alone may cure it, so it is tried again with growing pauses and becomes a failure only when it
lasts as long as the release may take. Every other cause ends the attempt at once.
"""

LATER = {
    "a chart with a bad signature": "Charts are known by their digest; signatures are not verified.",
    "what only a real container shows: a failing probe, an eviction, a lost node": "The nodes of a local cluster are "
    "simulated. What conditions and container states tell is judged all the same (`ImagePullFailed`, `CrashLoop`).",
}
"""Causes that come with signatures and with real nodes, and why not before."""


def produced() -> dict[str, str]:
    """Return which test brings about which cause: code to ``folder/file::test``."""
    found: dict[str, str] = {}
    for path in sorted(TESTS.glob("*/test_causes_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
                for code in _promised(node.decorator_list):
                    found[code] = f"{path.parent.name}/{path.name}::{node.name}"
    return found


def _promised(decorators: Iterable[ast.expr]) -> Iterator[str]:
    for each in decorators:
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "produces":
            yield from (str(argument.value) for argument in each.args if isinstance(argument, ast.Constant))


def page() -> str:
    """Return the page."""
    tests = produced()
    parts = [HEAD]
    agents = [(row.code, row.words, row.fault.value, row.next_step, row.transient) for row in TABLE.values()]
    servers = [
        (row.code, row.words, row.fault or "the extension", row.next_step, False) for row in SERVER_CAUSES.values()
    ]
    for title, text, rows in (
        (
            "Causes that the agent finds",
            f"{len(agents)} causes, from Helm's record, the live objects and the API.",
            agents,
        ),
        ("Causes that the server finds", "When no outcome comes from the agent in time.", servers),
    ):
        parts.append(f"## {title}\n\n{text}\n\n{_table(rows, tests)}")
    later = "\n".join(f"| {what} | {why} |" for what, why in LATER.items())
    parts.append(f"## Not in the tables yet\n\n| what | why |\n| --- | --- |\n{later}\n")
    return "\n".join(parts)


def _table(rows: Iterable[tuple[str, str, str, str, bool]], tests: dict[str, str]) -> str:
    lines = ["| code | meaning | at fault | next step | tested by |", "| --- | --- | --- | --- | --- |"]
    for code, words, fault, step, transient in rows:
        mark = " *tried again*" if transient else ""
        test = f"`{tests[code]}`" if code in tests else "not yet"
        lines.append(f"| `{code}` | {words}{mark} | {fault} | {step} | {test} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str]) -> int:
    """Write or compare the page; return the exit code."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
    if not same:
        sys.stderr.write(f"{PAGE.relative_to(ROOT)} is not what the code says: python tools/failures_page.py\n")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
