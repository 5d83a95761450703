"""What rows, and a point known, leave of a program.

    a[j] · x[j] ≤ b − Σ_(k≠j) min(a[k] · lower[k], a[k] · upper[k])     for every column of a row, again and again
    min c·x of the relaxation with x[d] = v  ≥  cost of the point       no better one has v for decision d

Whole columns are rounded inwards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.result import Stop

ROUNDS = 30
WHOLE = 1e-6
LOOSE = 1e-9  # by which bounds of columns that are not whole are wider than a row says
GAIN = 1e-3  # of the range, that a better bound takes from it
SURE = 1e-6  # by which a relaxation is above the cost of the point, in parts of it


def narrowed(program: LinearProgram) -> LinearProgram | None:
    """The program within the bounds that its rows leave; None where they leave none."""
    m, n = program.n_rows, program.n_columns
    row, column = np.repeat(np.arange(m), np.diff(program.matrix.indptr)), program.matrix.indices
    low, high = (ends.copy() for ends in program.whole_bounds)
    for _ in range(ROUNDS):
        changed = False
        for sign, limit in ((1.0, program.row_upper), (-1.0, -program.row_lower)):
            a = sign * program.matrix.data
            least = np.where(a > 0, a * low[column], a * high[column])
            endless = np.isinf(least)
            ends = np.where(endless, 0.0, least)
            room = limit[row] - (np.bincount(row, ends, m)[row] - ends)
            others = np.bincount(row, endless, m)[row] - endless
            known = (others == 0) & np.isfinite(room)
            quotient = np.divide(room, a, out=np.zeros_like(room), where=known)
            below, above = np.full(n, -np.inf), np.full(n, np.inf)
            np.minimum.at(above, column[known & (a > 0)], quotient[known & (a > 0)])
            np.maximum.at(below, column[known & (a < 0)], quotient[known & (a < 0)])
            whole, loose = program.integer, LOOSE * (1.0 + np.abs(above))
            above = np.where(whole, np.floor(above + WHOLE), above + loose)
            below = np.where(whole, np.ceil(below - WHOLE), below - LOOSE * (1.0 + np.abs(below)))
            gain = np.where(np.isfinite(high - low), GAIN * np.maximum(high - low, 0.0), 0.0) + WHOLE
            lower, upper = below > low + gain, above < high - gain
            low, high = np.where(lower, below, low), np.where(upper, above, high)
            changed |= bool(lower.any() or upper.any())
        if (low > high + WHOLE).any():
            return None
        if not changed:
            break
    return replace(program, col_lower=np.minimum(low, high), col_upper=high)


def decided(program: LinearProgram, decisions: Ints, cost: float, options: SolveOptions) -> LinearProgram:
    """The program narrowed, and decisions, 0 or 1, held where the other value leaves no point that costs less."""
    program = narrowed(program) or program
    for d in decisions.tolist():
        for value in (0.0, 1.0):
            if program.col_lower[d] == program.col_upper[d] or options.late:
                break
            if _no_better(_with(program, d, value), cost, options):
                other = _with(program, d, 1.0 - value)
                program = narrowed(other) or other
    return program


def _with(program: LinearProgram, column: int, value: float) -> LinearProgram:
    lower, upper = program.col_lower.copy(), program.col_upper.copy()
    lower[column] = upper[column] = value
    return replace(program, col_lower=lower, col_upper=upper)


def _no_better(program: LinearProgram, cost: float, options: SolveOptions) -> bool:
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    case = narrowed(program)
    if case is None:
        return True
    relaxed = HighsRelaxation(case, deadline=options.begun().deadline)
    answer = relaxed.solve(*(ends[relaxed.columns] for ends in case.whole_bounds))
    if answer.point is None:
        return answer.stop is Stop.INFEASIBLE
    return answer.stop is Stop.OPTIMAL and case.objective(answer.point) >= cost + SURE * abs(cost)


def undecided(program: LinearProgram, within: LinearProgram, kept: Ints) -> tuple[LinearProgram, Ints, float]:
    """What is left to decide: a program of the columns that have a range within the narrower one, and of `kept` ones.

    Bounds of whole columns are the narrower ones, others those of the program; rows that these keep are left out.
    Back come these columns as well, and what the others cost, the offset included.
    """
    free = within.col_upper > within.col_lower + 10 * LOOSE
    free[kept] = True
    sub = program.take(free, point=within.col_lower).program
    whole, at = sub.integer, np.flatnonzero(free)
    lower: Floats = np.where(whole, within.col_lower[at], sub.col_lower)
    upper: Floats = np.where(whole, within.col_upper[at], sub.col_upper)
    rest = float(program.cost[~free] @ within.col_lower[~free]) + program.offset
    return _needed(replace(sub, col_lower=lower, col_upper=upper)), at, rest


def _needed(program: LinearProgram) -> LinearProgram:
    """Without limits of rows that the bounds of their columns keep."""
    matrix, m = program.matrix, program.n_rows
    row = np.repeat(np.arange(m), np.diff(matrix.indptr))
    ends = [matrix.data * end[matrix.indices] for end in (program.col_lower, program.col_upper)]
    least, most = np.bincount(row, np.minimum(*ends), m), np.bincount(row, np.maximum(*ends), m)
    slack = LOOSE * (1.0 + np.bincount(row, np.abs(matrix.data), m))
    lower = np.where(least >= program.row_lower - slack, -np.inf, program.row_lower)
    upper = np.where(most <= program.row_upper + slack, np.inf, program.row_upper)
    kept = np.flatnonzero(np.isfinite(lower) | np.isfinite(upper))
    return replace(program, matrix=matrix[kept], row_lower=lower[kept], row_upper=upper[kept])
