"""The minutes of a period, worked out again: where its requests come, as a shape of mean 1.

    recorded   rows of a trace of single requests, or of rows of a minute or less, by the minute that they start in
    drawn      n = the period's demand in requests, rounded up. Gaps from a gamma law lie on a circle that is cut into
               equal minutes: request i comes at the sum of the first i gaps; the last one counts with what rounding up
               added. At more than 256 a minute one gap stands for 2, 4, 8 … requests, which come evenly in it
    steady     work that moves in time; a record without a row in the period
    origins    several of a workload come apart, each at its own rate; of a record each has its part of every minute

NumPy draws the gaps, from a generator whose sequences stay as they are, and its sums lay them on the minutes.
"""

from __future__ import annotations

import csv
import math
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from router.loading.fingerprint import trace_path
from router.schema import Problem, Workload
from router.verification.base.audit import GAPS, Audit
from router.verification.base.ledger import Ledger
from router.verification.base.parts import answered_name, stated_name
from router.verification.base.records import File, TraceRow, Unreadable, read_file
from router.verification.base.traces import chosen_rows, placed_rows, wanted_columns

SEED = 0
FEWEST = 1000
SINGLY = 256
LUMP = 1000.0
LONGEST_STEP_H = 1.02 / 60.0
TIE = 1e-9

type Shape = npt.NDArray[np.float64]


