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

from problems.core.blocks import Rows, Term, rows
from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.instance import Floats, Ints
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
        opened = np.where(cols.counts.open[q, t] >= 0, cols.counts.open[q, t], cols.first.held.open[q, 0])
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
    n = len(distinct)
    made: list[Term] = [
        (row, levels.at, levels.count.astype(float)),
        (np.arange(n), cols.counts.count[q, t], -1.0),
        (n + row, levels.at, 1.0),
    ]
    pool = view.routes.pool[view.flows.route]
    at = np.flatnonzero((pool >= 0) & minds(view)[view.flows.route])
    at = at[(cols.capacity.exact & cols.capacity.lenient)[pool[at]]]
    made.append((2 * n + np.arange(len(at)), cols.flow[at], 1.0))
    strict = np.flatnonzero(~levels.free)
    first = np.searchsorted(key[strict], pool[at] * periods + view.flows.period[at])
    many = np.searchsorted(key[strict], pool[at] * periods + view.flows.period[at], side="right") - first
    which = np.repeat(first, many) + np.arange(many.sum()) - np.repeat(np.cumsum(many) - many, many)
    made.append((2 * n + np.repeat(np.arange(len(at)), many), levels.at[strict[which]], -1.0))

    cut_at, cuts = _cuts(view, cols, distinct, row, 2 * n + len(at))
    made += cuts

    def label(i: int) -> str:
        if i >= 2 * n + len(at):
            k = cut_at[i - 2 * n - len(at)]
            return f"{pool_label(view.inst, q[k])},{t[k]},two users"
        if i >= 2 * n:
            return view.label_cell(int(view.flows.cell[at[i - 2 * n]]))
        return f"{pool_label(view.inst, q[i % n])},{t[i % n]}"

    more = len(at) + len(cut_at)
    lower = np.concatenate([np.zeros(n), np.full(n + more, -np.inf)])
    upper = np.concatenate([np.zeros(n), np.ones(n), np.zeros(more)])
    return rows(NAME, len(lower), made, label, lower=lower, upper=upper)


def _cuts(view: View, cols: Columns, keys: Ints, row: Ints, first: int) -> tuple[Ints, list[Term]]:
    """Rows of what two users may bring to a pool together: the index in `keys` of each, and terms from row `first`."""
    levels, periods = cols.counts.levels, view.inst.time.periods
    pool, period = view.routes.pool[view.flows.route], view.flows.period
    of_key: list[Ints] = []
    made: list[Term] = []
    found = all_cuts(view, cols.counts.limit) if cols.capacity.exact.any() else {}
    for q, cuts in found.items():
        mine = np.flatnonzero(keys // periods == q)
        if not cols.capacity.exact[q] or not len(mine):
            continue
        place = np.full(periods, -1, dtype=np.int64)
        place[keys[mine] % periods] = np.arange(len(mine))
        flows = np.flatnonzero((pool == q) & (place[period] >= 0))
        user = np.searchsorted(cuts.routes, view.flows.route[flows])
        some = np.flatnonzero(levels.pool == q)
        usable = float(view.usable[view.inst.fleets.pool_fleet[q]])
        for weights, most in zip(cuts.weight, cuts.most, strict=True):
            load = view.flow_load[flows, 0] * weights[user]
            made.append((first + place[period[flows]], cols.flow[flows], load))
            made.append(
                (first + place[levels.period[some]], levels.at[some], -usable * most[levels.count[some]])
            )
            of_key.append(mine)
            first += len(mine)
    return np.concatenate([np.empty(0, dtype=np.int64), *of_key]), made
