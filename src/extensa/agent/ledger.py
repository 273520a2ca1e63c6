"""What was compared of one extension, with which of Helm's records, and how often each field was put right.

From it follow which objects need no look, and which fields are fought over and better left alone. Pure; nothing of it
survives a restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from extensa.helm.release import ObjectRef
from extensa.link.extension import Drift

MOST_CORRECTIONS = 3
WITHIN = timedelta(minutes=10)
"""A field that was put right so often in this time belongs to somebody else."""

_Place = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of comparing an object that carried this ``mark``."""

    mark: str
    drift: tuple[Drift, ...] = ()


@dataclass(slots=True)
class Ledger:
    """What was compared, with which of Helm's records, and how often each field was put right."""

    record: str = ""
    rules: tuple[str, ...] = ()
    due: datetime | None = None
    """When all that was not compared yet is to be; None: a look has not come by yet."""
    compared: dict[ObjectRef, Compared] = field(default_factory=dict)
    corrections: dict[_Place, list[datetime]] = field(default_factory=dict)
    fought: set[_Place] = field(default_factory=set)

    def turn_to(self, record: str, rules: tuple[str, ...], now: datetime, *, calm: float) -> None:
        """Begin anew if the record or the rules are others than before; for a record everything is due after ``calm``
        seconds.
        """
        if (record, rules) != (self.record, self.rules):
            pause = timedelta(seconds=calm if record != self.record else 0.0)
            self.record, self.rules, self.due = record, rules, now + pause
            self.compared.clear()

    def waits(self, now: datetime) -> float | None:
        """Return in how many seconds everything is to be compared, None when it was."""
        return None if self.due is None or self.due <= now else (self.due - now).total_seconds()

    def lacks(self, ref: ObjectRef, mark: str) -> bool:
        """Say whether an object that carries ``mark`` now is yet to be compared."""
        known = self.compared.get(ref)
        return known is None or known.mark != mark

    def contested(self, found: Sequence[Drift], now: datetime) -> list[Drift]:
        """Return the fields that were put right so often, so lately, that somebody else must be at them; such a field
        stays contested until it is seen as it should be.
        """
        self.fought &= {_place(each) for each in found}
        lately = {place for place, times in self.corrections.items() if len(_since(times, now)) >= MOST_CORRECTIONS}
        self.fought |= lately & {_place(each) for each in found}
        return [each for each in found if _place(each) in self.fought]

    def note_correction(self, found: Sequence[Drift], now: datetime) -> None:
        """Note that these fields are put right now."""
        kept = {place: left for place, times in self.corrections.items() if (left := _since(times, now))}
        for each in found:
            kept.setdefault(_place(each), []).append(now)
        self.corrections = kept


def _since(times: Sequence[datetime], now: datetime) -> list[datetime]:
    return [at for at in times if at > now - WITHIN]


def _place(each: Drift) -> _Place:
    return each.kind, each.namespace, each.name, each.path
