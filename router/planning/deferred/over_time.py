"""A plan of a large program in which work waits: its relaxation rounded once, then made better window by window.

Without arrivals (see `pooling`) such a relaxation takes seconds, so that the time is left for integer programs of some
hours each.
"""

from __future__ import annotations

from dataclasses import replace

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from problems.core.steps import steps_of
from router.errors import RouterError
from router.planning.deferred.pooling import smaller, steps_without_arrivals
from router.planning.fixed import Fixed
from router.planning.two_steps import Incumbent, beginning_s, finished, run
from router.planning.waits.tighten import short_of_capacity
from solvers import LinearProgram, Solution, SolveOptions, SolversError, Stop
from solvers.bettered import bettered
from solvers.rounded import solve_rounded
from solvers.strengthened import strengthened

MANY = 1_500  # whole columns: with fewer a search of all at once is as good
NODES = 100  # of the tree of a window
FOR_WINDOWS = 0.6  # of the time; then flows are solved again, and the bound is worked out


def planned_over_time(encoded: Encoded, options: SolveOptions, held: Fixed) -> Incumbent | None:
    """Such a plan, bounded by the relaxation; None where it is not of this kind, or where this leads to no plan."""
    if encoded.instance.spilling is not None or int(encoded.program.integer.sum()) < MANY:
        return None
    target = held.applied(encoded)
    pool = smaller(target)
    if pool is None or options.short_of(beginning_s(pool.program)):
        return None
    program, step = pool.program, steps_without_arrivals(pool, steps_of(target))
    in_time = replace(options.within(FOR_WINDOWS), watch=None)
    try:
        relaxed = strengthened(program, in_time)
        rounded = None if relaxed is None else solve_rounded(program, in_time, rounds=0)
    except SolversError:
        return None
    if relaxed is None or rounded is None or rounded.point is None:
        return None

    def window(part: LinearProgram, share: SolveOptions, start: Floats) -> Solution:
        return run(part, "highs", replace(share, native={**share.native, "mip_max_nodes": NODES}), start)

    # without cuts, so that the check's own bound, which has some of them, is no less
    point, bound = rounded.point, rounded.bound
    if options.watch is not None:
        options.watch(program.objective(point), bound)
    if not _reached(program.objective(point), bound, options):
        prices = relaxed.multipliers[: program.n_rows]
        point = bettered(program, step, point, prices, window, in_time)
    usd, whole = program.objective(point), pool.apart(point)
    if whole is None:
        return None
    first = Solution(Stop.TIME_LIMIT, whole, usd, min(bound, usd))
    try:
        plan = finished(target, first, ("highs", options), held, 0.0)
    except RouterError:
        return None
    if short_of_capacity(plan.encoded, plan.point):
        return None
    stop = Stop.TIME_LIMIT if in_time.late else Stop.EXHAUSTED
    stop = Stop.OPTIMAL if _reached(plan.objective_usd, bound, options) else stop
    return replace(plan, stop=stop, bound=min(bound, plan.objective_usd))


def _reached(usd: float, bound: float, options: SolveOptions) -> bool:
    return usd - bound <= options.gap * abs(usd)
