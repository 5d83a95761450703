"""What is done before and after every solve, whichever solver it is.

before   options refused or taken, the starting point checked, programs that need no solver answered
after    the point checked and priced, the bound and the duals proven, a second try where the first is not trusted,
         second thoughts about "infeasible" (`settle`), and how much work it was
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import inf

import numpy as np
from numpy.typing import ArrayLike

from solvers.core.backend import Backend, Feature, RawOutcome
from solvers.core.certify import TOLERANCE, dual_bound, is_feasible
from solvers.core.deadline import clock_s
from solvers.core.errors import ProgramError
from solvers.core.options import SolveOptions
from solvers.core.process import stdout_to_stderr
from solvers.core.program import Floats, LinearProgram, refuse_where
from solvers.core.result import Duals, SimplexBasis, Solution, Stats, Stop
from solvers.core.settle import settled

NO_TIME = "no time was left for it"
NO_POINT = "a point that is not feasible was left out"
NO_DUALS = "duals left out: they do not prove the objective"
ENDED = (Stop.OPTIMAL, Stop.INFEASIBLE, Stop.UNBOUNDED, Stop.INTERRUPTED)
APART = "called optimal, but the bound stated is further below the point than the gap asked for"


def solve(
    backend: Backend,
    program: LinearProgram,
    options: SolveOptions | None = None,
    start: ArrayLike | SimplexBasis | None = None,
) -> Solution:
    """The solution by this backend; see `solvers.solve`."""
    asked = (options or SolveOptions()).begun()
    program = program.relax() if asked.relax else program
    begin_at = _checked_start(backend, program, start)
    chosen = replace(asked, primal_tolerance=None, dual_tolerance=None) if program.is_mip else asked
    with _diverted(backend):
        session = backend.session(program, chosen)
    stats = Stats.of(program, backend.NAME)
    decided = _decided(program, stats)
    if decided is not None:
        return decided
    if asked.late:
        return Solution(Stop.TIME_LIMIT, stats=replace(stats, raw=NO_TIME))
    if begin_at is not None and Feature.START not in backend.FEATURES:
        stats, begin_at = replace(stats, warnings=("starting point not used",)), None
    begin = clock_s()
    with _diverted(backend):
        session.load(begin_at)
        loaded = clock_s()
        if chosen.late:
            return Solution(Stop.TIME_LIMIT, stats=replace(stats, hand_over_s=loaded - begin, raw=NO_TIME))
        outcome = session.run()
    stats = replace(stats, hand_over_s=loaded - begin, solve_s=clock_s() - loaded)
    answer = _answer(program, outcome, chosen.gap, stats)
    _note_clock(answer, asked)
    if outcome.retry is not None and not asked.late:
        second = solve(backend, program, outcome.retry.options, start)
        spent = answer.stats.solve_s + second.stats.solve_s
        warnings = (*second.stats.warnings, outcome.retry.warning)
        return replace(second, stats=replace(second.stats, solve_s=spent, warnings=warnings))

    def again(case: LinearProgram, other: SolveOptions) -> Solution:
        return solve(backend, case, other)

    return settled(program, asked, answer, again, backend.WITHOUT_PRESOLVE)


def _note_clock(answer: Solution, options: SolveOptions) -> None:
    """Write down that the clock has ended a solve: by the solver's word, or where it ended late for no other reason."""
    if options.deadline is not None:
        late = answer.stop not in ENDED and options.late
        options.deadline.ended.note(late or answer.stop is Stop.TIME_LIMIT)


def _diverted(backend: Backend) -> AbstractContextManager[None]:
    return stdout_to_stderr() if backend.PRINTS else nullcontext()


def _checked_start(
    backend: Backend, program: LinearProgram, start: ArrayLike | SimplexBasis | None
) -> Floats | SimplexBasis | None:
    """The starting point as an array, or `ProgramError`; it need not be feasible. Another solver's basis is no use."""
    if start is None:
        return None
    if isinstance(start, SimplexBasis):
        fits = (start.rows, start.columns) == (program.n_rows, program.n_columns)
        return start if fits and start.solver == backend.NAME else None
    point = np.asarray(start, dtype=np.float64)
    if point.shape != (program.n_columns,):
        raise ProgramError(f"start: expected shape ({program.n_columns},), got {point.shape}")
    refuse_where(~np.isfinite(point), lambda at: f"start[{at}] = {point[at]} is not a finite number")
    return point


