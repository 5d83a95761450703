"""What multipliers prove about a program, in safe arithmetic.

For any multipliers y of the rows, weak duality bounds the cost of every point within rows and column bounds:

    c·x + offset ≥ L(y) = offset + Σ_i limit_i · y_i + Σ_j min { g_j · x_j : lower_j ≤ x_j ≤ upper_j },   g = c − Aᵀ y

    limit_i   row_lower_i where y_i > 0, row_upper_i where y_i < 0

It needs no trust in whoever proposed y. What floating point adds is bounded and taken off: a sum of k products errs
by at most k · 2⁻⁵³ · (1 + ε) of the sum of their magnitudes (Higham 2002, ch. 3), each reduced cost becomes an
interval, and the last sums are made without rounding in between (`fsum`). After Neumaier and Shcherbina (2004), Safe
bounds in linear and mixed-integer linear programming, Math. Program. 99.
"""

from __future__ import annotations

from itertools import chain
from math import fsum, inf, nextafter

import numpy as np

from solvers.core.program import Floats, Ints, LinearProgram

UNIT = 2.0**-53
"""Relative error of one rounded operation."""

SPARE = 2.0
"""Factor on error bounds, for the rounding of the error bounds themselves."""


def usable(program: LinearProgram, multipliers: Floats) -> Floats:
    """(m,) the multipliers without those that would need a limit that is not there; never NaN."""
    y = np.where(np.isfinite(multipliers), multipliers, 0.0)
    return np.where(
        ((y > 0) & np.isfinite(program.row_lower)) | ((y < 0) & np.isfinite(program.row_upper)), y, 0.0
    )


def safe_bound(
    program: LinearProgram,
    multipliers: Floats,
    col_lower: Floats | None = None,
    col_upper: Floats | None = None,
) -> float:
    """L(y), rounded down: no point of the program costs less, whole or not.

    multipliers            (m,) any numbers; what needs a limit that is not there counts as 0
    col_lower, col_upper   (n,) bounds in place of the program's, as in a node of a tree

    −inf where a reduced cost that may be negative meets a column without an upper limit (or the reverse).
    """
    return SafeBounds(program).total(multipliers, col_lower, col_upper)


class SafeBounds:
    """The same for many multipliers of one program: what does not change is worked out once."""

    def __init__(self, program: LinearProgram) -> None:
        self.program = program
        self.transposed = program.matrix.T.tocsr()
        self.sizes = abs(self.transposed)
        self.entries = np.diff(self.transposed.indptr) + 2

    def total(
        self, multipliers: Floats, col_lower: Floats | None = None, col_upper: Floats | None = None
    ) -> float:
        """See `safe_bound`."""
        return self._sum(self.program.offset, *self._terms(multipliers, col_lower, col_upper))

    def _sum(self, offset: float, rows: Floats, columns: Floats) -> float:
        if np.isneginf(columns).any():
            return -inf
        rounding = UNIT * SPARE * (np.abs(rows).sum() + np.abs(columns).sum())
        terms = (each[each != 0.0].tolist() for each in (rows, columns))  # of most columns it is nothing
        return nextafter(fsum([offset, -float(rounding), *chain.from_iterable(terms)]), -inf)

    def refuting(
        self, ray: Floats, wanted: float, col_lower: Floats | None = None, col_upper: Floats | None = None
    ) -> tuple[Floats, float]:
        """Multipliers along a ray that bound the cost by at least `wanted`, and that bound (less: it proves nothing).

        A ray that proves that rows and bounds contradict each other proves any cost, if it is taken far enough.
        """
        program = self.program
        nothing = np.zeros(program.n_columns)
        step = self._sum(0.0, *self._terms(ray, col_lower, col_upper, cost=nothing))
        if not step > 0:
            return np.zeros(program.n_rows), -inf
        length = 2.0 * max(abs(wanted), 1.0) / step
        for _ in range(8):
            multipliers = usable(program, ray * length)
            bound = self.total(multipliers, col_lower, col_upper)
            if bound >= wanted:
                break
            length *= 16.0
        return multipliers, bound

    def by_part(self, multipliers: Floats, row_part: Ints, column_part: Ints, parts: int) -> Floats:
        """(parts,) what each of several parts costs at least, that share no row; the offset is in none of them."""
        rows, columns = self._terms(multipliers, None, None)
        terms = np.concatenate([rows, columns])
        part = np.concatenate([row_part, column_part])
        with np.errstate(invalid="ignore"):
            total = np.bincount(part, terms, minlength=parts)
            size = np.bincount(part, np.abs(terms), minlength=parts)
            count = np.bincount(part, minlength=parts)
            bound = total - SPARE * UNIT * (count + 4) * size
        return np.where(np.isfinite(bound), bound, -inf)

    def _terms(
        self,
        multipliers: Floats,
        col_lower: Floats | None = None,
        col_upper: Floats | None = None,
        cost: Floats | None = None,
    ) -> tuple[Floats, Floats]:
        """What each row (m,) and each column (n,) puts into L(y), at the program's cost or another."""
        program = self.program
        cost = program.cost if cost is None else cost
        lower = program.col_lower if col_lower is None else col_lower
        upper = program.col_upper if col_upper is None else col_upper
        y = usable(program, multipliers)
        reduced = cost - self.transposed @ y
        error = SPARE * UNIT * self.entries * (np.abs(cost) + self.sizes @ np.abs(y))
        ends = (reduced - error, reduced + error)
        with np.errstate(invalid="ignore"):
            corners = [
                np.where((side == 0.0) | (end == 0.0), 0.0, end * side)  # nothing, whatever the column is
                for end in ends
                for side in (lower, upper)
            ]
        columns = np.minimum.reduce(corners)
        limit = np.where(y > 0, program.row_lower, np.where(y < 0, program.row_upper, 0.0))
        return limit * y, np.where(np.isnan(columns), -inf, columns)


def refuting(program: LinearProgram, ray: Floats, wanted: float, *bounds: Floats) -> tuple[Floats, float]:
    """See `SafeBounds.refuting`."""
    return SafeBounds(program).refuting(ray, wanted, *bounds)
