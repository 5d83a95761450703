"""What multipliers prove about a program, in safe arithmetic.

For any multipliers y of the rows, weak duality bounds the cost of every point within rows and column bounds:

    c·x + offset ≥ L(y) = offset + Σ_i limit_i · y_i + Σ_j min { g_j · x_j : lower_j ≤ x_j ≤ upper_j },   g = c − Aᵀ y

    limit_i   row_lower_i where y_i > 0, row_upper_i where y_i < 0

It needs no trust in whoever proposed y. What floating point adds is bounded and taken off: a sum of k products errs
by at most k · 2⁻⁵³ · (1 + ε) of the sum of their magnitudes (Higham 2002, ch. 3), each reduced cost becomes an
interval, and the last sums are made without rounding in between (`fsum`). After Neumaier and Shcherbina (2004), Safe
bounds in linear and mixed-integer linear programming, Math. Program. 99.
"""

from __future__ import annotations

from math import fsum, inf, nextafter

import numpy as np

from solvers.core.program import Floats, LinearProgram

UNIT = 2.0**-53
"""Relative error of one rounded operation."""

SPARE = 2.0
"""Factor on error bounds, for the rounding of the error bounds themselves."""


def usable(program: LinearProgram, multipliers: Floats) -> Floats:
    """(m,) the multipliers without those that would need a limit that is not there; never NaN."""
    y = np.where(np.isfinite(multipliers), multipliers, 0.0)
    return np.where(
        ((y > 0) & np.isfinite(program.row_lower)) | ((y < 0) & np.isfinite(program.row_upper)), y, 0.0
    )


def safe_bound(
    program: LinearProgram,
    multipliers: Floats,
    col_lower: Floats | None = None,
    col_upper: Floats | None = None,
) -> float:
    """L(y), rounded down: no point of the program costs less, whole or not.

    multipliers            (m,) any numbers; what needs a limit that is not there counts as 0
    col_lower, col_upper   (n,) bounds in place of the program's, as in a node of a tree

    −inf where a reduced cost that may be negative meets a column without an upper limit (or the reverse).
    """
    lower = program.col_lower if col_lower is None else col_lower
    upper = program.col_upper if col_upper is None else col_upper
    y = usable(program, multipliers)
    transposed = program.matrix.T
    reduced = program.cost - transposed @ y
    size = np.abs(program.cost) + abs(transposed) @ np.abs(y)
    entries = np.bincount(program.matrix.indices, minlength=program.n_columns) + 2
    error = SPARE * UNIT * entries * size
    least, most = reduced - error, reduced + error
    with np.errstate(invalid="ignore"):
        corners = [np.where(side == 0.0, 0.0, end * side) for end in (least, most) for side in (lower, upper)]
    columns = np.minimum.reduce(corners)
    columns = np.where(np.isnan(columns), -inf, columns)
    if np.isneginf(columns).any():
        return -inf
    rows = np.where(y > 0, program.row_lower, np.where(y < 0, program.row_upper, 0.0)) * y
    rounding = UNIT * SPARE * (np.abs(rows).sum() + np.abs(columns).sum())
    total = fsum([program.offset, -float(rounding), *rows.tolist(), *columns.tolist()])
    return nextafter(total, -inf)


def refuting(program: LinearProgram, ray: Floats, wanted: float, *bounds: Floats) -> tuple[Floats, float]:
    """Multipliers along a ray that bound the cost by at least `wanted`, and that bound (less: it proves nothing).

    A ray that proves that rows and bounds contradict each other proves any cost, if it is taken far enough.
    """
    nothing = program.with_cost(np.zeros(program.n_columns))
    step = safe_bound(nothing, ray, *bounds) - program.offset
    if not step > 0:
        return np.zeros(program.n_rows), -inf
    length = 2.0 * max(abs(wanted), 1.0) / step
    for _ in range(8):
        bound = safe_bound(program, ray * length, *bounds)
        if bound >= wanted:
            return ray * length, bound
        length *= 16.0
    return ray * length, bound
