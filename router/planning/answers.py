"""What a solver's answer is for a plan: a point, or why there is none."""

from __future__ import annotations

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from router.errors import Infeasible, NoPlanInTime, SolverFailed
from router.planning.infeasible import why_infeasible
from solvers import Solution, SolveOptions, Stop

LIMITS = {
    Stop.TIME_LIMIT,
    Stop.ITERATION_LIMIT,
    Stop.NODE_LIMIT,
    Stop.SOLUTION_LIMIT,
    Stop.EXHAUSTED,
    Stop.MEMORY_LIMIT,
}


def point_of(solution: Solution, encoded: Encoded, options: SolveOptions) -> Floats:
    """(n,) the point. Raises Infeasible, NoPlanInTime, SolverFailed, KeyboardInterrupt."""
    if solution.point is not None and np.isfinite(solution.point).all():
        return solution.point
    if solution.stop in (Stop.INFEASIBLE, Stop.INFEASIBLE_OR_UNBOUNDED):
        raise Infeasible(why_infeasible(encoded))
    if solution.stop is Stop.INTERRUPTED:
        raise KeyboardInterrupt
    if solution.stop in LIMITS:
        raise late(solution, options)
    raise SolverFailed(f"the solver ended with {solution.stop.value} ({solution.stats.raw}) and no plan.")


def late(solution: Solution, options: SolveOptions) -> NoPlanInTime:
    """No plan within the limits, with what is known of its bound."""
    limit = f"{options.time_limit_s:g} s" if options.time_limit_s is not None else "the limits"
    error = NoPlanInTime(
        f"no plan was found within {limit} ({solution.stop.value}). Whether there is one is not known; "
        "a longer --time-limit, or a wider --gap, may help."
    )
    error.bound_usd = solution.bound
    return error
