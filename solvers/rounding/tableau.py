"""A relaxation lifted by the rows that its own basis makes of whole columns, round by round.

    1  the relaxation's optimum; of each whole column between two numbers there a row (`solvers.tableau_rows`)
    2  all of them added, and the optimum from there on; again, of the rows added too

Counts that several sellers share the load of gain by sums of many rows at once, which rows of one capacity each
(`solvers.strengthened`) do not see.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.capacity_rows import ImpliedRows
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.tableau_rows import TableauRows, tableau_rows

if TYPE_CHECKING:
    from solvers.highs_relaxation import HighsRelaxation

type Ints = NDArray[np.int64]

ROUNDS = 2
ENOUGH = 1e-4
"""A round that lifts the bound by less than this part of it is the last."""

USED = 1e-12
"""A multiplier."""


class LiftedRelaxation(Record):
    """The last optimum and the rows it rests on: those with a multiplier, and those that they are made of.

    multipliers  (m,) of the program's rows
    prices       (k,) of the rows added, each by its weights
    weights      (k, m + k) of the program's rows, and of the rows added before it, in each sum
    down         (k, n) whether a column is counted down from its upper limit
    """

    bound: float
    multipliers: Floats
    prices: Floats
    weights: Any
    down: Any


class BasisRows:
    """Rows of the basis at which a relaxation has just ended, of its program and of those given before."""

    def __init__(self, program: LinearProgram, relaxation: HighsRelaxation) -> None:
        self.wider, self.relaxation, self.ends = program, relaxation, program.whole_bounds
        self.given: list[TableauRows] = []

    def violated(self, point: Floats) -> ImpliedRows:
        """Rows that this optimum breaks: to be added to the relaxation."""
        rows = tableau_rows(self.wider, self.relaxation, point, *self.ends)
        if rows is None:
            none = np.empty(0, dtype=np.int64)
            return ImpliedRows(sparse.csr_array((0, self.wider.n_columns)), np.empty(0), none)
        first = self.wider.n_rows
        added = ImpliedRows(rows.matrix, rows.upper, first + np.arange(len(rows.upper)))
        self.given.append(rows)
        self.wider = added.added_to(self.wider)
        return added


def lifted(program: LinearProgram, options: SolveOptions, rounds: int = ROUNDS) -> LiftedRelaxation | None:
    """None where the relaxation has no optimum. The time limit alone is taken of the options."""
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    left_s = options.finishing.left_s
    relaxation = HighsRelaxation(program, time_limit_s=None if isinf(left_s) else left_s)
    low, high = program.whole_bounds
    ends, rows = (low[relaxation.columns], high[relaxation.columns]), BasisRows(program, relaxation)
    answer: LiftedRelaxation | None = None
    for k in range(rounds + 1):
        solved = relaxation.solve(*ends)
        if solved.point is None or solved.multipliers is None:
            break
        before, bound = answer, program.objective(solved.point)
        answer = _resting(program, rows.given, bound, solved.multipliers)
        if (
            k == rounds
            or options.late
            or (before is not None and bound - before.bound <= ENOUGH * abs(bound))
        ):
            break
        broken = rows.violated(solved.point)
        if not len(broken):
            break
        relaxation.add_rows(broken.matrix, broken.upper)
    return answer


def _resting(
    program: LinearProgram, made: list[TableauRows], bound: float, multipliers: Floats
) -> LiftedRelaxation:
    m, n = program.n_rows, program.n_columns
    total = sum(len(rows.upper) for rows in made)
    unit = np.concatenate([np.ones(m), *(rows.unit for rows in made)])
    weights: Any = _stacked([rows.weights for rows in made], m + total)
    weights = (
        weights @ sparse.diags_array(1 / unit)
    ).tocsr()  # of rows by their weights, not as they were scaled
    prices = np.minimum(multipliers[m:], 0.0) / unit[m:]
    used = prices < -USED
    for k in reversed(range(total)):
        if used[k]:
            own = weights.indices[weights.indptr[k] : weights.indptr[k + 1]]
            used[own[own >= m] - m] = True
    some = np.flatnonzero(used)
    down = _stacked([rows.down for rows in made], n)
    kept = np.concatenate([np.arange(m), m + some])
    return LiftedRelaxation(bound, multipliers[:m], prices[some], weights[some][:, kept], down[some])


def _stacked(matrices: list[Any], columns: int) -> Any:
    """One below the other, each widened by columns without entries."""
    wide = [
        sparse.csr_array((own.data, own.indices, own.indptr), shape=(own.shape[0], columns))
        for own in map(sparse.csr_array, matrices)
    ]
    return sparse.vstack([sparse.csr_array((0, columns)), *wide], format="csr")
