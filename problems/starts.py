"""Starts: what is started costs money, takes time and binds for a while.

started[q,t] ≥ paid[q,t] − paid[q,t−1]                        paid before the horizon: what runs, or 0
paid[q,t] ≥ Σ_(u: t − min_up < u ≤ t) started[q,u]            minimum up time; closing ends it

started[q,t]   instances started in period t                   instances
paid[q,t]      instances rented above what is reserved         instances (reserved ones start nothing)
"""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.columns import Columns
from problems.core.counts import closed_throughout, pool_label, runs
from problems.core.family import Family
from problems.core.rows import RowBuilder, Rows, Term, no_rows
from problems.core.view import View

NAME = "starts"


def build(view: View, cols: Columns) -> Rows:
    """A row per pool and period for the start, and one for the minimum up time."""
    time, fleets = view.inst.time, view.inst.fleets
    q, t = np.nonzero(cols.started >= 0)
    if not len(q):
        return no_rows(NAME)
    started, paid = cols.started[q, t], cols.counts.paid[q, t]
    builder, later = RowBuilder(NAME), t > 0
    rise: list[Term] = [
        (np.arange(len(q)), started, 1.0),
        (np.arange(len(q)), paid, -1.0),
        (np.flatnonzero(later), cols.counts.paid[q[later], t[later] - 1], 1.0),
    ]
    before = np.where(later, 0.0, -view.inst.paid_before[q])
    builder.add(len(q), rise, lambda i: f"{pool_label(view.inst, q[i])},{t[i]}", lower=before)

    min_up = fleets.min_up_h[fleets.pool_fleet[q]]
    run, closed = runs(view.inst), closed_throughout(view.inst)
    bound = np.flatnonzero((min_up > time.period_h * (1 + 1e-9)) & ~closed[q, t])
    stays: list[Term] = [(np.arange(len(bound)), paid[bound], 1.0)]
    most = min(np.ceil(min_up.max(initial=0.0) / time.period_h - 1e-9), time.periods)
    for back in range(int(most)):
        some = np.flatnonzero((min_up[bound] > back * time.period_h * (1 + 1e-9)) & (t[bound] >= back))
        some = some[run[q[bound][some], t[bound][some] - back] == run[q[bound][some], t[bound][some]]]
        column = cols.started[q[bound][some], t[bound][some] - back]
        known = column >= 0
        stays.append((some[known], column[known], -1.0))
    builder.add(len(bound), stays, lambda i: f"{pool_label(view.inst, q[bound[i]])},{t[bound[i]]}", lower=0.0)
    return builder.rows()


def booting(view: View, cols: Columns, pools: Ints, periods: Ints, usable: Floats) -> list[Term]:
    """Terms of what has started and does not serve yet: the part of each period before `start_h` after the start.

    Closing ends that: what starts before a closed period boots no more after it.
    """
    time, start_h = view.inst.time, view.inst.fleets.start_h[view.inst.fleets.pool_fleet[pools]]
    run = runs(view.inst)
    terms: list[Term] = []
    most = min(np.ceil(start_h.max(initial=0.0) / time.period_h - 1e-9), time.periods)
    for back in range(int(most)):
        boot = np.clip((start_h - back * time.period_h) / time.period_h, 0.0, 1.0)
        at = np.flatnonzero((boot > 0) & (periods >= back))
        at = at[run[pools[at], periods[at] - back] == run[pools[at], periods[at]]]
        started = cols.started[pools[at], periods[at] - back]
        known = started >= 0
        terms.append((at[known], started[known], (usable * boot)[at[known]]))
    return terms


def still_boots(view: View, q: int, t: int) -> list[int]:
    """How many periods ago something of a pool may have started that boots in a period, for a part of it or all."""
    time, fleets = view.inst.time, view.inst.fleets
    fleet, run = fleets.pool_fleet[q], runs(view.inst)[q]
    once = bool(fleets.horizon[fleet]) and fleets.term_h[fleet] == 0  # then it starts with the horizon
    most = min(int(np.ceil(float(fleets.start_h[fleet]) / time.period_h - 1e-9)), t + 1)
    return [back for back in range(most) if run[t] == run[t - back] and (not once or back == t)]


FAMILY = Family(NAME, build, in_a_loss=None)
