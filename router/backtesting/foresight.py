"""What a step expects: a forecast of each workload from what it has seen, never from what is still to come.

last                  every period as the latest one
same-hour-yesterday   each period as the one 24 h before
same-hour-last-week   each period as the one 168 h before, by the local clock (see `router.traces.forecast`)
trend                 Holt–Winters with a damped trend and a season
perfect               what really came: not a forecast, but the measure of one
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from problems.core.arrays import Floats
from router.backtesting.record import DemandHistory
from router.errors import InputError, Issue
from router.traces.forecast import DAY_H, WEEK_H, forecast

Method = Literal["perfect", "same-hour-last-week", "same-hour-yesterday", "last", "trend"]
METHODS: tuple[str, ...] = get_args(Method)


def least_history(method: Method, period_h: float, periods: int) -> int:
    """Periods that a forecast takes: the default of --warm-up. A week, or a day of shorter records."""
    if method in ("perfect", "last"):
        return 0 if method == "perfect" else 1
    day, week = round(DAY_H / period_h), round(WEEK_H / period_h)
    if method == "same-hour-yesterday":
        return max(day, 1)
    if method == "same-hour-last-week":
        return max(week if periods > week else day, 1)
    return max(2 * week if periods > 2 * week else 2 * day, 2)


def expected(record: DemandHistory, method: Method, now: int, end: int) -> Floats:
    """(W, end − now) requests expected in the periods replayed from `now` on. Raises InputError."""
    if method == "perfect":
        return record.actual[:, now:end]
    seen, ahead = record.seen(now), end - now
    if seen.shape[1] < 1:
        raise _short(method, "a period")
    if method == "last":
        return np.repeat(seen[:, -1:], ahead, axis=1)
    if method == "same-hour-yesterday":
        return _yesterday(seen, ahead, record.period_h)
    moment = record.moment(now)
    try:
        return np.array([forecast(row, ahead, record.period_h, method, moment) for row in seen])
    except InputError as error:
        hint = "a longer --warm-up, or another --forecast"
        raise InputError(Issue(("--forecast",), error.issues[0].rule, method, hint)) from error
    except ValueError as error:  # statsmodels asks for a little more than two cycles
        raise _short(method, "more than two days, or two weeks,") from error


def _yesterday(seen: Floats, ahead: int, period_h: float) -> Floats:
    day = round(DAY_H / period_h)
    if day < 1 or abs(day * period_h - DAY_H) > 1e-6 * DAY_H or seen.shape[1] < day:
        raise _short("same-hour-yesterday", "a day of whole periods")
    return np.array(seen[:, seen.shape[1] - day + np.arange(ahead) % day])


def _short(method: str, need: str) -> InputError:
    rule = f"takes {need} of history"
    return InputError(Issue(("--forecast",), rule, method, "a longer --warm-up, or another --forecast"))
