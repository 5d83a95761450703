"""A plan as a hand would make it, before any search: what is simple to serve has a plan, whatever the time.

    0  of a program with many counts, all large: its relaxation rounded a part at a time (solvers.rounded), and no more
    1  nothing signed, nothing rented: all work where it costs least by the token, and what follows from that
    2  the same with flows at least cost, where quotas or shares ask for more than the cheapest
    3  the relaxation, with its whole numbers rounded up, but down where a limit on them leaves no room, and instances
       packed in hosts the largest first; flows once more at least cost, while there is time

The first takes a moment, the others a linear program or two; of a large program the second may take long, and comes
last. Of a large program the relaxation is of few flows alone, those that cost least at first prices
(solvers.first_prices), which also bound what any plan costs. While there is no plan there is all the time of the
command. What a relaxation rounds to waits too long, as a rule: where waiting is modelled it is for those who have no
other plan. The plan keeps every promise; how good it is, the search that follows says.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from problems.core.arrays import Bools, Floats, Ints
from problems.core.encode import Encoded
from problems.core.steps import pieces_of, steps_of
from router.errors import RouterError
from router.planning.deferred.pooling import by_arrivals, smaller
from router.planning.fixed import Fixed
from router.planning.packing import packed
from router.planning.two_steps import PRICES_OF, Incumbent, beginning_s, finished, run
from router.planning.waits.tighten import short_of_capacity
from solvers import (
    LinearProgram,
    SimplexBasis,
    Solution,
    SolveOptions,
    SolversError,
    Stop,
    clock_s,
    is_feasible,
)
from solvers.capacity_rows import within_limits
from solvers.first_prices import first_prices
from solvers.rounded import solve_rounded

WHOLE = 1e-6  # a count no farther above a whole number is that number
KEPT, SOLVED = 1e-9, 1e-6  # relative: how well rows hold; where flows are a solver's
HALF = 0.5  # of the time
FEW = 10_000  # columns: beyond, the relaxation of all takes too long
FLOWS = 12  # of each cell
AGAIN = 3.0
"""Times what its relaxation took: with less left, a large program keeps the flows that it has of that."""
MANY, MOST = 1_500, 1_500_000  # whole columns and columns: where rounding part by part is tried first


def made_by_hand(encoded: Encoded, solver: str, options: SolveOptions, fixed: Fixed) -> Incumbent | None:
    """The cheapest such plan, and what is proven of any on the way; None where no way leads to one."""
    target, search, plans = fixed.applied(encoded), (solver, options), list[Incumbent]()
    waits = any(cols.capacity.waits.any() for cols in target.columns)
    if int(target.program.integer.sum()) >= MANY and solver == "highs" and not waits:
        rounded = _rounded_relaxation(target, search, fixed)
        if rounded is not None:
            return rounded
    prices = first_prices(target.program)
    bound, large, some = prices.bound, target.program.n_columns > FEW, target
    point = _by_the_token(target, solver, options)
    if point is not None and not short_of_capacity(target, point):
        plans.append(_plan(target, point, search))
    large = large and not (plans and waits)
    if large:
        upper = _upper(target.program, prices.promising(FLOWS))
        some = replace(target, program=replace(target.program, col_upper=upper))
        search = search if plans else (solver, options.finishing)
    if not plans and not large:
        plans += _rounded(some, _least(some), search, fixed)
    if large or not plans:
        began = clock_s()
        relaxed = _relaxed(some, search)
        again_s = AGAIN * (clock_s() - began)
        if relaxed is not None and relaxed.duals is not None:
            # flows that were left out may think what is left over of supply free: half way to its prices it is not
            half_way = 0.5 * (prices.multipliers + relaxed.duals.row)
            bound = max(bound, first_prices(target.program, half_way).bound)
            if relaxed.stop is Stop.OPTIMAL and (some.program.col_upper == target.program.col_upper).all():
                bound = max(bound, relaxed.bound)  # of all flows: none was left out
        if relaxed is not None and relaxed.point is not None:
            up = packed(some, _up(some.program, relaxed.point))
            brief = large and search[1].short_of(again_s)
            point = _completed(target, up, solver, options) if brief else None
            if point is not None and not short_of_capacity(target, point):
                plans.append(_plan(target, point, search))
            else:
                plans += _rounded(some, up, search, fixed)
    if not plans and large:
        plans += _rounded(some, _least(some), search, fixed)
    best = min(plans, key=lambda plan: plan.objective_usd, default=None)
    if best is None:
        return None
    bound = min(bound, best.objective_usd)
    return replace(best, encoded=target, bound=bound, row_duals=None, options=options)


def _rounded_relaxation(target: Encoded, search: tuple[str, SolveOptions], fixed: Fixed) -> Incumbent | None:
    """The plan of a relaxation rounded a part at a time."""
    pool = smaller(target)
    program = target.program if pool is None else pool.program
    if program.n_columns > MOST or search[1].short_of(beginning_s(program)):
        return None
    try:
        pieces = partial(_pieces, target) if pool is None else None
        answer = solve_rounded(program, search[1].within(HALF), pieces)  # the rest is for plainer ways
    except SolversError:
        return None
    if answer is not None and pool is not None:
        answer = by_arrivals(pool, answer)
    if answer is None or answer.point is None:
        return None
    plans = _rounded(target, answer.point, search, fixed, answer.basis)
    if not plans:
        return None
    plan = plans[0]
    return replace(plan, stop=answer.stop, bound=min(answer.bound, plan.objective_usd), prices_of=PRICES_OF)


def _pieces(target: Encoded) -> Ints:
    return pieces_of(target, steps_of(target))


def _plan(target: Encoded, point: Floats, search: tuple[str, SolveOptions]) -> Incumbent:
    return Incumbent(
        encoded=target,
        point=point,
        integers=point,
        stop=Stop.TIME_LIMIT,
        bound=-np.inf,
        row_duals=None,
        prices_of="made by hand",
        seconds={},
        solver=search[0],
        options=search[1],
    )


def _rounded(
    target: Encoded,
    point: Floats,
    search: tuple[str, SolveOptions],
    fixed: Fixed,
    basis: SimplexBasis | None = None,
) -> list[Incumbent]:
    """The plan of a point's whole numbers, where there is one that keeps every promise."""
    first = Solution(Stop.TIME_LIMIT, point, target.program.objective(point), -np.inf, basis=basis)
    try:
        plan = finished(target, first, search, fixed, 0.0)
    except RouterError:
        return []
    short = short_of_capacity(plan.encoded, plan.point)
    return [] if short else [replace(plan, prices_of="made by hand")]


