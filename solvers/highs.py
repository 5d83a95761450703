"""HiGHS from the sparse arrays: no model objects, no files."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from math import inf, isfinite
from time import perf_counter
from typing import Any

import highspy
import numpy as np
from numpy.typing import ArrayLike

from solvers.core.backend import Feature, checked_start, in_thread, size, solve_trivial
from solvers.core.certify import TOLERANCE, is_feasible
from solvers.core.errors import HandOverRefused, OptionRejected
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Duals, Solution, Stats, Stop
from solvers.core.settle import settled

NAME = "highs"
VERSION = f"{highspy.HIGHS_VERSION_MAJOR}.{highspy.HIGHS_VERSION_MINOR}.{highspy.HIGHS_VERSION_PATCH}"
FEATURES = frozenset(Feature)

_S: Any = highspy.HighsModelStatus  # highspy's stubs lack a member
STOP: dict[Any, Stop] = {  # every member; a test counts them
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


def solve(
    program: LinearProgram, options: SolveOptions | None = None, start: ArrayLike | None = None
) -> Solution:
    """Infeasible or out of time is an answer (`Solution.stop`), not an exception.

    Ctrl-C stops HiGHS at its next check and returns what it has, with `Stop.INTERRUPTED`; a second one
    raises. Raises `OptionRejected` and `HandOverRefused`.
    """
    options = options or SolveOptions()
    program = program.relax() if options.relax else program
    point = checked_start(program, start)
    h: Any = Quiet()
    _set_options(h, program, options)
    trivial = solve_trivial(program, NAME)
    if trivial is not None:
        return trivial
    begin = perf_counter()
    warnings = _load(h, program)
    if point is not None:
        h.setSolution(program.n_columns, np.arange(program.n_columns, dtype=np.int32), point)
    loaded = perf_counter()
    bound = _run(h)
    stats = size(program, _stats(h, loaded - begin, perf_counter() - loaded, warnings))
    answer = _answer(h, program, stats)
    if answer.stop is Stop.ERROR and program.is_mip:
        return _rescued(program, options, replace(answer, bound=bound), h.getSolution().col_value, start)
    return settled(program, options, answer, solve, {"presolve": "off"})


def _set_options(h: Any, program: LinearProgram, options: SolveOptions) -> None:
    ours: dict[str, object] = {
        "log_to_console": False,
        "output_flag": options.log,
        "threads": options.threads,
        "random_seed": options.seed,
        "mip_rel_gap": options.gap,
        "mip_abs_gap": 0.0,
        "time_limit": inf if options.time_limit_s is None else float(options.time_limit_s),
        "small_matrix_value": SMALLEST_COEFFICIENT,
    }
    if not program.is_mip:
        ours |= {
            f"{side}_feasibility_tolerance": value
            for side, value in (("primal", options.primal_tolerance), ("dual", options.dual_tolerance))
            if value is not None
        }
    for key, value in (ours | dict(options.native)).items():
        set_option(h, key, value, NAME)


def set_option(h: Any, key: str, value: object, solver: str) -> None:
    """HiGHS answers a misspelt name, a wrong type or range with a status that is easily overlooked."""
    try:
        ok = h.setOptionValue(key, value) == highspy.HighsStatus.kOk
    except TypeError as error:
        raise OptionRejected(solver, key, value, "wrong type") from error
    if not ok:
        raise OptionRejected(solver, key, value, "no such option, or not a value it can have")


def _load(h: Any, program: LinearProgram) -> tuple[str, ...]:
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


def _rescued(
    program: LinearProgram, options: SolveOptions, answer: Solution, left: Any, start: ArrayLike | None
) -> Solution:
    """HiGHS 1.15.1 throws a MILP's answer away when a row is out by a rounding more than its 1e-6 (issue 2782).

    What is `left` is taken if it is a feasible point and within the gap of the last `answer.bound` the solver told;
    otherwise other seeds are tried in the time that remains.
    """
    point = np.array(left, dtype=np.float64)
    if point.shape == (program.n_columns,) and is_feasible(program, point, tolerance=TOLERANCE):
        value = program.objective(point)
        answer = replace(answer, point=point, objective=value, bound=min(answer.bound, value))
        if answer.gap <= max(options.gap, TOLERANCE):
            note = "HiGHS's answer taken in spite of its error: a row is out by a rounding more than 1e-6"
            stats = replace(answer.stats, warnings=(*answer.stats.warnings, note))
            return replace(answer, stop=Stop.OPTIMAL, stats=stats)
    tried, spent = options.seed, answer.stats.solve_s
    time_left = None if options.time_limit_s is None else options.time_limit_s - spent
    if tried >= _RETRY_SEED + _RETRIES or "random_seed" in options.native or (time_left or 1.0) <= 0:
        return answer
    seed = tried + 1 if tried >= _RETRY_SEED else _RETRY_SEED
    found = solve(program, replace(options, seed=seed, time_limit_s=time_left), start)
    noted = (*found.stats.warnings, f"HiGHS failed with seed {tried}")
    return replace(found, stats=replace(found.stats, solve_s=spent + found.stats.solve_s, warnings=noted))


def _run(h: Any) -> float:
    """Run, and return the last bound told during a MILP, which an error takes away.

    In a thread of its own, so that Ctrl-C reaches us and the solver is asked to stop, not killed.

    HiGHS keeps its task scheduler per thread and refuses a run with another number of threads; a fresh
    thread, whose scheduler is dropped at the end, has neither problem. highspy's own `startSolve` shares
    one lock among all instances and prints, hence not that.
    """
    kind = highspy.cb.HighsCallbackType
    asked = threading.Event()
    bounds = [-inf]

    def callback(kind_now: Any, message: str, told: Any, answer: Any, _user: Any) -> None:
        if kind_now == kind.kCallbackLogging:
            sys.stderr.write(message)
            return
        if kind_now == kind.kCallbackMipInterrupt and isfinite(told.mip_dual_bound):
            bounds[0] = float(told.mip_dual_bound)
        if asked.is_set():
            answer.user_interrupt = True

    h.setCallback(callback, None)
    for wanted in (
        kind.kCallbackLogging,
        kind.kCallbackMipInterrupt,
        kind.kCallbackSimplexInterrupt,
        kind.kCallbackIpmInterrupt,
    ):
        h.startCallback(wanted)

    def work() -> None:
        try:
            h.run()
        finally:
            highspy.Highs.resetGlobalScheduler(False)

    def ask_to_stop() -> bool:
        first = not asked.is_set()
        asked.set()
        return first

    in_thread(work, on_interrupt=ask_to_stop)
    return bounds[0]


def _answer(h: Any, program: LinearProgram, stats: Stats) -> Solution:
    stop, info, found = STOP[h.getModelStatus()], h.getInfo(), h.getSolution()
    point: Floats | None = None
    feasible = info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible)
    if stop not in (Stop.INFEASIBLE, Stop.ERROR) and found.value_valid and feasible:
        point = np.array(found.col_value, dtype=np.float64)
    value = None if point is None else program.objective(point)
    bound, duals = -inf, None
    if program.is_mip:
        # HiGHS has no bound yet at −inf; +inf is its bound of an infeasible program
        bound = float(info.mip_dual_bound) if stop is not Stop.UNBOUNDED else -inf
    elif stop is Stop.OPTIMAL:
        bound = value if value is not None else -inf
        if found.dual_valid:
            duals = Duals(
                row=np.array(found.row_dual, dtype=np.float64),
                column=np.array(found.col_dual, dtype=np.float64),
            )
    if value is not None:
        bound = min(bound, value)  # rounding only: both come from the same run
    return Solution(stop, point, value, -inf if stop is Stop.INFEASIBLE else bound, duals, stats)


def _stats(h: Any, hand_over_s: float, solve_s: float, warnings: tuple[str, ...]) -> Stats:
    info = h.getInfo()
    iterations = info.simplex_iteration_count + info.ipm_iteration_count + info.crossover_iteration_count
    return Stats(
        solver=NAME,
        raw=h.modelStatusToString(h.getModelStatus()),
        hand_over_s=hand_over_s,
        solve_s=solve_s,
        iterations=max(0, int(iterations)),
        nodes=max(0, int(info.mip_node_count)),
        warnings=warnings,
    )
