"""HiGHS from the sparse arrays: no model objects, no files."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, isfinite
from typing import Any

import highspy
import numpy as np

from solvers.core.backend import Feature, RawOutcome, Retry
from solvers.core.certify import TOLERANCE, is_feasible
from solvers.core.errors import HandOverRefused, OptionRejected
from solvers.core.options import SolveOptions
from solvers.core.process import in_thread
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Duals, SimplexBasis, Stop, relative_gap

NAME = "highs"
VERSION = f"{highspy.HIGHS_VERSION_MAJOR}.{highspy.HIGHS_VERSION_MINOR}.{highspy.HIGHS_VERSION_PATCH}"
FEATURES = frozenset(Feature)
PRINTS = False  # see `Quiet`
WITHOUT_PRESOLVE: Mapping[str, object] = {"presolve": "off"}

_S: Any = highspy.HighsModelStatus  # highspy's stubs lack a member
STOP: Mapping[Any, Stop] = {  # every member; a test counts them
    _S.kNotset: Stop.UNKNOWN,
    _S.kLoadError: Stop.ERROR,
    _S.kModelError: Stop.ERROR,
    _S.kPresolveError: Stop.ERROR,
    _S.kSolveError: Stop.ERROR,
    _S.kPostsolveError: Stop.ERROR,
    _S.kModelEmpty: Stop.OPTIMAL,
    _S.kOptimal: Stop.OPTIMAL,
    _S.kInfeasible: Stop.INFEASIBLE,
    _S.kUnboundedOrInfeasible: Stop.INFEASIBLE_OR_UNBOUNDED,
    _S.kUnbounded: Stop.UNBOUNDED,
    _S.kObjectiveBound: Stop.OBJECTIVE_LIMIT,
    _S.kObjectiveTarget: Stop.OBJECTIVE_LIMIT,
    _S.kTimeLimit: Stop.TIME_LIMIT,
    _S.kIterationLimit: Stop.ITERATION_LIMIT,
    _S.kUnknown: Stop.UNKNOWN,
    _S.kSolutionLimit: Stop.SOLUTION_LIMIT,  # also HiGHS's word for its node limit
    _S.kInterrupt: Stop.INTERRUPTED,
    _S.kMemoryLimit: Stop.MEMORY_LIMIT,
    _S.kHighsInterrupt: Stop.INTERRUPTED,
}

MIP_TOLERANCE = 5e-7
"""Of rows and whole numbers in a MILP. At its own 1e-6, which is as much as promises let go of, HiGHS 1.14 to 1.16
state false optima of fleets: 11,766.50 USD for 11,765.50, and in 24 columns 130 for 120; much less loses tiny loads."""

#: HiGHS drops smaller coefficients: by default up to 1e-9, coarse for shares of large totals; at least these.
SMALLEST_COEFFICIENT = 1e-12
_RETRY_SEED, _RETRIES = 1_000_001, 3  # the seeds tried after an error


class Quiet(highspy.Highs):
    """HiGHS that does not greet on stdout, as 1.16 does when its callbacks are set."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def enableCallbacks(self) -> None:
        self.setOptionValue("output_flag", False)
        super().enableCallbacks()  # type: ignore[no-untyped-call]


class HighsSession:
    """One run of HiGHS on its own arrays.

    Ctrl-C stops it at its next check, and what it has is the outcome, with `Stop.INTERRUPTED`; a second one raises.
    """

    def __init__(self, program: LinearProgram, options: SolveOptions) -> None:
        self.program, self.options = program, options
        self.h: Any = Quiet()
        self.warnings: tuple[str, ...] = ()
        settings: dict[str, object] = {
            "log_to_console": False,
            "output_flag": options.log,
            "threads": options.threads,
            "random_seed": options.seed,
            "mip_rel_gap": options.gap,
            "mip_abs_gap": 0.0,
            "mip_feasibility_tolerance": MIP_TOLERANCE,
            "time_limit": options.left_s,
            "small_matrix_value": SMALLEST_COEFFICIENT,
            **{f"{side}_feasibility_tolerance": value for side, value in options.lp_tolerances.items()},
            **options.native,
        }
        for key, value in settings.items():
            set_option(self.h, key, value, NAME)

    def load(self, start: Floats | SimplexBasis | None) -> None:
        self.warnings = load(self.h, self.program)
        if isinstance(start, SimplexBasis):
            self.h.setBasis(start.state)  # where HiGHS makes nothing of it, it begins anew
        elif start is not None:
            self.h.setSolution(len(start), np.arange(len(start), dtype=np.int32), start)

    def run(self) -> RawOutcome:
        h, program = self.h, self.program
        bound = _run(h, self.options.watch)
        stop, info, found = STOP[h.getModelStatus()], h.getInfo(), h.getSolution()
        work = info.simplex_iteration_count + info.ipm_iteration_count + info.crossover_iteration_count
        outcome = RawOutcome(
            stop,
            raw=h.modelStatusToString(h.getModelStatus()),
            iterations=max(0, int(work)),
            nodes=max(0, int(info.mip_node_count)),
            warnings=self.warnings,
        )
        if stop is Stop.ERROR:
            return self._rescued(outcome, np.array(found.col_value), bound) if program.is_mip else outcome
        feasible = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
        if found.value_valid and feasible:
            outcome = replace(outcome, point=floats(found.col_value))
        if program.is_mip:
            return replace(outcome, bound=float(info.mip_dual_bound))
        if stop is Stop.OPTIMAL and found.dual_valid:
            row, column = floats(found.row_dual), floats(found.col_dual)
            outcome = replace(outcome, duals=Duals(row, column))
        return outcome

    def _rescued(self, outcome: RawOutcome, point: Floats, bound: float) -> RawOutcome:
        """HiGHS 1.15.1 throws a MILP's answer away when a row is out by a rounding more than its 1e-6 (issue 2782).

        The point that it left is taken if it is feasible and within the gap of the last bound that it stated;
        otherwise other seeds are tried in the time that remains.
        """
        program, options, outcome = self.program, self.options, replace(outcome, bound=bound)
        if point.shape == (program.n_columns,) and is_feasible(program, point, tolerance=TOLERANCE):
            outcome = replace(outcome, point=point)
            value = program.objective(point)
            if relative_gap(value, bound) <= max(options.gap, TOLERANCE):
                note = "HiGHS's answer taken in spite of its error: a row is out by a rounding more than 1e-6"
                return replace(outcome, stop=Stop.OPTIMAL, warnings=(*outcome.warnings, note))
        seed = options.seed + 1 if options.seed >= _RETRY_SEED else _RETRY_SEED
        if seed > _RETRY_SEED + _RETRIES or "random_seed" in options.native:
            return outcome
        return replace(
            outcome, retry=Retry(replace(options, seed=seed), f"HiGHS failed with seed {options.seed}")
        )


