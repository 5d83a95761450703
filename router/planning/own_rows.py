"""What a plan leaves idle stays idle, and the rest is solved again by itself: each row in a unit of its own.

A row that adds up a large load and a tiny one lets go of more than all of the tiny one, also where the large one runs
at another time. Without what is idle such a row is of the tiny one alone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from problems.core.encode import exact, fixed_integers
from router.errors import RouterError
from router.planning.second_step import tight
from router.planning.two_steps import Incumbent, run
from solvers import LinearProgram

IDLE = 1e-9  # of a cell


def in_own_rows(incumbent: Incumbent) -> Incumbent | None:
    """The plan with its flows solved again, cells idle where they were; None where there are no such flows."""
    encoded = incumbent.encoded  # with the cuts of pools that wait
    view, cols, point = encoded.views[0], encoded.columns[0], incumbent.point
    periods = view.inst.time.periods
    at = view.flows.cell * periods + view.flows.period
    used = np.bincount(at, point[cols.flow], len(view.cells) * periods)
    target = exact(encoded)
    program = fixed_integers(target.program, incumbent.integers)[0]
    kept = np.ones(program.n_columns, dtype=bool)
    kept[cols.flow[(used <= IDLE)[at]]] = False
    part = program.take(kept)
    try:
        solved = run(_scaled(part.program), "highs", tight(incumbent.options)).point
    except RouterError:
        return None
    if solved is None:
        return None
    whole = np.zeros(program.n_columns)
    whole[part.columns] = solved
    return replace(incumbent, encoded=target, point=whole, row_duals=None)


def _scaled(program: LinearProgram) -> LinearProgram:
    """Rows whose largest coefficient is near 1, by powers of two."""
    matrix = program.matrix.copy()
    row = np.repeat(np.arange(program.n_rows), np.diff(matrix.indptr))
    largest = np.zeros(program.n_rows)
    np.maximum.at(largest, row, np.abs(matrix.data))
    scale = 2.0 ** -np.round(np.log2(np.where(largest > 0, largest, 1.0)))
    matrix.data = matrix.data * scale[row]
    return replace(
        program, matrix=matrix, row_lower=program.row_lower * scale, row_upper=program.row_upper * scale
    )
