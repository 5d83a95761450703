"""A record of demand as whole cycles: requests by slot, in local clock time, weeks where two of them are there.

    slot     an hour; the record's own step where that is longer (up to a day)
    cycle    a week of a record of two weeks or more, else a day
    used     the last whole number of cycles; what is older is left out, so that every hour counts as often as any
    phase    slot within the cycle, from Monday 00:00 (a day: 00:00); in a record of seconds from 0: from there

A clock hour that came twice counts by its mean, one that was skipped has what the hour before had.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from router.errors import InputError, Issue
from router.scenarios.stream import Floats, Ints
from router.schema import Problem, Trace
from router.traces.demand import rows_of, table_of
from router.traces.table import HOUR_US, Mask, TraceTable
from router.traces.times import wall_us

AT = ("scenarios", "generate", "history")
DAY_H, WEEK_H = 24.0, 168.0
STEP_MATCH = 0.02  # how far the record's step may be from a whole part of a day
EARLY = 0.01  # part of a slot by which a row may come before it
PARTIAL = 0.1  # part of the first and last slot that single requests may leave empty
MONDAY_H = 96.0  # h from 1970-01-01, a Thursday, to the first Monday


@dataclass(frozen=True)
class History:
    """Requests by slot over whole cycles, end to end."""

    slot_h: float
    cycle_slots: int
    requests: Floats  # (cycles · cycle_slots,)
    phase: int  # of the first slot
    relative: bool  # no date: its start is taken for the same hour of the week as the horizon's
    left_out_h: float

    @property
    def cycles(self) -> int:
        return len(self.requests) // self.cycle_slots

    @property
    def weekly(self) -> bool:
        return self.cycle_slots * self.slot_h > DAY_H


def read_history(problem: Problem, trace: Trace) -> History:
    """The record that scenarios are drawn from.

    Raises InputError where rows are missing, for a step that does not divide a day, and for less than a day.
    """
    zone = problem.horizon.timezone  # whose day and week the horizon follows
    table = table_of(trace, problem)
    chosen_rows = rows_of(table, trace)
    if not chosen_rows.any():
        raise _wrong(problem, trace, "has no row that matches its filter and model")
    slot_h = _slot_h(problem, trace, table)
    wall_h = (table.at_us if table.relative else wall_us(table.at_us, zone)) / HOUR_US
    if not table.relative:
        wall_h = wall_h - MONDAY_H
    slot = np.floor(wall_h / slot_h + (0.0 if table.single else EARLY)).astype(np.int64)
    first, last = _span(wall_h / slot_h, slot, single=table.single)
    series, gaps = _series(problem, trace, table, chosen_rows, slot, first, last)
    if gaps.any():
        where = int(np.flatnonzero(gaps)[0])
        rule = f"has no row for {int(gaps.sum())} of {len(gaps)} slots of {slot_h:g} h, the first {where * slot_h:g} h"
        raise _wrong(
            problem, trace, f"{rule} after its start", "say what that means with gaps: zero, or previous"
        )
    return _whole_cycles(problem, trace, series, first, slot_h, relative=table.relative)


def _slot_h(problem: Problem, trace: Trace, table: TraceTable) -> float:
    step = table.step_h
    if step is None or step <= 1.0:
        return 1.0
    parts = round(DAY_H / step)
    if parts >= 1 and abs(DAY_H / parts - step) <= STEP_MATCH * step:
        return DAY_H / parts
    rule = (
        f"has one row every {step:.6g} h, which does not divide a day evenly: the daily cycle cannot be kept"
    )
    raise _wrong(problem, trace, rule)


def _span(at: Floats, slot: Ints, *, single: bool) -> tuple[int, int]:
    """First and last slot; single requests that begin or end amid one leave it out."""
    first, last = int(slot.min()), int(slot.max())
    if single:
        first += bool(at.min() - first > PARTIAL)
        last -= bool(last + 1 - at.max() > PARTIAL)
    return first, last


def _series(
    problem: Problem, trace: Trace, table: TraceTable, chosen_rows: Mask, slot: Ints, first: int, last: int
) -> tuple[Floats, Mask]:
    """Requests of each slot, and the slots of which the record should tell and does not."""
    count = last - first + 1
    if count < 1:
        return np.zeros(0), np.zeros(0, dtype=bool)
    inside = (slot >= first) & (slot <= last)

    def by_slot(which: Mask, weights: Floats | None = None) -> Floats:
        sums = np.bincount(slot[which] - first, None if weights is None else weights[which], count)
        return sums.astype(np.float64)

    series = by_slot(inside & chosen_rows, table.requests)
    rows, of_file = by_slot(inside & chosen_rows), by_slot(inside)
    if not table.relative:
        hours = _clock_hours(table.at_us, problem.horizon.timezone, table.step_h or 1.0, first, count)
        series, skipped = series / np.maximum(hours, 1.0), hours == 0
    else:
        skipped = np.zeros(count, dtype=bool)
    lacking = np.zeros(count, dtype=bool)
    if trace.gaps == "previous":
        skipped = skipped | (rows == 0)
    elif trace.gaps == "error":
        lacking = (rows == 0) & ~skipped
    elif trace.gaps is None and not table.single:
        lacking = (of_file == 0) & ~skipped
    known = np.maximum.accumulate(np.where(skipped, -1, np.arange(count)))
    return np.where(known >= 0, series[np.maximum(known, 0)], 0.0), lacking


def _clock_hours(at_us: Floats, zone: str, step_h: float, first: int, count: int) -> Floats:
    """(count,) how often each slot of the clock came: once, but for the nights on which clocks change.

    Slots longer than an hour take a row more or less, and are left alone.
    """
    if step_h > 1.0:
        return np.ones(count)
    hours = np.arange(np.floor(at_us.min() / HOUR_US) - 3, np.ceil(at_us.max() / HOUR_US) + 3)
    wall = np.floor(wall_us(hours * HOUR_US, zone) / HOUR_US - MONDAY_H).astype(np.int64) - first
    wall = wall[(wall >= 0) & (wall < count)]
    return np.bincount(wall, minlength=count).astype(np.float64)


def _whole_cycles(
    problem: Problem, trace: Trace, series: Floats, first: int, slot_h: float, *, relative: bool
) -> History:
    per_day = round(DAY_H / slot_h)
    per_cycle = 7 * per_day if len(series) >= 14 * per_day else per_day
    cycles = len(series) // per_cycle
    if cycles == 0:
        hours = f"{len(series) * slot_h:g} h"
        raise _wrong(problem, trace, f"spans {hours}; scenarios need one whole day or more to draw from")
    used = series[len(series) - cycles * per_cycle :]
    if used.sum() <= 0:
        raise _wrong(problem, trace, "has no requests to draw from")
    skipped = len(series) - len(used)
    return History(
        slot_h=slot_h,
        cycle_slots=per_cycle,
        requests=used,
        phase=(first + skipped) % per_cycle,
        relative=relative,
        left_out_h=skipped * slot_h,
    )


def _wrong(problem: Problem, trace: Trace, rule: str, hint: str | None = None) -> InputError:
    return InputError(problem.positions.place(Issue(AT, rule, trace.file, hint)))