def _relaxed(target: Encoded, search: tuple[str, SolveOptions]) -> Solution | None:
    try:
        return run(target.program.relax(), *search)
    except RouterError:
        return None


def _up(program: LinearProgram, relaxed: Floats) -> Floats:
    """The relaxation's point with its whole numbers rounded up, some down where a limit on them leaves no room."""
    up = np.minimum(np.ceil(relaxed - WHOLE), np.floor(program.col_upper + WHOLE))
    up = np.where(program.integer, up, relaxed)
    return within_limits(program, up, np.where(program.integer, np.floor(relaxed + WHOLE), relaxed))


def _upper(program: LinearProgram, open_: Bools) -> Floats:
    """(n,) upper limits of a program with some columns shut, as far as their lower limits let them be."""
    shut = ~open_ & (program.col_lower <= 0)
    return np.where(shut, np.minimum(program.col_upper, 0.0), program.col_upper)


def _by_the_token(encoded: Encoded, solver: str, options: SolveOptions) -> Floats | None:
    """Each cell's work on the cheapest flow that no whole column has a say in, all else at least cost beside it."""
    program, point = encoded.program, _least(encoded)
    counted = np.flatnonzero(np.diff(program.by_column[:, np.flatnonzero(program.integer)].tocsr().indptr))
    tied = np.zeros(program.n_columns, dtype=bool)
    tied[program.matrix[counted].indices] = True
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        own = view.inst.workloads.steps[view.routes.workload[view.flows.route]] < 0  # by no recipe
        free = np.flatnonzero(own & ~tied[cols.flow] & (program.col_upper[cols.flow] >= 1.0))
        cell = view.flows.cell[free]
        apart = cols.charged[free] != cols.flow[free]  # with an allowance, of what is paid for
        usd = program.cost[cols.flow[free]] + np.where(apart, program.cost[cols.charged[free]], 0.0)
        cheapest = np.lexsort((usd, cell))
        cells, first = np.unique(cell[cheapest], return_index=True)
        if len(cells) < int((view.answered == np.arange(len(view.cells))).sum()):
            return None
        point[cols.flow[free[cheapest[first]]]] = 1.0
    return _completed(encoded, point, solver, options, KEPT)


def _completed(
    encoded: Encoded, point: Floats, solver: str, options: SolveOptions, tolerance: float = SOLVED
) -> Floats | None:
    """A point with its flows and whole numbers as they are, all else at least cost beside them; None where no row of
    the program may be broken by so little.
    """
    program, others = encoded.program, ~encoded.program.integer
    for cols in encoded.columns:
        others[cols.flow] = False
    rest, point = np.flatnonzero(others), point.copy()
    if len(rest):
        try:
            found = run(program.take(rest, point=point).program, solver, options.finishing).point
        except RouterError:
            return None
        if found is None:
            return None
        point[rest] = found
    return point if is_feasible(program, point, tolerance=tolerance) else None


def _least(encoded: Encoded) -> Floats:
    """Every column at its least, whole columns rounded up."""
    program = encoded.program
    least = np.where(np.isfinite(program.col_lower), program.col_lower, 0.0)
    return np.where(program.integer, np.ceil(least - WHOLE), least)
