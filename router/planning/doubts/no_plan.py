"""Second thoughts about "infeasible": it is said only where it is proved, or where some promise must be broken.

    1  a row that nothing keeps within what others force; multipliers that refute the relaxation, in safe arithmetic
    2  a tree of our own: every leaf refuted, or a point met
    3  the program with slack in every row, solved by another path: what is violated in all is above nothing, or a point

A point makes the plan; it is not the best one by anybody's word. And second thoughts about a plan that does not
pass its check: where 1 or 2 refutes the problem (`refuted`), its points are so within a solver's tolerance alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.fixed import Fixed
from router.planning.gates import through_open_gates
from router.planning.two_steps import Closed, Incumbent, finished, run
from solvers import LinearProgram, Solution, SolveOptions, Stop
from solvers.forced import forced
from solvers.proof import ProgramProof, WorkLimits, prove, refuting

LARGEST = 3_000  # columns, for a tree
EFFORT = 300_000  # see `WorkLimits`
VIOLATED = 1e-6  # of rows, whose terms are near 1


def in_doubt(
    encoded: Encoded, solver: str, options: SolveOptions, fixed: Fixed, word: Infeasible
) -> Incumbent:
    """A plan after all. Raises `word` where there is none, NoPlanInTime where that is not known."""
    point = _point(fixed.applied(encoded), solver, options.finishing)
    if point is None:
        raise word
    value = encoded.program.objective(point)
    first = Solution(Stop.EXHAUSTED, point, value, -np.inf)
    held = fixed.applied(encoded)
    try:
        return finished(held, first, (solver, options), fixed, 0.0, value)
    except Closed as closed:
        return through_open_gates(held, closed, (solver, options), fixed, -np.inf)
    except SolverFailed:  # a point within tolerances alone
        raise word from None


def refuted(encoded: Encoded, options: SolveOptions) -> bool:
    """Whether no plan exists, proved without a solver's tolerances."""
    program = encoded.program.relax() if options.relax else encoded.program
    if _relaxation_refuted(program):
        return True
    tree = _tree(program, options)
    return tree is not None and tree.point is None and tree.refuted


def _relaxation_refuted(program: LinearProgram) -> bool:
    from solvers.highs_relaxation import HighsRelaxation  # here: most problems have a plan

    if len(forced(program).broken(program)):  # of numbers so small that a solver does not see them
        return True
    whole = np.flatnonzero(program.integer)
    ray = HighsRelaxation(program).refute(program.col_lower[whole], program.col_upper[whole])
    return ray is not None and refuting(program, ray, 1.0)[1] > -np.inf


def _tree(program: LinearProgram, options: SolveOptions) -> ProgramProof | None:
    from solvers.highs_relaxation import HighsRelaxation

    if program.n_columns > LARGEST:
        return None
    return prove(program, HighsRelaxation, work=WorkLimits(effort=EFFORT, late=lambda: options.late))


def _point(encoded: Encoded, solver: str, options: SolveOptions) -> Floats | None:
    """A point of the program; None: it has none."""
    from solvers.highs_relaxation import elastic

    program = encoded.program.relax() if options.relax else encoded.program
    if _relaxation_refuted(program):
        return None
    tree = _tree(program, options)
    if tree is not None and tree.point is not None:
        return tree.point
    if tree is not None and tree.refuted:
        return None
    slack = elastic(program)
    least = run(slack, solver, replace(options, relax=False, seed=options.seed + 1))
    if least.point is not None and least.objective is not None and least.objective <= VIOLATED:
        return least.point[: program.n_columns]
    if least.bound > VIOLATED:
        return None
    raise NoPlanInTime(
        f"{solver} found no plan and says that there is none; within the limits that could not be confirmed. "
        "A longer --time-limit may help."
    )
