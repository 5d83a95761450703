"""Demand carried forward: the same hour of last week, or a damped trend with the cycle on top.

    same-hour-last-week   each period has what the period a week before had (local clock time); a day before, where
                          less than a week is recorded
    trend                 Holt–Winters with additive damped trend and additive season of a week, or of a day where
                          less than two weeks are recorded (statsmodels; Hyndman & Athanasopoulos, Forecasting, ch. 8)

A forecast is a mean: what it misses stands in the error on the last day, which is forecast from what went before.
"""

from __future__ import annotations

import warnings
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np

from router.errors import InputError, Issue, from_extra
from router.traces.table import Floats

Method = Literal["none", "same-hour-last-week", "trend"]

WEEK_H, DAY_H = 168.0, 24.0
CYCLES = 2  # that Holt–Winters needs to tell a season from a trend


def forecast(
    history: Floats, periods: int, period_h: float, method: Method, end: datetime | None = None
) -> Floats:
    """(periods,) requests after the history. `end` is its end in local time, by which the hours of the day are known.

    Raises InputError where the history is too short, or a library is not installed.
    """
    if method == "trend":
        return _trend(history, periods, season(len(history), period_h, CYCLES))
    cycle = season(len(history), period_h, 1)
    if end is None:
        return np.array([history[len(history) + t - cycle * (1 + t // cycle)] for t in range(periods)])
    return _same_hour(history, periods, period_h, cycle, end)


def season(recorded: int, period_h: float, cycles: int) -> int:
    """Periods of a week, or of a day, whichever the record holds often enough. Raises InputError."""
    for hours in (WEEK_H, DAY_H):
        count = round(hours / period_h)
        if count >= 1 and abs(count * period_h - hours) < 1e-6 * hours and recorded >= cycles * count:
            if cycles > 1 and count < 2:
                continue  # a season of one period has no shape
            return count
    need = "a day" if cycles == 1 else "two days"
    rule = (
        f"{recorded} periods of {period_h:.6g} h are too few for a forecast; it takes {need} of whole periods"
    )
    raise InputError(
        Issue(("--forecast",), rule, hint="record longer, or choose a --period that divides a day")
    )


def last_day_error(history: Floats, period_h: float, method: Method) -> float | None:
    """Σ |forecast − recorded| / Σ recorded over the last day, forecast from what went before; None if too short."""
    day = round(DAY_H / period_h)
    if day < 1 or len(history) <= day or history[-day:].sum() <= 0:
        return None
    try:
        ahead = forecast(history[:-day], day, period_h, method)
    except InputError:
        return None
    return float(np.abs(ahead - history[-day:]).sum() / history[-day:].sum())


def _same_hour(history: Floats, periods: int, period_h: float, cycle: int, end: datetime) -> Floats:
    """By the clock: after the clocks change, nine in the morning is still nine in the morning."""
    step = timedelta(hours=period_h)
    back = timedelta(hours=cycle * period_h)
    ahead = []
    for t in range(periods):
        at = (end.astimezone(UTC) + t * step).astimezone(end.tzinfo)
        source = at
        index = len(history) + t
        while index >= len(history):
            source = source - back  # local: the same reading of the clock
            index = len(history) + (source.astimezone(UTC) - end.astimezone(UTC)) // step
        ahead.append(history[max(index, 0)])
    return np.array(ahead)


def _trend(history: Floats, periods: int, cycle: int) -> Floats:
    otherwise = ", or use same-hour-last-week"
    holtwinters = from_extra("statsmodels.tsa.holtwinters", "forecast", ("--forecast",), "trend", otherwise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on convergence: the error on the last day tells what it is worth
        model = holtwinters.ExponentialSmoothing(
            history,
            trend="add",
            damped_trend=True,
            seasonal="add",
            seasonal_periods=cycle,
            initialization_method="heuristic",
        )
        ahead = np.asarray(model.fit().forecast(periods), dtype=np.float64)
    if not np.isfinite(ahead).all():
        raise InputError(
            Issue(("--forecast",), "found no trend in the record", hint="use same-hour-last-week")
        )
    return np.maximum(ahead, 0.0)
