"""Units in which what is tiny is not nothing: solvers allow every row and column a millionth or a billionth.

    x_j = s_j · x'_j         continuous columns that end below `TINY`, or that rows keep below it
    r_i · (A x)_i            rows whose coefficients are tiny in those units
    k · c·x                  an objective whose terms are

All of s, r and k are powers of two, so that nothing is rounded. Other programs stay as they are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.core.result import Duals, Solution

TINY = 1e-6
LEAST = 1e-30  # smaller is a rounding of 0
FARTHEST = 1e12  # of a row's limits, in its unit


class OwnUnits(Record):
    """A program in units of its own, and the way back."""

    program: LinearProgram
    column: Floats  # (n,) what one of each column is
    row: Floats  # (m,)
    usd: float

    def options(self, options: SolveOptions) -> SolveOptions:
        """Who watches is told of the objective as it was."""
        watch, usd = options.watch, self.usd
        if watch is None:
            return options
        return replace(options, watch=lambda value, bound: watch(value / usd, bound / usd))

    def back(self, solution: Solution, program: LinearProgram) -> Solution:
        """The solution of the program as it was."""
        point, duals = solution.point, solution.duals
        if point is not None:
            point = point * self.column
        if duals is not None:
            duals = Duals(duals.row * self.row / self.usd, duals.column / (self.column * self.usd))
        value = None if point is None else program.objective(point)
        bound = solution.bound / self.usd
        return replace(solution, point=point, objective=value, bound=bound, duals=duals)


def own_units(program: LinearProgram) -> OwnUnits | None:
    """None where no continuous column is tiny."""
    upper = program.col_upper
    tiny = ~program.integer & (upper > LEAST) & (upper < TINY) & (program.col_lower >= 0)
    if not tiny.any():
        return None
    size = np.where(np.isfinite(upper), np.maximum(np.abs(program.col_lower), upper), 0.0)
    entry_row = np.repeat(np.arange(program.n_rows), np.diff(program.matrix.indptr))
    entry_column, value = program.matrix.indices, np.abs(program.matrix.data)
    largest = np.zeros(program.n_rows)  # of what has an end, in each row
    np.maximum.at(largest, entry_row, value * size[entry_column])
    endless = np.zeros(program.n_columns)
    np.maximum.at(endless, entry_column, largest[entry_row] / value)
    size = np.where(tiny, upper, np.where(np.isfinite(upper) | program.integer, 1.0, endless))
    column = _power(np.where((size > LEAST) & (size < TINY), size, 1.0))
    scaled = value * column[entry_column]
    most = np.zeros(program.n_rows)
    np.maximum.at(most, entry_row, scaled)
    row = 1.0 / _power(np.where((most > LEAST) & (most < TINY), most, 1.0))
    row = np.where(_farthest(program) * row < FARTHEST, row, 1.0)
    dearest = float(np.abs(program.cost * column).max(initial=0.0))
    usd = float(1.0 / _power(np.array(dearest if LEAST < dearest < TINY else 1.0)))
    matrix = program.matrix.copy()
    matrix.data = matrix.data * column[entry_column] * row[entry_row]
    own = replace(
        program,
        cost=program.cost * column * usd,
        offset=program.offset * usd,
        matrix=matrix,
        row_lower=program.row_lower * row,
        row_upper=program.row_upper * row,
        col_lower=program.col_lower / column,
        col_upper=program.col_upper / column,
    )
    return OwnUnits(own, column, row, usd)


def _farthest(program: LinearProgram) -> Floats:
    """(m,) the larger of the limits that a row has."""
    low, high = (
        np.where(np.isfinite(end), np.abs(end), 0.0) for end in (program.row_lower, program.row_upper)
    )
    return np.maximum(low, high)


def _power(size: Floats) -> Floats:
    return np.asarray(2.0 ** np.round(np.log2(size)))
