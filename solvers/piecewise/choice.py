"""A way to round for each piece, so that all of them together keep to the rows that reach across pieces at least cost.

    min Σ_p Σ_w usd_pw λ_pw + …       Σ_w λ_pw = 1 for each piece p, λ 0/1
                                       Σ_p Σ_w a_ipw λ_pw + … ≤ b_i for each row i that reaches

… is what is continuous between pieces, and what flows take beyond a row: with the same whole numbers other flows may
keep to it, at about its price.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import numpy as np
from scipy import sparse

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.piecewise.apart import PiecesApart, TriedWay

BEYOND = 1.05
"""Times its price: what a choice takes beyond a row."""

NEAR = 0.01
"""Of the gap asked for: how near to the best choice."""

FAR = 2e-6
"""Of all costs: a choice whose reduced cost is more is left out, unless there is no choice without such."""

HALF = 0.5  # of the time that is left


def chosen(pieces: PiecesApart, ways: list[TriedWay], solve: Solve, options: SolveOptions) -> Floats | None:
    """(k,) whole numbers: of each piece those of a way; None where no choice was found."""
    program, part = pieces.program, pieces.part
    inside, piece, n = part >= 0, np.maximum(part, 0), program.n_columns
    usable = _distinct(pieces, ways)
    if not usable.any(axis=0).all():
        return None
    way = usable.argmax(axis=0)
    free = usable & (usable.sum(axis=0) > 1)
    at = np.argwhere(free)  # (choices, 2): way and piece
    column = np.full(free.shape, -1)
    column[at[:, 0], at[:, 1]] = np.arange(len(at))
    points = np.array([each.point for each in ways])
    held = np.where(inside & ~free.any(axis=0)[piece], points[way[piece], np.arange(n)], 0.0)
    does: Any = sparse.csr_array((n, len(at)))  # what each choice does
    for k, point in enumerate(points):
        some = np.flatnonzero(inside & (column[k][piece] >= 0))
        does = does + sparse.csr_array((point[some], (some, column[k][part[some]])), shape=does.shape)
    search = replace(options.within(HALF), gap=NEAR * options.gap)
    choice = _choice(pieces, at, does, held)
    answer = solve(_near_best(choice, FAR * abs(pieces.usd), solve, search), search).point
    if answer is None:
        answer = solve(choice, search).point
    if answer is None:
        return None
    taken = at[answer[: len(at)] > 0.5]
    way[taken[:, 1]] = taken[:, 0]
    values = np.array([each.value for each in ways])
    own = values[way[np.maximum(pieces.of, 0)], np.arange(len(pieces.of))]
    return np.where(pieces.of >= 0, own, pieces.lower)


def _choice(pieces: PiecesApart, at: Ints, does: Any, held: Floats) -> LinearProgram:
    """The program of choices `at` (c, 2), with what each does (n, c) and what is done in any case (n,).

    Columns: the choices, continuous columns that span pieces, and what flows take beyond rows that reach: fixed
    whole numbers may leave other flows that do not.
    """
    program = pieces.program
    rows = np.concatenate([pieces.reaching, pieces.spanning])
    matrix, between = program.matrix[rows], np.flatnonzero(pieces.part < 0)
    left = matrix @ held
    over, price = _beyond(pieces, rows, matrix)
    low, high = program.col_lower[between].copy(), program.col_upper[between].copy()
    whole = np.flatnonzero(program.integer[between])
    low[whole] = high[whole] = pieces.lower[pieces.of < 0]
    numbers, of = np.unique(at[:, 1], return_inverse=True)
    some = len(between) + len(price)
    one = sparse.csr_array((np.ones(len(at)), (of, np.arange(len(at)))), shape=(len(numbers), len(at) + some))
    ones, slack = np.ones(len(numbers)), 1e-9 * np.maximum(np.abs(left), 1.0)  # what sums are rounded by
    return LinearProgram(
        cost=np.concatenate([does.T @ program.cost, program.cost[between], price]),
        matrix=sparse.vstack([sparse.hstack([matrix @ does, matrix[:, between], over]), one], format="csr"),
        row_lower=np.concatenate([program.row_lower[rows] - left - slack, ones]),
        row_upper=np.concatenate([program.row_upper[rows] - left + slack, ones]),
        col_lower=np.concatenate([np.zeros(len(at)), low, np.zeros(len(price))]),
        col_upper=np.concatenate([np.ones(len(at)), high, np.full(len(price), inf)]),
        integer=np.arange(len(at) + some) < len(at),
        offset=float(program.cost @ held) + program.offset,
    )


def _near_best(choice: LinearProgram, far: float, solve: Solve, options: SolveOptions) -> LinearProgram:
    """The choices without those whose reduced cost in the relaxation is far above that of the best."""
    duals = solve(choice.relax(), options).duals
    if duals is None:
        return choice
    reduced = choice.cost - choice.matrix.T @ duals.row
    left_out = choice.integer & (reduced > far)
    return replace(choice, col_upper=np.where(left_out, 0.0, choice.col_upper))


def _beyond(pieces: PiecesApart, rows: Ints, matrix: Any) -> tuple[Any, Floats]:
    """(rows, c) columns of what is above or below limits of rows that flows stand in, and their prices (c,)."""
    program = pieces.program
    row = np.repeat(np.arange(len(rows)), np.diff(matrix.indptr))
    flows = (pieces.part[matrix.indices] >= 0) & ~program.integer[matrix.indices]
    dear = np.zeros(len(rows))
    np.maximum.at(dear, row[flows], np.abs(program.cost[matrix.indices] / matrix.data)[flows])
    price = np.where(pieces.prices[rows] != 0.0, BEYOND * np.abs(pieces.prices[rows]), dear)
    flowing = np.bincount(row[flows], minlength=len(rows)) > 0
    above = np.flatnonzero(flowing & np.isfinite(program.row_upper[rows]))
    below = np.flatnonzero(flowing & np.isfinite(program.row_lower[rows]))
    of = np.concatenate([above, below])
    sign = np.concatenate([-np.ones(len(above)), np.ones(len(below))])
    return sparse.csr_array((sign, (of, np.arange(len(of)))), shape=(len(rows), len(of))), price[of]


def _distinct(pieces: PiecesApart, ways: list[TriedWay]) -> Bools:
    """(ways, pieces) whether a way does for a piece and is no copy of one before it."""
    some = np.flatnonzero(pieces.open)
    values = np.array([each.value for each in ways])[:, some]
    usable = np.array([each.does for each in ways])
    for k in range(1, len(ways)):
        for before in range(k):
            other = np.bincount(pieces.of[some], values[k] != values[before], pieces.number) > 0
            usable[k] &= other | ~usable[before]
    return usable
