"""Rows that hold for whole numbers, from the basis of a relaxation: each whole column between two numbers makes one.

    tableau row   x_k + Σ_j a_j x_j = b over what is not basic: a sum of the program's rows, by weights that are told
    row           its mixed-integer rounding, all counted from the limit at which the point has it

Gomory (1960); in the form of Nemhauser and Wolsey (1990), as `router.verification.bound.roundings` works it out again.
Of a vertex of the program's own relaxation alone, without what was added: further rounds say little more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record

if TYPE_CHECKING:
    from solvers.highs_relaxation import HighsRelaxation

type Ints = NDArray[np.int64]
type Bools = NDArray[np.bool_]

AWAY = 5e-3
"""A column so near to a whole number makes no row, nor does a sum."""

VIOLATED = 1e-4
"""By how much the point must break a row, in units of its length."""

TINY = 1e-10
"""Coefficients and weights that are nothing."""


class TableauRows(Record):
    """Rows matrix · x ≤ upper, the largest coefficient of each 1.

    weights  (k, m) of the program's rows in each sum
    down     (k, n) whether a column is counted down from its upper limit
    unit     (k,) so many times the row here is the one by the weights
    """

    matrix: Any
    upper: Floats
    weights: Any
    down: Any
    unit: Floats


def tableau_rows(
    program: LinearProgram, relaxation: HighsRelaxation, point: Floats, lower: Floats, upper: Floats
) -> TableauRows | None:
    """Of the basis at which a relaxation has ended with `point` (n,); None where there is none to make.

    lower, upper   (n,) limits of columns there
    """
    weights = relaxation.tableau(AWAY)
    if not weights.shape[0]:
        return None
    below, above = program.row_lower, program.row_upper
    middle = np.where(np.isfinite(upper), (lower + upper) / 2, np.inf)
    at_upper = np.where(program.integer, (point > upper - 1e-6) & (upper > lower), point > middle)
    sums: Any = (weights @ program.matrix).tocsr()
    rows, kept = list[_RoundedRow](), list[int]()
    for k in range(weights.shape[0]):
        row = _row(program, _entries(sums, k), _entries(weights, k), (lower, upper, at_upper), (below, above))
        if row is not None and row.breaks(point):
            rows.append(row)
            kept.append(k)
    if not rows:
        return None
    unit = np.array([np.abs(row.value).max() for row in rows])
    n = program.n_columns
    return TableauRows(
        _stacked([row.column for row in rows], [row.value / u for row, u in zip(rows, unit, strict=True)], n),
        np.array([row.upper for row in rows]) / unit,
        weights[kept],
        _stacked([row.down for row in rows], [np.ones(len(row.down)) for row in rows], n),
        unit,
    )


class _RoundedRow(Record):
    column: Ints
    value: Floats
    upper: float
    down: Ints

    def breaks(self, point: Floats) -> bool:
        over = float(self.value @ point[self.column]) - self.upper
        return over > VIOLATED * float(np.sqrt(self.value @ self.value)) > 0.0


def _row(
    program: LinearProgram,
    added_up: tuple[Ints, Floats],
    weighed: tuple[Ints, Floats],
    columns: tuple[Floats, Floats, Bools],
    limits: tuple[Floats, Floats],
) -> _RoundedRow | None:
    (column, a), (row, weight) = added_up, weighed
    lower, upper, at_upper = columns
    down = at_upper[column]
    end = np.where(down, upper[column], lower[column])
    near = np.where(weight > 0, limits[1][row], limits[0][row])
    left = np.isinf(near)  # of which only the other limit is there: what it leaves is a variable of its own
    limit = np.where(left, np.where(weight > 0, limits[0][row], limits[1][row]), near)
    total = float(weight @ limit) - float(a @ end)
    part = total - np.floor(total)
    if not AWAY <= part <= 1 - AWAY:
        return None
    a = np.where(down, -a, a)
    whole = np.floor(a) + np.maximum(a - np.floor(a) - part, 0.0) / (1 - part)
    value = np.where(program.integer[column], whole, np.minimum(a, 0.0) / (1 - part))
    value = np.where(down, -value, value)
    most = float(np.floor(total)) + float(value @ end)
    if left.any():
        factor = -weight[left] / (1 - part)
        rows = sparse.csr_array((factor, row[left], [0, int(left.sum())]), shape=(1, program.n_rows))
        more: Any = rows @ program.matrix
        own = sparse.csr_array((value, column, [0, len(column)]), shape=(1, program.n_columns))
        column, value = _entries((own + more).tocsr(), 0)
        most += float(factor @ limit[left])
    kept = np.abs(value) > TINY
    return _RoundedRow(column[kept], value[kept], most, added_up[0][down]) if kept.any() else None


def _entries(matrix: Any, row: int) -> tuple[Ints, Floats]:
    at = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[at], matrix.data[at]


def _stacked(columns: list[Ints], values: list[Floats], n: int) -> Any:
    starts = np.concatenate([[0], np.cumsum([len(each) for each in columns])])
    return sparse.csr_array(
        (np.concatenate(values), np.concatenate(columns), starts), shape=(len(columns), n)
    )
