"""How an answer is printed: json, yaml, a table for people, tab-separated values for scripts.

json and yaml show the resource as the API gave it; table and tsv show the columns that the command chose. Only standard
output is written here; what a person should know beside the answer goes to standard error (``cli/progress.py``).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

FORMATS = ("json", "table", "tsv", "yaml")
Column = tuple[str, str]
"""A heading, and where its value lies: keys joined by dots, alternatives by ``|``."""


def emit(value: Any, *, format: str, columns: Sequence[Column] = ()) -> None:
    """Print ``value``, a resource or a list of them, in ``format``; None prints nothing."""
    if value is None:
        return
    if not isinstance(value, Mapping | list):
        text = json.dumps(value)
    elif format in ("table", "tsv"):
        rows = [[cell(item, where) for _, where in columns] for item in (value if isinstance(value, list) else [value])]
        text = table([heading for heading, _ in columns], rows) if format == "table" else tab_separated(rows)
    elif format == "yaml":
        import yaml

        text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, default_flow_style=False)
    else:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    if text:
        click.echo(text.rstrip("\n"))


def cell(item: Any, where: str) -> str:
    """Return the text of the first of the alternatives in ``where`` that has a value, "" when none has."""
    for path in where.split("|"):
        found = item
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None and found != "":
            return _text(found)
    return ""


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return lines in columns under underlined headings, as az draws them; no rows give no lines."""
    if not rows:
        return ""
    widths = [max(len(line[i]) for line in (headings, *rows)) for i in range(len(headings))]
    ruled = ["-" * width for width in widths]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in (headings, ruled, *rows)
    ]
    return "\n".join(lines)


def tab_separated(rows: Sequence[Sequence[str]]) -> str:
    """Return one line per row, values between tabs; tabs and line ends inside a value become blanks."""
    return "\n".join("\t".join(" ".join(text.split()) if text.strip() else "" for text in row) for row in rows)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value)
    return str(value)
