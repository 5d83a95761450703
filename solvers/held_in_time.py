"""A program over time that a solver does not end, with all that spans it decided: windows of steps, for both ends.

    1  a tree of few nodes, for a point
    2  a bound of few long windows, each with all its whole numbers; rows that reach across windows are kept at the
       prices of the relaxation (`solvers.lagrangian`)
    3  the point bettered a window of steps at a time, all else as it is (`solvers.bettered`)

Where counts say the rest, and few borders cut little (`solve_by_windows`), the points of two windows, put together,
come in place of the tree, and the windows of the plan are as long.

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
from solvers.lagrangian import lagrangian_bound, priced_apart, reaching_rows

type Ints = NDArray[np.int64]
FAR = np.iinfo(np.int64).max
type Run = Callable[[LinearProgram, SolveOptions, Floats | None], Solution]
"""A program, options, and a point to start from, if there is one."""

PIECES = 3  # windows of the bound
AT_ENDS = 0.7  # of the length of the others: the first and the last have one border
SHORT = (1 / 6, 1 / 4)  # of all steps: windows of the plan
NODES, WINDOW_NODES = 200, 2_000  # of trees
NEAR = 1e-5  # relative: so far a window of the bound is solved
FOR_PLAN, FOR_BOUND = 0.15, 0.9  # of the time that is left
LONG = (1 / 4, 1 / 2)  # of all steps: windows of the plan where its point is put together
FOR_HALVES = 0.6  # of the time
ASIDE = 1 / 8  # of all steps, that the border may be from the middle
MOST_SPANNED = 8  # steps of a column, as a month's, that is in one window


def solve_held_in_time(program: LinearProgram, step: Ints, run: Run, options: SolveOptions) -> Solution:
    """`step` (n,) of each column, −1: it spans steps.

    `Stop.OPTIMAL` where the gap asked for is reached, else `Stop.TIME_LIMIT`.
    """
    options = replace(options.begun(), watch=None)
    relaxed = run(program.relax(), options, None)
    if relaxed.duals is None:
        return Solution(relaxed.stop, bound=relaxed.bound)
    prices = relaxed.duals.row
    first = run(program, _few(options.within(FOR_PLAN), NODES), None)
    if first.stop in (Stop.OPTIMAL, Stop.INFEASIBLE):
        return first

    bound = max(relaxed.bound, first.bound)
    bound = max(bound, _bound(program, step, prices, run, options.within(FOR_BOUND)))
    return _ended(program, step, (first.point, bound, prices), run, options, SHORT)


def solve_by_windows(
    program: LinearProgram, step: Ints, counts: Ints, run: Run, options: SolveOptions
) -> Solution:
    """The bound and the first point of two windows, the point bettered by windows; nothing need be decided before.

    counts   columns that, taken from the points of both, leave a program that a solver ends at once
    """
    options, step = replace(options.begun(), watch=None), _placed(program, step)
    relaxed = run(program.relax(), options, None)
    if relaxed.duals is None:
        return Solution(relaxed.stop, bound=relaxed.bound)
    prices = relaxed.duals.row
    half = np.where(step >= 0, step >= _middle(program, step), -1)
    bound, point = priced_apart(
        program,
        half,
        prices,
        lambda part, share: run(part, _few(replace(share, gap=min(share.gap, NEAR)), WINDOW_NODES), None),
        options.within(FOR_HALVES),
    )
    if point is not None:
        held = program.fix(counts, np.round(point[counts]))
        point = run(held, _few(options, WINDOW_NODES), None).point
    return _ended(program, step, (point, max(relaxed.bound, bound), prices), run, options, LONG)


def _placed(program: LinearProgram, step: Ints) -> Ints:
    """Steps: a column that stands in rows of a few steps alone, as those of a month, is in the first of these."""
    matrix, first, last = program.matrix, step.copy(), step.copy()
    row, column = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr)), matrix.indices
    while True:
        low, high = np.where(first >= 0, first, FAR), last
        for of, by, size in ((row, column, program.n_rows), (column, row, program.n_columns)):
            lower, upper = np.full(size, FAR), np.full(size, -1)
            np.minimum.at(lower, of, low[by])
            np.maximum.at(upper, of, high[by])
            low, high = lower, upper
        new = (first < 0) & (high >= 0) & (high - low < MOST_SPANNED)
        if not new.any():
            return first
        first[new], last[new] = low[new], high[new]


def _middle(program: LinearProgram, step: Ints) -> int:
    """The step about the middle before which the fewest rows reach across, the middle itself if it is one."""
    steps = int(step.max(initial=0)) + 1
    near = range(max(steps // 2 - int(ASIDE * steps), 1), steps // 2 + int(ASIDE * steps) + 1)

    def cut(border: int) -> tuple[int, int]:
        rows = reaching_rows(program, np.where(step >= 0, step >= border, -1))
        return int(rows.sum()), abs(border - steps // 2)

    return min(near, key=cut)


def _ended(
    program: LinearProgram,
    step: Ints,
    known: tuple[Floats | None, float, Floats],
    run: Run,
    options: SolveOptions,
    widths: tuple[float, ...],
) -> Solution:
    """The point bettered, if there is one; `known`: point, bound and prices."""
    point, bound, prices = known
    if point is not None and program.objective(point) - bound > options.gap * abs(program.objective(point)):
        point = _bettered(program, step, point, prices, run, options, widths)
    if point is None:
        return Solution(Stop.TIME_LIMIT, bound=bound)
    usd = program.objective(point)
    stop = Stop.OPTIMAL if usd - bound <= options.gap * abs(usd) else Stop.TIME_LIMIT
    return Solution(stop, point, usd, min(bound, usd))


def _bettered(
    program: LinearProgram,
    step: Ints,
    point: Floats,
    prices: Floats,
    run: Run,
    options: SolveOptions,
    parts: tuple[float, ...],
) -> Floats:
    def window(part: LinearProgram, share: SolveOptions, begun: Floats) -> Solution:
        return run(part, _few(share, WINDOW_NODES), begun)

    widths = tuple(max(int(part * (step >= 0).sum()), 1) for part in parts)
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
