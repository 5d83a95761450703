"""Overflow inside a period: capacity that refuses what is too much in a minute, and routes that take what spills.

    Σ_(f ∈ S) a[f] · flow[f] ≤ |M| / N · C + Σ_(f ∈ S) a[f] · (flow[f] + spilled[f]) · Σ_(m ∉ M) d[f,m] / N
                                                       every set M of minutes and S of flows into one such limit
    Σ_f spilled[f] ≤ Σ_f' flow[f']                     f spill, f' do not, of one cell: what spills is taken there

    Σ_f spilled[f] = Σ_f' taken[f'],  taken[f'] ≤ flow[f']   the same where change counts: what is sent first may move

    flow[f]      share of the cell that the route carries; what it takes from others is in it            1
    spilled[f]   share that is sent there first, and refused                                              1
    a[f]         of the limit, what the whole cell takes in the mean: instances, or a part of the cap
    C            usable · (count[q,t] − what boots), or 1
    d[f,m]       demand of the workload in minute m over its mean; 1 for work that moves in time, which does not spill
    N            minutes of a period

Exact: what is carried of S in a minute is at most C and at most what is sent of S, and any carried amounts that keep
all of these are those of some order of refusing (or a mixture of several). Rows are added until none is violated:
M by sorting the minutes, S by trying all of few flows and by a minimum cut of many. (Rows over minutes alone are too
weak: of A = (10, 0) and B = (0, 10) into C = 5 they let all spilling fall on the cheaper of the two.)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.family import Family
from problems.core.overflow import SpillLimit
from problems.core.rows import RowBuilder, Rows
from problems.core.supply import QUOTA_KINDS
from problems.core.view import View, still_work
from problems.quota import amounts_of
from problems.starts import booting
from solvers.core.record import Record

NAME = "spilling"


class SpillLimits(Record):
    """Every limit that spills, of a view."""

    view: View

    @cached_property
    def all(self) -> list[SpillLimit]:
        """By offer, pool and period; those into which nothing goes are left out."""
        view, inst = self.view, self.view.inst
        assert inst.spilling is not None
        found = []
        for o in np.flatnonzero(inst.spilling.offer).tolist():
            at = np.flatnonzero(view.routes.offer[view.flows.route] == o)
            pool = view.routes.pool[view.flows.route[at]]
            amount = view.flow_load[at, 0] if inst.offers.fleet[o] >= 0 else self._of_cap(o, at)
            period = view.flows.period[at]
            for q, t in sorted(set(zip(pool.tolist(), period.tolist(), strict=True))):
                own = (pool == q) & (period == t)
                found.append(SpillLimit(o, q, t, at[own], amount[own], self._shape(at[own], t)))
        return found

    def _of_cap(self, o: int, at: Ints) -> Floats:
        """(n,) of the offer's cap by the minute."""
        view, quotas = self.view, self.view.inst.quotas
        q = next(
            q
            for q in np.flatnonzero(quotas.offer[:, o]).tolist()
            if quotas.offer[q].sum() == 1 and QUOTA_KINDS[quotas.kind[q]].span == "minute"
        )
        amount = amounts_of(view, QUOTA_KINDS[quotas.kind[q]])[view.flows.route[at]] * view.flows.work[at]
        cap = view.inst.time.by_period(quotas.cap[q][None])[0][view.flows.period[at]] * quotas.utilisation[q]
        return np.asarray(amount / view.inst.time.seconds / np.maximum(cap, 1e-300))

    def _shape(self, flows: Ints, period: int) -> Callable[[], Floats]:
        view, spilling = self.view, self.view.inst.spilling
        assert spilling is not None
        workload = view.cells.workload[view.flows.cell[flows]]
        return partial(_shape_of, spilling.shape, still_work(view.inst, view.cells, period), period, workload)

    def capacity(self, limit: SpillLimit, point: Floats, cols: Columns) -> float:
        """C of a limit at a point: of the instances that serve."""
        if limit.pool < 0:
            return 1.0
        serving = float(point[cols.counts.count[limit.pool, limit.period]])
        for column, part in self.booting(limit, cols):
            serving -= float(part @ point[column])
        return self.capacity_of(limit, max(serving, 0.0))

    def booting(self, limit: SpillLimit, cols: Columns) -> list[tuple[Ints, Floats]]:
        """Columns of what has started, and the part of the period for which it boots: whole periods, all or nothing."""
        at = np.array([limit.pool]), np.array([limit.period])
        terms = booting(self.view, cols, *at, np.ones(1))
        return [(column, np.asarray(value, dtype=float)) for _, column, value in terms]

    def capacity_of(self, limit: SpillLimit, count: float) -> float:
        """C of so many instances; of a cap 1."""
        if limit.pool < 0:
            return 1.0
        return float(self.view.usable[self.view.inst.fleets.pool_fleet[limit.pool], limit.period] * count)


def _shape_of(shape: Callable[[Floats, int], Floats], work: Floats, period: int, workload: Ints) -> Floats:
    """(n, N) of some workloads; worked out when it is asked for."""
    return shape(work, period)[workload]


def build(view: View, cols: Columns) -> Rows:
    """What is taken, and the cuts so far."""
    builder, spilling = RowBuilder(NAME), view.inst.spilling
    if spilling is None:
        return builder.rows()
    spills = np.flatnonzero(cols.spilled >= 0)
    takes = np.flatnonzero(~spilling.offer[view.routes.offer[view.flows.route]])
    cell = view.flows.cell
    for c in sorted(set(cell[spills].tolist())):
        mine, others = spills[cell[spills] == c], takes[cell[takes] == c]
        there = cols.flow if cols.changes is None else cols.changes.taken
        terms: list[tuple[Ints, Floats | float]] = [(cols.spilled[mine], 1.0), (there[others], -1.0)]
        least = -np.inf if cols.changes is None else 0.0
        builder.one(f"{view.label_cell(c)},taken", terms, lower=least, upper=0.0)
        for f in others.tolist() if cols.changes is not None else ():
            builder.one(
                f"{view.label_cell(c)},taken,{f}", [(there[[f]], 1.0), (cols.flow[[f]], -1.0)], upper=0.0
            )
    for k, cut in enumerate(spilling.cuts.get(view.scenario, ())):
        limit = cut.limit
        flows, amount = limit.flows[cut.own], limit.amount[cut.own]
        some = cols.spilled[flows] >= 0
        parts: list[tuple[Ints, Floats | float]] = [
            (cols.flow[flows], amount * (1.0 - cut.beta)),
            (cols.spilled[flows[some]], -(amount * cut.beta)[some]),
        ]
        if limit.pool >= 0:
            usable = float(view.usable[view.inst.fleets.pool_fleet[limit.pool], limit.period])
            count = np.atleast_1d(cols.counts.count[limit.pool, limit.period])
            parts.append((count, -cut.alpha * usable))
            boots = SpillLimits(view).booting(limit, cols)
            parts += [(column, cut.alpha * usable * part) for column, part in boots]
        label = f"{view.inst.offers.names[limit.offer]},{limit.period},{k}"
        builder.one(label, parts, upper=0.0 if limit.pool >= 0 else cut.alpha)
    return builder.rows()


FAMILY = Family(NAME, build, in_a_loss=None)
