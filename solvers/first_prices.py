"""Prices of a large program before any search: a bound, and the columns that are worth looking at first.

    supply row   Σ_j a_j x_j − Σ_k u_k y_k ≤ 0     its price: the cost of y_k per unit, where that is least
    asking row   Σ_j b_j x_j ≥ r > 0               its price: the cost of x_j per unit at the prices of supply, likewise

A column that supplies several rows shares its cost out among them by the units that each may need. Whatever the prices,
they bound the cost in safe arithmetic; where nothing is scarce they are near those of the relaxation.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.proof.safe import SafeBounds

SPARE = 1e-9
"""Relative: prices are so much lower, that no reduced cost is below 0 by rounding."""


class FirstPrices(Record):
    """What prices say of a program.

    multipliers   (m,) the prices, with signs as in `Duals`
    reduced       (n,) cost of each column at the prices of supply
    asking        (n,) the one row that asks for what a column brings; −1: none, or several
    """

    program: LinearProgram
    multipliers: Floats
    reduced: Floats
    asking: Ints

    @cached_property
    def bound(self) -> float:
        """No point costs less."""
        return SafeBounds(self.program).total(self.multipliers)

    def promising(self, most: int) -> NDArray[np.bool_]:
        """(n,) at most so many columns of each row that asks, those that cost least, and all columns of none."""
        chosen = self.asking < 0
        at = np.flatnonzero(~chosen)
        order = at[np.lexsort((self.reduced[at], self.asking[at]))]
        first = np.searchsorted(self.asking[order], self.asking[order])
        chosen[order[np.arange(len(order)) - first < most]] = True
        return chosen


def first_prices(program: LinearProgram, known: Floats | None = None) -> FirstPrices:
    """See the module; the program's columns count as not whole.

    known   (m,) multipliers to begin with, such as those of a part of the columns: prices of supply rise from there
    """
    matrix, m, n = program.matrix, program.n_rows, program.n_columns
    row, column, value = np.repeat(np.arange(m), np.diff(matrix.indptr)), matrix.indices, matrix.data
    asks = (program.row_lower > 0) & (np.bincount(row[value < 0], minlength=m) == 0)
    y = np.zeros(m) if known is None else np.where(asks, 0.0, known)
    y = risen(program, y, program.cost - matrix.T @ y)
    reduced = program.cost - matrix.T @ y
    here = asks[row]
    at, brings = column[here], value[here]
    often = np.bincount(at, minlength=n)
    price = _least(row[here], np.maximum(reduced[at], 0.0) / (brings * often[at]), m)
    y = np.where(asks & np.isfinite(price), price * (1.0 - SPARE), y)
    asking = np.full(n, -1, dtype=np.int64)
    asking[at] = row[here]
    return FirstPrices(program, y, reduced, np.where(often == 1, asking, -1))


def risen(program: LinearProgram, multipliers: Floats, reduced: Floats, *, as_needed: bool = False) -> Floats:
    """(m,) the multipliers with prices of supply risen by what the reduced costs (n,) of what supplies leave room for.

    A bound that they prove is not lower: of what supplies the reduced costs stay above 0, those of all else rise.
    `as_needed`: by no more than brings the reduced costs of what takes it up to 0.
    """
    matrix, m, n = program.matrix, program.n_rows, program.n_columns
    row, column, value = np.repeat(np.arange(m), np.diff(matrix.indptr)), matrix.indices, matrix.data
    above = np.isposinf(program.row_upper) & (program.row_lower == 0)
    limits = above | (np.isneginf(program.row_lower) & (program.row_upper == 0))
    sign = np.where(above, -1.0, 1.0)
    signed = value * sign[row]
    load = np.bincount(row, np.maximum(signed, 0.0), m)
    supply = (signed < 0) & (limits & (load > 0))[row]
    at, unit = column[supply], -signed[supply]
    need = load[row[supply]] / unit
    left = np.maximum(reduced, 0.0)
    rise = _least(row[supply], left[at] * need / np.bincount(at, need, n)[at] / unit, m)
    rise = np.where(np.isfinite(rise), rise * (1.0 - SPARE), 0.0)
    if as_needed:
        used = (signed > 0) & (reduced < 0)[column]
        needed = np.zeros(m)
        np.maximum.at(needed, row[used], -reduced[column[used]] / signed[used])
        rise = np.minimum(rise, needed)
    return np.asarray(multipliers - rise * sign)


def _least(row: Ints, value: Floats, m: int) -> Floats:
    """(m,) the least value of each row; inf where there is none."""
    least = np.full(m, np.inf)
    np.minimum.at(least, row, value)
    return least


def least_prices(program: LinearProgram, point: Floats, multipliers: Floats) -> Floats:
    """(r,) multipliers of the program's rows (m,), and of rows that were added, with prices of supply that nothing
    uses at a point (n,) no higher than flows would pay.

    A basis leaves them anywhere between that and what the supply costs.
    """
    own = multipliers[: program.n_rows]
    idle = np.asarray(abs(program.matrix) @ np.abs(point) == 0.0)
    free = np.where(idle, 0.0, own)
    asked = risen(program, free, program.cost - program.matrix.T @ free, as_needed=True)
    least = np.where(idle & (np.abs(asked) < np.abs(own)), asked, own)
    return np.concatenate([least, multipliers[program.n_rows :]])
