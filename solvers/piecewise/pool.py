"""What pieces have done so far, put together: multipliers of a program over it are prices, its whole points are plans.

    min Σ_k usd_k λ_k + c·z       Σ_k λ_k = 1 of each piece, λ ≥ 0        z what spans pieces, with its own rows
                                   Σ_k (A x_k) λ_k + A z within the limits of the rows that reach across pieces

(Dantzig and Wolfe 1960). What misses such a row costs y* ± δ a unit, which keeps its price within δ of y* (du Merle,
Villeneuve, Desrosiers and Hansen 1999, Stabilized column generation).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Bools, Floats, LinearProgram
from solvers.core.record import Record
from solvers.piecewise.priced import PricedPieces

NOTHING = 1e-12  # of a row, in its own unit
DIGITS = 9  # points that are alike to so many count once
CHOSEN = 1e-5  # relative: how near to the cheapest a choice is
MOST_PIECES = 5_000  # beyond, the programs of a pool are large ones too
HALF = 0.5  # of the time that is left


class Choice(Record):
    """A point of each piece, and what spans them.

    spanning   of `PricedPieces.columns[0]`
    points     of each piece, by its number
    """

    spanning: Floats
    points: Mapping[int, Floats]
    usd: float


class PointPool:
    """Points of pieces, equal ones once."""

    def __init__(self, pieces: PricedPieces, solve: Solve, options: SolveOptions) -> None:
        self.pieces, self.solve, self.options = pieces, solve, options
        self.spanning = pieces.piece(-1, pieces.copies.program.cost)
        self.tie = pieces.copies.row[pieces.reaching] < 0
        self.column = np.full(len(self.tie), -1)  # whose copy a tie ties
        self.column[self.tie] = pieces.copies.column
        self._known: set[tuple[int, float, bytes, bytes]] = set()
        self._points: list[Floats] = []
        self._of = np.empty(0, dtype=np.int64)
        self._usd = np.empty(0)
        self._done: Any = sparse.csc_array((len(self.tie), 0))

    @property
    def small(self) -> bool:
        """Whether what goes together best is soon known."""
        return self.pieces.number <= MOST_PIECES

    def add(self, points: Mapping[int, Floats]) -> None:
        """Points by number of the piece; those of what spans pieces are left out."""
        numbers = [number for number in sorted(points) if number >= 0]
        columns = [self.pieces.columns[number + 1] for number in numbers]
        if not numbers:
            return
        starts = np.concatenate([[0], np.cumsum([len(each) for each in columns])])
        values = np.concatenate([points[number] for number in numbers])
        shape = (len(self.pieces.copies.part), len(numbers))
        does = sparse.csc_array((values, np.concatenate(columns), starts), shape=shape)
        done = (self.pieces.across @ does).tocsc()
        done.data[np.abs(done.data) <= NOTHING] = 0.0
        done.eliminate_zeros()
        done.sort_indices()
        usd = does.T @ self.pieces.copies.program.cost
        new = list[int]()
        for k, number in enumerate(numbers):
            at = slice(done.indptr[k], done.indptr[k + 1])
            rows, taken = done.indices[at].tobytes(), np.round(done.data[at], DIGITS).tobytes()
            key = (number, round(float(usd[k]), DIGITS), rows, taken)
            if key not in self._known:
                self._known.add(key)
                self._points.append(points[number])
                new.append(k)
        self._of = np.concatenate([self._of, np.array(numbers, dtype=np.int64)[new]])
        self._usd = np.concatenate([self._usd, usd[new]])
        self._done = sparse.hstack([self._done, done[:, new]], format="csc")

    def prices(
        self, centre: Floats, box: Floats, decided: Floats | None = None
    ) -> tuple[Floats, float] | None:
        """(r,) the best prices within a box, as far as the points tell, and what these promise.

        decided   (n,) what spans is held so: only points that keep to it count, and ties have no price
        """
        program, _, rows = self._program(decided)
        r, (n, m) = len(rows), (program.n_columns, program.n_rows)
        missed = sparse.eye_array(m, r, format="csr")
        boxed = LinearProgram(
            cost=np.concatenate([program.cost, (centre + box)[rows], (box - centre)[rows]]),
            matrix=sparse.hstack([program.matrix, missed, -missed], format="csr"),
            row_lower=program.row_lower,
            row_upper=program.row_upper,
            col_lower=np.concatenate([program.col_lower, np.zeros(2 * r)]),
            col_upper=np.concatenate([program.col_upper, np.full(2 * r, np.inf)]),
            integer=np.zeros(n + 2 * r, dtype=np.bool_),
            offset=program.offset,
        )
        answer = self.solve(boxed, self.options.finishing)
        if answer.point is None or answer.duals is None:
            return None
        found = np.zeros(len(centre))
        found[rows] = answer.duals.row[:r]
        return self.pieces.usable(found), boxed.objective(answer.point)

    def choice(self) -> Choice | None:
        """A point of each piece that together keep to all rows, at about the least cost; None where there is none."""
        program, used, _ = self._program(None)
        k = len(used)
        integer = np.concatenate([np.ones(k, dtype=np.bool_), self.spanning.integer])
        search = self.options.within(HALF)
        search = replace(search, gap=max(search.gap, CHOSEN))
        answer = self.solve(replace(program, integer=integer), search)
        if answer.point is None:
            return None
        taken = used[answer.point[:k] > HALF].tolist()
        points = {int(self._of[at]): self._points[at] for at in taken}
        return Choice(answer.point[k:], points, program.objective(answer.point))

    def _program(self, decided: Floats | None) -> tuple[LinearProgram, NDArray[np.int64], NDArray[np.int64]]:
        """Of the points used, numbered in the second; its first rows are those of the third that reach."""
        used, rows = np.arange(len(self._of)), np.arange(len(self.tie))
        spanning = self.spanning
        low, high = spanning.col_lower, spanning.col_upper
        if decided is not None:
            used, rows = np.flatnonzero(self._keeps(decided)), np.flatnonzero(~self.tie)
            held = decided[self.pieces.columns[0]]
            low, high = np.where(spanning.integer, held, low), np.where(spanning.integer, held, high)
        numbers, of = np.unique(self._of[used], return_inverse=True)
        k, pieces = len(used), len(numbers)
        across = self.pieces.across[:, self.pieces.columns[0]].tocsr()[rows]
        one = sparse.csr_array((np.ones(k), (of, np.arange(k))), shape=(pieces, k))
        matrix = sparse.block_array(
            [[self._done[:, used].tocsr()[rows], across], [one, None], [None, spanning.matrix]], format="csr"
        )
        lower, upper = self.pieces.limits
        program = LinearProgram(
            cost=np.concatenate([self._usd[used], spanning.cost]),
            matrix=matrix,
            row_lower=np.concatenate([lower[rows], np.ones(pieces), spanning.row_lower]),
            row_upper=np.concatenate([upper[rows], np.ones(pieces), spanning.row_upper]),
            col_lower=np.concatenate([np.zeros(k), low]),
            col_upper=np.concatenate([np.ones(k), high]),
            integer=np.zeros(k + len(low), dtype=np.bool_),
            offset=self.pieces.copies.program.offset,
        )
        return program, used, rows

    def _keeps(self, decided: Floats) -> Bools:
        """(points,) whether none takes of a copy more than is decided."""
        done = self._done
        point = np.repeat(np.arange(done.shape[1]), np.diff(done.indptr))
        tied = self.tie[done.indices]
        beyond = tied.copy()
        beyond[tied] = done.data[tied] > decided[self.column[done.indices[tied]]] + 1e-6
        kept: Bools = np.bincount(point[beyond], minlength=done.shape[1]) == 0
        return kept