def _decided(program: LinearProgram, stats: Stats) -> Solution | None:
    """The answer where a row without coefficients cannot hold, or there are no rows or columns; else None.

    Solvers disagree on these (HiGHS: "empty", CBC: an error, PuLP: adds a column), so none is asked.
    """
    stats = replace(stats, raw="decided without the solver")
    empty = np.diff(program.matrix.indptr) == 0
    if (empty & ((program.row_lower > 0) | (program.row_upper < 0))).any():
        return Solution(Stop.INFEASIBLE, stats=stats)
    if program.n_columns and program.n_rows:
        return None
    lower, upper = program.whole_bounds
    if (lower > upper).any():
        return Solution(Stop.INFEASIBLE, stats=stats)
    cost = program.cost
    point = np.where(cost > 0, lower, np.where(cost < 0, upper, np.clip(0.0, lower, upper))) + 0.0
    if not np.isfinite(point).all():
        return Solution(Stop.UNBOUNDED, stats=stats)
    value = program.objective(point)
    duals = None if program.is_mip else Duals(row=np.zeros(program.n_rows), column=cost.copy())
    return Solution(Stop.OPTIMAL, point, value, value, duals, stats)


def _answer(program: LinearProgram, outcome: RawOutcome, gap: float, stats: Stats) -> Solution:
    """The outcome, as far as it can be relied upon."""
    stop, point, warnings = outcome.stop, outcome.point, (*stats.warnings, *outcome.warnings)
    if point is not None and (stop is Stop.INFEASIBLE or not is_feasible(program, point)):
        point, warnings = None, warnings if stop is Stop.INFEASIBLE else (*warnings, NO_POINT)
    if stop is Stop.OPTIMAL and point is None:
        stop = Stop.UNKNOWN
    value = None if point is None else program.objective(point)
    duals = None
    if stop is Stop.OPTIMAL and value is not None and not program.is_mip:
        duals = outcome.duals
        if duals is None and outcome.row_duals is not None:
            duals = _proven(program, outcome.row_duals, value)
            warnings = warnings if duals is not None else (*warnings, NO_DUALS)
    bound = _bound(program, stop, outcome.bound, value, gap)
    if stop is Stop.OPTIMAL and value is not None and _apart(program, point, value, bound, gap):
        stop, warnings = Stop.EXHAUSTED, (*warnings, APART)
    stats = replace(stats, raw=outcome.raw, iterations=outcome.iterations, nodes=outcome.nodes)
    return Solution(stop, point, value, bound, duals, replace(stats, warnings=warnings))


def _bound(
    program: LinearProgram, stop: Stop, stated: float | None, value: float | None, gap: float
) -> float:
    """What is proven: of an LP its optimum, of a MILP the bound that was stated, or what "optimal" implies."""
    if stop in (Stop.INFEASIBLE, Stop.UNBOUNDED):
        return -inf
    if program.is_mip and stated is not None:
        return min(stated, inf if value is None else value) if stated < inf or value is not None else -inf
    if stop is not Stop.OPTIMAL or value is None:
        return -inf
    return value - gap * abs(value) if program.is_mip else value


def _apart(program: LinearProgram, point: Floats | None, value: float, bound: float, gap: float) -> bool:
    """Whether more lies between a point and what is proven of it than was asked for and its own rounding makes."""
    size = 0.0 if point is None else float(np.abs(program.cost * point).sum()) + abs(program.offset)
    return value - bound > gap * abs(value) + TOLERANCE * size


def _proven(program: LinearProgram, row: Floats, value: float) -> Duals | None:
    """Duals whose bound is the objective; solvers differ in signs, and a wrong price is worse than none."""
    if abs(dual_bound(program, row, tolerance=1e-6) - value) > 1e-5 * max(1.0, abs(value)):
        return None
    return Duals(row=row, column=program.cost - program.matrix.T @ row)
