"""A relaxation's whole numbers rounded in several ways, tried in all pieces side by side, one way chosen for each.

1  all at the nearest number, in every piece at once (solvers.piecewise.apart); then, by rank of its fraction within
   its piece, one number the other way, kept where that makes its piece cheaper; again, until that promises the gap
   asked for or gains hardly anything
2  a way tried for each piece, so that together they keep to the rows that reach (solvers.piecewise.choice)
3  the flows for these numbers; where they cost more than asked for, more ways
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats
from solvers.core.result import SimplexBasis
from solvers.piecewise.apart import WHOLE, PiecesApart, TriedWay
from solvers.piecewise.choice import chosen

type Ints = NDArray[np.int64]

FEWEST = 50
"""Pieces with something to round: below, there is little to choose from."""

MOST_WAYS = 12
ENOUGH, AGAIN = 0.9, 0.75
"""Of the gap asked for: what ways are to promise; of that, where the flows cost more."""

GAIN = 1e-5
"""Relative: a way that gains less all together gains hardly anything."""


def rounded_pieces(
    pieces: PiecesApart, solve: Solve, options: SolveOptions
) -> tuple[Floats, SimplexBasis] | None:
    """(n,) the cheapest point found, and its basis; None where pieces are few or no choice keeps to all rows."""
    if pieces.to_choose < FEWEST:
        return None
    best: tuple[Floats, SimplexBasis] | None = None
    usd = inf
    try:
        turning, share = _Turning(pieces, options), ENOUGH
        while turning.ways:
            turning.run(share * options.gap * abs(pieces.usd))
            value = chosen(pieces, turning.ways, solve, options)
            found = None if value is None else pieces.together(value)
            if found is not None and pieces.program.objective(found[0]) < usd:
                best, usd = found, pieces.program.objective(found[0])
            if turning.ended or (best is not None and usd - pieces.usd <= options.gap * abs(usd)):
                break
            share *= AGAIN
        return best
    finally:
        pieces.close()


class _Turning:
    """All numbers at the nearest, then one of each piece the other way, the one nearest to a half first.

    `ended` where nothing is left to try.
    """

    def __init__(self, pieces: PiecesApart, options: SolveOptions) -> None:
        self.pieces, self.options = pieces, options
        self.value = pieces.point[pieces.whole]
        self.rank = _ranks(pieces)
        self.turns = int(self.rank[pieces.open].max(initial=-1)) + 1
        self.best = np.clip(np.round(self.value), pieces.lower, pieces.upper)
        self.base = pieces.by_piece(pieces.point)
        self.ways: list[TriedWay] = []
        first = self._tried(self.best)
        self.usd = np.full(pieces.number, inf) if first is None else first
        self.count = self.idle = 0

    @property
    def ended(self) -> bool:
        """Whether nothing is left to try, or no time."""
        return len(self.ways) >= MOST_WAYS or self.idle >= self.turns or self.options.late

    def run(self, enough: float) -> None:
        """Ways, until the best of each piece promises no more than so much above the relaxation."""
        while not self.ended and self.usd.sum() - self.base.sum() > enough:
            self._turn()

    def _turn(self) -> None:
        pieces = self.pieces
        turned = pieces.open & (self.rank == self.count % self.turns)
        below, other = np.floor(self.value + WHOLE), self.best.copy()
        other[turned] = np.where(self.best[turned] > below[turned], below[turned], below[turned] + 1.0)
        usd = self._tried(np.clip(other, pieces.lower, pieces.upper))
        self.count += 1
        if usd is None:
            self.idle += 1
            return
        better = usd < self.usd
        known = better & np.isfinite(self.usd)
        gained = float((self.usd - usd)[known].sum())
        least = GAIN * abs(pieces.usd)
        self.idle = 0 if gained > least or (better & ~known).any() else self.idle + 1
        self.best = np.where((pieces.of >= 0) & better[pieces.of], self.ways[-1].value, self.best)
        self.usd = np.minimum(usd, self.usd)

    def _tried(self, value: Floats) -> Floats | None:
        way = self.pieces.tried(value)
        if way is None:
            return None
        self.ways.append(way)
        return way.usd


def _ranks(pieces: PiecesApart) -> Ints:
    """(k,) of each open number among those of its piece, the one nearest to a half first."""
    order = np.lexsort((-pieces.off * pieces.open, pieces.of))
    start = np.searchsorted(pieces.of[order], np.arange(pieces.number))
    rank = np.zeros(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - start[np.maximum(pieces.of[order], 0)]
    return rank
