"""A relaxation without what its own rows shut: columns held at one value, rows that say nothing then.

    row i    Σ_j a_ij x_j ≤ b_i   where the least that the sum may be is b_i: every column of it is held at that end
    y_i      min (0, min_j g_j / a_ij), the row's multiplier, makes that end the cheapest; g = c − Aᵀ y of all others

Rows are taken in the order opposite to that in which they hold their columns: what a row takes off the reduced costs
of columns that were held before, the rows of these put right. A count held at 0 shuts its flows; where most are, the
linear program has half the columns and rows, and multipliers of all rows prove the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.core.relaxation import OpenRelaxation, RelaxedAnswer

ROUNDS = 4
SAME = 1e-15  # relative to what a row sums up


class Holding(Record):
    """Rows that hold columns at an end, all of one round; entries of the columns that were open before.

    rows             (r,)
    row              (e,) of `rows`
    column, value    (e,)
    """

    rows: Ints
    row: Ints
    column: Ints
    value: Floats


def held_by_rows(program: LinearProgram) -> tuple[Floats, Floats, list[Holding]]:
    """(n,) bounds of the columns once rows hold what they hold, and by which of them, round by round."""
    matrix, m = program.matrix, program.n_rows
    row = np.repeat(np.arange(m), np.diff(matrix.indptr))
    column, value = matrix.indices.astype(np.int64), matrix.data
    lower, upper = (each.copy() for each in program.whole_bounds)
    found: list[Holding] = []
    for _ in range(ROUNDS):
        with np.errstate(invalid="ignore"):
            least = np.minimum(value * lower[column], value * upper[column])
            total = np.bincount(row, least, minlength=m)
            size = np.bincount(row, np.abs(least), minlength=m)
            full = np.abs(total - program.row_upper) <= SAME * size
        entry = np.flatnonzero(full[row] & (lower[column] < upper[column]))
        entry = entry[np.unique(column[entry], return_index=True)[1]]  # by one row each
        if not len(entry):
            break
        rows, place = np.unique(row[entry], return_inverse=True)
        found.append(Holding(rows, place.astype(np.int64), column[entry], value[entry]))
        rising = value[entry] > 0.0
        end = np.where(rising, lower[column[entry]], upper[column[entry]])
        lower[column[entry]] = upper[column[entry]] = end
    return lower, upper, found


class OpenColumns:
    """A relaxation of a program as `open_relaxation` gives it of what is open; see `solvers.core.relaxation`."""

    def __init__(
        self,
        program: LinearProgram,
        open_relaxation: OpenRelaxation,
        most_iterations: int | None = None,
    ) -> None:
        self.program, self.transposed = program, program.matrix.T.tocsr()
        lower, upper, self.held = held_by_rows(program)
        self.point = lower
        self.columns = np.flatnonzero(lower < upper)
        self.whole = np.isin(np.flatnonzero(program.integer), self.columns)
        self.rows = np.flatnonzero(~_idle(program, lower, upper))
        shut = lower == upper
        matrix: Any = program.matrix[self.rows]
        spent = matrix @ np.where(shut, lower, 0.0)
        inside = LinearProgram(
            cost=program.cost[self.columns],
            matrix=matrix[:, self.columns],
            row_lower=program.row_lower[self.rows] - spent,
            row_upper=program.row_upper[self.rows] - spent,
            col_lower=lower[self.columns],
            col_upper=upper[self.columns],
            integer=program.integer[self.columns],
        )
        self.inside = open_relaxation(inside, most_iterations)

    def solve(self, lower: Floats, upper: Floats) -> RelaxedAnswer:
        """The relaxation with these bounds on the integer columns."""
        answer = self.inside.solve(lower[self.whole], upper[self.whole])
        multipliers, point = answer.multipliers, None
        if multipliers is not None:
            cost = self.program.cost if answer.point is not None else np.zeros(self.program.n_columns)
            multipliers = self._of_all(multipliers, cost)
        if answer.point is not None:
            point = self.point.copy()
            point[self.columns] = answer.point
        return replace(answer, point=point, multipliers=multipliers)

    def refute(self, lower: Floats, upper: Floats) -> Floats | None:
        """A ray of all rows."""
        ray = self.inside.refute(lower[self.whole], upper[self.whole])
        return None if ray is None else self._of_all(ray, np.zeros(self.program.n_columns))

    def way_back(self) -> Callable[[], None]:
        """See `HighsRelaxation`."""
        return self.inside.way_back()

    def _of_all(self, multipliers: Floats, cost: Floats) -> Floats:
        """(m,) of all rows: those of the rows there are, and what holds the columns that are shut."""
        y = np.zeros(self.program.n_rows)
        y[self.rows] = multipliers
        for held in reversed(self.held):
            reduced = cost - self.transposed @ y
            least = np.zeros(len(held.rows))
            np.minimum.at(least, held.row, reduced[held.column] / held.value)
            y[held.rows] = least
        return y


def _idle(program: LinearProgram, lower: Floats, upper: Floats) -> NDArray[np.bool_]:
    """(m,) rows that no point within the bounds breaks."""
    row = np.repeat(np.arange(program.n_rows), np.diff(program.matrix.indptr))
    column, value = program.matrix.indices, program.matrix.data
    with np.errstate(invalid="ignore"):  # 0 · inf
        ends = value * lower[column], value * upper[column]
        least = np.bincount(row, np.minimum(*ends), minlength=program.n_rows)
        most = np.bincount(row, np.maximum(*ends), minlength=program.n_rows)
        inside: NDArray[np.bool_] = (least >= program.row_lower) & (most <= program.row_upper)
    return inside
