"""The grammar of the command line: commands that are loaded when named, flags as az has them, help that shows examples.

click knows the first half of it; this file adds what az's users expect of flags (several values after one flag, a
boolean with an optional word). It knows no command by name.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

_NAMING = ("resource_group", "cluster_name", "cluster_type", "name")
_GENERAL = ("subscription", "output")
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@dataclass(frozen=True, slots=True)
class Entry:
    """A command that is not loaded yet: the module it lives in, what it is called there, and its line in the help."""

    module: str
    attribute: str
    summary: str


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run; its own help needs none of them."""

    def __init__(self, *, sections: Mapping[str, Mapping[str, Entry]], **attributes: Any) -> None:
        super().__init__(context_settings=CONTEXT, **attributes)
        self._sections = sections

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's own signature
        """Return the names of all commands, section by section."""
        return [name for section in self._sections.values() for name in section]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's own
        """Return the command of that name, imported now, or None."""
        for section in self._sections.values():
            if (entry := section.get(cmd_name)) is not None:
                command: click.Command = getattr(importlib.import_module(entry.module), entry.attribute)
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the sections with their one-line summaries."""
        for title, section in self._sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.summary) for name, entry in section.items()])


class Group(click.Group):
    """A noun with its verbs."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:
        attributes.setdefault("context_settings", CONTEXT)
        super().__init__(*arguments, **attributes)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs with their first sentence, whole."""
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.get_short_help_str(limit=100)) for name, verb in verbs if verb is not None])

    def verb(self, name: str, **attributes: Any) -> Callable[[Callable[..., Any]], "Command"]:
        """Add a verb: a `Command` with its examples and greedy flags."""

        def add(body: Callable[..., Any]) -> Command:
            made = verb(name, **attributes)(body)
            self.add_command(made)
            return made

        return add


class Command(click.Command):
    """A command that takes several values after one flag (those in ``greedy``) and ends its help with examples."""

    def __init__(
        self,
        *arguments: Any,
        examples: Sequence[tuple[str, str]] = (),
        greedy: Sequence[str] = (),
        **attributes: Any,
    ) -> None:
        attributes.setdefault("context_settings", CONTEXT)
        super().__init__(*arguments, **attributes)
        self._examples = examples
        self._greedy = frozenset(greedy)
        self.params.sort(key=_place)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words of the command line, ``--config a=1 b=2`` read as ``--config a=1 --config b=2``."""
        return super().parse_args(ctx, _repeated(args, self._greedy))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self._examples:
            with formatter.section("Examples"):
                for what, line in self._examples:
                    formatter.write(f"{'':{formatter.current_indent}}{what}:\n")
                    formatter.write(f"{'':{formatter.current_indent + 2}}{line}\n")
        super().format_epilog(ctx, formatter)


def verb(name: str, **attributes: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a verb that its noun, which lives in another file, adds to itself."""

    def make(body: Callable[..., Any]) -> Command:
        return click.command(name, cls=Command, **attributes)(body)

    return make


def _place(param: click.Parameter) -> int:
    """Where a flag stands in the help: what names the resource, what must be given, the rest, the general."""
    if param.name in _NAMING:
        return _NAMING.index(param.name)
    if param.name in _GENERAL:
        return 100
    return 10 if param.required else 50


def _repeated(words: Sequence[str], greedy: frozenset[str]) -> list[str]:
    """Return ``words`` with a greedy flag put before every further value that follows it."""
    written: list[str] = []
    flag: str | None = None
    taken = False
    for position, word in enumerate(words):
        if word == "--":
            return written + list(words[position:])
        if word.startswith("-") and word != "-":
            flag = word if word in greedy else None
            taken = False
        elif flag is not None:
            if taken:
                written.append(flag)
            taken = True
        written.append(word)
    return written
