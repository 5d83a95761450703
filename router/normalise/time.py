"""The horizon: periods, billing months of 730 h, present values, and local clock times as hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from problems.core.instance import HOURS_PER_MONTH, Floats, Time
from router.schema import Problem

HOURS_PER_YEAR = 8760.0
SOME_DAY = datetime(
    2000, 1, 1, tzinfo=UTC
)  # hour 0 where no start is given: a midnight without clock changes


def time_of(problem: Problem) -> Time:
    """Periods and months. A period belongs to the month in which it starts."""
    horizon = problem.horizon
    start_h = np.arange(horizon.periods, dtype=np.float64) * horizon.period_h
    raw = np.floor(start_h / HOURS_PER_MONTH + 1e-9).astype(np.int64)
    _, first, month = np.unique(raw, return_index=True, return_inverse=True)
    weight: Floats = (1.0 + problem.policy.discount_rate_per_year) ** (-start_h / HOURS_PER_YEAR)
    return Time(
        period_h=horizon.period_h,
        start_h=start_h,
        month=month.astype(np.int64),
        weight=weight,
        month_hours=np.bincount(month).astype(np.float64) * horizon.period_h,
        month_weight=weight[first],
    )


def start_of(problem: Problem) -> datetime:
    """The first moment of the horizon; without a stated start, a midnight of a zone without clock changes."""
    start = problem.horizon.start
    if start is None:
        return SOME_DAY
    moment = datetime.fromisoformat(str(start))
    return moment if moment.tzinfo else moment.replace(tzinfo=zone_of(problem))


def zone_of(problem: Problem) -> ZoneInfo:
    """The zone of local times; UTC where the horizon has no date that clock changes could apply to."""
    return ZoneInfo(problem.horizon.timezone if problem.horizon.start is not None else "UTC")


def hours_after_start(problem: Problem, moment: str | datetime) -> float:
    """Hours from the start of the horizon to a moment (local where it has no offset); needs `horizon.start`."""
    given = datetime.fromisoformat(str(moment))
    aware = given if given.tzinfo else given.replace(tzinfo=zone_of(problem))
    return (aware.astimezone(UTC) - start_of(problem).astimezone(UTC)) / timedelta(hours=1)


def local_day(problem: Problem, hour: float) -> date:
    """The local calendar day of an hour after the start."""
    moment = start_of(problem).astimezone(UTC) + timedelta(hours=hour)
    return moment.astimezone(zone_of(problem)).date()


def clock_h(problem: Problem, day: int, hour: float) -> float:
    """Hours from the start of the horizon to a local clock time, `day` local days after the day of the start."""
    zone = zone_of(problem)
    midnight = datetime.combine(
        start_of(problem).astimezone(zone).date() + timedelta(days=day), datetime.min.time()
    )
    moment = (midnight + timedelta(hours=hour)).replace(tzinfo=zone)
    return (moment.astimezone(UTC) - start_of(problem).astimezone(UTC)) / timedelta(hours=1)
