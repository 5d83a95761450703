"""A plan over time bettered a window at a time: what runs in some steps is chosen anew, all else stays.

    1  flows that a relaxation's prices find too dear are left out: `CHEAPEST` stay for each row that asks for work
    2  windows of few steps, then of more, and the same shifted by half: each a small integer program that starts from
       what there is; what is cheaper is kept
    3  again with the same widths while that makes the plan better

Fix-and-optimise (Pochet and Wolsey 2006, ch. 3.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from solvers.core.options import SolveOptions
from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.result import Solution

type SolveFrom = Callable[[LinearProgram, SolveOptions, Floats], Solution]
"""A window's program, options, and the point to start from."""

CHEAPEST = 6
WIDTHS = (2_500, 4_000, 5_500)
"""Columns of a window, about."""

NEAR = 5e-4
"""Relative: so far a window is solved."""

GAIN = 1e-5
"""Relative: passes over all windows that gain less are the last."""


def bettered(
    program: LinearProgram,
    step: Ints,
    point: Floats,
    multipliers: Floats,
    solve: SolveFrom,
    options: SolveOptions,
    widths: tuple[int, ...] = WIDTHS,
) -> Floats:
    """A point (n,) of the program that costs no more.

    step         (n,) of each column, −1: it spans steps and stays as it is
    multipliers  (m,) of a relaxation
    solve        with an end by a count of its own
    widths       columns of a window, about
    """
    kept = (_cheap(program, multipliers) | (point > 0)) & (step >= 0)
    point, usd = point.copy(), program.objective(point)
    while True:
        before = usd
        for width in widths:
            for columns in _windows(program, step, kept, width):
                if not options.late:
                    _better(program, point, columns, solve, options)
        usd = program.objective(point)
        if before - usd <= GAIN * abs(usd) or options.late:
            return point


def _better(
    program: LinearProgram, point: Floats, columns: Ints, solve: SolveFrom, options: SolveOptions
) -> None:
    """The point with some columns chosen anew, if that is cheaper."""
    window = program.take(columns, point=point).program
    before = float(program.cost[columns] @ point[columns])
    answer = solve(window, replace(options, gap=NEAR), point[columns])
    if answer.point is None:
        return
    chosen = answer.point.copy()
    chosen[window.integer] = np.round(chosen[window.integer])
    if float(program.cost[columns] @ chosen) < before:
        point[columns] = chosen


def _windows(program: LinearProgram, step: Ints, kept: Bools, width: int) -> Iterator[Ints]:
    """Columns of each window with whole columns, then of those shifted by half."""
    steps = int(step.max(initial=0)) + 1
    each = max(int(kept.sum()) // steps, 1)
    long = int(np.clip(width // each, 1, steps))
    for shift in (0, long // 2) if long > 1 else (0,):
        for begin in range(-shift, steps, long):
            inside = np.flatnonzero(kept & (step >= begin) & (step < begin + long))
            if program.integer[inside].any():
                yield inside


def _cheap(program: LinearProgram, multipliers: Floats) -> Bools:
    """(n,) columns that a window may use: of flows those of least reduced cost in each row that asks for them."""
    matrix = program.matrix
    reduced = program.cost - matrix.T @ multipliers
    asks = np.isfinite(program.row_lower) & (program.row_lower == program.row_upper)
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    entry = np.flatnonzero(asks[row])
    column, of = matrix.indices[entry], row[entry]
    once = np.bincount(column, minlength=program.n_columns) == 1  # what waits is in two such rows
    flow = ~program.integer[column] & once[column] & (matrix.data[entry] > 0)
    column, of = column[flow], of[flow]
    order = np.lexsort((reduced[column], of))
    rank = np.arange(len(order)) - np.searchsorted(of[order], of[order])
    kept = np.ones(program.n_columns, dtype=bool)
    kept[column[order[rank >= CHEAPEST]]] = False
    return np.asarray(kept)
