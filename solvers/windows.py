"""A long integer program over time, a window at a time: fast plans with a stated gap.

    1  relax everything but the integers that span the whole span: a bound, and those decisions
    2  window by window: its columns (and continuous spanning ones) free, the past as found, the future as relaxed
    3  the same again over windows shifted by half, keeping only what improves
    4  the bound lifted by the integers inside each window (solvers.lagrangian)

Every window is a small integer program, exact in itself; what the future holds is in the rows that reach across. Known
in lot sizing as relax-and-fix, then fix-and-optimise (Pochet and Wolsey 2006, ch. 3.6).
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.lagrangian import lagrangian_bound, parts_of_steps

COLUMNS = 2_000  # of a window, about


def solve_windows(
    program: LinearProgram,
    step: np.ndarray,
    solve: Solve,
    options: SolveOptions,
    *,
    start: Floats | None = None,
    only: frozenset[int] | None = None,
) -> Solution:
    """`step` (n,) is the time step of each column, −1 where it spans. With `start` (a point) and `only` (steps), just
    the windows that hold those steps are solved again.

    `Stop.OPTIMAL` only where the gap asked for is reached; else `Stop.TIME_LIMIT` or `Stop.SOLUTION_LIMIT`.
    """
    began = time.perf_counter()

    def left(share: float = 1.0) -> SolveOptions:
        if options.time_limit_s is None:
            return options
        rest = options.time_limit_s - (time.perf_counter() - began)
        return replace(options, time_limit_s=max(rest * share, 0.5))

    bound, x = -np.inf, start
    if x is None:
        spanning = replace(program, integer=program.integer & (step < 0))
        relaxed = solve(spanning, left(0.5))
        bound = relaxed.bound
        if relaxed.point is None:
            return relaxed
        x = relaxed.point.copy()
        held = spanning.integer
        x[held] = np.round(x[held])
    width = _width(program, step)
    for_plans = _Share(options, began, FOR_PLANS)
    for shift in (0, width // 2) if only is None and width > 1 else (0,):
        x, failed = _pass(
            program, step, solve, for_plans, x, width, shift, only, first=shift == 0 and start is None
        )
        if failed is not None:
            return replace(failed, bound=bound, point=None, objective=None)
        if not for_plans.remains():
            break
    objective = program.objective(x)
    if start is None and objective - bound > options.gap * max(abs(objective), 1e-12):
        bound = max(bound, _lifted(program, step, solve, left(), width))
    reached = objective - bound <= options.gap * max(abs(objective), 1e-12)
    late = options.time_limit_s is not None and time.perf_counter() - began > options.time_limit_s
    stop = Stop.OPTIMAL if reached else Stop.TIME_LIMIT if late else Stop.SOLUTION_LIMIT
    stats = Stats(
        raw=f"windows of {width} steps, {stop.value}",
        solve_s=time.perf_counter() - began,
        rows=program.n_rows,
        columns=program.n_columns,
        nonzeros=program.n_nonzeros,
    )
    return Solution(stop=stop, point=x, objective=objective, bound=bound, stats=stats)


FOR_PLANS = 0.6  # of the time left after the relaxation; the rest is for the bound


class _Share:
    """A part of the time that is left, handed out in portions."""

    def __init__(self, options: SolveOptions, began: float, part: float) -> None:
        self.options = options
        self.until = None
        if options.time_limit_s is not None:
            now = time.perf_counter()
            self.until = now + max(options.time_limit_s - (now - began), 1.0) * part

    def remains(self) -> bool:
        return self.until is None or time.perf_counter() < self.until

    def __call__(self, portion: float) -> SolveOptions:
        if self.until is None:
            return self.options
        return replace(self.options, time_limit_s=max((self.until - time.perf_counter()) * portion, 0.3))


def _lifted(
    program: LinearProgram, step: np.ndarray, solve: Solve, options: SolveOptions, width: int
) -> float:
    """The bound with every window's integers in it."""
    relaxed = solve(program.relax(), options)
    if relaxed.duals is None:
        return -np.inf
    return lagrangian_bound(program, parts_of_steps(step, width), relaxed.duals.row, solve, options)


def _width(program: LinearProgram, step: np.ndarray) -> int:
    """Steps in a window, so that it holds about COLUMNS columns."""
    steps = int(step.max(initial=0)) + 1
    each = max(int((step >= 0).sum()) // steps, 1)
    return int(np.clip(COLUMNS // each, 1, steps))


def _pass(  # type: ignore[no-untyped-def]
    program, step, solve, left, x, width, shift, only, *, first
) -> tuple[Floats, Solution | None]:
    """One sweep over the windows; the first must succeed everywhere, later ones keep what improves."""
    steps = int(step.max(initial=0)) + 1
    starts = list(range(-shift, steps, width))
    free_always = (step < 0) & ~program.integer
    for i, begin in enumerate(starts):
        inside = (step >= begin) & (step < begin + width)
        if not (program.integer & inside).any():
            continue
        if only is not None and not any(begin <= t < begin + width for t in only):
            continue
        columns = np.flatnonzero(inside | free_always)
        answer = solve(program.take(columns, point=x).program, left(1.0 / (len(starts) - i)))
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
