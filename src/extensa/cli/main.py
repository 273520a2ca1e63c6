"""The root of the command line: the table of nouns, and the one place where an error becomes words and an exit code.

Exit codes are az's: 0 done, 1 it went wrong, 2 the command line was wrong, 3 what was named is not there; 130 after
Ctrl-C. A traceback is shown for ``--debug`` only.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import click

from extensa.base.errors import ExtensaError, NotFound, Problem
from extensa.cli.grammar import Entry, LazyGroup


class Closing(Protocol):
    """Whatever commands are handed: it is closed when the command has ended."""

    def close(self) -> None:
        """Let go of what is held open."""
        ...


def _at(module: str, summary: str, attribute: str | None = None) -> Entry:
    return Entry(f"extensa.cli.{module}", attribute or module, summary)


_SECTIONS: Mapping[str, Mapping[str, Entry]] = {
    "Run it": {
        "up": _at("up", "Start everything and install the sample extension on a demo cluster."),
        "down": _at("down", "Stop every process; data is kept."),
        "status": _at("status", "Tell what runs."),
        "env": _at("env", "Print what az, kubectl, helm and the SDKs need to know, for eval."),
        "logs": _at("logs", "Show what the processes and clusters print."),
        "doctor": _at("doctor", "Look for what is wrong and say what to do."),
        "support-bundle": _at("bundle", "Pack what a supporter needs to know, without secrets."),
        "reset": _at("reset", "Remove the data folder."),
    },
    "Use it": {
        "group": _at("group", "Resource groups."),
        "cluster": _at("cluster", "Clusters: create, stop, start, credentials."),
        "extension": _at("extension", "Extensions on a cluster."),
        "type": _at("type", "Extension types: what can be installed; publish your own.", "type_"),
        "operation": _at("operation", "Long-running operations."),
    },
    "More": {
        "kubernetes": _at("kubernetes", "The Kubernetes programs that local clusters run."),
        "completion": _at("completion", "Print the completion script of a shell."),
        "server": _at("process", "Run the control plane here, until stopped.", "server"),
        "host": _at("process", "Run the host of local clusters here, until stopped.", "host"),
        "agent": _at("process", "Run the agent here, until stopped.", "agent"),
    },
}


@click.group(
    cls=LazyGroup,
    sections=_SECTIONS,
    epilog="Every command explains itself with examples: extensa extension create --help. Add --debug to any command "
    "for a traceback.",
)
@click.version_option(package_name="extensa", message="extensa %(version)s")
@click.pass_context
def root(ctx: click.Context) -> None:
    """Extensa: Azure cluster extensions in the open.

    Start with `extensa up`; it ends with commands to try.
    """
    ctx.obj = ctx.obj()
    ctx.call_on_close(ctx.obj.close)


def run(arguments: Sequence[str], open_session: Callable[[], Closing]) -> int:
    """Run one command line and return its exit code; errors are told on standard error.

    ``open_session`` gives what commands reach the outside through; help and completion do without.
    """
    words, debug = _without_debug(arguments)
    try:
        code = root.main(list(words), prog_name="extensa", standalone_mode=False, obj=open_session)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, Exception) as error:  # noqa: BLE001 - the last door: people see words, a traceback when asked
        if debug:
            _traceback()
        text, code = outcome(error)
        _tell(text)
    return code if isinstance(code, int) else 0


def outcome(error: BaseException) -> tuple[str, int]:
    """Return what a person is told of ``error``, and the exit code."""
    if isinstance(error, click.Abort):
        return "Stopped.", 130
    if isinstance(error, ExtensaError):
        return explained(error), 3 if isinstance(error, NotFound) else 1
    if isinstance(error, OSError):
        return f"({type(error).__name__}) {error}\n  next: Run `extensa doctor`.", 1
    advice = "This is a fault of Extensa. Run the command again with --debug for the traceback."
    return f"(InternalError) {type(error).__name__}: {error}\n  next: {advice}", 1


def explained(error: ExtensaError) -> str:
    """Return an error as people read it: code and message, what is at fault, every detail, and what to do."""
    lines = [f"({error.code}) {error.message}"]
    if error.target:
        lines.append(f"  at:   {error.target}")
    for detail in error.details:
        lines.extend(_detail(detail))
    if error.next_step:
        lines.append(f"  next: {error.next_step}")
    return "\n".join(lines)


def _detail(detail: Problem) -> list[str]:
    at = f" (at {detail.target})" if detail.target else ""
    lines = [f"  - ({detail.code}) {detail.message}{at}"]
    if detail.next_step:
        lines.append(f"    next: {detail.next_step}")
    return lines


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    kept = [word for position, word in enumerate(words) if word != "--debug" or position > end]
    return kept, len(kept) != len(words)


def _traceback() -> None:
    import traceback

    traceback.print_exc()


def _tell(text: str) -> None:
    red = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    click.echo(click.style(text, fg="red") if red else text, err=True)
