"""Rows of the search's program found again in the verifier's, by what they hold."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from scipy import sparse

from problems.core.arrays import Bools, Floats, Ints
from router.planning.proofs.scaled import ScaledRelaxation
from solvers import LinearProgram

SAME = 1e-5
"""Relative: how near two rows are that say the same, each in its own arithmetic."""


def found_rows(model: ScaledRelaxation, program: LinearProgram, at: Ints) -> tuple[Ints, Floats]:
    """(m,) where each row of the search stands in the verifier's, −1: nowhere, and how many of these it is.

    at   (n,) where each column stands there

    Rows are compared by a sum of their coefficients with drawn weights, the first of them being 1. What is taken for
    another row makes the bound lower and never wrong.
    """
    n = len(model.names)
    weight = np.random.default_rng(0).uniform(1.0, 2.0, n)
    unscaled: Any = (model.program.matrix @ sparse.diags_array(1.0 / model.column_scale)).tocsr()
    cells = program.matrix.tocoo()
    plain = sparse.coo_array((cells.data, (cells.row, at[cells.col])), shape=(program.n_rows, n)).tocsr()
    ours: Any = (plain @ sparse.diags_array(1.0 / _units(model, program, at, (plain, unscaled)))).tocsr()
    for matrix in (ours, unscaled):
        matrix.sort_indices()
    size, first, coefficient, total = _known_by(ours, weight)
    size_of, first_of, coefficient_of, total_of = _known_by(unscaled, weight)
    rows: dict[tuple[int, int], list[int]] = defaultdict(list)
    for i, key in enumerate(zip(size_of.tolist(), first_of.tolist(), strict=True)):
        rows[key].append(i)
    place = np.full(program.n_rows, -1)
    looked_for, known = total / coefficient, total_of / coefficient_of
    for i, key in enumerate(zip(size.tolist(), first.tolist(), strict=True)):
        some = rows.get(key)
        if some:
            off = np.abs(known[some] - looked_for[i])
            k = int(np.argmin(off))
            place[i] = some[k] if off[k] <= SAME * abs(looked_for[i]) else -1
    return place, np.where(place >= 0, coefficient / coefficient_of[np.maximum(place, 0)], 0.0)


def _units(model: ScaledRelaxation, program: LinearProgram, at: Ints, both: tuple[Any, Any]) -> Floats:
    """(n,) of each of the verifier's columns, how many of it a unit of the search's is: 1 of flows and counts.

    Of what is paid its cost says that, and of what is alone in a row with a column that is known that row.
    """
    ours, theirs = np.zeros(len(model.names)), model.program.cost / model.column_scale
    ours[at] = program.cost
    unit = np.ones(len(model.names))
    runs = np.array([name in model.relaxation.runs for name in model.names])
    other = ~runs & ~model.program.integer
    paid = other & (ours != 0.0) & (theirs != 0.0)
    unit[paid] = ours[paid] / theirs[paid]
    unknown = other & ~paid
    pairs = [_pairs(matrix, unknown) for matrix in both]
    for pair, (first, last) in pairs[0].items():
        if pair in pairs[1] and unknown[list(pair)].sum() == 1:
            known = 0 if unknown[pair[1]] else 1
            ratio = last / first / (pairs[1][pair][1] / pairs[1][pair][0])
            ratio = ratio if known == 0 else 1.0 / ratio
            if ratio > 0.0:
                unit[pair[1 - known]] = ratio * unit[pair[known]]
                unknown[pair[1 - known]] = False
    return unit


def _pairs(matrix: Any, unknown: Bools) -> dict[tuple[int, int], tuple[float, float]]:
    """Coefficients of rows with two columns, by these; of rows with one of some columns."""
    start = matrix.indptr[:-1][np.diff(matrix.indptr) == 2]
    columns = np.stack([matrix.indices[start], matrix.indices[start + 1]], axis=1)
    some = unknown[columns].any(axis=1)
    start, columns = start[some], columns[some]
    values = np.stack([matrix.data[start], matrix.data[start + 1]], axis=1)
    turned = columns[:, 0] > columns[:, 1]
    columns[turned], values[turned] = columns[turned, ::-1], values[turned, ::-1]
    return {(i, j): (a, b) for (i, j), (a, b) in zip(columns.tolist(), values.tolist(), strict=True)}


def _known_by(matrix: Any, weight: Floats) -> tuple[Ints, Ints, Floats, Floats]:
    """Of each row: coefficients, the first column and its coefficient, and the weighed sum; 1 where it has none."""
    size = np.diff(matrix.indptr)
    some = size > 0
    first, coefficient, total = np.zeros(len(size), dtype=np.int64), np.ones(len(size)), np.ones(len(size))
    start = matrix.indptr[:-1][some]
    first[some], coefficient[some] = matrix.indices[start], matrix.data[start]
    total[some] = (matrix @ weight)[some]
    return size, first, coefficient, total
