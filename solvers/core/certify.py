"""An independent look at an answer: plain numpy on the program and the numbers that came back.

Nothing is asked of the solver. Residuals are measured against the size of what they were computed from,
so that 1e-6 means the same in a row of shares and in a row of millions of tokens.
"""

from __future__ import annotations

from math import inf, isinf

import numpy as np

from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Solution

#: Twice what solvers allow themselves: HiGHS uses up its 1e-6 in a MILP (3 z ≥ 1 by z = 0.333333).
TOLERANCE = 2e-6


class Residual(Record):
    """How well one promise is kept: `worst` relative violation, at row or column `at` (None: nowhere)."""

    name: str
    ok: bool
    worst: float
    tolerance: float
    absolute: float = 0.0
    at: int | None = None


class Certificate(Record):
    """All promises of one answer; an answer without a point has only those about its bound."""

    residuals: tuple[Residual, ...]

    @property
    def ok(self) -> bool:
        return all(residual.ok for residual in self.residuals)


def certify(
    program: LinearProgram, solution: Solution, *, tolerance: float = TOLERANCE, integrality: float = 1e-5
) -> Certificate:
    """Check bounds, rows, integrality, objective, bound ≤ objective and, given duals, what they prove.

    tolerance     relative, of everything but integrality
    integrality   absolute distance from a whole number
    """
    residuals: list[Residual] = []
    point, value, bound = solution.point, solution.objective, solution.bound
    if point is not None:
        residuals += [_bounds(program, point, tolerance), _rows(program, point, tolerance)]
        residuals.append(_integers(program, point, integrality))
    if point is not None and value is not None:
        size = float(np.abs(program.cost * point).sum()) + abs(program.offset)
        residuals.append(_compare("objective", abs(program.objective(point) - value), size, tolerance))
        over = max(0.0, bound - value) if not isinf(bound) else (0.0 if bound < 0 else inf)
        residuals.append(_compare("bound", over, size, tolerance))
        if solution.duals is not None:
            proven = dual_bound(program, solution.duals.row, tolerance=tolerance)
            short = inf if isinf(proven) else abs(value - proven)
            residuals.append(_compare("duals", short, size, tolerance))
    return Certificate(tuple(residuals))


def is_feasible(program: LinearProgram, point: Floats, *, tolerance: float = 1e-5) -> bool:
    """Within bounds and rows (relative) and integral (absolute); wider than `certify`, to tell apart what is
    a solution at all from what is not."""
    return (
        _bounds(program, point, tolerance).ok
        and _rows(program, point, tolerance).ok
        and _integers(program, point, tolerance).ok
    )


def dual_bound(program: LinearProgram, row_duals: Floats, *, tolerance: float = 1e-9) -> float:
    """A lower bound on the LP's optimum from any row duals y, good or bad (Neumaier and Shcherbina 2004).

        offset + Σ_i y_i · (row_lower_i if y_i > 0 else row_upper_i)
               + Σ_j g_j · (col_lower_j if g_j > 0 else col_upper_j),      g = c − Aᵀ y

    A dual that would need an infinite row limit is set to zero first, which costs quality, not validity. A
    reduced cost of the wrong sign on an unbounded column makes the bound −inf, unless it is rounding: at
    most `tolerance` times the terms it was summed from, when it is taken as zero. With `tolerance=0` the
    bound is valid as it stands, up to the rounding of the last sums. The relaxation's bound is also a
    bound of the integer program.
    """
    y = np.where(row_duals > 0, row_duals, 0.0) * np.isfinite(program.row_lower)
    y = y + np.where(row_duals < 0, row_duals, 0.0) * np.isfinite(program.row_upper)
    transposed = program.matrix.T
    reduced = program.cost - transposed @ y
    size = np.abs(program.cost) + abs(transposed) @ np.abs(y)
    chosen = np.where(reduced > 0, program.col_lower, program.col_upper)
    noise = np.isinf(chosen) & (np.abs(reduced) <= tolerance * size)
    reduced = np.where(noise, 0.0, reduced)
    limit = np.where(y > 0, program.row_lower, program.row_upper)
    return program.offset + _dot(y, limit) + _dot(reduced, chosen)


def _dot(factor: Floats, limit: Floats) -> float:
    """Σ factor · limit with 0 · inf = 0."""
    used = factor != 0.0
    return float(factor[used] @ limit[used])


def _bounds(program: LinearProgram, point: Floats, tolerance: float) -> Residual:
    over = np.maximum(program.col_lower - point, point - program.col_upper)
    return _worst("bounds", over, np.abs(point), tolerance)


def _rows(program: LinearProgram, point: Floats, tolerance: float) -> Residual:
    """A row's violation against its largest part: Σ|a x| and its limits (at least 1)."""
    activity = program.matrix @ point
    over = np.maximum(program.row_lower - activity, activity - program.row_upper)
    return _worst("rows", over, abs(program.matrix) @ np.abs(point), tolerance)


def _integers(program: LinearProgram, point: Floats, tolerance: float) -> Residual:
    off = np.where(program.integer, np.abs(point - np.round(point)), 0.0)
    return _worst("integrality", off, np.zeros_like(off), tolerance)


def _worst(name: str, over: Floats, size: Floats, tolerance: float) -> Residual:
    if not over.size:
        return Residual(name, True, 0.0, tolerance)
    over = np.where(np.isnan(over), inf, np.maximum(over, 0.0))
    relative = over / np.maximum(1.0, size)
    at = int(np.argmax(relative))
    worst, absolute = float(relative[at]), float(over[at])
    return Residual(name, worst <= tolerance, worst, tolerance, absolute, at if worst > 0 else None)


def _compare(name: str, difference: float, size: float, tolerance: float) -> Residual:
    relative = difference / max(1.0, size)
    return Residual(name, relative <= tolerance, relative, tolerance, difference)
