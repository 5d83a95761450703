"""A program over time that a solver does not end, with all that spans it decided: windows of steps, for both ends.

    1  a tree of few nodes, for a point
    2  a bound of few long windows, each with all its whole numbers; rows that reach across windows are kept at the
       prices of the relaxation (`solvers.lagrangian`)
    3  the point bettered a window of steps at a time, all else as it is (`solvers.bettered`)

Where work waits a step or two, what whole counts cost beyond the relaxation comes again with every step, and a tree
finds it in a branch for each. A window is ended soon, and of a bound only what its borders hold is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solvers.bettered import bettered
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Solution, Stop
from solvers.lagrangian import lagrangian_bound

type Ints = NDArray[np.int64]
type Run = Callable[[LinearProgram, SolveOptions, Floats | None], Solution]
"""A program, options, and a point to start from, if there is one."""

PIECES = 3  # windows of the bound
AT_ENDS = 0.7  # of the length of the others: the first and the last have one border
SHORT = (1 / 6, 1 / 4)  # of all steps: windows of the plan
NODES, WINDOW_NODES = 200, 2_000  # of trees
NEAR = 1e-5  # relative: so far a window of the bound is solved
FOR_PLAN, FOR_BOUND = 0.15, 0.9  # of the time that is left


def solve_held_in_time(program: LinearProgram, step: Ints, run: Run, options: SolveOptions) -> Solution:
    """`step` (n,) of each column, −1: it spans steps.

    `Stop.OPTIMAL` where the gap asked for is reached, else `Stop.TIME_LIMIT`.
    """
    options = replace(options.begun(), watch=None)
    relaxed = run(program.relax(), options, None)
    if relaxed.duals is None:
        return Solution(relaxed.stop, bound=relaxed.bound)
    first = run(program, _few(options.within(FOR_PLAN), NODES), None)
    if first.stop in (Stop.OPTIMAL, Stop.INFEASIBLE):
        return first

    point, bound, prices = first.point, max(relaxed.bound, first.bound), relaxed.duals.row
    bound = max(bound, _bound(program, step, prices, run, options.within(FOR_BOUND)))
    if point is not None and program.objective(point) - bound > options.gap * abs(program.objective(point)):
        point = _bettered(program, step, point, prices, run, options)
    if point is None:
        return Solution(Stop.TIME_LIMIT, bound=bound)
    usd = program.objective(point)
    stop = Stop.OPTIMAL if usd - bound <= options.gap * abs(usd) else Stop.TIME_LIMIT
    return Solution(stop, point, usd, min(bound, usd))


def _bettered(
    program: LinearProgram, step: Ints, point: Floats, prices: Floats, run: Run, options: SolveOptions
) -> Floats:
    def window(part: LinearProgram, share: SolveOptions, begun: Floats) -> Solution:
        return run(part, _few(share, WINDOW_NODES), begun)

    widths = tuple(max(int(part * (step >= 0).sum()), 1) for part in SHORT)
    return bettered(program, step, point, prices, window, options, widths)


def _few(options: SolveOptions, nodes: int) -> SolveOptions:
    return replace(options, native={"mip_max_nodes": nodes, **options.native})


def _bound(program: LinearProgram, step: Ints, prices: Floats, run: Run, options: SolveOptions) -> float:
    """Of windows apart; what is held stands in no row that reaches across them."""
    held = program.col_lower == program.col_upper
    free = program.take(~held, point=np.where(held, program.col_lower, 0.0))
    steps = int(step.max(initial=0)) + 1
    length = steps / (PIECES - 2 + 2 * AT_ENDS)
    borders = np.round(AT_ENDS * length + length * np.arange(PIECES - 1))
    window = np.where(step >= 0, np.searchsorted(borders, step, side="right"), -1)[free.columns]
    within = lagrangian_bound(
        free.program,
        window,
        prices[free.rows],
        lambda part, share: run(part, _few(replace(share, gap=min(share.gap, NEAR)), WINDOW_NODES), None),
        options,
    )
    return within + program.offset + float(program.cost[held] @ program.col_lower[held])
