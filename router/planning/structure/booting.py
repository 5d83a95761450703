"""Pools that boot: their whole numbers are searched on wider programs, whose points are points of the encoded one.

1  with sums of their counts over time as whole columns, which presolve would take out again: of a plan whose counts
   come to 55.5 at least, 56 are rented in any order; kept where that ends soon
2  with columns for each instance (`problems.core.each_instance`), and where work waits rows over some periods on end
   (`problems.core.over_windows`)
3  few decisions that hold all periods together, as contracts do, first (`solvers.deciding`); where some case of them
   does not end, all at once after that
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.each_instance import by_instance, on_columns, pools_that_boot
from problems.core.encode import Encoded
from problems.core.over_windows import MOST_COLUMNS, with_windows
from problems.core.steps import steps_of
from solvers import LinearProgram, Solution, SolveOptions, Stop, get
from solvers.components import parts

SHARE, NODES = 0.05, 100  # of the time, and of the tree, for the search with sums
MOST_DECISIONS = 12
FOR_SEARCH = 0.9  # of the time, where the relaxation over longer windows may have a better bound than a tree
WIDEST = 13_000  # columns of that relaxation
TIGHT = 1e-6


def solve_booting(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    run: Callable[[LinearProgram, str, SolveOptions], Solution],
    search: Callable[[Encoded], Solution],
) -> Solution | None:
    """The whole numbers of a program whose pools boot; None where none does, or where columns for them are no help.

    run      calls the solver
    search   of the encoded program, or of the one that stands in its place
    """
    wide = by_instance(encoded)
    if wide is None:
        return None
    options = options.begun()
    first = _by_sums(encoded, solver, options, run) or _by_periods(encoded, wide, solver, options, run)
    first = first or search(replace(encoded, program=wide))
    return first if first.point is None else replace(first, point=first.point[: encoded.program.n_columns])


def _by_periods(
    encoded: Encoded,
    wide: LinearProgram,
    solver: str,
    options: SolveOptions,
    run: Callable[[LinearProgram, str, SolveOptions], Solution],
) -> Solution | None:
    """With what stands over some periods on end, and what spans all first; None where it has nothing of the kind."""
    from solvers.deciding import solve_deciding  # here: few pools boot

    if solver != "highs" or len(parts(wide)) > 1:
        return None
    share, case, found = options.within(FOR_SEARCH), _over_windows(encoded, wide, options), None
    decisions = np.flatnonzero(encoded.program.integer & (steps_of(encoded) < 0))
    program = wide if case is None else case[0]
    if 0 < len(decisions) <= MOST_DECISIONS:
        found = solve_deciding(program, decisions, lambda part, own: run(part, solver, own), share)
    given_up = found is not None and found.stop is Stop.EXHAUSTED
    if given_up or (found is None and case is not None):
        found = better(found, run(program, solver, share), options.gap)
    if found is None or case is None or found.stop is not Stop.TIME_LIMIT:
        return found
    root = _over_windows(encoded, wide, options, WIDEST)
    return found if root is None else _bounded(found, root[1], options.gap)


def _over_windows(
    encoded: Encoded, wide: LinearProgram, options: SolveOptions, most_columns: int = MOST_COLUMNS
) -> tuple[LinearProgram, float] | None:
    """The program with rows over some periods on end, those that its relaxation needs, and what that costs."""
    from solvers.strengthened import strengthened  # here: few pools boot

    pools = pools_that_boot(encoded)
    windows = with_windows(wide, pools, on_columns(encoded.program, pools), most_columns)
    answer = None if windows is None else strengthened(windows[0], options, windows[1])
    if windows is None or answer is None:
        return None
    tight = answer.added.matrix @ answer.point >= answer.added.upper - TIGHT
    return answer.added.some(tight).added_to(windows[0]), answer.bound


def better(first: Solution | None, second: Solution, gap: float) -> Solution:
    """The better point of two searches of one program, and the better bound."""
    if first is None or first.point is None or first.objective is None:
        return second
    if second.stop is Stop.INFEASIBLE:  # there is a point: that proves nothing
        return first
    ahead = second.objective is not None and second.objective <= first.objective
    found = second if ahead else replace(first, stats=second.stats)
    return _bounded(found, max(first.bound, second.bound), gap)


def _bounded(found: Solution, bound: float, gap: float) -> Solution:
    """With a bound that is better, if it is."""
    bound = min(max(found.bound, bound), np.inf if found.objective is None else found.objective)
    reached = found.objective is not None and found.objective - bound <= gap * abs(found.objective)
    return replace(found, bound=bound, stop=Stop.OPTIMAL if reached else found.stop)


def _by_sums(
    encoded: Encoded,
    solver: str,
    options: SolveOptions,
    run: Callable[[LinearProgram, str, SolveOptions], Solution],
) -> Solution | None:
    """None where that does not end soon."""
    from solvers.rounding import with_sums  # here: few pools boot

    plain = {**get(solver).WITHOUT_PRESOLVE, "mip_max_nodes": NODES}
    if solver != "highs" or set(plain) & set(options.native):
        return None
    summed = run(
        with_sums(encoded.program, [pool.count for pool in pools_that_boot(encoded)]),
        solver,
        replace(options.within(SHARE), native={**options.native, **plain}, watch=None),
    )
    return summed if summed.stop is Stop.OPTIMAL and summed.point is not None else None
