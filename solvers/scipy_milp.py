"""scipy.optimize.milp: HiGHS by another door and in another version, so it checks our own hand-over.

It gives no duals, and of an LP that was stopped early not even the point. HiGHS 1.12 in scipy 1.18 ends a few
small MILPs with "Solve error" and a line on the process's stdout: `Stop.ERROR`, and a reason not to use it daily.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from math import inf
from typing import Any

import numpy as np
import scipy
from scipy.optimize import Bounds, LinearConstraint, OptimizeWarning, milp

from solvers.core.backend import Feature, RawOutcome
from solvers.core.errors import OptionRejected
from solvers.core.options import SolveOptions
from solvers.core.process import in_thread
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import SimplexBasis, Stop

NAME = "scipy"
VERSION = scipy.__version__
FEATURES = frozenset({Feature.INTEGER, Feature.BOUND, Feature.THREADS, Feature.SEED})
PRINTS = True  # SciPy 1.18's HiGHS tells of a feasible point that it found on stdout, whatever `disp` says
WITHOUT_PRESOLVE: Mapping[str, object] = {"presolve": False}

#: by HiGHS's status number, which scipy gives only inside its message
STOP: Mapping[Any, Stop] = {
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


class ScipySession:
    """One call of `milp`; it takes no starting point."""

    def __init__(self, program: LinearProgram, options: SolveOptions) -> None:
        if options.log:
            raise OptionRejected(NAME, "log", True, "scipy can only log to stdout")
        self.program = program
        self.settings: dict[str, object] = {
            "disp": False,
            "threads": options.threads,
            "random_seed": options.seed,
            "mip_rel_gap": options.gap,
            "mip_abs_gap": 0.0,
            "small_matrix_value": 1e-12,
            **{f"{side}_feasibility_tolerance": value for side, value in options.lp_tolerances.items()},
            **({} if options.left_s == inf else {"time_limit": options.left_s}),
            **options.native,
        }
        if options.native:
            _milp(self.settings, c=np.ones(1))  # else only a solve would find what is wrong

    def load(self, start: Floats | SimplexBasis | None) -> None:
        """Nothing: `milp` takes the arrays and solves in one go."""

    def run(self) -> RawOutcome:
        program = self.program
        result = _milp(
            self.settings,
            c=program.cost,
            integrality=program.integer.astype(np.uint8),
            bounds=Bounds(program.col_lower, program.col_upper),
            constraints=LinearConstraint(program.matrix, program.row_lower, program.row_upper),
        )
        number = _NUMBER.search(result.message)
        bound = result.get("mip_dual_bound")
        return RawOutcome(
            stop=STOP.get(int(number.group(1)), Stop.UNKNOWN) if number else Stop.UNKNOWN,
            point=None if result.x is None else np.asarray(result.x, dtype=np.float64),
            bound=None if bound is None else float(bound) + program.offset,
            raw=result.message,
        )


session = ScipySession


def _milp(settings: dict[str, object], **arrays: Any) -> Any:
    """In a thread of its own, because HiGHS keeps the number of threads of a thread's first run."""
    with warnings.catch_warnings():
        # scipy warns of every HiGHS option it does not list itself, and drops those that are wrong
        warnings.filterwarnings("ignore", "Unrecognized options detected.*verbatim", RuntimeWarning)
        warnings.simplefilter("error", OptimizeWarning)
        try:
            return in_thread(lambda: milp(**arrays, options=dict(settings)))
        except (OptimizeWarning, TypeError) as error:
            text = str(error)
            option = next((key for key in settings if repr(key) in text or key in text), "native")
            raise OptionRejected(NAME, option, settings.get(option), text) from error
