"""A relaxation strengthened, round by round, by the capacity rows that its point breaks, or by other rows given."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from scipy import sparse

from solvers.capacity_rows import CapacityRows, ImpliedRows
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.record import Record

ROUNDS = 8
ENOUGH = 1e-4
"""A round that lifts the bound by less than this part of it is the last."""


class StrengthenedAnswer(Record):
    """The optimum of a relaxation with rows added to it.

    point        (n,)
    bound        its cost, the program's offset included
    multipliers  (m + k,) of the program's rows and of those added
    added        the rows added
    """

    point: Floats
    bound: float
    multipliers: Floats
    added: ImpliedRows


class ManyRows(Protocol):
    """Rows that every whole point keeps: too many to stand in a program."""

    def violated(self, point: Floats) -> ImpliedRows:
        """Some of those that a point breaks; each is given once."""
        ...


def strengthened(
    program: LinearProgram, options: SolveOptions, rows: ManyRows | None = None
) -> StrengthenedAnswer | None:
    """The last relaxation solved; None where the first has no optimum. The time limit alone is taken of the options.

    rows   other than the capacity rows
    """
    from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

    relaxation = HighsRelaxation(program, deadline=options.finishing.deadline)
    rows = rows or CapacityRows(program)
    lower, upper = program.col_lower[relaxation.columns], program.col_upper[relaxation.columns]
    none, added = sparse.csr_array((0, program.n_columns)), list[ImpliedRows]()
    answer: StrengthenedAnswer | None = None
    for _ in range(ROUNDS + 1):
        solved = relaxation.solve(lower, upper)
        if solved.point is None or solved.multipliers is None:
            break
        before, bound = answer, program.objective(solved.point)
        so_far = ImpliedRows(
            sparse.vstack([none, *(each.matrix for each in added)], format="csr"),
            np.concatenate([np.empty(0), *(each.upper for each in added)]),
            np.concatenate([np.empty(0, dtype=np.int64), *(each.row for each in added)]),
        )
        answer = StrengthenedAnswer(solved.point, bound, solved.multipliers, so_far)
        if options.late or (before is not None and bound - before.bound <= ENOUGH * abs(bound)):
            break
        broken = rows.violated(solved.point)
        if not len(broken):
            break
        relaxation.add_rows(broken.matrix, broken.upper)
        added.append(broken)
    return answer
