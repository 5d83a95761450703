"""Rows of the simplex tableau rounded as they stand: each whole column between two numbers makes one.

    tableau row   x_k + Σ_j a_j x_j = b over what is not basic: a sum of the program's rows, by weights that are told
    row           its rounding, all counted from the limit at which the point has it

Gomory (1960). All rows at once, of programs with very many columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.rounding.rows import VIOLATED, RoundedRow, entries_of, limits_asked, rounded, stacked

if TYPE_CHECKING:
    from solvers.highs_relaxation import HighsRelaxation

AWAY = 5e-3
"""A column so near to a whole number makes no row, nor does a sum."""

TINY = 1e-10
"""Coefficients that are nothing."""


def tableau_rows(
    program: LinearProgram, relaxation: HighsRelaxation, point: Floats, lower: Floats, upper: Floats
) -> list[RoundedRow]:
    """Of the basis at which a relaxation has ended with `point` (n,): those that it breaks.

    lower, upper   (n,) limits of columns there
    """
    weights = relaxation.tableau(AWAY)
    middle = np.where(np.isfinite(upper), (lower + upper) / 2, np.inf)
    at_upper = np.where(program.integer, (point > upper - 1e-6) & (upper > lower), point > middle)
    sums: Any = (weights @ program.matrix).tocsr()
    every = [
        (rows, weight, _on_columns(program, entries_of(sums, k), (rows, weight), (lower, upper, at_upper)))
        for k in range(weights.shape[0])
        for rows, weight in [entries_of(weights, k)]
    ]
    made = [(rows, weight, row) for rows, weight, row in every if row is not None]
    if not made:
        return []
    matrix: Any = stacked([(row.column, row.value) for _, _, row in made], program.n_columns)
    left: Any = stacked([(row.left, row.factor) for _, _, row in made], program.n_rows)
    matrix = (matrix + left @ program.matrix).tocsr()
    matrix.data[np.abs(matrix.data) <= TINY] = 0.0
    matrix.eliminate_zeros()
    matrix.sort_indices()
    most = np.array([row.upper for _, _, row in made])
    beyond, length = matrix @ point - most, np.sqrt((matrix * matrix).sum(axis=1))
    return [
        RoundedRow(rows, weight, row.down, *entries_of(matrix, k), row.upper, float(beyond[k] / length[k]))
        for k, (rows, weight, row) in enumerate(made)
        if beyond[k] > VIOLATED * length[k] and length[k] > 0
    ]


class _OnColumns(Record):
    """column · value ≤ upper, and the program's rows `left` times `factor` more in it; `down`: columns."""

    column: Ints
    value: Floats
    left: Ints
    factor: Floats
    upper: float
    down: Ints


def _on_columns(
    program: LinearProgram,
    added_up: tuple[Ints, Floats],
    weighed: tuple[Ints, Floats],
    columns: tuple[Floats, Floats, Bools],
) -> _OnColumns | None:
    """What is rounded of a sum, the slacks of its rows not written out yet; None: it is too near to whole."""
    (column, a), (row, weight) = added_up, weighed
    lower, upper, at_upper = columns
    down = at_upper[column]
    end = np.where(down, upper[column], lower[column])
    limit, above = limits_asked(weight, program.row_lower[row], program.row_upper[row])
    left = above != (
        weight > 0
    )  # of which only the other limit is there: what it leaves is a variable of its own
    total = float(weight @ limit) - float(a @ end)
    part = total - np.floor(total)
    if not AWAY <= part <= 1 - AWAY:
        return None
    a = np.where(down, -a, a)
    value = np.where(program.integer[column], rounded(a, part), np.minimum(a, 0.0) / (1 - part))
    value = np.where(down, -value, value)
    factor = -weight[left] / (1 - part)
    most = float(np.floor(total)) + float(value @ end) + float(factor @ limit[left])
    return _OnColumns(column, value, row[left], factor, most, column[down])
