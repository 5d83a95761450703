"""A large relaxation of which HiGHS is given few columns at first, and all from where that ended: sifting.

    1  of each row that asks the FLOWS columns that cost least at first prices, and all columns of none
    2  the relaxation of these
    3  all columns, by the primal simplex from there: few are still worth anything

Supply that nothing uses has a price of 0 in 2, at which all that was left out of it looks cheap. In the basis for 3
what supplies such a row stands in place of the row, at 0: the price is then what it costs.

Bixby, Gregory, Lustig, Marsten and Shanno (1992), Very large-scale linear programming, Oper. Res. 40.
"""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np

from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.relaxation import RelaxedAnswer
from solvers.core.result import Stop
from solvers.first_prices import first_prices
from solvers.highs import NAME, set_option
from solvers.highs_relaxation import HighsRelaxation

LARGE, PART = 100_000, 0.6
"""Columns of a program that is worth it, and the part of them that it begins with at most."""

FLOWS = 6

TIGHT = 1e-9
"""So near to its limit a row is tight, and to 0 a reduced cost is none."""

DUAL, PRIMAL = 1, 4  # of HiGHS's simplex strategies
MOST_STEPS, NO_LIMIT = 4_000, 2**31 - 1
"""Of the simplex method in 3, some hundreds as a rule: beyond, all begins anew."""


def few_columns(program: LinearProgram) -> Bools | None:
    """(n,) columns to begin with; None where sifting is not worth it."""
    if program.n_columns < LARGE:
        return None
    few = first_prices(program).promising(FLOWS) | program.integer | (program.col_lower != 0.0)
    return few if int(few.sum()) <= PART * program.n_columns else None


def sift(relaxation: HighsRelaxation, few: Bools) -> None:
    """Solve a relaxation that was loaded, with the program's own bounds, from what few of its columns (n,) come to.

    Columns left out are at a lower bound of 0. Where few have no optimum, nothing is done.
    """
    program, h = relaxation.program, relaxation.highs
    kept = np.flatnonzero(few)
    narrow = HighsRelaxation(
        program.take(kept, np.arange(program.n_rows)).program, deadline=relaxation.deadline
    )
    answer = narrow.solve(*_bounds(narrow.program))
    if answer.point is None or answer.multipliers is None:
        return
    status, state = highspy.HighsBasisStatus, narrow.highs.getBasis()
    columns = np.full(program.n_columns, status.kLower, dtype=object)
    rows = np.array(state.row_status, dtype=object)
    columns[kept] = state.col_status
    row, column = _asked_for(program, kept, answer)
    basic = np.flatnonzero(columns == status.kBasic)
    alone = np.diff(program.by_column[:, basic].tocsr().indptr) == 0  # no basic column stands in the row
    some = (rows[row] == status.kBasic) & alone[row]
    columns[column[some]] = status.kBasic
    tight = np.isfinite(program.row_upper[row[some]])
    rows[row[some]] = np.array([status.kLower, status.kUpper], dtype=object)[tight.astype(int)]
    state.col_status, state.row_status = columns.tolist(), rows.tolist()
    h.setBasis(state)
    set_option(h, "simplex_strategy", PRIMAL, NAME)
    set_option(h, "simplex_iteration_limit", MOST_STEPS, NAME)
    if relaxation.solve(*_bounds(program)).stop is Stop.ITERATION_LIMIT:
        h.clearSolver()
    set_option(h, "simplex_strategy", DUAL, NAME)
    set_option(h, "simplex_iteration_limit", relaxation.most_iterations or NO_LIMIT, NAME)


def _bounds(program: LinearProgram) -> tuple[Floats, Floats]:
    """(k,) each, of the whole columns."""
    low, high = program.whole_bounds
    return low[program.integer], high[program.integer]


def _asked_for(program: LinearProgram, kept: Ints, answer: RelaxedAnswer) -> tuple[Ints, Ints]:
    """Rows of supply that nothing uses, though something left out would pay for them, and what supplies each."""
    assert answer.point is not None
    assert answer.multipliers is not None
    matrix, point = program.matrix, np.zeros(program.n_columns)
    point[kept] = answer.point
    used: Any = matrix @ point
    above = np.isneginf(program.row_lower) & (program.row_upper == 0.0)
    below = np.isposinf(program.row_upper) & (program.row_lower == 0.0)
    free = (above | below) & (np.abs(used) <= TIGHT) & (answer.multipliers == 0.0)
    reduced = program.cost - matrix.T @ answer.multipliers
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    at = np.flatnonzero(free[row] & (reduced < -TIGHT)[matrix.indices])
    unit = np.where(above[row[at]], matrix.data[at], -matrix.data[at])
    asked = np.unique(row[at[unit > 0]])
    supply = np.flatnonzero(np.isin(row, asked) & (np.where(above[row], matrix.data, -matrix.data) < 0))
    supply = supply[(point == 0.0)[matrix.indices[supply]]]
    rows, first = np.unique(row[supply], return_index=True)
    columns, once = np.unique(matrix.indices[supply][first], return_index=True)
    return rows[once], columns
