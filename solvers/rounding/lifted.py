"""A relaxation lifted by the rows that its own basis makes of whole columns, round by round.

    1  the relaxation's optimum; of each whole column between two numbers there a row (see `tableau`)
    2  all of them added, and the optimum from there on; again, of the rows added too

Counts that several sellers share the load of gain by sums of many rows at once, which rows of one capacity each
(`solvers.strengthened`) do not see.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from solvers.capacity_rows import ImpliedRows
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record
from solvers.rounding.rows import RoundedRow, in_units, numbered_anew, resting_on
from solvers.rounding.tableau import AWAY, tableau_rows

if TYPE_CHECKING:
    from solvers.highs_relaxation import HighsRelaxation

ROUNDS = 2
ENOUGH = 1e-4
"""A round that lifts the bound by less than this part of it is the last."""

USED = 1e-12
"""A multiplier."""


class LiftedRelaxation(Record):
    """The last optimum and the roundings it rests on: those with a multiplier, and those that they are made of.

    multipliers  (m,) of the program's rows
    roundings    k: their rows from m on are roundings before them
    prices       (k,) their multipliers
    added        them as rows below the program's own, the largest coefficient of each 1
    """

    bound: float
    multipliers: Floats
    roundings: tuple[RoundedRow, ...]
    prices: Floats
    added: ImpliedRows


class BasisRows:
    """Rows of the basis at which a relaxation has just ended, of its program and of those made before.

    made   so far; rows from the program's number on are those before them
    unit   (m + k,) a row of the relaxation, times this, is one of the program's, or of `made`
    """

    def __init__(self, program: LinearProgram, relaxation: HighsRelaxation) -> None:
        self.wider, self.relaxation, self.ends = program, relaxation, program.whole_bounds
        self.made: list[RoundedRow] = []
        self.unit = np.ones(program.n_rows)

    def violated(self, point: Floats) -> ImpliedRows:
        """Rows that this optimum breaks: to be added to the relaxation."""
        rows = tableau_rows(self.wider, self.relaxation, point, *self.ends)
        added = ImpliedRows(*in_units(rows, self.wider.n_columns), self.wider.n_rows + np.arange(len(rows)))
        self.made += [replace(row, weights=row.weights / self.unit[row.rows]) for row in rows]
        self.unit = np.concatenate([self.unit, [row.unit for row in rows]])
        self.wider = added.added_to(self.wider)
        return added


def lifted(
    program: LinearProgram, options: SolveOptions, rounds: int = ROUNDS, cells: float = inf
) -> LiftedRelaxation | None:
    """None where the relaxation has no optimum. The time limit alone is taken of the options.

    cells   of a tableau: whole columns between two numbers, times rows; what has more is looked at no further
    """
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    relaxation = HighsRelaxation(program, deadline=options.finishing.deadline)
    low, high = program.whole_bounds
    ends, rows = (low[relaxation.columns], high[relaxation.columns]), BasisRows(program, relaxation)
    answer: LiftedRelaxation | None = None
    for k in range(rounds + 1):
        solved = relaxation.solve(*ends)
        if solved.point is None or solved.multipliers is None:
            break
        before, bound = answer, program.objective(solved.point)
        answer = _resting(rows, program.n_rows, bound, solved.multipliers)
        little = before is not None and bound - before.bound <= ENOUGH * abs(bound)
        value = solved.point[relaxation.columns]
        between = int((np.abs(value - np.round(value)) > AWAY).sum())
        if k == rounds or options.late or little or between * rows.wider.n_rows > cells:
            break
        broken = rows.violated(solved.point)
        if not len(broken):
            break
        relaxation.add_rows(broken.matrix, broken.upper)
    return answer


def _resting(rows: BasisRows, m: int, bound: float, multipliers: Floats) -> LiftedRelaxation:
    prices = np.minimum(multipliers[m:], 0.0) / rows.unit[m:]
    some = resting_on(rows.made, np.flatnonzero(prices < -USED).tolist(), m)
    made = numbered_anew(rows.made, some, m)
    added = ImpliedRows(*in_units(made, rows.wider.n_columns), m + np.arange(len(made)))
    return LiftedRelaxation(bound, multipliers[:m], made, prices[some], added)
