"""`extensa logs`: what the processes and clusters print, for people; ``--raw`` as it was written."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import click

from extensa.base.errors import NotFound
from extensa.base.home import Home
from extensa.cli import daemons
from extensa.cli.grammar import CONTEXT, Command
from extensa.cli.log_lines import interleaved, last_lines, pretty
from extensa.cli.session import Session

_TURN = 0.2


@click.command(
    cls=Command,
    context_settings=CONTEXT,
    examples=[
        ("The last lines of all three processes", "extensa logs"),
        ("Follow the agent", "extensa logs agent -f"),
        ("What the programs of the clusters print", "extensa logs cluster -n 20"),
    ],
)
@click.argument("source", required=False, type=click.Choice((*daemons.NAMES, "cluster")))
@click.option("-f", "--follow", is_flag=True, help="Go on as lines are written, until Ctrl-C.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=50, show_default=True, help="Lines of each log.")
@click.option("--raw", is_flag=True, help="Lines as they were written: JSON.")
@click.pass_obj
def logs(session: Session, /, source: str | None, *, follow: bool, lines: int, raw: bool) -> None:
    """Show what server, host, agent or the clusters print; all three processes by default."""
    files = _files(session.home, source)
    if not follow and not any(file.is_file() for file in files.values()):
        raise NotFound(
            "NoLogs", f"Nothing has been logged in {session.home.path}.", next_step="Start Extensa with `extensa up`."
        )
    labelled = len(files) > 1
    before = {label: last_lines(file, lines) if lines else () for label, file in files.items()}
    for label, text in interleaved(before):
        _print(text, label if labelled else "", raw=raw)
    if follow:
        tails = [Tail(file, label) for label, file in files.items()]
        try:
            while True:
                for label, text in interleaved({tail.label: tail.fresh() for tail in tails}):
                    _print(text, label if labelled else "", raw=raw)
                time.sleep(_TURN)
        except KeyboardInterrupt:
            return
        finally:
            for tail in tails:
                tail.close()


@dataclass
class Tail:
    """A log that is being followed from its present end; a log that was cut or replaced is read from its beginning."""

    file: Path
    label: str
    _source: BinaryIO | None = field(default=None, repr=False)
    _rest: bytes = b""

    def __post_init__(self) -> None:
        if self.file.is_file():
            self._source = self.file.open("rb")
            self._source.seek(0, os.SEEK_END)

    def fresh(self) -> Iterator[str]:
        """Yield the whole lines written since the last call."""
        source = self._current()
        if source is None:
            return
        *whole, self._rest = (self._rest + source.read()).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in whole)

    def close(self) -> None:
        """Follow no more."""
        if self._source is not None:
            self._source.close()

    def _current(self) -> BinaryIO | None:
        try:
            present = self.file.stat()
        except FileNotFoundError:
            return self._source
        if self._source is not None:
            held = os.fstat(self._source.fileno())
            if held.st_ino == present.st_ino and present.st_size >= self._source.tell():
                return self._source
            self._source.close()
        self._source, self._rest = self.file.open("rb"), b""
        return self._source


def _files(home: Home, source: str | None) -> dict[str, Path]:
    """Return the logs by label: those of the processes, or of every program of every cluster."""
    if source != "cluster":
        names: Sequence[str] = (source,) if source else daemons.NAMES
        return {name: home.log(name) for name in names}
    found = sorted(home.clusters.glob("*/logs/*.log"))
    return {f"{_cluster_name(file.parents[1])}/{file.stem}": file for file in found}


def _cluster_name(folder: Path) -> str:
    try:
        name = json.loads((folder / "desired.json").read_bytes())["name"]
    except (OSError, ValueError, KeyError, TypeError):
        return folder.name[:8]
    return str(name)


def _print(line: str, label: str, *, raw: bool) -> None:
    text = line if raw else pretty(line)
    click.echo(f"{label} | {text}" if label else text)
