"""Overflow inside a period: capacity that refuses what is too much in a minute, and routes that take what spills.

    Σ_(f ∈ S) a[f] · flow[f] ≤ Σ_(m ∈ M) C[m] / N + Σ_(f ∈ S) a[f] · (flow[f] + spilled[f]) · Σ_(m ∉ M) d[f,m] / N
                                                       every set M of minutes and S of flows into one such limit
    Σ_f spilled[f] ≤ Σ_f' flow[f']                     f spill, f' do not, of one cell: what spills is taken there

    Σ_f spilled[f] = Σ_f' taken[f'],  taken[f'] ≤ flow[f']   the same where change counts: what is sent first may move

    flow[f]      share of the cell that the route carries; what it takes from others is in it            1
    spilled[f]   share that is sent there first, and refused                                              1
    a[f]         of the limit, what the whole cell takes in the mean: instances, or a part of the cap
    C[m]         usable[m] · (count[q,t] − what boots then), or the cap of the minute over its mean
    d[f,m]       demand of the workload in minute m over its mean; 1 for work that moves in time, which does not spill
    N            minutes of a period

Exact: what is carried of S in a minute is at most C and at most what is sent of S, and any carried amounts that keep
all of these are those of some order of refusing (or a mixture of several). Minutes stand in the order of the period:
availability and caps that rules change within it, and booting, are of theirs. Rows are added until none is violated:
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
from problems.starts import still_boots
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
                parts = partial(self._parts, o, q, t)
                found.append(SpillLimit(o, q, t, at[own], amount[own], self._shape(at[own], t), parts))
        return found

    def _parts(self, o: int, q: int, t: int) -> Floats:
        """(1 + b, N) what an instance carries in every minute, or the cap over its mean; and not, of what boots."""
        view, spilling = self.view, self.view.inst.spilling
        assert spilling is not None
        inst, number = view.inst, spilling.minutes
        from_h = inst.time.start_h[t] + inst.time.period_h * np.arange(number.real) / number.real
        to_h, row = from_h + inst.time.period_h / number.real, np.zeros(number.real, dtype=np.int64)
        if q < 0:
            cap = inst.time.mean(inst.quotas.cap[[self._cap(o)]], row, from_h, to_h)
            mean = float(cap.mean())
            return number.tiled((cap / mean if mean > 0 else np.ones_like(cap))[None])
        fleet = inst.fleets.pool_fleet[q]
        usable = inst.time.mean(view.usable_at[[fleet]], row, from_h, to_h)
        rows, start_h = [usable], float(inst.fleets.start_h[fleet])
        for back in still_boots(view, q, t):
            left_h = start_h - back * inst.time.period_h - (from_h - inst.time.start_h[t])
            rows.append(usable * np.clip(left_h / (to_h - from_h), 0.0, 1.0))
        return number.tiled(np.array(rows))

    def _cap(self, o: int) -> int:
        quotas = self.view.inst.quotas
        return next(
            q
            for q in np.flatnonzero(quotas.offer[:, o]).tolist()
            if quotas.offer[q].sum() == 1 and QUOTA_KINDS[quotas.kind[q]].span == "minute"
        )

    def _of_cap(self, o: int, at: Ints) -> Floats:
        """(n,) of the offer's cap by the minute."""
        view, quotas, q = self.view, self.view.inst.quotas, self._cap(o)
        amount = amounts_of(view, QUOTA_KINDS[quotas.kind[q]])[view.flows.route[at]] * view.flows.work[at]
        cap = view.inst.time.by_period(quotas.cap[q][None])[0][view.flows.period[at]] * quotas.utilisation[q]
        return np.asarray(amount / view.inst.time.seconds / np.maximum(cap, 1e-300))

    def _shape(self, flows: Ints, period: int) -> Callable[[], Floats]:
        view, spilling = self.view, self.view.inst.spilling
        assert spilling is not None
        workload = view.cells.workload[view.flows.cell[flows]]
        return partial(_shape_of, spilling.shape, still_work(view.inst, view.cells, period), period, workload)

    def amounts(self, limit: SpillLimit, point: Floats, cols: Columns) -> Floats:
        """(1 + b,) instances at a point, and less than 0 those that boot; 1 of a cap."""
        if limit.pool < 0:
            return np.ones(1)
        count = float(point[cols.counts.count[limit.pool, limit.period]])
        return np.array([count, *(-point[self.booting(limit, cols)])])

    def booting(self, limit: SpillLimit, cols: Columns) -> Ints:
        """(b,) columns of what has started and may boot, in the order of the limit's parts."""
        q, t = limit.pool, limit.period
        if q < 0:
            return np.empty(0, dtype=np.int64)
        return np.asarray(
            cols.started[q, [t - back for back in still_boots(self.view, q, t)]], dtype=np.int64
        )


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
            count = np.atleast_1d(cols.counts.count[limit.pool, limit.period])
            parts.append((count, -float(cut.alpha[0])))
            boots = SpillLimits(view).booting(limit, cols)
            parts += [(boots[[b]], float(cut.alpha[1 + b])) for b in range(len(boots))]
        label = f"{view.inst.offers.names[limit.offer]},{limit.period},{k}"
        builder.one(label, parts, upper=0.0 if limit.pool >= 0 else float(cut.alpha[0]))
    return builder.rows()


FAMILY = Family(NAME, build, in_a_loss=None)
