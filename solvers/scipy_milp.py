"""scipy.optimize.milp: HiGHS by another door and in another version, so it checks our own hand-over.

It gives no duals, and of an LP that was stopped early not even the point. HiGHS 1.12 in scipy 1.18 ends a few
small MILPs with "Solve error" and a line on the process's stdout: `Stop.ERROR`, and a reason not to use it daily.
"""

from __future__ import annotations

import re
import warnings
from math import inf
from time import perf_counter
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike
from scipy.optimize import Bounds, LinearConstraint, OptimizeWarning, milp

from solvers.core.backend import Feature, checked_start, in_thread, size, solve_trivial
from solvers.core.errors import OptionRejected
from solvers.core.options import SolveOptions
from solvers.core.program import LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.core.settle import settled
from solvers.core.stdout import stdout_to_stderr

NAME = "scipy"
VERSION = scipy.__version__
FEATURES = frozenset({Feature.INTEGER, Feature.BOUND, Feature.THREADS, Feature.SEED})

#: by HiGHS's status number, which scipy gives only inside its message
STOP = {
    0: Stop.UNKNOWN,
    1: Stop.ERROR,
    2: Stop.ERROR,
    3: Stop.ERROR,
    4: Stop.ERROR,
    5: Stop.ERROR,
    6: Stop.OPTIMAL,
    7: Stop.OPTIMAL,
    8: Stop.INFEASIBLE,
    9: Stop.INFEASIBLE_OR_UNBOUNDED,
    10: Stop.UNBOUNDED,
    11: Stop.OBJECTIVE_LIMIT,
    12: Stop.OBJECTIVE_LIMIT,
    13: Stop.TIME_LIMIT,
    14: Stop.ITERATION_LIMIT,
    15: Stop.UNKNOWN,
    16: Stop.SOLUTION_LIMIT,
    17: Stop.INTERRUPTED,
    18: Stop.MEMORY_LIMIT,
}
_NUMBER = re.compile(r"HiGHS Status (\d+)")


def solve(
    program: LinearProgram, options: SolveOptions | None = None, start: ArrayLike | None = None
) -> Solution:
    """Infeasible or out of time is an answer. A start is checked, and then not used: scipy takes none."""
    options = options or SolveOptions()
    program = program.relax() if options.relax else program
    notes = ("starting point not used",) if checked_start(program, start) is not None else ()
    native = _native(program, options)
    if options.native:
        _try_options(native)
    trivial = solve_trivial(program, NAME)
    if trivial is not None:
        return trivial
    begin = perf_counter()
    result = _milp(
        native,
        c=program.cost,
        integrality=program.integer.astype(np.uint8),
        bounds=Bounds(program.col_lower, program.col_upper),
        constraints=LinearConstraint(program.matrix, program.row_lower, program.row_upper),
    )
    stats = size(program, Stats(NAME, result.message, solve_s=perf_counter() - begin, warnings=notes))
    return settled(program, options, _answer(program, result, stats), solve, {"presolve": False})


def _native(program: LinearProgram, options: SolveOptions) -> dict[str, object]:
    ours: dict[str, object] = {
        "disp": False,
        "threads": options.threads,
        "random_seed": options.seed,
        "mip_rel_gap": options.gap,
        "mip_abs_gap": 0.0,
        "small_matrix_value": 1e-12,
    }
    if options.time_limit_s is not None:
        ours["time_limit"] = float(options.time_limit_s)
    if options.log:
        # scipy lets HiGHS write to the process's stdout, which belongs to the answer
        raise OptionRejected(NAME, "log", True, "scipy can only log to stdout")
    if not program.is_mip:
        ours |= {
            f"{side}_feasibility_tolerance": value
            for side, value in (("primal", options.primal_tolerance), ("dual", options.dual_tolerance))
            if value is not None
        }
    return ours | dict(options.native)


def _try_options(native: dict[str, object]) -> None:
    """Options are refused also where no solver is needed for the answer."""
    _milp(native, c=np.ones(1))


def _milp(native: dict[str, object], **arrays: Any) -> Any:
    """In a thread of its own, because HiGHS keeps the number of threads of a thread's first run.

    SciPy 1.18's HiGHS tells of a feasible point found on stdout, whatever `disp` says.
    """
    with warnings.catch_warnings(), stdout_to_stderr():
        # scipy warns of every HiGHS option it does not list itself, and drops those that are wrong
        warnings.filterwarnings("ignore", "Unrecognized options detected.*verbatim", RuntimeWarning)
        warnings.simplefilter("error", OptimizeWarning)
        try:
            return in_thread(lambda: milp(**arrays, options=dict(native)))
        except (OptimizeWarning, TypeError) as error:
            text = str(error)
            option = next((key for key in native if repr(key) in text or key in text), "native")
            raise OptionRejected(NAME, option, native.get(option), text) from error


def _answer(program: LinearProgram, result: Any, stats: Stats) -> Solution:
    number = _NUMBER.search(result.message)
    stop = STOP.get(int(number.group(1)), Stop.UNKNOWN) if number else Stop.UNKNOWN
    point = None if result.x is None else np.asarray(result.x, dtype=np.float64)
    value = None if point is None else program.objective(point)
    bound = -inf
    if program.is_mip and result.get("mip_dual_bound") is not None:
        bound = float(result.mip_dual_bound) + program.offset
    elif stop is Stop.OPTIMAL and value is not None:
        bound = value
    if value is not None:
        bound = min(bound, value)
    return Solution(stop, point, value, bound, None, stats)
