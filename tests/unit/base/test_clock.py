"""Clocks: one that tests set wrong, and one that no jump reaches."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from extensa.base.clock import Jumps, set_wrong, steady, utc_now
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


def test_without_a_steady_clock_no_jump_is_known() -> None:
    date = [NOW]
    jumps = Jumps(lambda: date[0], None)
    date[0] += timedelta(hours=5)

    assert timedelta(days=365) < jumps.even_for()


def test_the_date_goes_evenly_since_the_start_or_the_last_jump() -> None:
    date, even = [NOW], [NOW]
    jumps = Jumps(lambda: date[0], lambda: even[0])

    def passes(seconds: float, *, of_the_date: float | None = None) -> timedelta:
        even[0] += timedelta(seconds=seconds)
        date[0] += timedelta(seconds=seconds if of_the_date is None else of_the_date)
        return jumps.even_for()

    assert timedelta(seconds=100) == passes(100)
    assert timedelta(seconds=110) == passes(10, of_the_date=40)
    assert timedelta() == passes(5, of_the_date=5 * 3600)
    assert timedelta(seconds=60) == passes(60)
    assert timedelta() == passes(5, of_the_date=-3600)
