"""Second thoughts about "infeasible".

A program is called "infeasible or unbounded" when presolve proved only that its dual has no solution (and by
PuLP also when the solver failed). And some call an unbounded LP plainly infeasible: CBC (2026-03), and
HiGHS 1.15.1 with duplicate rows,

    min −y,   0 ≤ y − x − z,   y − x − z ≤ 1,   x, y ≥ 0,   0 ≤ z ≤ 1

A plain "infeasible" is doubted only if the columns' own bounds leave the cost without a limit; so a program
whose costs and lower bounds are not negative, as a plan's, is never solved twice.

Both are settled by asking for any feasible point at all (cost 0), which takes presolve a moment. Without one
it is infeasible. With one, it is unbounded if there is a direction that stays feasible for ever while the
cost falls (also for integers, data being rational: Meyer 1974); else it is solved again without presolve.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from solvers.core.certify import is_feasible
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import LinearProgram
from solvers.core.result import Solution, Stop

WRONG = "the solver called it infeasible, wrongly"


def settled(
    program: LinearProgram,
    options: SolveOptions,
    answer: Solution,
    solve: Callable[[LinearProgram, SolveOptions], Solution],
    without_presolve: Mapping[str, object],
) -> Solution:
    """The answer, or a better one, in the time that is left.

    `without_presolve` holds the native options that switch presolve off; empty: "infeasible" is believed.
    """
    unclear = answer.stop is Stop.INFEASIBLE_OR_UNBOUNDED
    untried = bool(set(without_presolve) - set(options.native))
    if not unclear and not (answer.stop is Stop.INFEASIBLE and untried and _can_fall_for_ever(program)):
        return answer
    if not program.cost.any():  # nothing in which it could be unbounded
        return answer if unclear else replace(answer, stop=Stop.INFEASIBLE)
    begin, spent = clock_s(), answer.stats.solve_s

    def again(case: LinearProgram, native: Mapping[str, object]) -> Solution:
        return solve(case, replace(options, native={**options.native, **native}))

    def noted(answer: Solution, *warnings: str) -> Solution:
        seconds = spent + clock_s() - begin
        stats = replace(answer.stats, solve_s=seconds, warnings=(*answer.stats.warnings, *warnings))
        return replace(answer, stats=stats)

    second = again(program.with_cost(np.zeros(program.n_columns)), {})
    point = second.point
    if point is None or not is_feasible(program, point):
        sure = not unclear or second.stop is Stop.INFEASIBLE
        return noted(replace(answer, stop=Stop.INFEASIBLE if sure else answer.stop))
    answer = replace(answer, point=point, objective=program.objective(point))
    notes = () if unclear else (WRONG,)
    steepest = again(_directions(program), without_presolve).objective
    if steepest is not None and steepest < -1e-6 * float(np.abs(program.cost).max()):
        return noted(replace(answer, stop=Stop.UNBOUNDED), *notes)
    third = again(program, without_presolve) if untried else answer
    wrong_again = third.stop in (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED)
    return noted(replace(answer, stop=Stop.UNKNOWN) if wrong_again else third, *notes)


def _can_fall_for_ever(program: LinearProgram) -> bool:
    """Whether the bounds of the columns alone leave the cost without a limit; only such are mistaken."""
    cheap_end = np.where(program.cost > 0, program.col_lower, program.col_upper)
    return bool(np.isinf(cheap_end[program.cost != 0]).any())


def _directions(program: LinearProgram) -> LinearProgram:
    """The directions that stay feasible for ever, in a box of ±1: bounded, and 0 is one of them."""
    box = replace(
        program,
        col_lower=np.where(np.isfinite(program.col_lower), 0.0, -1.0),
        col_upper=np.where(np.isfinite(program.col_upper), 0.0, 1.0),
        row_lower=np.where(np.isfinite(program.row_lower), 0.0, -np.inf),
        row_upper=np.where(np.isfinite(program.row_upper), 0.0, np.inf),
    )
    return box.with_cost(program.cost).relax()
