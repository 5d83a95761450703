"""Rows that hold for whole counts where nobody may carry more than a share.

    Σ_j x_j = 1      0 ≤ κ · Σ_j x_j − Σ_P x_j      Σ_(j at p) a_j x_j ≤ u · y_p       a, u > 0, x, y ≥ 0, y whole

    share row    Σ_(p of S) ρ · y_p + Σ_(j ∉ P, j ∉ S) x_j ≥ ρ        ρ = 1 − κ; S: some j ∉ P that have a p
    capped row   x_j ≤ κ · y_p                                       j ∈ P

What P may not carry others do: where one of S has any count at all that is said, and without any S carries nothing. The
most violated S holds the j with ρ · y_p < x_j.

Both are sums of rows rounded, strong rows x_j ≤ y_p (`capacity_rows`) among them, and each in units of 1 / ρ or 1 / κ:

    share row    − (κ · Σ_j x_j − Σ_P x_j)  −  ρ · Σ_j x_j  +  Σ_S (x_j − y_p)      ≤ − ρ
    capped row     (κ · Σ_j x_j − Σ_P x_j)  −  κ · Σ_j x_j  +      (x_j − y_p)      ≤ − κ + what the first leaves
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record

VIOLATED = 1e-4
"""By how much a point must break a row."""

SAME = 1e-9


class ShareSums(Record):
    """Rows matrix · x ≤ upper, (k, n) and (k,), and what they are made of.

    weights   (k, m) of the program's rows
    strong    (k, n) columns of which the strong row is in the sum, 1 each
    unit      (k,) a row is so many times the sum as it is rounded
    """

    matrix: Any
    upper: Floats
    weights: Any
    strong: Any
    unit: Floats

    def __len__(self) -> int:
        return len(self.upper)

    def some(self, at: NDArray[np.bool_]) -> ShareSums:
        """Those at which a mask (k,) is true."""
        made = (self.matrix[at], self.upper[at], self.weights[at], self.strong[at], self.unit[at])
        return ShareSums(*made)


class ShareRows:
    """The share rows of a program, looked at again and again; each capped row is given once."""

    def __init__(self, program: LinearProgram) -> None:
        matrix, m, n = program.matrix, program.n_rows, program.n_columns
        size = np.diff(matrix.indptr)
        row, column, value = np.repeat(np.arange(m), size), matrix.indices.astype(np.int64), matrix.data
        able = ~program.integer & (program.col_lower == 0.0)
        self.columns, self.pool = n, pools(program)[0]
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
        self.size, self.of = m, of
        own = np.flatnonzero(~self.others & (self.pool[self.column] >= 0))
        own = own[np.lexsort((self.row[own], -self.rest[own], self.column[own]))]
        _, first = np.unique(self.column[own], return_index=True)
        self.capped = own[first]  # entries, of each column where its share is the least

    def none(self) -> ShareSums:
        """No rows."""
        rows, columns = (sparse.csr_array((0, n)) for n in (self.size, self.columns))
        return ShareSums(columns, np.empty(0), rows, columns, np.empty(0))

    def violated(self, point: Floats) -> ShareSums:
        """Those that a point breaks."""
        return stacked([self._shares(point), self._caps(point)])

    def _shares(self, point: Floats) -> ShareSums:
        row, column, rest = (every[self.others] for every in (self.row, self.column, self.rest))
        pool, x = self.pool[column], point[column]
        counted = np.where(pool >= 0, rest * point[np.maximum(pool, 0)], np.inf)
        carried = np.bincount(row, np.minimum(counted, x), minlength=self.size)
        least = np.zeros(self.size)
        least[row] = rest
        rows = np.flatnonzero(carried < least - VIOLATED)
        number = np.full(self.size, -1)
        number[rows] = np.arange(len(rows))
        at = number[row] >= 0
        by_count = (counted < x)[at]
        place = np.where(by_count, pool[at], column[at])
        value = -np.where(by_count, rest[at], 1.0)
        matrix = _sparse(value, number[row[at]], place, (len(rows), self.columns))
        weights = self._weights(rows, -1.0, -least[rows])
        inside = at & (counted < x)
        strong = _sparse(
            np.ones(int(inside.sum())), number[row[inside]], column[inside], (len(rows), self.columns)
        )
        return ShareSums(matrix, -least[rows], weights, strong, least[rows])

    def _caps(self, point: Floats) -> ShareSums:
        row, column, cap = self.row[self.capped], self.column[self.capped], 1.0 - self.rest[self.capped]
        broken = point[column] > cap * point[self.pool[column]] + VIOLATED
        self.capped = self.capped[~broken]
        row, column, cap = row[broken], column[broken], cap[broken]
        k, one = np.arange(len(column)), np.ones(len(column))
        shape = (len(k), self.columns)
        matrix = _sparse(np.append(one, -cap), np.tile(k, 2), np.append(column, self.pool[column]), shape)
        return ShareSums(
            matrix, np.zeros(len(k)), self._weights(row, 1.0, -cap), _sparse(one, k, column, shape), cap
        )

    def _weights(self, rows: Ints, weight: float, of_all: Floats) -> Any:
        """Of share rows, and of the rows Σ_j x_j = 1 that they are of."""
        k = np.arange(len(rows))
        value = np.append(np.full(len(rows), weight), of_all)
        return _sparse(value, np.tile(k, 2), np.append(rows, self.of[rows]), (len(rows), self.size))


def stacked(some: list[ShareSums]) -> ShareSums:
    """All of them, in order."""
    return ShareSums(
        sparse.vstack([each.matrix for each in some], format="csr"),
        np.concatenate([each.upper for each in some]),
        sparse.vstack([each.weights for each in some], format="csr"),
        sparse.vstack([each.strong for each in some], format="csr"),
        np.concatenate([each.unit for each in some]),
    )


def _sparse(value: Floats, row: Ints, column: Ints, shape: tuple[int, int]) -> Any:
    return sparse.coo_array((value, (row, column)), shape=shape).tocsr()


def pools(program: LinearProgram) -> tuple[Ints, Ints]:
    """(n,) the count without which a column is 0, and the row that says so; −1: none."""
    matrix, m = program.matrix, program.n_rows
    row = np.repeat(np.arange(m), np.diff(matrix.indptr))
    column, value = matrix.indices.astype(np.int64), matrix.data
    unit = value < 0.0
    counts = (np.bincount(row[unit], minlength=m) == 1) & (program.row_upper == 0.0)
    counts &= _all(program.col_lower[column] >= 0.0, row, m)
    counts &= _all(np.where(unit, program.integer[column], ~program.integer[column]), row, m)
    count = np.full(m, -1)
    count[row[unit]] = column[unit]
    pool, by = np.full((2, program.n_columns), -1)
    at = counts[row] & ~unit
    pool[column[at]], by[column[at]] = count[row[at]], row[at]
    return pool, by


def _all(holds: NDArray[np.bool_], row: Ints, m: int) -> NDArray[np.bool_]:
    """(m,) whether something holds for every coefficient of a row."""
    every: NDArray[np.bool_] = np.bincount(row[~holds], minlength=m) == 0
    return every
