"""Pools that boot: their whole numbers are searched on wider programs, whose points are points of the encoded one.

1  with sums of their counts over time as whole columns, which presolve would take out again: of a plan whose counts
   come to 55.5 at least, 56 are rented in any order; kept where that ends soon
2  with columns for each instance (`problems.core.each_instance`), and where work waits rows over some periods on end
   (`problems.core.over_windows`)
3  few decisions that hold all periods together, as contracts do, first (`solvers.deciding`)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.each_instance import by_instance, on_columns, pools_that_boot
from problems.core.encode import Encoded
from problems.core.over_windows import with_windows
from problems.core.steps import steps_of
from solvers import LinearProgram, Solution, SolveOptions, Stop, get
from solvers.components import parts

SHARE, NODES = 0.05, 100  # of the time, and of the tree, for the search with sums
MOST_DECISIONS = 12


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
    from solvers.strengthened import strengthened

    if solver != "highs" or len(parts(wide)) > 1:
        return None
    pools = pools_that_boot(encoded)
    windows = with_windows(wide, pools, on_columns(encoded.program, pools))
    case, answer = wide, None
    if windows is not None:
        case = windows[0]
        answer = strengthened(case, options, windows[1])
        case = case if answer is None else answer.added.added_to(case)
    decisions = np.flatnonzero(encoded.program.integer & (steps_of(encoded) < 0))
    found = None
    if 0 < len(decisions) <= MOST_DECISIONS:
        found = solve_deciding(case, decisions, lambda part, share: run(part, solver, share), options)
    if found is None and windows is not None:
        found = run(case, solver, options)
    return found


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
