"""A long integer program over time, a window at a time: fast plans with a stated gap.

    1  relax everything but the integers that span the whole span: a bound, and those decisions
    2  window by window: its columns (and continuous spanning ones) free, the past as found, the future as relaxed
    3  the same again over windows shifted by half, keeping only what improves
    4  the bound lifted by the integers inside each window (solvers.lagrangian)

Every window is a small integer program, exact in itself; what the future holds is in the rows that reach across. Known
in lot sizing as relax-and-fix, then fix-and-optimise (Pochet and Wolsey 2006, ch. 3.6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from solvers.components import Solve
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.lagrangian import lagrangian_bound

COLUMNS = 2_000  # of a window, about


def solve_windows(
    program: LinearProgram,
    step: np.ndarray,
    solve: Solve,
    options: SolveOptions,
    *,
    start: Floats | None = None,
    only: frozenset[int] | None = None,
    columns: int = COLUMNS,
) -> Solution:
    """`step` (n,) is the time step of each column, −1 where it spans. With `start` (a point) and `only` (steps), just
    the windows that hold those steps are solved again. `columns`: of a window, about.

    `Stop.OPTIMAL` only where the gap asked for is reached; else `Stop.TIME_LIMIT` or `Stop.EXHAUSTED`. A window
    without a point is `Stop.UNKNOWN`; only the relaxation of all is told as infeasible.
    """
    began = clock_s()

    bound, x = -np.inf, start
    if x is None:
        spanning = replace(program, integer=program.integer & (step < 0))
        relaxed = solve(spanning, options.within(0.5))
        bound = relaxed.bound
        if relaxed.point is None:
            return relaxed
        x = relaxed.point.copy()
        held = spanning.integer
        x[held] = np.round(x[held])
    width = _width(program, step, columns)
    for_plans = options.within(FOR_PLANS)

    def within(window: LinearProgram, part: float) -> Solution:
        return solve(window, for_plans.within(part))

    for shift in (0, width // 2) if only is None and width > 1 else (0,):
        starts = range(-shift, int(step.max(initial=0)) + 1, width)
        x, failed = _pass(program, step, within, x, starts, only, first=shift == 0 and start is None)
        if failed is not None:
            # with what spans all windows decided, and the past; without them there may well be a point
            stop = Stop.UNKNOWN if start is None and failed.stop is Stop.INFEASIBLE else failed.stop
            return replace(failed, stop=stop, bound=bound, point=None, objective=None)
        if for_plans.late:
            break
    objective = program.objective(x)
    if start is None and objective - bound > options.gap * max(abs(objective), 1e-12):
        bound = max(bound, _lifted(program, step, solve, options, width))
    reached = objective - bound <= options.gap * max(abs(objective), 1e-12)
    stop = Stop.OPTIMAL if reached else Stop.TIME_LIMIT if options.late else Stop.EXHAUSTED
    stats = Stats.of(program, raw=f"windows of {width} steps, {stop.value}", solve_s=clock_s() - began)
    return Solution(stop=stop, point=x, objective=objective, bound=bound, stats=stats)


FOR_PLANS = 0.6  # of the time left after the relaxation; the rest is for the bound


def _lifted(
    program: LinearProgram, step: np.ndarray, solve: Solve, options: SolveOptions, width: int
) -> float:
    """The bound with every window's integers in it."""
    relaxed = solve(program.relax(), options)
    if relaxed.duals is None:
        return -np.inf
    windows = np.where(step >= 0, step // width, -1)  # and what spans them
    return lagrangian_bound(program, windows, relaxed.duals.row, solve, options)


def _width(program: LinearProgram, step: np.ndarray, columns: int) -> int:
    """Steps in a window, so that it holds about so many columns."""
    steps = int(step.max(initial=0)) + 1
    each = max(int((step >= 0).sum()) // steps, 1)
    return int(np.clip(columns // each, 1, steps))


def _pass(
    program: LinearProgram,
    step: np.ndarray,
    solve: Callable[[LinearProgram, float], Solution],
    x: Floats,
    starts: range,
    only: frozenset[int] | None,
    *,
    first: bool,
) -> tuple[Floats, Solution | None]:
    """One sweep over the windows; the first must succeed everywhere, later ones keep what improves.

    `solve` takes a window, and the part of the time left for all of them that it may use.
    """
    width, free_always = starts.step, (step < 0) & ~program.integer
    for i, begin in enumerate(starts):
        inside = (step >= begin) & (step < begin + width)
        if not (program.integer & inside).any():
            continue
        if only is not None and not any(begin <= t < begin + width for t in only):
            continue
        columns = np.flatnonzero(inside | free_always)
        answer = solve(program.take(columns, point=x).program, 1.0 / (len(starts) - i))
        if answer.point is None:
            if first:
                return x, answer
            continue
        better = program.cost[columns] @ (answer.point - x[columns]) < 0
        if first or better or only is not None:
            x = x.copy()
            x[columns] = answer.point
            whole = columns[program.integer[columns]]
            x[whole] = np.round(x[whole])
    return x, None
