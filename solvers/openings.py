"""A program that says of tiny loads what is opened for them, in whole numbers alone: no tolerance is as large.

    Σ_P a_f x_f ≤ Σ_N b_f x_f                   a row, all of x at 0 or more; a, b > 0
    Σ_C x_f ≥ 1,  C ⊆ P ∪ N                     what must be served: then something of N is used
    a · x_f ≤ Σ_k u_k y_k                       what it goes through must be there, y whole

    ⇒  Σ_N open[f] ≥ 1,   open[f] ≤ Σ_k y_k     of every such row of f; open: 0 … 1

Of a tiny load 30 % must be with another provider: in the row over all that runs in its period that is a billionth,
which a solver lets pass.
"""

from __future__ import annotations

import numpy as np

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.terms import matrix_of

CHAIN = 3  # rows on end


def with_openings(program: LinearProgram) -> LinearProgram | None:
    """The program with columns `open` after its own; None where no row is of that kind."""
    served, ways, closed = _served(program), _ways(program), program.col_upper <= 0.0
    needed: list[list[int]] = []
    for column, value in _signed(program):
        if program.col_lower[column].min(initial=0.0) < 0.0 or (program.integer[column] & (value > 0)).any():
            continue
        left, right = set(column[value > 0].tolist()), column[(value < 0) & ~closed[column]].tolist()
        serves = any(cell <= left.union(right) for j in left for cell in served.get(j, ()))
        if right and serves and all(j in ways for j in right):
            needed.append(right)
    if not needed:
        return None
    number = {j: program.n_columns + i for i, j in enumerate(sorted({j for some in needed for j in some}))}
    terms = [[(number[j], -1.0) for j in some] for some in needed]
    upper = [-1.0] * len(terms)
    for j, own in number.items():
        for whole in ways[j]:
            terms.append([(own, 1.0), *((k, -1.0) for k in whole)])
            upper.append(0.0)
    n, more = program.n_columns + len(number), len(number)
    limits, none = (np.full(len(terms), -np.inf), np.array(upper)), np.zeros(more)
    return program.wider(matrix_of(terms, n), limits, none, none + 1.0, none > 0)


def _signed(program: LinearProgram) -> list[tuple[Ints, Floats]]:
    """Rows Σ value · x ≤ 0: columns and values; those that are written the other way round are turned."""
    matrix, signed = program.matrix, []
    for row in range(program.n_rows):
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        column, value = matrix.indices[inside].astype(np.int64), matrix.data[inside]
        if program.row_upper[row] == 0.0:
            signed.append((column, value))
        if program.row_lower[row] == 0.0:
            signed.append((column, -value))
    return signed


def _served(program: LinearProgram) -> dict[int, list[set[int]]]:
    """By column the sets of columns of which one at least is above 0: rows Σ x ≥ 1."""
    matrix, served = program.matrix, dict[int, list[set[int]]]()
    for row in np.flatnonzero(program.row_lower > 0.0).tolist():
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        column = matrix.indices[inside]
        if (matrix.data[inside] > 0).all() and (program.col_lower[column] >= 0).all():
            cell = set(column[program.col_upper[column] > 0].tolist())
            for j in cell:
                served.setdefault(j, []).append(cell)
    return served


def _ways(program: LinearProgram) -> dict[int, list[tuple[int, ...]]]:
    """By column sets of whole ones, of each of which one at least is above 0 where the column is.

    What a column goes through may itself go through others: use through what is committed, that through its steps.
    """
    ways = dict[int, dict[tuple[int, ...], None]]()
    signed = [(c, v) for c, v in _signed(program) if program.col_lower[c].min(initial=0.0) >= 0.0]
    rows = [(c[v < 0], c[(v > 0) & ~program.integer[c]]) for c, v in signed]
    rows = [(through, own) for through, own in rows if len(through) and len(own)]
    for _ in range(CHAIN):
        for through, own in rows:
            whole = program.integer[through]
            parts = [list(ways.get(j, ())) for j in through[~whole].tolist()]
            if not all(parts):
                continue
            first = [k for part in parts for k in part[0]] if len(parts) != 1 else []
            for more in parts[0] if len(parts) == 1 else [()]:
                some = tuple(sorted({*through[whole].tolist(), *first, *more}))
                for j in own.tolist():
                    ways.setdefault(j, {})[some] = None
    return {j: list(sets) for j, sets in ways.items()}
