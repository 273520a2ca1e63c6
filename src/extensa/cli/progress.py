"""What a person sees while something takes its time, on standard error.

On a terminal one line turns and counts seconds; in a pipe the same words come as plain lines, one when the words change
and one every ten seconds. Work that ends within half a second is told in one line at the end.
"""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_TURN = 0.1
_PLAIN_FIRST = 0.5
_PLAIN_AGAIN = 10.0
_WHEEL = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_WHEEL = "|/-\\"


class Step:
    """One piece of work that is waited for; `say` changes the words behind its title."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self.title = title
        self.seconds = 0.0
        self._stream = stream
        self._words = ""
        self._began = time.monotonic()
        self._told: str | None = None
        self._told_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._turn, daemon=True)
        self._live = stream.isatty()
        fits = (getattr(stream, "encoding", None) or "ascii").lower().startswith("utf")
        self._wheel, self._tick, self._cross = (_WHEEL, "✓", "✗") if fits else (_PLAIN_WHEEL, "ok", "failed")

    def say(self, words: str) -> None:
        """Show ``words`` behind the title from now on."""
        self._words = " ".join(words.split())

    def begin(self) -> None:
        """Start to show it."""
        self._thread.start()

    def end(self, *, well: bool) -> None:
        """Show how it ended and how long it took."""
        self._ended.set()
        self._thread.join()
        self.seconds = time.monotonic() - self._began
        clear = "\r\033[K" if self._live else ""
        mark = self._tick if well else self._cross
        self._write(f"{clear}{mark} {self.title} ({self.seconds:.1f} s)\n")

    def _turn(self) -> None:
        turn = 0
        while not self._ended.wait(_TURN):
            turn += 1
            elapsed = time.monotonic() - self._began
            line = f"{self.title}: {self._words}" if self._words else self.title
            if self._live:
                wheel = self._wheel[turn % len(self._wheel)]
                self._write(f"\r\033[K{wheel} {_fitted(line)} ({elapsed:.0f} s)")
            elif elapsed >= _PLAIN_FIRST and (line != self._told or elapsed - self._told_at >= _PLAIN_AGAIN):
                self._write(f"  {line} ({elapsed:.0f} s)\n")
                self._told, self._told_at = line, elapsed

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            return  # nobody looks any more; the work goes on


def _fitted(line: str) -> str:
    import shutil

    width = shutil.get_terminal_size().columns - 12
    return line if len(line) <= width else line[: max(width - 1, 1)] + "…"


@contextmanager
def step(title: str, *, stream: TextIO | None = None, quiet: bool = False) -> Iterator[Step]:
    """Show ``title`` while the block runs, then how it ended; ``quiet`` shows nothing and still counts the seconds."""
    shown = Step(title, stream or sys.stderr)
    if quiet:
        began = time.monotonic()
        try:
            yield shown
        finally:
            shown.seconds = time.monotonic() - began
        return
    shown.begin()
    try:
        yield shown
    except BaseException:
        shown.end(well=False)
        raise
    shown.end(well=True)
