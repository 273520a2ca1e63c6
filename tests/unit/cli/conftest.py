"""A command line against a front on a socket, in a data folder of its own."""

import io
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from extensa.cli.main import run
from extensa.cli.session import Session
from unit.client.arm_double import SUBSCRIPTION, TENANT, ArmDouble, serving


@dataclass
class Ran:
    """How one command line ended."""

    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs command lines in one environment and keeps nothing between them but the data folder."""

    environ: dict[str, str]
    capture: pytest.CaptureFixture[str]
    processes: Mapping[str, Callable[[], int]] = field(default_factory=dict)

    def __call__(self, *words: str, typed: str = "") -> Ran:
        self.capture.readouterr()
        before, sys.stdin = sys.stdin, io.StringIO(typed)
        try:
            code = run(words, lambda: Session(self.environ, processes=self.processes))
        finally:
            sys.stdin = before
        printed = self.capture.readouterr()
        return Ran(code, printed.out, printed.err)


@pytest.fixture
def front() -> Iterator[ArmDouble]:
    with serving() as running:
        yield running


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    """Return a shell that knows a data folder and nothing else."""
    return Shell({"EXTENSA_HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}, capsys)


@pytest.fixture
def extensa(shell: Shell, front: ArmDouble) -> Shell:
    """Return a shell that `extensa env` has set up for the front."""
    shell.environ |= {
        "EXTENSA_ARM": front.url,
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": "me",
        "AZURE_CLIENT_SECRET": "right",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
    }
    return shell
