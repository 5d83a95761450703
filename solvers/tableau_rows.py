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
    middle = np.where(np.isfinite(upper), (lower + upper) / 2, np.inf)
    at_upper = np.where(program.integer, (point > upper - 1e-6) & (upper > lower), point > middle)
    sums: Any = (weights @ program.matrix).tocsr()
    rows, kept = list[_RoundedRow](), list[int]()
    for k in range(weights.shape[0]):
        row = _row(program, _entries(sums, k), _entries(weights, k), (lower, upper, at_upper))
        if row is not None:
            rows.append(row)
            kept.append(k)
    if not rows:
        return None
    n = program.n_columns
    matrix: Any = _stacked([row.column for row in rows], [row.value for row in rows], n)
    left: Any = _stacked([row.left for row in rows], [row.factor for row in rows], program.n_rows)
    matrix = (matrix + left @ program.matrix).tocsr()
    matrix.data[np.abs(matrix.data) <= TINY] = 0.0
    matrix.eliminate_zeros()
    most = np.array([row.upper for row in rows])
    length = np.sqrt((matrix * matrix).sum(axis=1))
    some = np.flatnonzero((matrix @ point - most > VIOLATED * length) & (length > 0))
    if not len(some):
        return None
    matrix, kept = matrix[some], [kept[k] for k in some.tolist()]
    unit = abs(matrix).max(axis=1).toarray().ravel()
    down = [rows[k].down for k in some.tolist()]
    return TableauRows(
        (sparse.diags_array(1 / unit) @ matrix).tocsr(),
        most[some] / unit,
        weights[kept],
        _stacked(down, [np.ones(len(each)) for each in down], n),
        unit,
    )


class _RoundedRow(Record):
    """column · value ≤ upper, and the program's rows `left` times `factor` more in it; `down`: columns."""

    column: Ints
    value: Floats
    left: Ints
    factor: Floats
    upper: float
    down: Ints


def _row(
    program: LinearProgram,
    added_up: tuple[Ints, Floats],
    weighed: tuple[Ints, Floats],
    columns: tuple[Floats, Floats, Bools],
) -> _RoundedRow | None:
    (column, a), (row, weight) = added_up, weighed
    lower, upper, at_upper = columns
    down = at_upper[column]
    end = np.where(down, upper[column], lower[column])
    below, above = program.row_lower[row], program.row_upper[row]
    near = np.where(weight > 0, above, below)
    left = np.isinf(near)  # of which only the other limit is there: what it leaves is a variable of its own
    limit = np.where(left, np.where(weight > 0, below, above), near)
    total = float(weight @ limit) - float(a @ end)
    part = total - np.floor(total)
    if not AWAY <= part <= 1 - AWAY:
        return None
    a = np.where(down, -a, a)
    whole = np.floor(a) + np.maximum(a - np.floor(a) - part, 0.0) / (1 - part)
    value = np.where(program.integer[column], whole, np.minimum(a, 0.0) / (1 - part))
    value = np.where(down, -value, value)
    factor = -weight[left] / (1 - part)
    most = float(np.floor(total)) + float(value @ end) + float(factor @ limit[left])
    return _RoundedRow(column, value, row[left], factor, most, column[down])


def _entries(matrix: Any, row: int) -> tuple[Ints, Floats]:
    at = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[at], matrix.data[at]


def _stacked(columns: list[Ints], values: list[Floats], n: int) -> Any:
    starts = np.concatenate([[0], np.cumsum([len(each) for each in columns])])
    cells = (np.concatenate(values), np.concatenate(columns), starts)
    return sparse.csr_array(cells, shape=(len(columns), n))
