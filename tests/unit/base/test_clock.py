"""Clocks: one that tests set wrong, and one that no jump reaches."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from extensa.base.clock import set_wrong, steady, utc_now
from extensa.base.settings import load_settings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_steady_clock_goes_on_evenly_whatever_the_date_does() -> None:
    date, ticks = [NOW], [100.0]
    clock = steady(lambda: date[0], lambda: ticks[0])
    date[0] += timedelta(hours=5)
    ticks[0] += 2.5

    assert NOW + timedelta(seconds=2.5) == clock()


def test_a_clock_is_wrong_by_what_the_file_says_and_right_without_one(tmp_path: Path) -> None:
    file = tmp_path / "offset"
    clock = load_settings({"EXTENSA_CLOCK_OFFSET": str(file)}).clock

    assert abs(clock() - utc_now()) < timedelta(seconds=5)
    file.write_text("-7200", encoding="ascii")
    assert abs(clock() + timedelta(hours=2) - utc_now()) < timedelta(seconds=5)
    file.write_text("", encoding="ascii")
    assert abs(set_wrong(file)() - utc_now()) < timedelta(seconds=5)


def test_without_the_setting_the_clock_is_the_machines() -> None:
    assert utc_now is load_settings({}).clock
