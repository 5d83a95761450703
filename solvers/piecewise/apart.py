"""Whole numbers tried in every piece of a program at once: rows that reach across pieces are paid for, not kept.

    min c·x − Σ_i y_i s_i        a_i x − s_i ≤ b_i, y_i the relaxation's price of row i
                                 whole numbers held, flows within each piece free

One linear program so says what each piece costs with its numbers, from where the last one ended. What spans pieces is
held; columns that it closes are closed. A number that a piece cannot do with is made up for at a high price, and then
the piece lacks it.
"""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np
from scipy import sparse

from solvers.core.program import Bools, Floats, Ints, LinearProgram
from solvers.core.record import Record
from solvers.core.relaxation import GrowingRelaxation, RelaxedAnswer
from solvers.core.result import SimplexBasis
from solvers.forced import forced
from solvers.piecewise.copies import reach

WHOLE = 1e-6
MISSING = 10.0
"""Times the dearest whole column: the price of what a piece lacks."""


class TriedWay(Record):
    """Whole numbers tried.

    value   (k,) of the whole columns
    point   (n,) with the flows under prices
    does    (pieces,) whether they do for a piece
    usd     (pieces,) what they cost there at prices; inf where they do not do
    penalised   (pieces,) the same with the price of what a piece lacks
    slope       (k,) what one more of a whole column adds to `penalised`, at first: that is convex in them
    """

    value: Floats
    point: Floats
    does: Bools
    usd: Floats
    penalised: Floats
    slope: Floats


