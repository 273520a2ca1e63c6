"""The time, handed in.

Decisions take ``now`` as an argument and long-lived objects take a `Clock`, so that tests hold time still.
Nothing else in the project may ask the machine for the date.
"""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Returns the present moment, timezone-aware, in UTC."""


def utc_now() -> datetime:
    """Return the machine's present moment in UTC: the only real `Clock`."""
    return datetime.now(UTC)


def arm_time(moment: datetime) -> str:
    """Return ``moment`` as ARM writes it: seven fractional digits and ``+00:00`` (recorded traffic, contract §0.8)."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "0+00:00"