@dataclass
class Minutes:
    """Shapes of the demand of a problem's workloads; `problem` is as its file states it, with its traces.

    span     minutes of a period;     recorded   by workload, period and minute
    """

    problem: Problem
    started: Problem
    recorded: Mapping[str, Mapping[int, dict[int, float]]]
    number: int
    drawn: Any = field(default_factory=dict)

    @property
    def span(self) -> int:
        return span_of(self.started)

    @property
    def real(self) -> int:
        """Equal parts of a period that the minutes stand for, in its order: its own where some are recorded."""
        return self.span if self.recorded else self.number

    def tiled(self, figure: Shape) -> Shape:
        """(N,) of (real,)."""
        return np.tile(figure, self.number // self.real)

    def shape(self, load: Workload, period: int, units: float, *, sized: bool) -> Shape | None:
        """(N,) mean 1, of so much demand of a workload, or an origin of it, in a period; None: the same throughout."""
        if units <= 0:
            return None
        name = stated_name(load)
        if name in self.recorded:
            counts = self.recorded[name].get(period, {})
            total = math.fsum(counts.values())
            if total <= 0:
                return None
            whole = np.zeros(self.span)
            for minute, requests in counts.items():
                whole[minute] = requests * self.span / total
            return np.concatenate([whole] * (self.number // self.span))
        real = 60.0 * self.started.horizon.period_h
        if math.fsum((load.origin or {"": 1.0}).values()) < 1.0:
            name = answered_name(load)
        return self._drawn(name, units / (1.0 if sized else LUMP) * self.number / real, load.arrival_cv)

    def met(self, parts: Iterable[tuple[float, Shape | None]], most: float) -> tuple[float, float, float]:
        """Utilisation, share of minutes above a cap, and share refused, of amounts a minute with their shapes."""
        load = np.zeros(self.number)
        for amount, shape in parts:
            load += amount if shape is None else amount * shape
        above = load > most * (1 + TIE)
        excess = float((load[above] - most).sum())
        return float(load.mean()) / most, float(above.mean()), excess / float(load.sum())

    def _drawn(self, name: str, requests: float, cv: float) -> Shape:
        level = 0
        while requests > self.number * SINGLY * 2.0**level * (1 + TIE):
            level += 1
        each = 2.0**level
        groups = max(1, math.ceil(requests / each - TIE))
        ends = self._ends(name, level, groups, cv)
        length = ends[groups - 1]
        if level == 0:
            minute = np.ceil(ends[:groups] / length * self.number - TIE) - 1
            weight = np.ones(groups)
            weight[-1] = requests - (groups - 1)
            at = np.clip(minute, 0, self.number - 1).astype(np.int64)
            count = np.bincount(at, weights=weight, minlength=self.number)
        else:
            starts = np.append(0.0, ends[: groups - 1])
            edges = length * np.arange(1, self.number + 1) / self.number
            at = np.minimum(np.searchsorted(ends[:groups], edges, side="right"), groups - 1)
            width = np.maximum(ends[at] - starts[at], np.finfo(float).tiny)
            part = np.minimum((edges - starts[at]) / width, 1.0)
            come = np.minimum(each * (at + part), requests)
            count = np.diff(np.append(0.0, come))
        shape: Shape = count * self.number / requests
        return shape

    def _ends(self, name: str, level: int, groups: int, cv: float) -> Shape:
        """Sums of gaps; those asked for last stand last in `drawn`."""
        known = self.drawn.pop((name, level), None)
        if known is None or len(known) < groups:
            several = groups
            if known is not None:  # periods of more and more demand; more than these never come
                several = max(groups, min(2 * groups, self.number * SINGLY))
            gaps = np.ones(several)
            if cv > 1e-6:
                rng = np.random.RandomState([SEED, zlib.crc32(name.encode()), level])
                gaps = rng.standard_gamma(2**level / cv**2, several) / (2**level / cv**2)
            gaps[0] = max(gaps[0], 1e-300)
            known = np.cumsum(gaps)
        ends: Shape = known
        self.drawn[name, level] = ends
        return ends


def span_of(problem: Problem) -> int:
    """Minutes of a period, as a whole number."""
    return max(1, round(60.0 * problem.horizon.period_h))


def minutes_of(stated: Problem, started: Problem) -> Minutes:
    """The minutes of a problem: as its file states it, and with its traces read. Unreadable ones tell no minutes."""
    part = stated.minutes_of
    recorded: Mapping[str, Mapping[int, dict[int, float]]]
    if part is None:
        recorded = dict(_recorded(stated, started))
    else:  # of the records of a replay, from one of their periods on
        recorded = {
            name: {period - part.first: counts for period, counts in periods.items()}
            for name, periods in _recorded(part.records.problem, part.records.problem)
        }
    still = [w.name for w in stated.workloads if w.window is None and w.deferrable_h is None]
    number, span = FEWEST, span_of(started)
    if recorded:
        number = span * (1 if set(still) <= set(recorded) else math.ceil(FEWEST / span))
    return Minutes(stated, started, recorded, number)


def stated_minutes(ledger: Ledger, audit: Audit) -> Minutes | None:
    """Those that the plan says it was made with; None where it does not say, or was kept without its records."""
    stated, minutes = audit.plan.minutes, minutes_of(audit.problem, audit.case.problem)
    minutes = replace(
        minutes, drawn=audit.written.setdefault(GAPS, minutes.drawn)
    )  # by name: of every block alike
    if stated is None or stated.seed != SEED:
        ledger.fault("minutes: where they are from is not stated, or of another seed")
        return None
    part = audit.problem.minutes_of
    source = audit.problem if part is None else part.records.problem
    traced = {load.name for load in source.workloads if load.demand.trace is not None}
    if not set(stated.recorded) <= traced:
        return None  # nobody can count these again
    ledger.require(set(stated.recorded) == set(minutes.recorded), "minutes.recorded:", stated.recorded)
    ledger.require(stated.minutes == minutes.number, "minutes.minutes:", stated.minutes)
    return minutes


def tell_minutes(problem: Problem) -> bool:
    """Whether any trace of the problem tells the minutes of a period; each file is read once."""
    wanted, seen = wanted_columns(problem), set[tuple[object, ...]]()
    for load in problem.workloads:
        trace = load.demand.trace
        if trace is None:
            continue
        path = trace_path(problem, trace)
        key = (path, trace.timestamp_column, trace.requests_column)
        if key in seen:
            continue
        seen.add(key)
        try:
            file = read_file(path, trace, ZoneInfo(trace.timezone or problem.horizon.timezone), wanted[path])
        except (Unreadable, OSError, EOFError, UnicodeError, csv.Error, ValueError, OverflowError):
            continue  # said by the check of traces
        if file.single or (file.step_h is not None and file.step_h <= LONGEST_STEP_H):
            return True
    return False


def _recorded(stated: Problem, started: Problem) -> Iterator[tuple[str, dict[int, dict[int, float]]]]:
    wanted = wanted_columns(stated)
    for load in stated.workloads:
        trace = load.demand.trace
        if trace is None:
            continue
        path = trace_path(stated, trace)
        try:
            file = read_file(path, trace, ZoneInfo(trace.timezone or stated.horizon.timezone), wanted[path])
            rows = chosen_rows(file, trace, wanted[path])
        except (Unreadable, OSError, EOFError, UnicodeError, csv.Error, ValueError, OverflowError):
            continue  # said by the check of traces
        if file.single or (file.step_h is not None and file.step_h <= LONGEST_STEP_H):
            yield load.name, _by_minute(started, file, rows)


def _by_minute(started: Problem, file: File, rows: list[TraceRow]) -> dict[int, dict[int, float]]:
    """Requests by period and minute of it."""
    span = span_of(started)
    counts: dict[int, dict[int, float]] = {}
    for row, slot in placed_rows(started, file, rows, started.horizon.period_h / span):
        if slot >= 0:
            own = counts.setdefault(slot // span, {})
            own[slot % span] = own.get(slot % span, 0.0) + row.requests
    return counts
