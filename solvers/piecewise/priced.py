"""The pieces of a program under prices: rows that reach across pieces are paid for, not kept.

    L(y) = offset + Σ_i limit_i · y_i + Σ_pieces min { (c − Aᵀ y) · x : the piece's own rows, whole columns whole }

For any prices y of the rows that reach, no point of the program costs less than L(y) (Geoffrion 1974). Spanning columns
have a copy in each piece, whose ties to the column are such rows too (Guignard and Kim 1987).
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy import sparse

from solvers.capacity_rows import CapacityRows
from solvers.core.program import Floats, LinearProgram, SubProgram
from solvers.core.result import PiecePrices
from solvers.piecewise.copies import Copies, reach
from solvers.proof.tree import ProofTree, WorkLimits, branch_and_bound

NEAR = 1e-5
"""Relative: so far a piece is solved."""

PIECE = WorkLimits(nodes=500)


class PricedPieces:
    """Pieces numbered from 0 on, as in `copies.part`; −1 is what spans them.

    row, served   (m',) of each row within pieces: the row of the program that it is made of; the column it opens, or −1
    columns       of each piece, copies among them, at its number + 1
    """

    def __init__(self, copies: Copies) -> None:
        self.copies, self.number = copies, int(copies.part.max()) + 1
        whole, reaches = copies.program, copies.reaches
        apart = whole.take(rows=~reaches).program
        strong = CapacityRows(apart).strong()
        self.apart = strong.added_to(apart)
        opened = np.repeat(np.arange(len(strong)), np.diff(strong.matrix.indptr))[strong.matrix.data > 0]
        of_strong = np.full(len(strong), -1)
        place = np.concatenate([np.arange(len(copies.part) - len(copies.column)), copies.column])
        of_strong[opened] = place[strong.matrix.indices[strong.matrix.data > 0]]
        self.row = np.concatenate([copies.row[~reaches], copies.row[~reaches][strong.row]])
        self.served = np.concatenate([copies.served[~reaches], of_strong])
        self.reaching = np.flatnonzero(reaches)
        self.across = whole.matrix[self.reaching]
        self.limits = whole.row_lower[self.reaching], whole.row_upper[self.reaching]
        order = np.argsort(copies.part, kind="stable")
        self.edges = np.searchsorted(copies.part[order], np.arange(-1, self.number + 1))
        self.columns = [order[first:end] for first, end in pairwise(self.edges)]
        of_row = reach(
            np.repeat(np.arange(self.apart.n_rows), np.diff(self.apart.matrix.indptr)),
            copies.part[self.apart.matrix.indices],
            self.apart.n_rows,
        )[1]
        self.row_order = np.argsort(of_row, kind="stable")
        self.row_edges = np.searchsorted(of_row[self.row_order], np.arange(-1, self.number + 1))
        self.blocks = self.apart.matrix[self.row_order][:, order].sorted_indices()
        self._parts: dict[int, SubProgram] = {}

    def usable(self, prices: Floats) -> Floats:
        """(r,) the prices of rows that reach, without those that would need a limit that is not there.

        Nor may a column that can grow without end cost less than nothing: L(y) would be −∞.
        """
        lower, upper = self.limits
        y = np.where(np.isinf(lower), np.minimum(prices, 0.0), prices)
        y = np.where(np.isinf(upper), np.maximum(y, 0.0), y)
        whole = self.copies.program
        endless = (self.copies.part < 0) & np.isinf(whole.col_upper)
        by_column = self.across.tocsc()
        for j in np.flatnonzero(endless & (self.cost(y) < 0.0)).tolist():
            at = slice(by_column.indptr[j], by_column.indptr[j + 1])
            rows, earned = by_column.indices[at], by_column.data[at] * y[by_column.indices[at]]
            gains = earned > 0.0
            most = whole.cost[j] - earned[~gains].sum()
            y[rows[gains]] *= max(most, 0.0) / earned[gains].sum() * (1.0 - 1e-12)
        return y

    def cost(self, prices: Floats) -> Floats:
        """(n + k,) what each column costs under (r,) prices."""
        cost: Floats = self.copies.program.cost - self.across.T @ prices
        return cost

    def constant(self, prices: Floats) -> float:
        """What is paid whatever the pieces do."""
        limit = np.where(prices > 0, *self.limits)
        some = prices != 0
        return self.copies.program.offset + float((limit[some] * prices[some]).sum())

    def part(self, number: int) -> SubProgram:
        """A piece, and where it stands in `columns` and among the rows within pieces."""
        if number not in self._parts:
            self._parts[number] = self._cut(number)
        return self._parts[number]

    def _cut(self, number: int) -> SubProgram:
        """A block of the matrix, whose rows and columns stand piece by piece."""
        apart, columns = self.apart, self.columns[number + 1]
        first, end = self.row_edges[number + 1], self.row_edges[number + 2]
        rows, starts = self.row_order[first:end], self.blocks.indptr[first : end + 1]
        at = slice(starts[0], starts[-1])
        cells = self.blocks.data[at], self.blocks.indices[at] - self.edges[number + 1], starts - starts[0]
        program = LinearProgram(
            cost=apart.cost[columns],
            matrix=sparse.csr_array(cells, shape=(len(rows), len(columns))),
            row_lower=apart.row_lower[rows],
            row_upper=apart.row_upper[rows],
            col_lower=apart.col_lower[columns],
            col_upper=apart.col_upper[columns],
            integer=apart.integer[columns],
        )
        return SubProgram(program, columns, rows)

    def piece(self, number: int, cost: Floats, upper: Floats | None = None) -> LinearProgram:
        """A piece by itself under a cost (n + k,); `upper` (n + k,) limits in place of the program's."""
        columns = self.columns[number + 1]
        piece = replace(self.part(number).program, cost=cost[columns])
        return piece if upper is None else replace(piece, col_upper=upper[columns])

    def tree(
        self, piece: LinearProgram, start: Floats | None, work: WorkLimits = PIECE, slack: float = 0.0
    ) -> ProofTree:
        """Our own tree of a piece; `slack`: so far from its optimum it may end, in USD."""
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        return branch_and_bound(piece, HighsRelaxation, start=start, within=(NEAR, slack), work=work)

    def by_place(self, prices: Floats) -> PiecePrices:
        """Prices (r,) for another program of the same rows and columns."""
        copies = self.copies
        row, n = copies.row[self.reaching], len(copies.part) - len(copies.column)
        own = row >= 0
        return PiecePrices(
            copies.part[:n], row[own], prices[own], copies.part[n:], copies.column, prices[~own]
        )
