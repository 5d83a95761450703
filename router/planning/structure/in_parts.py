"""Solving by structure: what falls apart in its parts, a market piece by piece, a long one a window of hours at a time.

A small program in one part goes to the solver whole. Only what comes back differs in how it was found, never in what
it means: the bound is proven, and the gap stated is to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from problems.core.steps import pieces_of, steps_of
from router.planning.deferred.pooling import by_arrivals, smaller, steps_without_arrivals
from solvers import LinearProgram, Solution, SolveOptions, Stop
from solvers.components import mostly_alike, parts, solve_parts
from solvers.piecewise.holding import solve_holding
from solvers.piecewise.solving import solve_pieces
from solvers.sums import solve_summed
from solvers.windows import COLUMNS, solve_windows

SMALL = 3_000  # columns: below, the solver alone is as fast on a part
MANY_INTEGERS = 1_500  # in one part: beyond, windows find better plans in the same time
NARROW = 400  # columns of a narrow window, about
FEWEST_PIECES = 50  # with whole columns
LARGEST_PIECE, MOST_WHOLE = 1_500, 60  # columns: beyond, a tree of our own is not the means
ALONE = 0.2  # of the time that is left: so long a program of few spanning columns is tried whole
LIMITED, ALONE_LIMITED, SPANNING_NODES = 20_000, 0.5, 600
"""Up to so many columns nodes limit that, within so much of the time, which they end long before the clock does."""
MOST_ALONE, ALONE_NODES = 10_000, 10
"""Columns, and nodes: so large a program is tried whole, within that share."""
FEW_SPANNING = 60  # whole columns that span periods: so few are branched on, with periods for pieces
FEW_COUNTS, MANY_FLOWS = 100, 10_000  # whole columns and columns of one period: counts are summed
MOST_PERIODS, LARGEST_PERIOD = 50, 2_500  # columns of a period

Run = Callable[[LinearProgram, SolveOptions], Solution]


@dataclass(frozen=True)
class Before:
    """A point found for the same columns, and the periods in which the program has changed since.

    narrow   in narrow windows: each is solved soon, for it is large where mixes are cut finely
    """

    point: Floats
    changed: frozenset[int]
    narrow: bool = False


def solve_structured(
    encoded: Encoded,
    run: Run,
    options: SolveOptions,
    before: Before | None = None,
    *,
    by_pieces: bool = False,
) -> Solution:
    """Solve a mixed-integer program with the means that fit its size and shape.

    `by_pieces`: pieces of a market may be solved by our own tree, over HiGHS's relaxations.
    """
    program = encoded.program
    small = program.n_columns <= SMALL
    step = steps_of(encoded)
    many = not small and int(program.integer.sum()) > MANY_INTEGERS
    if many and before is None and by_pieces and not mostly_alike(program, parts(program)):
        by_piece = _pieces(program, pieces_of(encoded, step), run, options)
        if by_piece is not None:
            return by_piece
    pool = smaller(encoded)
    if pool is not None:
        begun = None if before is None else Before(pool.together(before.point), before.changed)
        return by_arrivals(
            pool,
            _by_parts(pool.program, steps_without_arrivals(pool, step), run, options, begun, by_pieces),
        )
    return _by_parts(program, step, run, options, before, by_pieces)


def _by_parts(
    program: LinearProgram,
    step: np.ndarray,
    run: Run,
    options: SolveOptions,
    before: Before | None,
    by_pieces: bool,
) -> Solution:
    """What falls apart in its parts, long ones by windows."""
    small, groups = program.n_columns <= SMALL, parts(program)
    if small and (len(groups) <= 1 or before is not None):
        return run(program, options)
    if len(groups) == 1 and len(groups[0]) == program.n_columns:
        return _one(program, step, run, options, before, by_pieces)

    def solve_part(part: LinearProgram, columns: np.ndarray, share: SolveOptions) -> Solution:
        if small:
            return run(part, share)
        if before is None:
            return _one(part, step[columns], run, share, None, by_pieces)
        point, changed = before.point[columns], before.changed & set(step[columns].tolist())
        if not changed:
            return Solution(Stop.OPTIMAL, point=point, objective=part.objective(point), bound=-np.inf)
        begun = replace(before, point=point, changed=changed)
        return _one(part, step[columns], run, share, begun, by_pieces)

    return solve_parts(program, groups, solve_part, options, alike=before is None)


def small_parts(encoded: Encoded) -> bool:
    """Whether a program falls apart into parts that a solver is given whole."""
    return all(len(columns) <= SMALL for columns in parts(encoded.program))


def _pieces(program: LinearProgram, piece: np.ndarray, run: Run, options: SolveOptions) -> Solution | None:
    """By pieces, where there are many small ones; whole, where the solver ends soon."""
    if not many_small(program, piece):
        return None
    alone = _few_nodes(program, run, options)
    if alone is not None and alone.stop is Stop.OPTIMAL:
        return alone
    found = solve_pieces(program, piece, run, options)
    if alone is None or alone.point is None or alone.objective is None or found is None:
        return found
    bound = max(found.bound, alone.bound)
    if found.objective is not None and found.objective <= alone.objective:
        return replace(found, bound=min(bound, found.objective))
    return replace(found, point=alone.point, objective=alone.objective, bound=min(bound, alone.objective))


def _few_nodes(program: LinearProgram, run: Run, options: SolveOptions) -> Solution | None:
    """A program of thousands of columns may be a small one to a solver, whose presolve finds hours that are alike."""
    if program.n_columns > MOST_ALONE or "mip_max_nodes" in options.native:
        return None
    native = {**options.native, "mip_max_nodes": ALONE_NODES}
    return run(program, replace(options.within(ALONE), native=native, watch=None))


def many_small(program: LinearProgram, piece: np.ndarray) -> bool:
    """Whether pieces (n,) of a program, −1 what spans them, are many and small."""
    size = np.bincount(piece[piece >= 0])
    whole = np.bincount(piece[piece >= 0], program.integer[piece >= 0])
    few = int((whole > 0).sum()) < FEWEST_PIECES
    return not (few or size.max(initial=0) > LARGEST_PIECE or whole.max(initial=0) > MOST_WHOLE)


def _spanning_first(
    program: LinearProgram, step: np.ndarray, run: Run, options: SolveOptions, by_nodes: bool
) -> Solution:
    """Whole, where that ends soon; else what spans periods first, and the cheaper plan of both.

    `by_nodes`: HiGHS solves it, whose nodes say what soon is, so that a slow clock finds the same plan.
    """
    limited = by_nodes and program.n_columns <= LIMITED and "mip_max_nodes" not in options.native
    few = {"mip_max_nodes": SPANNING_NODES} if limited else {}
    share = options.within(ALONE_LIMITED if limited else ALONE)
    alone = run(program, replace(share, native={**options.native, **few}))
    if limited and alone.stop is Stop.SOLUTION_LIMIT:  # HiGHS's word for its nodes
        alone = replace(alone, stop=Stop.EXHAUSTED)
    elif alone.stop is not Stop.TIME_LIMIT:
        return alone
    held = solve_holding(program, step, run, options, alone.point, by_nodes=limited)
    if held is None or held.objective is None or held.point is None:
        return alone
    bound = min(max(alone.bound, held.bound), held.objective)
    reached = held.objective - bound <= options.gap * abs(held.objective)
    stop = Stop.OPTIMAL if reached else held.stop
    return replace(held, bound=bound, stop=stop)


def few_spanning(program: LinearProgram, step: np.ndarray) -> bool:
    """Whether few whole columns span periods, so that each period is a small program of its own once they are held."""
    periods = int(step.max(initial=-1)) + 1
    size = np.bincount(step[step >= 0])
    whole = np.bincount(step[step >= 0], program.integer[step >= 0])
    spanning = int(program.integer[step < 0].sum())
    small = size.max(initial=0) <= LARGEST_PERIOD and whole.max(initial=0) <= MOST_WHOLE
    return bool(2 <= periods <= MOST_PERIODS and spanning <= FEW_SPANNING and small)


def few_counts(program: LinearProgram, step: np.ndarray) -> bool:
    """Whether a program of one period has few whole columns beside very many others."""
    few = 1 < int(program.integer.sum()) <= FEW_COUNTS
    return few and program.n_columns > MANY_FLOWS and bool(step.max(initial=0) < 1)


def _one(
    program: LinearProgram,
    step: np.ndarray,
    run: Run,
    options: SolveOptions,
    before: Before | None,
    by_pieces: bool,
) -> Solution:
    """A program in one piece: whole, what spans its periods first, by windows where it has many integers, or with sums
    of its counts where few of these stand beside very many flows.
    """
    if before is None and by_pieces and few_counts(program, step):
        summed = solve_summed(program, run, options)
        if summed is not None:
            return summed
    if before is None and few_spanning(program, step):
        return _spanning_first(program, step, run, options, by_pieces)
    few = int(program.integer.sum()) <= MANY_INTEGERS and not (before is not None and before.narrow)
    if few or step.max(initial=0) < 1:
        return run(program, options)
    if before is None:
        found = solve_windows(program, step, run, options)
        if found.point is not None or found.stop is not Stop.UNKNOWN:
            return found
        whole = run(program, options)  # a window's failure says nothing of the whole
        return replace(whole, bound=max(whole.bound, found.bound))
    width = NARROW if before.narrow else COLUMNS
    return solve_windows(program, step, run, options, start=before.point, only=before.changed, columns=width)
