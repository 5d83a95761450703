"""A bound from the parts of a long program: rows that reach across time are priced, not kept.

    L(y) = Σ_i (limit of row i on the side of y_i) · y_i + Σ_parts min { (c − Aᵀy) · x : the part's own rows, integers }

For any prices y on the reaching rows, L(y) is no more than the optimum; with y from the relaxation it is no less than
the relaxation's, and the integers inside each part lift it further (Geoffrion 1974). Parts are solved one by one, and a
part cut short by time still gives its own bound.
"""

from __future__ import annotations

import numpy as np

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram


def reaching_rows(program: LinearProgram, part: np.ndarray) -> np.ndarray:
    """(m,) rows with columns of more than one part."""
    matrix = program.matrix
    of_entry = part[matrix.indices]
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    low = np.full(program.n_rows, np.iinfo(np.int64).max)
    high = np.full(program.n_rows, np.iinfo(np.int64).min)
    np.minimum.at(low, row, of_entry)
    np.maximum.at(high, row, of_entry)
    return np.asarray(low < high)


def lagrangian_bound(
    program: LinearProgram, part: np.ndarray, row_duals: Floats, solve: Solve, options: SolveOptions
) -> float:
    """L(y) with y the duals of the reaching rows; the time of `options` is shared out over the parts.

    The largest comes last: it has what the others leave.

    A dual whose limit is infinite is taken as 0. A part without a bound of its own contributes that of its relaxation.
    """
    return priced_apart(program, part, row_duals, solve, options)[0]


def priced_apart(
    program: LinearProgram, part: np.ndarray, row_duals: Floats, solve: Solve, options: SolveOptions
) -> tuple[float, Floats | None]:
    """The bound, and the points of the parts put together, which may break reaching rows; None where one has none."""
    reaches = reaching_rows(program, part)
    y = np.where(reaches, row_duals, 0.0)
    y = np.where((y > 0) & np.isinf(program.row_lower), 0.0, y)
    y = np.where((y < 0) & np.isinf(program.row_upper), 0.0, y)
    side = np.where(y > 0, program.row_lower, program.row_upper)
    total, point, missing = program.offset, np.zeros(program.n_columns), False
    total += float((y[y != 0] * side[y != 0]).sum())
    priced = program.with_cost(program.cost - program.matrix.T @ y)
    apart = priced.take(rows=~reaches).program
    labels, size = np.unique(part, return_counts=True)
    for number, label in enumerate(labels[np.argsort(size, kind="stable")]):
        piece = apart.take(part == label).program
        answer = solve(piece, options.within(1.0 / (len(labels) - number)))
        bound, missing = answer.bound, missing or answer.point is None
        if answer.point is not None:
            point[part == label] = answer.point
        if not np.isfinite(bound) and piece.is_mip:
            bound = solve(piece.relax(), options.finishing).bound
        total += bound
    return total, None if missing else point
