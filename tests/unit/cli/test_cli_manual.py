"""The manual page of the command line lists the commands there are, and no others."""

import re
from pathlib import Path

import click

from unit.cli.test_cli_grammar import every_command

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def test_the_page_lists_every_command_and_no_other() -> None:
    listed = set(re.findall(r"^\| `(extensa [a-z -]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    there = {words for words, command in every_command() if not isinstance(command, click.Group)}

    assert sorted(there) == sorted(listed)


def test_every_flag_the_page_names_is_taken_by_some_command() -> None:
    named = set(re.findall(r"`(--[a-z-]+)", PAGE.read_text(encoding="utf-8")))
    taken = {flag for _, command in every_command() for param in command.params for flag in param.opts}

    assert set() == named - taken - {"--debug"}
