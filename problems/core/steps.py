"""Which period each column belongs to, for solving a long horizon a window at a time; and which piece of a market.

A piece is what hangs together within a period when quotas, groups, power and budgets, contracts, fees and counts of the
whole horizon are priced: the workloads of a model, say, with the pools that serve it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from problems import budget, groups, power, quota
from problems.core.arrays import NONE, Ints
from problems.core.encode import Encoded
from problems.core.view import first_period
from solvers.components import labels

PRICED = (quota.NAME, groups.NAME, power.NAME, budget.NAME)
"""Families whose rows hold several pieces together, and are priced."""


def steps_of(encoded: Encoded) -> Ints:
    """(n,) the period of each column; −1 where it spans periods (contracts, bills, horizon-wide counts)."""
    step = np.full(encoded.program.n_columns, NONE, dtype=np.int64)

    def mark(at: Ints, period: Ints) -> None:
        known = at >= 0
        step[at[known]] = np.broadcast_to(period, at.shape)[known]

    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        mark(cols.flow, view.flows.period)
        mark(cols.charged, view.flows.period)
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
        mark(cols.adapters.at, cols.adapters.period)
        mark(cols.covered.at, cols.covered.period)
        mark(cols.paid_by.at, cols.paid_by.period)
        mark(cols.payable.at, cols.payable.period)
        for queue in cols.queues:
            for piece in queue.pieces:
                for at in (piece.chosen, piece.within, piece.load, piece.shaped):
                    mark(at, np.full(len(at), queue.period))
    return step


def pieces_of(encoded: Encoded, step: Ints) -> Ints:
    """(n,) a number from 0 on for each piece, −1 for what spans periods; `step` as `steps_of` has it."""
    matrix, n = encoded.program.matrix, encoded.program.n_columns
    row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    priced = np.zeros(matrix.shape[0], dtype=bool)
    for rows in encoded.row_families:
        priced[rows.first : rows.end] = rows.family in PRICED
    priced[row[step[matrix.indices] < 0]] = True
    kept = ~priced[row]
    pairs = (row[kept], matrix.indices[kept])
    within = sparse.csr_array((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=matrix.shape)
    inside = np.flatnonzero(step >= 0)
    _, number = np.unique(labels(within)[inside], return_inverse=True)
    piece = np.full(n, NONE, dtype=np.int64)
    piece[inside] = number
    return piece
