"""Rows that hold for whole numbers and cut off what a relaxation makes of them.

    capacity row    Σ_j a_j x_j ≤ u · Σ_k y_k                    a, u > 0, 0 ≤ x_j ≤ 1, y_k ≥ 0 and whole
    strong row      x_j ≤ Σ_k y_k                                nothing runs on none
    residual row    Σ_S a_j (1 − x_j) ≥ r · (μ − Σ_k y_k)        S: some x_j; μ = ⌈a(S) / u⌉, r = a(S) − u · (μ − 1)

With fewer than μ units, each unit that is missing leaves at least r of S unserved (Magnanti, Mirchandani and Vachani
1993). The most violated S holds just the x_j above the fraction of Σ_k y_k (Atamtürk and Rajan 2002), so that
separation is exact and takes one look at each coefficient. What else takes of the capacity, at 0 or more, is left out.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record

VIOLATED = 1e-4
"""By how much a point must break a row, in units of its x."""

WHOLE = 1e-6
"""Distance from a whole number at which a sum of counts counts as whole."""


class ImpliedRows(Record):
    """Rows matrix · x ≤ upper that hold at every whole point of a program; `row` (k,) of it each is made of."""

    matrix: Any  # (k, n) scipy.sparse.csr_array
    upper: Floats
    row: Ints

    def __len__(self) -> int:
        return len(self.upper)

    def some(self, at: NDArray[np.bool_]) -> ImpliedRows:
        """Those at which a mask (k,) is true."""
        return ImpliedRows(self.matrix[at], self.upper[at], self.row[at])

    def added_to(self, program: LinearProgram) -> LinearProgram:
        """The program with these rows below its own, which then have no names."""
        return replace(
            program,
            matrix=sparse.vstack([program.matrix, self.matrix], format="csr"),
            row_lower=np.concatenate([program.row_lower, np.full(len(self), -np.inf)]),
            row_upper=np.concatenate([program.row_upper, self.upper]),
            row_names=None,
            blocks=None,
        )


def joined(some: list[ImpliedRows]) -> ImpliedRows:
    """All of them, in order."""
    return ImpliedRows(
        sparse.vstack([each.matrix for each in some], format="csr"),
        np.concatenate([each.upper for each in some]),
        np.concatenate([each.row for each in some]),
    )


class CapacityRows:
    """The capacity rows of a program, looked at again and again; each strong row is given once."""

    def __init__(self, program: LinearProgram) -> None:
        matrix, m = program.matrix, program.n_rows
        row = np.repeat(np.arange(m), np.diff(matrix.indptr))
        column, value = matrix.indices.astype(np.int64), matrix.data
        unit, counts = value < 0, program.integer & (program.col_lower >= 0)
        odd = np.where(unit, ~counts[column], program.col_lower[column] < 0)
        self.unit = np.zeros(m)
        np.maximum.at(self.unit, row[unit], -value[unit])
        least = np.full(m, np.inf)
        np.minimum.at(least, row[unit], -value[unit])
        alike = self.unit <= least * (1 + 1e-12)
        fits = (program.row_upper == 0) & alike & (np.bincount(row[odd], minlength=m) == 0)
        served = ~unit & ~program.integer[column] & (program.col_upper[column] <= 1)
        keep = fits[row] & (unit | served)
        self.size, self.columns = m, program.n_columns
        self.row, self.column, self.value, self.is_unit = row[keep], column[keep], value[keep], unit[keep]
        ones = (np.ones(int(self.is_unit.sum())), (self.row[self.is_unit], self.column[self.is_unit]))
        self.units = sparse.csr_array(ones, shape=matrix.shape)  # Σ_k y_k of each row
        # where one x alone fills a unit, its row says as much as the strong one
        self.given = self.is_unit | (self.value >= self.unit[self.row])

    def none(self) -> ImpliedRows:
        """No rows."""
        return self._rows(np.empty(0, dtype=np.int64))

    def violated(self, point: Floats) -> ImpliedRows:
        """The rows that a point breaks."""
        x, units = point[self.column], self.units @ point
        strong, residual = self._broken(x, units), self._residual(x, units)
        matrix = sparse.vstack([strong.matrix, residual.matrix], format="csr")
        upper = np.concatenate([strong.upper, residual.upper])
        row = np.concatenate([strong.row, residual.row])
        return ImpliedRows(matrix, upper, row)

    def _broken(self, x: Floats, units: Floats) -> ImpliedRows:
        return self._rows(np.flatnonzero(~self.given & (x > units[self.row] + VIOLATED)))

    def strong(self) -> ImpliedRows:
        """All strong rows that are not given yet."""
        return self._rows(np.flatnonzero(~self.given))

    def _rows(self, at: Ints) -> ImpliedRows:
        self.given[at] = True
        shape = (len(at), self.columns)
        served = sparse.csr_array((np.ones(len(at)), (np.arange(len(at)), self.column[at])), shape=shape)
        return ImpliedRows(served - self.units[self.row[at]], np.zeros(len(at)), self.row[at])

    def _residual(self, x: Floats, units: Floats) -> ImpliedRows:
        """Of one unit alone the strong rows say more."""
        whole = np.floor(units + WHOLE)
        fraction = units - whole
        taken = ~self.is_unit & (x > fraction[self.row])
        load = np.bincount(self.row[taken], self.value[taken], minlength=self.size)
        rest = load - self.unit * whole  # r, where μ is one more than `whole`
        missed = np.bincount(self.row[taken], (self.value * (1.0 - x))[taken], minlength=self.size)
        cuts = (whole >= 1) & (fraction > WHOLE) & (rest > 0) & (rest < self.unit)
        broken = cuts & (rest * (1.0 - fraction) > missed + VIOLATED * self.unit)
        rows = np.flatnonzero(broken)
        number = np.cumsum(broken) - 1
        at = np.flatnonzero((taken | self.is_unit) & broken[self.row])
        row = self.row[at]
        value = np.where(self.is_unit[at], -rest[row], self.value[at]) / self.unit[row]
        shape = (len(rows), self.columns)
        matrix = sparse.csr_array((value, (number[row], self.column[at])), shape=shape)
        upper = (load[rows] - rest[rows] * (whole[rows] + 1.0)) / self.unit[rows]
        return ImpliedRows(matrix, upper, rows)


def within_limits(program: LinearProgram, value: Floats, least: Floats) -> Floats:
    """Whole numbers (n,) that keep to rows of whole columns alone: the nearest go down to `least`, which does.

    Only columns that are above it go down, and only where their row has an upper limit and adds them up.
    """
    matrix, value = program.matrix, value.copy()
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    odd = ~program.integer[matrix.indices] | (matrix.data < 0)
    alone = (np.bincount(row[odd], minlength=program.n_rows) == 0) & (np.diff(matrix.indptr) > 0)
    for i in np.flatnonzero(alone & np.isfinite(program.row_upper)).tolist():
        columns = matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]]
        units = matrix.data[matrix.indptr[i] : matrix.indptr[i + 1]]
        over = float(units @ value[columns]) - program.row_upper[i]
        drop = np.maximum(value[columns] - least[columns], 0.0)
        for k in np.argsort(drop, kind="stable").tolist():
            if over <= WHOLE or not drop[k]:
                continue
            value[columns[k]] -= drop[k]
            over -= units[k] * drop[k]
    return value
