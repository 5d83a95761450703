"""The clock of a horizon: elapsed hours and local times, on the nights on which clocks change too."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from router.reoptimisation.running import Alignment
from router.schema import Horizon, Problem
from router.schema.clock import period_start

SPRING = Horizon(periods=48, period_h=1, start=datetime(2026, 3, 28), timezone="Europe/Berlin")
"""Saturday 00:00 at +01:00; on Sunday at 02:00 the clocks go to 03:00."""


def test_hours_are_elapsed_time_and_local_times_are_what_clocks_show() -> None:
    """Saturday has 24 hours, Sunday 23: 24 + 2 = 26 hours after the start it is 03:00, and Monday 00:00 after 47."""
    clock = SPRING.clock
    assert clock.start == datetime(2026, 3, 27, 23, tzinfo=UTC)
    assert clock.local(26.0).isoformat() == "2026-03-29T03:00:00+02:00"
    assert clock.hour(datetime(2026, 3, 30)) == 47.0
    assert clock.hour(datetime(2026, 3, 29, 1, tzinfo=UTC)) == 26.0
    assert [clock.day(hour) for hour in (-1.0, 46.99, 47.0)] == [date(2026, 3, 27 + n) for n in (0, 2, 3)]
    assert [clock.hour_of(day, 6.0) for day in (-1, 0, 1, 2)] == [-18.0, 6.0, 29.0, 53.0]


def test_without_a_start_no_clock_changes() -> None:
    clock = Horizon(periods=8760, period_h=1, timezone="Europe/Berlin").clock
    assert [clock.hour_of(day, 6.0) for day in (0, 90, 180)] == [6.0, 90 * 24 + 6.0, 180 * 24 + 6.0]
    assert {clock.local(24.0 * day).hour for day in range(365)} == {0}


@pytest.mark.parametrize(
    ("moment", "period_h", "start"),
    [
        ("2026-03-29T05:30+02:00", 1.0, "2026-03-29T05:00:00+02:00"),
        (
            "2026-03-29T05:30+02:00",
            4.0,
            "2026-03-29T05:00:00+02:00",
        ),  # 00:00 and four hours, one of them skipped
        ("2026-03-28T05:30+01:00", 4.0, "2026-03-28T04:00:00+01:00"),
        ("2026-03-28T05:30+01:00", 48.0, "2026-03-28T00:00:00+01:00"),
        ("2026-10-25T02:30+01:00", 1.0, "2026-10-25T02:00:00+01:00"),  # the second of the two
    ],
)
def test_the_period_of_a_moment_counts_from_local_midnight(moment: str, period_h: float, start: str) -> None:
    local = datetime.fromisoformat(moment).astimezone(SPRING.clock.zone)
    assert period_start(local, period_h).isoformat() == start


def test_a_running_plan_is_laid_on_by_elapsed_hours() -> None:
    """From Saturday to Monday 00:00 are 47 hours, and two days; by the clock's face it would be 48."""
    old = _problem(SPRING)
    new = _problem(SPRING.model_copy(update={"start": datetime(2026, 3, 30)}))
    align = Alignment(old, new)
    assert align.shift_h == 47.0
    assert align.period(0) == 47
    assert align.day(0) == 2


def _problem(horizon: Horizon) -> Problem:
    work = {"name": "w", "models": ["m"], "demand": {"tokens_per_day": 1, "completion_share": 1}}
    text = {"schema": "router/1", "models": {"m": {}}, "workloads": [work]}
    return Problem.model_validate(text).model_copy(update={"horizon": horizon})
