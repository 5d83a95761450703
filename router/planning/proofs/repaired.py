"""Multipliers of a program that were found without some of its columns, made better for all of them."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Bools, Floats
from solvers import LinearProgram
from solvers.proof.safe import usable


class Repaired:
    """Multipliers that were found without some columns, made better for all of them.

        Σ_j a_j x_j ≤ Σ_k b_k y_k        every y_k held at 0: a multiplier of this costs nothing, and pays for all x_j
        Σ_j a_j x_j = b                  each x_j in no other such row: y = min g_j / a_j is the best there is

    g_j is what x_j costs under all other multipliers.
    """

    def __init__(self, program: LinearProgram) -> None:
        self.program = program
        matrix, m, n = program.matrix, program.n_rows, program.n_columns
        self.transposed = matrix.T.tocsr()
        self.row = np.repeat(np.arange(m), np.diff(matrix.indptr))
        self.column, self.value = matrix.indices.astype(np.int64), matrix.data
        nothing = program.row_upper[self.row] == 0.0
        self.takes, self.gives = (np.flatnonzero(nothing & sign) for sign in (self.value > 0, self.value < 0))
        serves = (program.row_lower == program.row_upper) & (program.row_lower > 0.0)
        odd = (self.value <= 0.0) | program.integer[self.column] | (program.col_lower[self.column] != 0.0)
        serves &= np.bincount(self.row[odd], minlength=m) == 0
        once = np.bincount(self.column[serves[self.row]], minlength=n) <= 1
        serves &= np.bincount(self.row[~once[self.column]], minlength=m) == 0
        self.served = np.flatnonzero(serves[self.row])
        self.serves = np.unique(self.row[self.served])
        self.amount = program.row_lower[self.serves]

    def multipliers(self, y: Floats, lower: Floats, upper: Floats) -> Floats:
        """(m,) of the rows, for columns within these limits."""
        row, column, value = (each[self.takes] for each in (self.row, self.column, self.value))
        y, shut, room = usable(self.program, y), self._shut(lower, upper), upper.copy()
        room[column[shut[row]]] = 0.0
        y = self._served(y, self.program.cost - self.transposed @ y, room)
        cost = self.program.cost - self.transposed @ y
        more = np.zeros(len(y))
        np.maximum.at(more, row, np.where(shut[row], np.maximum(-cost[column], 0.0) / value, 0.0))
        return y - more

    def alike(self, each: Floats, lower: Floats, upper: Floats) -> Floats:
        """(l, m) of leaves within these limits, alike where that costs none of them anything."""
        shut = self._shut(lower, upper)
        return np.where(shut, np.minimum(each.min(axis=0), 0.0), each)

    def _shut(self, lower: Floats, upper: Floats) -> Bools:
        """(m,) of which rows all that they give is held at 0."""
        gives = self.gives[upper[self.column[self.gives]] > 0.0]
        below = self.row[lower[self.column] < 0.0]
        m = self.program.n_rows
        open_ = np.bincount(self.row[gives], minlength=m) + np.bincount(below, minlength=m)
        return np.asarray((self.program.row_upper == 0.0) & (open_ == 0))

    def _served(self, y: Floats, cost: Floats, upper: Floats) -> Floats:
        """(m,) with what serves an amount paid for as well as can be; `cost` (n,) under these multipliers."""
        row, column, value = (each[self.served] for each in (self.row, self.column, self.value))
        open_ = upper[column] > 0.0
        row, column, value = row[open_], column[open_], value[open_]
        without = cost[column] + value * y[row]
        best = np.full(len(y), np.inf)
        np.minimum.at(best, row, without / value)
        best = np.where(np.isfinite(best), best, y)

        def bound(of: Floats) -> Floats:
            least = np.minimum(without - value * of[row], 0.0) * upper[column]
            return of[self.serves] * self.amount + np.bincount(row, least, minlength=len(y))[self.serves]

        y = y.copy()
        y[self.serves] = np.where(bound(best) > bound(y), best[self.serves], y[self.serves])
        return y
