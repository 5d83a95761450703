"""HiGHS kept warm: one relaxation loaded once, its integer columns' bounds changed, the dual simplex going on."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

import highspy
import numpy as np
from scipy import sparse

from solvers.core.deadline import Deadline
from solvers.core.errors import HandOverRefused
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.relaxation import RelaxedAnswer
from solvers.core.result import SimplexBasis, Stop
from solvers.highs import NAME, STOP, Quiet, floats, load, set_option

OPTIONS = {
    "output_flag": False,
    "threads": 1,
    "presolve": "off",
    "solver": "simplex",
    "primal_feasibility_tolerance": 1e-9,
    "dual_feasibility_tolerance": 1e-9,
}


TINY = 1e-10
"""Weights that are nothing."""


class HighsRelaxation:
    """See `solvers.core.relaxation`. Presolve is off, so that duals and rays are of the program as it stands."""

    def __init__(
        self, program: LinearProgram, most_iterations: int | None = None, *, deadline: Deadline | None = None
    ) -> None:
        self.program, self.most_iterations = program, most_iterations
        self.deadline = deadline or Deadline()
        self.columns = np.flatnonzero(program.integer).astype(np.int32)
        self.highs = self._loaded(program.relax())
        self.elastic: Any = None  # made when it is first asked for

    def _loaded(self, program: LinearProgram) -> Any:
        h: Any = Quiet()
        for key, value in OPTIONS.items():
            set_option(h, key, value, NAME)
        set_option(h, "time_limit", self.deadline.left_s, NAME)
        if self.most_iterations is not None:
            set_option(h, "simplex_iteration_limit", self.most_iterations, NAME)
        load(h, program)
        return h

    def solve(self, lower: Floats, upper: Floats) -> RelaxedAnswer:
        """The relaxation with these bounds on the integer columns.

        Raises `HandOverRefused` where HiGHS refuses them.
        """
        h = self.highs
        stop = self._run(h, lower, upper)
        info = h.getInfo()
        iterations = max(0, int(info.simplex_iteration_count))
        if stop is Stop.OPTIMAL:
            found = h.getSolution()
            point = floats(found.col_value)
            return RelaxedAnswer(stop, point, floats(found.row_dual), iterations)
        if stop is Stop.INFEASIBLE:
            _, known, ray = h.getDualRay()
            return RelaxedAnswer(stop, None, np.array(ray, dtype=np.float64) if known else None, iterations)
        if stop in (
            Stop.ITERATION_LIMIT,
            Stop.TIME_LIMIT,
        ):  # what the dual simplex has so far proves something
            multipliers = floats(h.getSolution().row_dual)
            known = len(multipliers) == self.program.n_rows
            return RelaxedAnswer(stop, None, multipliers if known else None, iterations)
        return RelaxedAnswer(stop, None, None, iterations)

    def add_rows(self, matrix: Any, upper: Floats) -> None:
        """Rows matrix · x ≤ upper more, (k, n) and (k,); the next solve goes on from where the last ended.

        Raises `HandOverRefused` where HiGHS refuses them.
        """
        rows = sparse.csr_array(matrix)
        start, index = rows.indptr[:-1].astype(np.int32), rows.indices.astype(np.int32)
        lower = np.full(len(upper), -inf)
        if self.highs.addRows(len(upper), lower, upper, rows.nnz, start, index, rows.data) == (
            highspy.HighsStatus.kError
        ):
            raise HandOverRefused(NAME, "rows refused")

    def tableau(self, away: float) -> Any:
        """(k, m) by which rows add up to those of the simplex tableau in which a whole column is basic and not whole.

        away   from a whole number; the last solve ended with an optimum
        """
        h, value = self.highs, floats(self.highs.getSolution().col_value)
        basic = self._basic()
        place = np.flatnonzero(basic >= 0)
        column = basic[place]
        part = value[column] - np.floor(value[column])
        chosen = np.isin(column, self.columns) & (part > away) & (part < 1 - away)
        rows, weights = list[Ints](), list[Floats]()
        for k in place[chosen].tolist():
            _, weight, number, row = h.getBasisInverseRowSparse(k)
            at = np.array(row[:number], dtype=np.int64)
            some = np.abs(weight[at]) > TINY
            rows.append(np.sort(at[some]))
            weights.append(weight[rows[-1]])
        starts = np.concatenate([[0], np.cumsum([len(each) for each in rows])])
        cells = (
            np.concatenate([np.empty(0), *weights]),
            np.concatenate([np.empty(0, dtype=np.int64), *rows]),
            starts,
        )
        return sparse.csr_array(cells, shape=(len(rows), h.getNumRow()))

    def _basic(self) -> Ints:
        """(m,) the column that is basic in each row, below 0 where the row's own is; none where there is no basis."""
        if self.highs.getNumNz() == 0:  # solved without one, and asked for it HiGHS reads where nothing is
            return np.empty(0, dtype=np.int64)
        status, basic = self.highs.getBasicVariables()
        known = status != highspy.HighsStatus.kError
        return np.array(basic if known else [], dtype=np.int64)

    def solve_with(self, lower: Floats, upper: Floats, matrix: Any, most: Floats) -> RelaxedAnswer:
        """As `solve`, with rows matrix · x ≤ most more for this once: multipliers are of the rows and of these."""
        h, before, rows = self.highs, self.highs.getBasis(), self.highs.getNumRow()
        self.add_rows(matrix, most)
        answer = self.solve(lower, upper)
        h.deleteRows(len(most), np.arange(rows, rows + len(most), dtype=np.int32))
        h.setBasis(before)
        return answer

    def drop_rows(self, rows: Ints) -> None:
        """Some of those that were added."""
        self.highs.deleteRows(len(rows), rows.astype(np.int32))

    def limit_rows(self, rows: Ints, lower: Floats, upper: Floats) -> None:
        """Other limits of some rows. Raises `HandOverRefused` where HiGHS refuses them."""
        status = self.highs.changeRowsBounds(len(rows), rows.astype(np.int32), lower, upper)
        if status == highspy.HighsStatus.kError:
            raise HandOverRefused(NAME, "limits of rows refused")

    def limit_columns(self, columns: Ints, lower: Floats, upper: Floats) -> None:
        """Other bounds of some columns. Raises `HandOverRefused` where HiGHS refuses them."""
        status = self.highs.changeColsBounds(len(columns), columns.astype(np.int32), lower, upper)
        if status == highspy.HighsStatus.kError:
            raise HandOverRefused(NAME, "bounds of columns refused")

    def add_columns(self, cost: Floats, matrix: Any, lower: Floats, upper: Floats) -> None:
        """Columns more. Raises `HandOverRefused` where HiGHS refuses them."""
        start, index = matrix.indptr[:-1].astype(np.int32), matrix.indices.astype(np.int32)
        status = self.highs.addCols(len(cost), cost, lower, upper, matrix.nnz, start, index, matrix.data)
        if status == highspy.HighsStatus.kError:
            raise HandOverRefused(NAME, "columns refused")

    def drop_columns(self, first: int) -> None:
        """All columns from one on."""
        at = np.arange(first, self.highs.getNumCol(), dtype=np.int32)
        self.highs.deleteCols(len(at), at)

    def way_back(self) -> Callable[[], None]:
        """From where the last solve ended the next one goes on after this is called, by the same rows and columns."""
        before = self.highs.getBasis()
        return lambda: self.highs.setBasis(before)

    @property
    def basis(self) -> SimplexBasis:
        """Where the last solve ended, without what was added."""
        rows, columns, state = self.program.n_rows, self.program.n_columns, self.highs.getBasis()
        more_rows, more_columns = self.highs.getNumRow() > rows, self.highs.getNumCol() > columns
        if more_rows:
            state.row_status = state.row_status[:rows]
        if more_columns:
            state.col_status = state.col_status[:columns]
        if more_rows or more_columns or not state.valid:  # too many or too few are basic: HiGHS mends that
            state.valid = state.alien = True
        return SimplexBasis(NAME, rows, columns, state)

    def refute(self, lower: Floats, upper: Floats) -> Floats | None:
        """Duals of the least total violation of the rows; where that is above 0 they are a ray."""
        if self.elastic is None:
            self.elastic = self._loaded(elastic(self.program).relax())
        stop = self._run(self.elastic, lower, upper)
        if stop is not Stop.OPTIMAL or not self.elastic.getInfo().objective_function_value > 0:
            return None
        return floats(self.elastic.getSolution().row_dual)

    def _run(self, h: Any, lower: Floats, upper: Floats) -> Stop:
        status = h.changeColsBounds(len(self.columns), self.columns, lower, upper)
        if status == highspy.HighsStatus.kError:
            raise HandOverRefused(NAME, "bounds of a branch refused")
        h.run()
        stop = STOP[h.getModelStatus()]
        self.deadline.ended.note(stop is Stop.TIME_LIMIT)
        return stop


def elastic(program: LinearProgram) -> LinearProgram:
    """The program in which every row may be missed, at 1 per unit, and nothing else costs."""
    m = program.n_rows
    below, above = np.isfinite(program.row_lower), np.isfinite(program.row_upper)
    slack = sparse.eye_array(m, format="csc")
    matrix = sparse.hstack([program.matrix, slack[:, below], -slack[:, above]], format="csr")
    extra = int(below.sum() + above.sum())
    return LinearProgram(
        cost=np.concatenate([np.zeros(program.n_columns), np.ones(extra)]),
        matrix=matrix,
        row_lower=program.row_lower,
        row_upper=program.row_upper,
        col_lower=np.concatenate([program.col_lower, np.zeros(extra)]),
        col_upper=np.concatenate([program.col_upper, np.full(extra, inf)]),
        integer=np.concatenate([program.integer, np.zeros(extra, dtype=np.bool_)]),
        name=program.name,
    )
