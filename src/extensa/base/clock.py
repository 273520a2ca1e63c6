"""The time, handed in.

Decisions take ``now`` as an argument and long-lived objects take a `Clock`, so that tests hold time still.
Nothing else in the project may ask the machine for the date.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

Clock = Callable[[], datetime]
"""Returns the present moment, timezone-aware, in UTC."""


def utc_now() -> datetime:
    """Return the machine's present moment in UTC: the only real `Clock`."""
    return datetime.now(UTC)


def set_wrong(file: Path) -> Clock:
    """Return a `Clock` that is wrong by as many seconds as ``file`` holds whenever it is asked, none without a file.

    So a test makes a running process meet a jump of the clock without touching the machine's.
    """

    def wrong() -> datetime:
        try:
            return utc_now() + timedelta(seconds=float(file.read_text(encoding="ascii")))
        except (FileNotFoundError, ValueError):  # being written
            return utc_now()

    return wrong


def steady(clock: Clock, ticks: Callable[[], float] = time.monotonic) -> Clock:
    """Return a `Clock` for durations: it starts at what ``clock`` says now and goes on evenly, so that neither a jump
    of the machine's date nor a night in which it slept uses up anybody's patience.
    """
    moment, began = clock(), ticks()
    return lambda: moment + timedelta(seconds=ticks() - began)


class Jumps:
    """Tells for how long the date has gone evenly: since the start, or since it was set or the machine has slept.

    Who judges silence by the date would else hold hours against somebody who had no moment in which to speak. Without a
    `steady` clock nothing is known of jumps.
    """

    def __init__(self, clock: Clock, steady: Clock | None, *, smallest: timedelta = timedelta(minutes=1)) -> None:
        """``smallest`` is how much the date may stray between two questions without a word."""
        self._clock, self._steady, self._smallest = clock, steady or clock, smallest
        self._even_since = self._steady() if steady is not None else datetime.min.replace(tzinfo=UTC)
        self._strayed = self._clock() - self._steady()

    def even_for(self) -> timedelta:
        """Return for how long. Ask often: a jump is told from one question to the next."""
        now = self._steady()
        strayed = self._clock() - now
        if abs(strayed - self._strayed) > self._smallest:
            self._even_since = now
        self._strayed = strayed
        return now - self._even_since


def arm_time(moment: datetime) -> str:
    """Return ``moment`` as ARM writes it: seven fractional digits and ``+00:00`` (recorded traffic, contract §0.8)."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "0+00:00"
