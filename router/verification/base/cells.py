"""What work must be served, and when it may run.

A **cell** is what a share is a share of: a workload's work in one period (ordinary work), arriving in one
period (`deferrable_h`), or of one occurrence of its window. Work is counted in units: requests, or tokens
where no size of a request is stated.

    window      occurrence d starts on the d-th local day after that on which the horizon starts; it carries
                24 h of the stated rate · (its part inside the horizon / the whole window)
    recorded    by-period demand with a window: the day's volume is what its calendar day has in the record
    total       divided among the occurrences by their hours inside the horizon
    deferrable  work arriving in t may run in every period that starts less than deferrable_h after t starts
    due         a window's work when it ends, if after the horizon; deferrable work deferrable_h after t starts
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from router.schema import Offer, Window, Workload
from router.verification.base.case import Case, Future
from router.verification.base.local_time import Interval, LocalTime, minute_of
from router.verification.base.parts import stated_name
from router.verification.base.work import Unit, unit_of

type CellKey = tuple[str, int | None, int | None, str | None]
"""Workload, period of ordinary work, occurrence of any other, scenario."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Work that must be served, the part of each period in which it may run, and the hour at which answers are due."""

    workload: str
    period: int | None
    occurrence: int | None
    future: Future
    units: float
    runs: dict[int, Interval]
    due_h: float = math.inf

    def answered_in_time(self, offer: Offer, period: int) -> bool:
        """Whether answers come in time, if the work is sent as soon as it may run in the period."""
        return (offer.turnaround_h or 0.0) <= self.left_h(period)

    def left_h(self, period: int) -> float:
        """Hours from when the work may run in a period to when its answers are due."""
        return (self.due_h - self.runs[period][0]) * (1 + 1e-9)

    @property
    def key(self) -> CellKey:
        return (self.workload, self.period, self.occurrence, self.future.name)

    def __str__(self) -> str:
        at = f"period {self.period}" if self.occurrence is None else f"occurrence {self.occurrence}"
        return f"{self.workload} {at}" + (f" in {self.future.name}" if self.future.name else "")


def share_limit(case: Case, cell: Cell, offer: Offer, period: int) -> float:
    """The most of a cell that may run on an offer in a period: no more than it is open for, of the cell's time there.

    Work that may run later is not limited by that where the offer opens again in its time.
    """
    part = case.times.open_part(offer.name, *cell.runs[period])
    if part <= 0 or part >= 1 or len(cell.runs) == 1:
        return part
    *_, (_, last) = case.times.stretches(offer.name, *cell.runs[period])
    again = any(
        t > period and cell.answered_in_time(offer, t) and case.times.open_part(offer.name, *hours) > 0
        for t, hours in cell.runs.items()
    )
    return 1.0 if last.open or again else part


def cells_of(case: Case) -> dict[CellKey, Cell]:
    """Every cell of the problem, those without work included."""
    cells: dict[CellKey, Cell] = {}
    for workload in case.workloads.values():
        pattern = list(_pattern(case, workload))
        for future in case.futures:
            for period, occurrence, units, runs, due_h in pattern:
                by = future.demand_of(stated_name(workload), min(runs))
                cell = Cell(workload.name, period, occurrence, future, units * by, runs, due_h)
                cells[cell.key] = cell
    return cells


def longest_left_h(case: Case, workload: Workload) -> float:
    """The most time that any of the work leaves between the moment at which it may run and that at which it is due."""
    if workload.window is None:
        return math.inf if workload.deferrable_h is None else workload.deferrable_h
    shapes = list(_pattern(case, workload))
    return max((due_h - start for *_, runs, due_h in shapes for start, _ in runs.values()), default=math.inf)


type Shape = tuple[int | None, int | None, float, dict[int, Interval], float]


def _pattern(case: Case, workload: Workload) -> Iterator[Shape]:
    """Cells of one workload at demand multiplier 1: period, occurrence, units, where it may run, when it is due."""
    unit = unit_of(workload)
    if workload.window is not None:
        yield from _occurrences(case, workload, workload.window, unit)
        return
    h = case.period_h
    arrivals = by_period(case, workload, unit)
    if workload.deferrable_h is None:
        for t, units in enumerate(arrivals):
            yield t, None, units, {t: (t * h, (t + 1) * h)}, math.inf
        return
    for a, units in enumerate(arrivals):
        runs = {}
        for t in range(a, case.periods):
            if t > a and not (t - a) * h < workload.deferrable_h * (1 - 1e-12):
                break
            runs[t] = (t * h, (t + 1) * h)
        yield None, a, units, runs, a * h + workload.deferrable_h


def by_period(case: Case, workload: Workload, unit: Unit) -> list[float]:
    """Units that arrive in each period."""
    demand = workload.demand
    if demand.requests_by_period is not None:
        return [float(count) for count in demand.requests_by_period]
    if unit.per_hour is not None:
        return [unit.per_hour * case.period_h] * case.periods
    return [unit.total * case.period_h / case.horizon_h] * case.periods


def _occurrences(case: Case, workload: Workload, window: Window, unit: Unit) -> Iterator[Shape]:
    clock = LocalTime(case.problem.horizon)
    occurrences = []
    for day in range(-1, clock.days(case.horizon_h) + 1):
        start, end = clock.window(day, minute_of(window.start), minute_of(window.end))
        inside = (max(start, 0.0), min(end, case.horizon_h))
        if inside[1] - inside[0] > 1e-9:
            occurrences.append((day, end - start, inside, end))
    all_hours = math.fsum(end - start for _, _, (start, end), _ in occurrences)
    recorded = _recorded(case, clock, workload)
    for day, length, inside, due_h in occurrences:
        part = inside[1] - inside[0]
        if recorded is not None:
            units = recorded.get(clock.day(day), 0.0) * part / length
        elif unit.per_hour is not None:
            units = 24.0 * unit.per_hour * part / length
        else:
            units = unit.total * part / all_hours
        yield None, day, units, _overlaps(case, inside), due_h


def _recorded(case: Case, clock: LocalTime, workload: Workload) -> dict[date, float] | None:
    """By-period demand by the local date on which the period starts; None for demand stated otherwise."""
    counts = workload.demand.requests_by_period
    if counts is None:
        return None
    days: dict[date, float] = defaultdict(float)
    for t, count in enumerate(counts):
        days[clock.date_at(t * case.period_h)] += count
    return days


def _overlaps(case: Case, inside: Interval) -> dict[int, Interval]:
    """Periods that share time with an interval, and the time that they share."""
    h = case.period_h
    runs = {}
    for t in range(max(0, math.floor(inside[0] / h) - 1), min(case.periods, math.ceil(inside[1] / h) + 1)):
        start, end = max(inside[0], t * h), min(inside[1], (t + 1) * h)
        if end - start > 1e-9:
            runs[t] = (start, end)
    return runs
