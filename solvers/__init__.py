"""Linear programs in, solutions out: one canonical form, several solvers, answers that can be checked.

    solution = solve(program, "highs", SolveOptions(gap=1e-4, time_limit_s=10))

`stop` says why the solver ended, `point` what it found, `bound` what is proven: three separate things.
"""

from numpy import asarray
from numpy.typing import ArrayLike

from solvers.core.backend import Backend, Feature
from solvers.core.certify import Certificate, Residual, certify, dual_bound, is_feasible
from solvers.core.deadline import clock_s
from solvers.core.ended import Ended
from solvers.core.errors import (
    HandOverRefused,
    OptionRejected,
    ProgramError,
    SolversError,
    SolverUnavailable,
    UnknownSolver,
)
from solvers.core.options import SolveOptions
from solvers.core.program import Blocks, LinearProgram
from solvers.core.registry import Available, available, get
from solvers.core.result import Duals, PiecePrices, SimplexBasis, Solution, Stats, Stop, SummedLeaves
from solvers.core.shell import solve as solve_with
from solvers.core.units import own_units

__all__ = [
    "Available",
    "Backend",
    "SimplexBasis",
    "Blocks",
    "Certificate",
    "Duals",
    "Ended",
    "Feature",
    "HandOverRefused",
    "LinearProgram",
    "OptionRejected",
    "PiecePrices",
    "ProgramError",
    "Residual",
    "Solution",
    "SolveOptions",
    "SolverUnavailable",
    "SolversError",
    "Stats",
    "Stop",
    "SummedLeaves",
    "UnknownSolver",
    "available",
    "certify",
    "clock_s",
    "dual_bound",
    "get",
    "is_feasible",
    "solve",
]


def solve(
    program: LinearProgram,
    solver: str = "highs",
    options: SolveOptions | None = None,
    start: ArrayLike | SimplexBasis | None = None,
) -> Solution:
    """Solve with the named backend; infeasible or out of time is an answer, not an exception.

    Raises `UnknownSolver`, `SolverUnavailable`, `OptionRejected`, `HandOverRefused`.
    """
    backend, units = get(solver), own_units(program)
    if units is None:
        return solve_with(backend, program, options, start)
    asked = units.options(options or SolveOptions())
    began = (
        start
        if start is None or isinstance(start, SimplexBasis)
        else asarray(start, dtype=float) / units.column
    )
    return units.back(solve_with(backend, units.program, asked, began), program)
