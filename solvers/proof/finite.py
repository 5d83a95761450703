"""Upper bounds for columns that state none: a weak reduced cost on a column without end would prove nothing.

Two sources, both from the data of the program:

    cost    what costs no more than `most` holds no more of column j than   lower_j + (most − L) / c_j,
            L = offset + Σ_i min { c_i · x_i : lower_i ≤ x_i ≤ upper_i }    where L is finite and c_j > 0
    rows    what a row leaves for its only column without end, the others at their least

So the bounded program has every point of the first that costs at most `most`.
"""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

import numpy as np

from solvers.core.program import Floats, LinearProgram

PASSES = 4
ROOM = 1e-9
"""Relative, for the rounding of the sums."""


def with_upper_bounds(program: LinearProgram, most: float) -> LinearProgram:
    """The program with as many upper bounds as cost and rows say; those that are there stay as they are."""
    upper = program.col_upper.copy()
    if np.isfinite(upper).all():
        return program
    _by_cost(program, upper, most)
    for _ in range(PASSES):
        if np.isfinite(upper).all() or not _by_rows(program, upper):
            break
    return replace(program, col_upper=upper)


def _by_cost(program: LinearProgram, upper: Floats, most: float) -> None:
    cost, lower = program.cost, program.col_lower
    end = np.where(cost > 0, lower, np.where(cost < 0, upper, 0.0))
    least = program.offset + float(np.sum(np.where(cost == 0, 0.0, cost * np.where(cost == 0, 0.0, end))))
    if not isfinite(most) or not isfinite(least):
        return
    left = max(most - least, 0.0) * (1 + ROOM) + ROOM * (abs(most) + abs(least))
    at = np.flatnonzero(np.isinf(upper) & (cost > 0))
    upper[at] = lower[at] + left / cost[at]


def _by_rows(program: LinearProgram, upper: Floats) -> bool:
    """Whether a row has bounded a column more."""
    matrix = program.matrix.tocoo()
    row, column, value = matrix.row, matrix.col, matrix.data
    m, found = program.n_rows, False
    for sign, limit in ((1.0, program.row_upper), (-1.0, -program.row_lower)):  # sign · row ≤ limit
        a = sign * value
        with np.errstate(invalid="ignore"):
            least = np.where(a == 0, 0.0, a * np.where(a > 0, program.col_lower[column], upper[column]))
        endless = np.bincount(row, np.isinf(least), minlength=m)
        total = np.bincount(row, np.where(np.isinf(least), 0.0, least), minlength=m)
        size = np.bincount(row, np.where(np.isinf(least), 0.0, np.abs(least)), minlength=m)
        use = (a > 0) & np.isinf(upper[column]) & (endless[row] == 0) & np.isfinite(limit[row])
        r, j = row[use], column[use]
        room = np.maximum(limit[r] - (total[r] - least[use]), 0.0) + ROOM * (np.abs(limit[r]) + size[r])
        np.minimum.at(upper, j, room / a[use])
        found |= bool(use.any())
    return found
