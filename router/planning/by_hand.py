"""A plan as a hand would make it, before any search: what is simple to serve has a plan, whatever the time.

    1  nothing signed, nothing rented: all work where it costs least by the token, and what follows from that
    2  the same with flows at least cost, where quotas or shares ask for more than the cheapest
    3  the relaxation, with its whole numbers rounded up

The first takes a moment, the others a linear program or two. The plan keeps every promise; how good it is, the search
that follows says.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from problems.core.arrays import Floats
from problems.core.encode import Encoded
from router.errors import RouterError
from router.planning.tighten import short_of_capacity
from router.planning.two_steps import Fixed, Incumbent, finished, run
from solvers import Solution, SolveOptions, Stop, is_feasible

WHOLE = 1e-6  # a count no farther above a whole number is that number
KEPT = 1e-9  # relative: how well rows hold


def made_by_hand(encoded: Encoded, solver: str, options: SolveOptions, fixed: Fixed) -> Incumbent | None:
    """The plan, with nothing proven of it; None where no way leads to one."""
    target = fixed.applied(encoded)
    point = _by_the_token(target, solver, options)
    if point is not None and not short_of_capacity(target, point):
        return Incumbent(
            encoded=target,
            point=point,
            integers=point,
            stop=Stop.TIME_LIMIT,
            bound=-np.inf,
            row_duals=None,
            prices_of="made by hand",
            seconds={},
            solver=solver,
            options=options,
        )
    for point in _whole_numbers(target, solver, options):
        first = Solution(Stop.TIME_LIMIT, point, target.program.objective(point), -np.inf)
        try:
            plan = finished(target, first, (solver, options), fixed, 0.0)
        except RouterError:
            continue
        if not short_of_capacity(plan.encoded, plan.point):
            return plan
    return None


def _by_the_token(encoded: Encoded, solver: str, options: SolveOptions) -> Floats | None:
    """Each cell's work on the cheapest flow that no whole column has a say in, all else at least cost beside it."""
    program, point = encoded.program, _least(encoded)
    counted = np.flatnonzero(np.diff(program.by_column[:, np.flatnonzero(program.integer)].tocsr().indptr))
    tied, is_flow = np.zeros(program.n_columns, dtype=bool), np.zeros(program.n_columns, dtype=bool)
    tied[program.matrix[counted].indices] = True
    for view, cols in zip(encoded.views, encoded.columns, strict=True):
        is_flow[cols.flow] = True
        free = np.flatnonzero(~tied[cols.flow] & (program.col_upper[cols.flow] >= 1.0))
        cell = view.flows.cell[free]
        apart = cols.charged[free] != cols.flow[free]  # with an allowance, of what is paid for
        usd = program.cost[cols.flow[free]] + np.where(apart, program.cost[cols.charged[free]], 0.0)
        cheapest = np.lexsort((usd, cell))
        cells, first = np.unique(cell[cheapest], return_index=True)
        if len(cells) < len(view.cells):
            return None
        point[cols.flow[free[cheapest[first]]]] = 1.0
    others = np.flatnonzero(~is_flow & ~program.integer)
    if len(others):
        try:
            found = run(program.take(others, point=point).program, solver, options).point
        except RouterError:
            return None
        if found is None:
            return None
        point[others] = found
    return point if is_feasible(program, point, tolerance=KEPT) else None


def _whole_numbers(encoded: Encoded, solver: str, options: SolveOptions) -> Iterator[Floats]:
    """Points of which the whole columns count."""
    program = encoded.program
    yield _least(encoded)
    try:
        relaxed = run(program.relax(), solver, options).point
    except RouterError:
        return
    if relaxed is not None:
        up = np.minimum(np.ceil(relaxed - WHOLE), np.floor(program.col_upper + WHOLE))
        yield np.where(program.integer, up, relaxed)


def _least(encoded: Encoded) -> Floats:
    """Every column at its least, whole columns rounded up."""
    program = encoded.program
    least = np.where(np.isfinite(program.col_lower), program.col_lower, 0.0)
    return np.where(program.integer, np.ceil(least - WHOLE), least)
