"""The grammar: lazy commands, several values after one flag, help with examples, exit codes."""

import json
import subprocess
import sys

import click
import pytest

from extensa.cli.grammar import Command, LazyGroup
from extensa.cli.main import root
from unit.cli.conftest import Shell

HEAVY = {
    "httpx2",
    "sqlalchemy",
    "structlog",
    "cryptography",
    "starlette",
    "msgspec",
    "asyncio",
    "yaml",
    "subprocess",
}


def loaded_after(code: str) -> set[str]:
    """Return the modules that a fresh interpreter has loaded after ``code``."""
    script = f"import sys\n{code}\nprint('\\n'.join(sys.modules))"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def every_command() -> list[tuple[str, click.Command]]:
    """Return every command with the words that name it."""
    found: list[tuple[str, click.Command]] = []

    def walk(words: str, command: click.Command) -> None:
        found.append((words, command))
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                below = command.get_command(ctx, name)
                assert below is not None
                walk(f"{words} {name}", below)

    walk("extensa", root)
    return found


def test_the_help_of_the_root_loads_no_command() -> None:
    loaded = loaded_after("from extensa.cli.main import root\nroot.main(['--help'], standalone_mode=False)")

    assert set() == loaded & (HEAVY | {"ssl", "http", "tempfile"})
    assert set() == loaded & {"extensa.cli.extension", "extensa.cli.session"}


def test_showing_an_extension_loads_nothing_heavy() -> None:
    assert set() == loaded_after("import extensa.entry.cli, extensa.cli.extension") & HEAVY


@pytest.mark.parametrize(("words", "command"), every_command(), ids=lambda v: v if isinstance(v, str) else "")
def test_every_command_explains_itself(words: str, command: click.Command, shell: Shell) -> None:
    ran = shell(*words.split()[1:], "--help")

    assert 0 == ran.code
    assert ran.out.startswith("Usage: ")
    assert command.help
    if isinstance(command, Command) and words.rsplit(maxsplit=1)[-1] not in ("server", "host", "agent"):
        assert "Examples:" in ran.out
        assert "  extensa " in ran.out or 'eval "$(extensa' in ran.out


def test_the_summaries_of_the_root_name_commands_that_are_there() -> None:
    assert isinstance(root, LazyGroup)
    ctx = click.Context(root)
    for name in root.list_commands(ctx):
        command = root.get_command(ctx, name)
        assert command is not None
        assert name == command.name
    assert None is root.get_command(ctx, "nothing")


def test_one_flag_takes_several_values() -> None:
    @click.command(cls=Command, greedy=("--config",))
    @click.option("--config", multiple=True)
    @click.option("-n")
    @click.argument("rest", nargs=-1)
    def body(config: tuple[str, ...], n: str | None, rest: tuple[str, ...]) -> None:
        click.echo(json.dumps([config, n, rest]))

    def said(*words: str) -> object:
        with click.Context(body) as ctx:
            body.parse_args(ctx, list(words))
            return [ctx.params["config"], ctx.params["n"], ctx.params["rest"]]

    assert [("a=1", "b=2", "c=3"), "x", ()] == said("--config", "a=1", "b=2", "-n", "x", "--config", "c=3")
    assert [("a=1",), "x", ("y",)] == said("--config=a=1", "-n", "x", "y")
    assert [("a=1",), None, ("b=2",)] == said("--config", "a=1", "--", "b=2")


@pytest.mark.parametrize(
    "words", [["nonsense"], ["extension", "show"], ["extension", "show", "-g", "g", "-c", "c", "-n", "n", "-o", "xml"]]
)
def test_a_wrong_command_line_is_exit_code_2(shell: Shell, words: list[str]) -> None:
    ran = shell(*words)

    assert (2, "") == (ran.code, ran.out)
    assert "Error:" in ran.err


def test_completion_scripts_are_printed_without_running_a_shell(shell: Shell) -> None:
    for name in ("bash", "zsh", "fish"):
        ran = shell("completion", name)
        assert 0 == ran.code
        assert "_EXTENSA_COMPLETE" in ran.out


def test_processes_are_run_by_name(shell: Shell) -> None:
    ran: list[str] = []

    def server() -> int:
        ran.append("server")
        return 7

    shell.processes = {"server": server}

    assert 7 == shell("server").code
    assert ["server"] == ran
