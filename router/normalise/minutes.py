"""Demand by the minute: what a quota by the minute, or capacity that refuses what is too much, meets inside a period.

    recorded   the requests of each minute, of a trace of single requests or of rows of a minute or less
    drawn      any other demand: 1,000 minutes at the period's rate, the gaps alike with the workload's `arrival_cv`
    steady     work that moves in time (window, deferrable_h) runs evenly in the part of a period that it may use
    a step     of a recipe that not all requests need comes as so many fewer requests; of one that sends several to each
               they come at once
    an origin  has arrivals of its own, as workloads have, at its part of the rate; of a record, its part of each minute

    D[w, m]    requests a minute (tokens where no request size is stated); its mean over m is the period's demand
               divided by the period's minutes, to the last bit of rounding, whatever was drawn

Drawn arrivals of a period: n = demand of the N minutes in requests, rounded up, with gaps g_i from a gamma law of mean
1 and coefficient of variation cv. The gaps lie on a circle of length L = Σ g_i, which is cut into N equal minutes, so
that the count is exact and no minute is special; the last request counts with the fraction that rounding up added.
At more than 256 requests a minute one gap stands for 2, 4, 8 … requests (gamma of shape 2 / cv², …), which come evenly
in it. A workload, and each of several origins of it, has one sequence of gaps, seeded by its name: all periods of one
rate are alike.

NumPy's RandomState keeps its sequences from release to release, which its newer generators do not promise: a plan
that was written with one release is checked by another.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from problems.core.arrays import Bools, Floats
from problems.core.instance import Instance
from problems.core.view import View, still_work
from router.schema import Problem

SEED = 0
DRAWN = 1000  # minutes a period
FINEST = 256  # requests a minute up to which each has a gap of its own
LUMP = 1000.0  # tokens of a request where the workload states no size; assumed
ROUNDING = 1e-9
EVEN = 1e-6  # coefficient of variation up to which gaps are all alike
LEAST = 1e-300  # of the first gap, so that some length is there to cut


@dataclass(frozen=True, eq=False)
class MinuteDemand:
    """The demand of a problem's workloads inside each period.

    span       minutes of a period, as a whole number of equal parts
    recorded   (T, span) requests by workload of the file
    minutes    N: `span` where all that does not move is recorded; so many times it as make 1,000 where some is;
               else 1,000
    """

    inst: Instance
    span: int
    recorded: Mapping[str, Floats]
    minutes: int
    _arrived: dict[tuple[str, int], Floats] = field(default_factory=dict)

    @property
    def real(self) -> int:
        """Equal parts of a period that the minutes stand for, in its order: its own minutes where some are recorded."""
        return self.span if self.recorded else self.minutes

    def of(self, view: View, period: int, asked: Bools | None = None) -> Floats:
        """(W, N) requests, or tokens where no size is stated, a minute; 0 for workloads that move in time.

        asked    (W,) those that are asked for, the others have 0 too; None: all
        """
        work = still_work(self.inst, view.cells, period)
        return self.of_work(work if asked is None else np.where(asked, work, 0.0), period)

    def of_work(self, work: Floats, period: int) -> Floats:
        """The same of so many units of work by workload, (W,)."""
        loads = self.inst.workloads
        demand = np.zeros((len(loads.names), self.minutes))
        for w in np.flatnonzero(work).tolist():
            each = float(
                loads.part[w] / loads.part[loads.whole[w]]
            )  # requests of a step for each of its work
            some = min(each, 1.0)
            demand[w] = each / some * self._requests(w, some / each * float(work[w]), period)
        return demand

    def _requests(self, w: int, work: float, period: int) -> Floats:
        """(N,) of an origin of a workload, or of so many fewer that need a step."""
        loads, real = self.inst.workloads, 60.0 * self.inst.time.period_h
        name, whole = loads.file_names[w], int(loads.whole[w])
        if name not in self.recorded:
            lump = 1.0 if loads.sized[w] else LUMP
            cv = float(loads.arrival_cv[w])
            own = name if loads.part[whole] >= 1.0 else loads.names[whole]
            return lump * self._drawn(own, cv, work / lump / real * self.minutes)
        counts = self.recorded[name][period]
        total = float(counts.sum())
        if total <= 0:  # filled in by `gaps`
            return np.full(self.minutes, work / real)
        return np.tile(counts * (work / total * self.span / real), self.minutes // self.span)

    def _drawn(self, name: str, cv: float, total: float) -> Floats:
        """(N,) arrivals by the minute that sum up to `total`."""
        level = math.ceil(math.log2(max(total / self.minutes / FINEST, 1.0)) - ROUNDING)
        alike = 2**level
        number = max(1, math.ceil(total / alike - ROUNDING))
        arrived = self._gaps(name, cv, level, number)[: number + 1]
        edge = np.arange(self.minutes + 1.0)
        if level == 0:  # who comes within a rounding of a minute's end is of that minute
            ends = arrived[-1] * (edge + ROUNDING) / self.minutes
            count = np.searchsorted(arrived[1:], ends, side="right").astype(np.float64)
            count[0] = 0.0
        else:
            count = alike * np.interp(arrived[-1] * edge / self.minutes, arrived, np.arange(number + 1.0))
        return np.diff(np.minimum(count, total))

    def _gaps(self, name: str, cv: float, level: int, number: int) -> Floats:
        """(≥ number + 1,) when each group of 2^level requests has come, in mean gaps of a group; the first is 0."""
        known = self._arrived.pop((name, level), None)
        if known is None or len(known) <= number:
            rng = np.random.RandomState([SEED, zlib.crc32(name.encode()), level])
            more = number if known is None else min(2 * number, self.minutes * FINEST)  # more never come
            gaps = np.ones(max(number, more))
            if cv > EVEN:
                gaps = rng.standard_gamma(2**level / cv**2, len(gaps))
                gaps /= 2**level / cv**2
            gaps[0] = max(gaps[0], LEAST)
            known = np.concatenate([[0.0], np.cumsum(gaps)])
        self._arrived[name, level] = known
        return known


type Arrivals = dict[tuple[str, int], Floats]
"""What was drawn, by name and level; what was asked for last stands last."""


def forget(arrived: Arrivals, most: int) -> None:
    """Keep no more gaps than so many: those that were asked for longest ago are drawn anew when they are needed."""
    kept = sum(map(len, arrived.values()))
    for key in list(arrived):
        if kept <= most:
            return
        kept -= len(arrived.pop(key))


def minute_demand(problem: Problem, inst: Instance, arrived: Arrivals | None = None) -> MinuteDemand:
    """The demand by the minute of a problem as its file states it (traces unread), in the terms of its instance.

    arrived   what was drawn before, for workloads of the same names that arrive alike; more is added to it

    Deterministic; the same for every scenario but for its amount. Raises InputError where a trace cannot be read.
    """
    loads, time = inst.workloads, inst.time
    span = max(1, round(60.0 * time.period_h))
    part = problem.minutes_of
    source = problem if part is None else part.records.problem
    recorded: Mapping[str, Floats] = {}
    if any(load.demand.trace is not None for load in source.workloads):
        from router.traces.minutes import minutes_of_part, recorded_minutes  # here: few problems have a trace

        recorded = (
            recorded_minutes(problem, span) if part is None else minutes_of_part(part, span, time.periods)
        )
    drawn = any(
        name not in recorded and not moves for name, moves in zip(loads.file_names, loads.moves, strict=True)
    )
    times = math.ceil(DRAWN / span) if drawn else 1
    number = span * times if recorded else DRAWN
    return MinuteDemand(inst, span, recorded, number, {} if arrived is None else arrived)
