"""Waiting work in solves: as one flow for each route and period, and back to arrivals (see `solvers.lots`).

Of large programs alone: a small one is solved as it stands as soon.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from problems.core.arrays import Floats, Ints
from problems.core.encode import Encoded
from problems.core.lots import lots_of
from problems.core.once import once
from solvers import Duals, LinearProgram, SimplexBasis, Solution, SolveOptions, Stop, is_feasible
from solvers.lots import Pooled, pooled

LARGE = 3_000  # columns
KEPT = 1e-8  # relative: how well rows hold where work is taken apart; else it is solved by arrivals

type Solve = Callable[[LinearProgram, SolveOptions, Floats | SimplexBasis | None], Solution]


def smaller(encoded: Encoded, program: LinearProgram | None = None) -> Pooled | None:
    """The encoded program, or another of its rows and columns, without arrivals; None where that saves little."""
    if program is None or program is encoded.program:
        return _own_smaller(encoded)
    return _smaller(encoded, program)


@once
def _own_smaller(encoded: Encoded) -> Pooled | None:
    return _smaller(encoded, encoded.program)


def _smaller(encoded: Encoded, program: LinearProgram) -> Pooled | None:
    lots = lots_of(encoded) if program.n_columns > LARGE else None
    return None if lots is None else pooled(program, lots)


def columns_without_arrivals(encoded: Encoded) -> int:
    """How many columns a search has to do with."""
    pool = smaller(encoded)
    return encoded.program.n_columns if pool is None else pool.program.n_columns


def solved_smaller(
    encoded: Encoded,
    program: LinearProgram,
    solve: Solve,
    options: SolveOptions,
    start: Floats | SimplexBasis | None = None,
) -> Solution:
    """The answer for a program of the encoded one's rows and columns, found without arrivals where work waits.

    `start` is a point of it, or a basis of the one that is solved.
    """
    pool = smaller(encoded, program)
    if pool is None:
        return solve(program, options, start)
    begun = start if start is None or isinstance(start, SimplexBasis) else pool.together(start)
    found = by_arrivals(pool, solve(pool.program, options, begun))
    if found.stop is not Stop.OPTIMAL or program.is_mip:
        return found
    kept = found.point is not None and is_feasible(program, found.point, tolerance=KEPT)
    if kept:
        return found
    return solve(program, options, None if begun is start else start)  # of what is tiny beside its neighbours


def by_arrivals(pool: Pooled, found: Solution) -> Solution:
    """An answer for the smaller program as one for the whole: its point and its duals taken apart."""
    point = None if found.point is None else pool.apart(found.point)
    duals = None
    if found.duals is not None:
        row = pool.prices_apart(found.duals.row)
        duals = Duals(row, pool.whole.cost - pool.whole.matrix.T @ row)
    return replace(found, point=point, duals=duals, objective=None if point is None else found.objective)


def steps_without_arrivals(pool: Pooled, step: Ints) -> Ints:
    """(n',) the period of each column of the smaller program, from those (n,) of the whole one."""
    at = np.where(pool.columns >= 0, step[pool.columns], -1)
    at[pool.held] = pool.step_of_place[pool.held_place]
    return np.asarray(at)
