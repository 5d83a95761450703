"""A sum of rows rounded: what whole columns make of it.

    row i      Σ_j a_ij x_j + s_i = limit_i      s_i ≥ 0 (0 where both limits are one)
    sum        Σ_j g_j y_j + Σ_i w_i s_i = b     y_j = x_j − lower_j, or upper_j − x_j of what is counted down
    rounding   Σ_whole F(g_j) y_j + Σ_others min(g_j, 0) / (1 − f) y_j + Σ_i min(w_i, 0) / (1 − f) s_i ≤ ⌊b⌋

    f = b − ⌊b⌋, F(g) = ⌊g⌋ + max(g − ⌊g⌋ − f, 0) / (1 − f)

Mixed-integer rounding (Nemhauser and Wolsey 1990); of a row of the simplex tableau it is Gomory's cut of 1960. The
limit of a row is the one that the sign of its weight asks for, the other where that is not there. Which columns are
counted down is free: near the point that is to be cut off says most. `router.verification.bound.roundings` works each
out again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from solvers.core.program import Bools, Floats, Ints
from solvers.core.record import Record

VIOLATED = 1e-4
"""By how much a point must lie beyond a rounding: distance, in units of columns."""


class RoundedRow(Record):
    """Σ values · columns ≤ upper, made of a sum of rows.

    rows, weights    (r,) of the sum
    down             columns that are counted down from their upper bound
    columns, values  (c,)
    beyond           distance of the point that it was made for
    off              about how far another reckoning's coefficients and limit may be from these
    """

    rows: Ints
    weights: Floats
    down: Ints
    columns: Ints
    values: Floats
    upper: float
    beyond: float
    off: float = 0.0

    @property
    def unit(self) -> float:
        """Its largest coefficient."""
        return float(np.abs(self.values).max())


def rounded(g: Floats, part: float) -> Floats:
    """(k,) F(g) of whole columns; `part`: f."""
    down = np.floor(g)
    value: Floats = down + np.maximum(g - down - part, 0.0) / (1.0 - part)
    return value


def limits_asked(weights: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Bools]:
    """(r,) the limit of each row that a sum by these weights is counted from, and whether it is the upper one."""
    above = np.where(weights > 0, np.isfinite(upper), np.isneginf(lower))
    return np.where(above, upper, lower), above


def stacked(rows: Sequence[tuple[Ints, Floats]], n: int) -> Any:
    """(k, n) csr: columns and values of each row, one below the other."""
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows], dtype=np.int64)])
    columns = np.concatenate([np.empty(0, dtype=np.int64), *(columns for columns, _ in rows)])
    values = np.concatenate([np.empty(0), *(values for _, values in rows)])
    return sparse.csr_array((values, columns, starts), shape=(len(rows), n))


def entries_of(matrix: Any, row: int) -> tuple[Ints, Floats]:
    """Columns and values of a row of a csr matrix."""
    at = slice(matrix.indptr[row], matrix.indptr[row + 1])
    return matrix.indices[at], matrix.data[at]


def coefficients(rows: Sequence[RoundedRow], n: int) -> Any:
    """(k, n) their coefficients."""
    return stacked([(row.columns, row.values) for row in rows], n)


def in_units(rows: Sequence[RoundedRow], n: int) -> tuple[Any, Floats]:
    """(k, n), (k,): matrix · x ≤ upper, the largest coefficient of each 1."""
    unit = np.array([row.unit for row in rows])
    matrix: Any = sparse.diags_array(1.0 / unit, shape=(len(rows), len(rows))) @ coefficients(rows, n)
    return matrix.tocsr(), np.array([row.upper for row in rows]) / unit


def resting_on(made: Sequence[RoundedRow], some: Sequence[int], m: int) -> list[int]:
    """Numbers of some roundings and of all that they are made of, in order.

    m   their rows from this one on are roundings before them
    """
    used, waiting = set[int](), list(some)
    while waiting:
        k = waiting.pop()
        if k not in used:
            used.add(k)
            rows = made[k].rows
            waiting += (rows[rows >= m] - m).tolist()
    return sorted(used)


def numbered_anew(made: Sequence[RoundedRow], some: Sequence[int], m: int) -> tuple[RoundedRow, ...]:
    """Some of them, numbers of rows from `m` on by their places among these; see `resting_on`."""
    place = np.arange(m + len(made))
    place[m + np.array(some, dtype=np.int64)] = m + np.arange(len(some))
    return tuple(replace(made[k], rows=place[made[k].rows]) for k in some)