class PiecesApart:
    """A relaxation whose pieces are tried apart, and put together again.

    program     of which it is the relaxation
    part        (n,) the piece of each column, −1: it spans
    bounds      (k,) and (k,) of its whole columns: those that span are held
    answer      the relaxation's within these bounds

    whole, of       (k,) the whole columns, and the piece of each
    open            (k,) those of pieces that are not whole yet
    reaching        rows that reach across pieces, or in which something continuous between them stands
    spanning        rows of no piece
    """

    def __init__(
        self,
        program: LinearProgram,
        part: Ints,
        relaxation: GrowingRelaxation,
        bounds: tuple[Floats, Floats],
        answer: RelaxedAnswer,
    ) -> None:
        assert answer.point is not None
        assert answer.multipliers is not None
        self.program, self.part, self.relaxation = program, part, relaxation
        self.lower, self.upper = bounds
        self.point, self.prices = answer.point, answer.multipliers[: program.n_rows]
        self.usd = program.objective(self.point)
        self.whole = np.flatnonzero(program.integer)
        self.of = part[self.whole]
        self.number = int(part.max(initial=-1)) + 1
        value = self.point[self.whole]
        self.off = np.where(self.lower < self.upper, np.abs(value - np.round(value)), 0.0)
        self.open = (self.off > WHOLE) & (self.of >= 0)
        self.reaching, self.spanning = self._across()
        self.cost = program.cost - program.matrix[self.reaching].T @ self.prices[self.reaching]
        self.dear = MISSING * float(np.abs(self.cost[self.whole[self.of >= 0]]).max(initial=0.0))
        self.paid = self.reaching[self.prices[self.reaching] != 0.0]
        self.closed, self.added = np.zeros(0, dtype=np.int64), 0

    @property
    def to_choose(self) -> int:
        """How many pieces have a number to round, once all that spans them is decided."""
        decided = (self.lower == self.upper) | (self.of >= 0)
        return len(np.unique(self.of[self.open])) if decided.all() else 0

    def tried(self, value: Floats) -> TriedWay | None:
        """Whole numbers (k,) in every piece at once; None: not solved."""
        self._apart()
        answer = self.relaxation.solve(value, value)
        if answer.point is None or answer.multipliers is None:
            return None
        n, short = self.program.n_columns, self.whole[self.open]
        point, missing = answer.point[:n], answer.point[n : n + len(short)]
        lacks = np.bincount(self.part[short], missing > WHOLE, self.number) > 0
        usd = self.by_piece(point)
        penalised = usd + np.bincount(self.part[short], missing * (self.cost[short] + self.dear), self.number)
        slope = self.slope(answer.multipliers[: self.program.n_rows])
        return TriedWay(value, point, ~lacks, np.where(lacks, inf, usd), penalised, slope)

    def slope(self, prices: Floats) -> Floats:
        """(k,) the whole columns' reduced costs."""
        columns = self.program.by_column[:, self.whole]
        return np.asarray(self.program.cost[self.whole] - columns.T @ prices)

    def together(self, value: Floats) -> Floats | None:
        """(n,) the point with these whole numbers (k,) that keeps to all rows; None: there is none."""
        self._together()
        point = self.relaxation.solve(value, value).point
        return None if point is None else point[: self.program.n_columns]

    def close(self) -> SimplexBasis:
        """Leave the relaxation as it was found, but for bounds of its whole columns; where its last solve ended."""
        self._together()
        program = self.program
        self.relaxation.limit_columns(
            self.closed, program.col_lower[self.closed], program.col_upper[self.closed]
        )
        self.relaxation.drop_columns(program.n_columns)
        return self.relaxation.basis

    def by_piece(self, point: Floats) -> Floats:
        """(pieces,) what a point costs there at prices."""
        inside = self.part >= 0
        return np.bincount(self.part[inside], (self.cost * point)[inside], self.number)

    def _across(self) -> tuple[Ints, Ints]:
        """Rows that reach across pieces, or that continuous columns between pieces stand in; rows of no piece."""
        matrix = self.program.matrix
        row = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
        column = matrix.indices
        first, last = reach(row, self.part[column], matrix.shape[0])
        between = (self.part < 0) & ~self.program.integer
        tied = np.bincount(row, between[column], minlength=matrix.shape[0]) > 0
        return np.flatnonzero((last >= 0) & ((first < last) | tied)), np.flatnonzero(last < 0)

    def _apart(self) -> None:
        """Rows that reach let go of, for their prices."""
        if not self.added:
            self._add()
        free = np.setdiff1d(self.reaching, self.paid)
        self.relaxation.limit_rows(free, np.full(len(free), -inf), np.full(len(free), inf))
        short, paid = int(self.open.sum()), len(self.paid)
        self._limit_added(
            np.concatenate([np.zeros(short), np.full(paid, -inf)]),
            np.full(short + paid, inf),
        )

    def _together(self) -> None:
        program, rows = self.program, self.reaching
        self.relaxation.limit_rows(rows, program.row_lower[rows], program.row_upper[rows])
        self._limit_added(np.zeros(self.added), np.zeros(self.added))

    def _limit_added(self, lower: Floats, upper: Floats) -> None:
        self.relaxation.limit_columns(self.program.n_columns + np.arange(self.added), lower, upper)

    def _add(self) -> None:
        """Columns of what pieces lack and of what is paid for; those closed with what is not signed."""
        program, relaxation = self.program, self.relaxation
        held = np.flatnonzero(self.of < 0)
        rows = np.concatenate([self.reaching, self.spanning])
        signed = program.fix(self.whole[held], self.lower[held]).take(rows=rows).program
        upper = forced(signed).upper
        self.closed = np.flatnonzero((upper < program.col_upper) & ~program.integer)
        relaxation.limit_columns(self.closed, program.col_lower[self.closed], upper[self.closed])
        short, paid = self.whole[self.open], len(self.paid)
        excess = sparse.csc_array(
            (-np.ones(paid), (self.paid, np.arange(paid))), shape=(program.n_rows, paid)
        )
        columns: Any = sparse.hstack([program.by_column[:, short], excess], format="csc")
        cost = np.concatenate([program.cost[short] + self.dear, -self.prices[self.paid]])
        self.added = len(cost)
        relaxation.add_columns(cost, columns, np.zeros(self.added), np.zeros(self.added))
