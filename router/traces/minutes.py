"""The requests of each minute, as traces record them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from router.schema import MinuteRecords, MinutesOf, Problem
from router.traces import recorded
from router.traces.demand import rows_of, table_of
from router.traces.record import Grid, slots
from router.traces.table import Floats
from router.traces.times import start_us

LONGEST_H = 1.02 / 60.0  # step of a record that still tells minutes


def minutes_of_part(part: MinutesOf, span: int, periods: int) -> dict[str, Floats]:
    """The same of some periods of a replay."""
    every = _minutes_of_records(part.records, span)
    return {name: counts[part.first : part.first + periods] for name, counts in every.items()}


@lru_cache(maxsize=2)  # a replay has many parts
def _minutes_of_records(records: MinuteRecords, span: int) -> dict[str, Floats]:
    return recorded_minutes(records.problem, span)


def recorded_minutes(problem: Problem, span: int) -> dict[str, Floats]:
    """(T, span) requests in each of the equal parts of every period, by workload.

    Of workloads whose trace has single requests, or rows of a minute or less; a coarser one does not tell minutes.
    Raises InputError where a file cannot be read.
    """
    horizon = recorded(problem).problem.horizon  # a trace may say when it starts
    minutes = {}
    for load in problem.workloads:
        trace = load.demand.trace
        if trace is None:
            continue
        table = table_of(trace, problem)
        if not table.single and (table.step_h is None or table.step_h > LONGEST_H):
            continue
        rows = rows_of(table, trace)
        grid = Grid(0.0 if table.relative else start_us(horizon), horizon.periods, horizon.period_h)
        at = slots(table.at_us[rows], grid, horizon.period_h / span, single=table.single)
        inside = (at >= 0) & (at < horizon.periods * span)
        counts = np.bincount(
            at[inside].astype(np.int64), table.requests[rows][inside], minlength=horizon.periods * span
        )
        minutes[load.name] = counts.reshape(horizon.periods, span)
    return minutes