session = HighsSession


def floats(values: list[float]) -> Floats:
    """An array of what HiGHS gives as a list: in half the time that numpy takes for any list."""
    return np.fromiter(values, dtype=np.float64, count=len(values))


def set_option(h: Any, key: str, value: object, solver: str) -> None:
    """HiGHS answers a misspelt name, a wrong type or range with a status that is easily overlooked."""
    try:
        ok = h.setOptionValue(key, value) == highspy.HighsStatus.kOk
    except TypeError as error:
        raise OptionRejected(solver, key, value, "wrong type") from error
    if not ok:
        raise OptionRejected(solver, key, value, "no such option, or not a value it can have")


def load(h: Any, program: LinearProgram) -> tuple[str, ...]:
    """Hand the arrays over; returns what HiGHS drops of them. Raises `HandOverRefused`."""
    matrix = program.matrix
    status = h.passModel(
        program.n_columns,
        program.n_rows,
        program.n_nonzeros,
        int(highspy.MatrixFormat.kRowwise),
        int(highspy.ObjSense.kMinimize),
        program.offset,
        program.cost,
        program.col_lower,
        program.col_upper,
        program.row_lower,
        program.row_upper,
        matrix.indptr.astype(np.int32, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data,
        program.integer.astype(np.int32),
    )
    if status == highspy.HighsStatus.kError:
        largest = float(np.abs(matrix.data).max(initial=0.0))
        raise HandOverRefused(NAME, f"largest coefficient {largest:g}, HiGHS takes up to 1e15")
    dropped = int((np.abs(matrix.data) <= SMALLEST_COEFFICIENT).sum())
    return (f"{dropped} coefficients of at most {SMALLEST_COEFFICIENT:g} dropped",) if dropped else ()


def _run(h: Any, watch: Callable[[float, float], None] | None) -> float:
    """Run, and return the last bound stated during a MILP, which an error takes away.

    In a thread of its own, so that Ctrl-C reaches us and the solver is asked to stop, not killed.

    HiGHS keeps its task scheduler per thread and refuses a run with another number of threads; a fresh
    thread, whose scheduler is dropped at the end, has neither problem. highspy's own `startSolve` shares
    one lock among all instances and prints, hence not that.
    """
    kind = highspy.cb.HighsCallbackType
    interrupted = threading.Event()
    bounds = [-inf]

    def callback(event: Any, message: str, state: Any, answer: Any, _user: Any) -> None:
        if event == kind.kCallbackLogging:
            sys.stderr.write(message)
            return
        if event == kind.kCallbackMipInterrupt and isfinite(state.mip_dual_bound):
            bounds[0] = float(state.mip_dual_bound)
            if watch is not None:
                watch(float(state.mip_primal_bound), bounds[0])
        if interrupted.is_set():
            answer.user_interrupt = True

    h.setCallback(callback, None)
    for event in (
        kind.kCallbackLogging,
        kind.kCallbackMipInterrupt,
        kind.kCallbackSimplexInterrupt,
        kind.kCallbackIpmInterrupt,
    ):
        h.startCallback(event)

    def work() -> None:
        try:
            h.run()
        finally:
            highspy.Highs.resetGlobalScheduler(False)

    def ask_to_stop() -> bool:
        first = not interrupted.is_set()
        interrupted.set()
        return first

    in_thread(work, on_interrupt=ask_to_stop)
    return bounds[0]
