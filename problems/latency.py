"""Latency under load: a pool whose users wait carries less than its instances could.

    load[q,t] ≤ availability · Σ_n (cap[n] · level[q,t,n] + n · free[q,t,n])           written exactly, or
    load[q,t] ≤ availability · (slope · count[q,t] + intercept · open[q,t])            tightened until the formula holds

    count[q,t] = Σ_n n · (level[q,t,n] + free[q,t,n]),   Σ_n (level + free) ≤ 1
    flow[f] ≤ Σ_n level[q,t,n]                             for work that minds waiting
    Σ_f m[k,f] · load[f] · flow[f] ≤ availability · Σ_n h[k,n] · level[q,t,n]         pools of two users who mind

    level, free   the pool has n instances, and serves somebody who minds waiting, or nobody     0/1
    cap[n]        largest load whose wait keeps every SLO of the mix (M/G/c)                     instances

cap is convex in n: large pools are used better. With slope = cap[n+1] − cap[n] and intercept = cap[n] − slope · n ≤ 0
the line touches it at n and n + 1 and lies below it everywhere else, so what it allows keeps the promise; before n is
known, the steepest ray from the origin lies above it, so that its optimum is a bound. See `problems.physics.waiting`;
for m and h, and for loads weighed by what their bursts take of the capacity, `problems.physics.frontier`.
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Floats, Ints
from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.family import Family
from problems.core.rows import RowBuilder, Rows, Term
from problems.core.view import View
from problems.physics.frontier import all_cuts
from problems.physics.waiting import minds

NAME = "latency"


def terms(
    view: View, cols: Columns, pools: Ints, periods: Ints, usable: Floats, side: int
) -> tuple[Floats, list[Term]]:
    """For throughput rows over (pools, periods): what an instance carries, and the terms beside the count's."""
    capacity, made = cols.capacity, list[Term]()
    per_instance = usable.copy()
    line = np.flatnonzero(capacity.waits[pools] & ~capacity.exact[pools])
    if len(line):
        slopes = np.array([capacity.line(int(pools[i]), int(periods[i]), side) for i in line])
        per_instance[line] = usable[line] * slopes[:, 0]
        q, t = pools[line], periods[line]
        opened = np.where(cols.counts.open[q, t] >= 0, cols.counts.open[q, t], cols.first.ahead.open[q, 0])
        made.append((line, opened, -usable[line] * slopes[:, 1]))
    levels = cols.counts.levels
    row_at = np.full((len(capacity.waits), view.inst.time.periods), -1, dtype=np.int64)
    row_at[pools, periods] = np.arange(len(pools))
    row = row_at[levels.pool, levels.period]
    some = row >= 0
    if some.any():
        caps = np.array(
            [
                float(n) if free else capacity.caps_at(int(q), int(t))[side][n]
                for q, t, n, free in zip(
                    levels.pool[some], levels.period[some], levels.count[some], levels.free[some], strict=True
                )
            ]
        )
        made.append((row[some], levels.at[some], -usable[row[some]] * caps))
    return per_instance, made


def weight(view: View, cols: Columns) -> Floats:
    """(N,) what a flow's load counts in its throughput row: 1 but where a cap is linearised at the mix found."""
    found = np.ones(len(view.flows))
    weighed = {key: one.weight for key, one in cols.capacity.tightened.items() if one.weight}
    if not weighed:
        return found
    pool, period = view.routes.pool[view.flows.route], view.flows.period
    mine = np.zeros((len(cols.capacity.waits) + 1, view.inst.time.periods), dtype=bool)
    for q, t in weighed:
        mine[q, t] = True
    for f in np.flatnonzero(mine[pool, period]).tolist():
        of = weighed[int(pool[f]), int(period[f])]
        found[f] = of.get(int(view.flows.route[f]), 1.0)
    return found


def build(view: View, cols: Columns) -> Rows:
    """The count is the level chosen: two rows per pool and period that has levels; a row per flow that minds; cuts."""
    levels, periods = cols.counts.levels, view.inst.time.periods
    key = levels.pool * periods + levels.period
    distinct, row = np.unique(key, return_inverse=True)
    q, t = distinct // periods, distinct % periods

    def pool_and_period(i: int) -> str:
        return f"{pool_label(view.inst, q[i])},{t[i]}"

    builder = RowBuilder(NAME)
    chosen: list[Term] = [
        (row, levels.at, levels.count.astype(float)),
        (np.arange(len(q)), cols.counts.count[q, t], -1.0),
    ]
    builder.add(len(q), chosen, pool_and_period, lower=0.0, upper=0.0)
    builder.add(len(q), [(row, levels.at, 1.0)], pool_and_period, upper=1.0)
    _minding(builder, view, cols, key)
    _cuts(builder, view, cols, distinct)
    return builder.rows()


def _minding(builder: RowBuilder, view: View, cols: Columns, key: Ints) -> None:
    """Work that minds waiting runs where the pool is not left to those who mind none; `key` of the levels, sorted."""
    levels, periods = cols.counts.levels, view.inst.time.periods
    pool = view.routes.pool[view.flows.route]
    at = np.flatnonzero((pool >= 0) & minds(view)[view.flows.route])
    at = at[(cols.capacity.exact & cols.capacity.lenient)[pool[at]]]
    strict = np.flatnonzero(~levels.free)
    of_flow = pool[at] * periods + view.flows.period[at]
    first = np.searchsorted(key[strict], of_flow)
    many = np.searchsorted(key[strict], of_flow, side="right") - first
    which = np.repeat(first, many) + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    terms: list[Term] = [
        (np.arange(len(at)), cols.flow[at], 1.0),
        (np.repeat(np.arange(len(at)), many), levels.at[strict[which]], -1.0),
    ]
    builder.add(len(at), terms, lambda i: view.label_cell(int(view.flows.cell[at[i]])), upper=0.0)


def _cuts(builder: RowBuilder, view: View, cols: Columns, keys: Ints) -> None:
    """What two users may bring to a pool together, in each of its `keys` (pool · periods + period)."""
    levels, periods = cols.counts.levels, view.inst.time.periods
    pool, period = view.routes.pool[view.flows.route], view.flows.period
    cuts_by_pool = all_cuts(view, cols.counts.limit) if cols.capacity.exact.any() else {}
    for q, cuts in cuts_by_pool.items():
        there = keys[keys // periods == q] % periods
        if not cols.capacity.exact[q] or not len(there):
            continue
        row = np.full(periods, NONE, dtype=np.int64)
        row[there] = np.arange(len(there))
        flows = np.flatnonzero((pool == q) & (row[period] >= 0))
        user = np.searchsorted(cuts.routes, view.flows.route[flows])
        some = np.flatnonzero(levels.pool == q)
        usable = float(view.usable[view.inst.fleets.pool_fleet[q]])
        label = [f"{pool_label(view.inst, q)},{t},two users" for t in there]
        for weights, most in zip(cuts.weight, cuts.most, strict=True):
            terms: list[Term] = [
                (row[period[flows]], cols.flow[flows], view.flow_load[flows, 0] * weights[user]),
                (row[levels.period[some]], levels.at[some], -usable * most[levels.count[some]]),
            ]
            builder.add(len(there), terms, label.__getitem__, upper=0.0)


FAMILY = Family(NAME, build, in_a_loss=None)
