"""Rows that hold for whole counts where nobody may carry more than a share.

    Σ_j x_j = 1      0 ≤ κ · Σ_j x_j − Σ_P x_j      Σ_(j at p) a_j x_j ≤ u · y_p       a, u > 0, x, y ≥ 0, y whole

    share row    Σ_(p of S) ρ · y_p + Σ_(j ∉ P, j ∉ S) x_j ≥ ρ        ρ = 1 − κ; S: some j ∉ P that have a p
    capped row   x_j ≤ κ · y_p                                       j ∈ P

What P may not carry others do: where one of S has any count at all that is said, and without any S carries nothing. The
most violated S holds the j with ρ · y_p < x_j.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Floats, LinearProgram

type Ints = NDArray[np.int64]

VIOLATED = 1e-4
"""By how much a point must break a row."""

SAME = 1e-9


class ShareRows:
    """The share rows of a program, looked at again and again; each capped row is given once."""

    def __init__(self, program: LinearProgram) -> None:
        matrix, m, n = program.matrix, program.n_rows, program.n_columns
        size = np.diff(matrix.indptr)
        row, column, value = np.repeat(np.arange(m), size), matrix.indices.astype(np.int64), matrix.data
        able = ~program.integer & (program.col_lower == 0.0)
        self.columns, self.pool = n, _pools(program, row)
        ones = (program.row_lower == 1.0) & (program.row_upper == 1.0) & _all(value == 1.0, row, m)
        ones &= _all(able[column], row, m)
        served = np.full(n, -1)
        inside = ones[row]
        served[column[inside]] = row[inside]
        most = np.zeros(m)
        np.maximum.at(most, row, value)
        of = np.full(m, -1)
        np.maximum.at(of, row, served[column])
        shares = (program.row_lower == 0.0) & np.isposinf(program.row_upper) & (most < 1.0) & (of >= 0)
        shares &= _all(served[column] == of[row], row, m) & (size == size[np.maximum(of, 0)])
        apart = np.minimum(np.abs(value - most[row]), np.abs(value - (most[row] - 1.0)))
        shares &= _all(apart <= SAME, row, m)
        taken = shares[row]
        self.row, self.column = row[taken], column[taken]
        self.others = value[taken] > 0.0
        self.rest = 1.0 - most[self.row]
        self.size = m
        cap = np.ones(n)
        np.minimum.at(cap, self.column[~self.others], 1.0 - self.rest[~self.others])
        self.capped = np.flatnonzero((cap < 1.0) & (self.pool >= 0))
        self.cap = cap[self.capped]

    def violated(self, point: Floats) -> tuple[Any, Floats]:
        """Rows matrix · x ≤ upper that a point breaks, (k, n) and (k,)."""
        shares, caps = self._shares(point), self._caps(point)
        return sparse.vstack([shares[0], caps[0]], format="csr"), np.concatenate([shares[1], caps[1]])

    def _shares(self, point: Floats) -> tuple[Any, Floats]:
        row, column, rest = (every[self.others] for every in (self.row, self.column, self.rest))
        pool, x = self.pool[column], point[column]
        counted = np.where(pool >= 0, rest * point[np.maximum(pool, 0)], np.inf)
        carried = np.bincount(row, np.minimum(counted, x), minlength=self.size)
        least = np.zeros(self.size)
        least[row] = rest
        broken = carried < least - VIOLATED
        at = broken[row]
        number = np.cumsum(broken) - 1
        by_count = (counted < x)[at]
        place = np.where(by_count, pool[at], column[at])
        value = -np.where(by_count, rest[at], 1.0)
        shape = (int(broken.sum()), self.columns)
        matrix = sparse.coo_array((value, (number[row[at]], place)), shape=shape).tocsr()
        return matrix, -least[broken]

    def _caps(self, point: Floats) -> tuple[Any, Floats]:
        pool = self.pool[self.capped]
        broken = point[self.capped] > self.cap * point[pool] + VIOLATED
        column, cap, pool = self.capped[broken], self.cap[broken], pool[broken]
        self.capped, self.cap = self.capped[~broken], self.cap[~broken]
        k = np.arange(len(column))
        entries = np.concatenate([np.ones(len(k)), -cap]), (np.tile(k, 2), np.concatenate([column, pool]))
        return sparse.csr_array(entries, shape=(len(k), self.columns)), np.zeros(len(k))


def _pools(program: LinearProgram, row: Ints) -> Ints:
    """(n,) the count without which a column is 0, −1: none."""
    matrix, m = program.matrix, program.n_rows
    column, value = matrix.indices.astype(np.int64), matrix.data
    unit = value < 0.0
    counts = (np.bincount(row[unit], minlength=m) == 1) & (program.row_upper == 0.0)
    counts &= _all(program.col_lower[column] >= 0.0, row, m)
    counts &= _all(np.where(unit, program.integer[column], ~program.integer[column]), row, m)
    count = np.full(m, -1)
    count[row[unit]] = column[unit]
    pool = np.full(program.n_columns, -1)
    at = counts[row] & ~unit
    pool[column[at]] = count[row[at]]
    return pool


def _all(holds: NDArray[np.bool_], row: Ints, m: int) -> NDArray[np.bool_]:
    """(m,) whether something holds for every coefficient of a row."""
    every: NDArray[np.bool_] = np.bincount(row[~holds], minlength=m) == 0
    return every
