"""What happened, in order: every request, every answer, every fault, every violation, as lines that are kept.

It is the first thing to read after a failure, together with the seed and the logs beside it.
"""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HISTORIES = pytest.StashKey[list["History"]]()
"""Where a test run keeps the histories that it will tell of at its end."""


@dataclass
class History:
    """The events of a run, written to ``file`` as they come."""

    file: Path
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    violations: dict[str, list[str]] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def note(self, event: str, **facts: Any) -> None:
        """Write one event down."""
        line = {"at": round(time.monotonic() - self._began, 3), "event": event, **facts}
        with self.file.open("a", encoding="utf-8") as sink:
            sink.write(json.dumps(line, default=str) + "\n")

    def kill(self, signal: str, program: str, pid: int) -> None:
        """Count a signal that was sent to a process."""
        self.counts[f"kill {program}"] += 1
        self.note("kill", signal=signal, program=program, pid=pid)

    def fault(self, kind: str, **facts: Any) -> None:
        """Count a fault that is no kill: of the network, the disk, the clock, or a crash at a named point."""
        self.counts[f"fault {kind}"] += 1
        self.note("fault", kind=kind, **facts)

    def violation(self, invariant: str, words: str) -> None:
        """Write down that an invariant does not hold."""
        self.violations.setdefault(invariant, []).append(words)
        self.note("violation", invariant=invariant, words=words)

    @property
    def broken(self) -> int:
        """How often an invariant was found broken."""
        return sum(len(each) for each in self.violations.values())

    @property
    def kills(self) -> int:
        """Signals sent so far."""
        return sum(count for what, count in self.counts.items() if what.startswith("kill "))

    @property
    def faults(self) -> int:
        """Faults that were no kills."""
        return sum(count for what, count in self.counts.items() if what.startswith("fault "))

    def below(self, *programs: str) -> int:
        """Kills of these programs."""
        return sum(self.counts[f"kill {program}"] for program in programs)

    @property
    def summary(self) -> str:
        """The last line of a run."""
        return f"{self.kills} kills, {self.faults} faults, {self.broken} violations"

    def told(self) -> str:
        """What a failure prints: the violations, the newest events, the seed, and where everything is kept."""
        bad = [f"  {name}: {words}" for name, some in self.violations.items() for words in some]
        last = self.file.read_text(encoding="utf-8").splitlines()[-40:] if self.file.exists() else []
        where = f"seed {self.seed}; history and logs are kept in {self.file.parent}"
        return "\n".join([self.summary, where, *bad, "the newest events:", *last])
