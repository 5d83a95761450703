"""Pools that boot: their whole numbers are searched on wider programs, whose points are points of the encoded one.

1  with sums of their counts over time as whole columns, which presolve would take out again: of a plan whose counts
   come to 55.5 at least, 56 are rented in any order; kept where that ends soon
2  with columns for each instance (`problems.core.each_instance`)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from problems.core.each_instance import by_instance, pools_that_boot
from problems.core.encode import Encoded
from solvers import LinearProgram, Solution, SolveOptions, Stop, get

SHARE, NODES = 0.05, 100  # of the time, and of the tree, for the search with sums


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
    first = _by_sums(encoded, solver, options, run) or search(replace(encoded, program=wide))
    return first if first.point is None else replace(first, point=first.point[: encoded.program.n_columns])


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
