"""Which period each column belongs to, for solving a long horizon a window at a time."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import NONE, Ints
from problems.core.encode import Encoded
from problems.core.view import first_period


def steps_of(encoded: Encoded) -> Ints:
    """(n,) the period of each column; −1 where it spans periods (contracts, bills, horizon-wide counts)."""
    step = np.full(encoded.program.n_columns, NONE, dtype=np.int64)

    def mark(at: Ints, period: Ints) -> None:
        known = at >= 0
        step[at[known]] = np.broadcast_to(period, at.shape)[known]

    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        mark(cols.flow, view.flows.period)
        mark(cols.pick, view.flows.period)
        mark(cols.unserved, first_period(view))
        periods = np.arange(view.inst.time.periods)
        ahead = cols.first.ahead.count[:, 0] >= 0
        own = ~ahead
        for table in (
            cols.counts.count[own],
            cols.counts.paid[own],
            cols.counts.open[own],
            cols.counts.steps[own],
        ):
            mark(table, periods)
        mark(cols.started, periods)
        mark(cols.counts.levels.at, cols.counts.levels.period)
    return step
