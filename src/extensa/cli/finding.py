"""One line of `extensa doctor`: what was looked at, how serious it is, and what to do about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from extensa.base.home import Home
from extensa.base.settings import Settings

OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: how serious, about what, what was found, and what to do about it."""

    level: str
    subject: str
    message: str
    next_step: str = ""
    code: str = ""


Check = Callable[[Settings, Home], Sequence[Finding]]
"""Looks at one thing and repairs nothing; several findings are of one kind."""
