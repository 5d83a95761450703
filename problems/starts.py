"""Starts: what is started costs money, takes time and binds for a while.

started[q,t] ≥ paid[q,t] − paid[q,t−1]                        paid before the horizon: what runs, or 0
paid[q,t] ≥ Σ_(u: t − min_up < u ≤ t) started[q,u]            minimum up time

started[q,t]   instances started in period t                   instances
paid[q,t]      instances rented above what is reserved         instances (reserved ones start nothing)
"""

from __future__ import annotations

import numpy as np

from problems.core.blocks import Rows, Term, rows
from problems.core.columns import Columns
from problems.core.counts import pool_label
from problems.core.view import View

NAME = "starts"


def build(view: View, cols: Columns) -> Rows:
    """A row per pool and period for the start, and one for the minimum up time."""
    time, fleets = view.inst.time, view.inst.fleets
    q, t = np.nonzero(cols.started >= 0)
    started, paid = cols.started[q, t], cols.counts.paid[q, t]
    at = np.arange(len(q))
    later = t > 0
    terms: list[Term] = [
        (at, started, 1.0),
        (at, paid, -1.0),
        (at[later], cols.counts.paid[q[later], t[later] - 1], 1.0),
    ]
    min_up = fleets.min_up_h[fleets.pool_fleet[q]] if len(q) else np.empty(0)
    bound = np.flatnonzero(min_up > time.period_h * (1 + 1e-9))
    row = len(q) + np.arange(len(bound))
    terms.append((row, paid[bound], 1.0))
    for back in range(int(np.ceil(min_up.max(initial=0.0) / time.period_h - 1e-9))):
        some = (min_up[bound] > back * time.period_h * (1 + 1e-9)) & (t[bound] >= back)
        column = cols.started[q[bound][some], t[bound][some] - back]
        known = column >= 0
        terms.append((row[some][known], column[known], -1.0))
    where = np.concatenate([at, bound])

    def label(i: int) -> str:
        return f"{pool_label(view.inst, q[where[i]])},{t[where[i]]}"

    lower = np.zeros(len(where))
    lower[at[~later]] = -view.inst.paid_before[q[~later]]
    return rows(NAME, len(where), terms, label, lower=lower)
