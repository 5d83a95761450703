"""A relaxation's whole numbers rounded in several ways, tried in all pieces side by side, one way chosen for each.

What a piece costs at prices is convex in its whole numbers x, so that whatever is tried bounds what else would cost:

    usd(x) ≥ usd(x') + Σ_k slope_k (x_k − x'_k)        x' tried, slope its reduced costs

1  all at the nearest number, in every piece at once (solvers.piecewise.apart); then those numbers near by that cost
   least by all these bounds together, piece by piece; again, until the best of each promises the gap asked for or no
   bound lets hope for less
2  a way tried for each piece, so that together they keep to the rows that reach (solvers.piecewise.choice)
3  the flows for these numbers; where they cost more than asked for, more ways
"""

from __future__ import annotations

from itertools import product
from math import inf

import numpy as np

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Bools, Floats, Ints
from solvers.core.result import SimplexBasis
from solvers.piecewise.apart import PiecesApart, TriedWay
from solvers.piecewise.choice import chosen

FEWEST = 50
"""Pieces with something to round: below, there is little to choose from."""

MOST_WAYS = 12
ENOUGH, AGAIN = 0.9, 0.75
"""Of the gap asked for: what ways are to promise; of that, where the flows cost more."""

GAIN = 1e-5
"""Relative: where no more than this may be gained all together, nothing is left to try."""

MOVED, STEPS = 3, (0, 1, -1, 2, -2)
"""Of a piece's whole columns, those whose price is nearest to what they are worth: any of them by so much."""


def rounded_pieces(
    pieces: PiecesApart, solve: Solve, options: SolveOptions
) -> tuple[Floats, SimplexBasis] | None:
    """(n,) the cheapest point found, and the basis of the last; None where pieces are few or no choice keeps to all
    rows.
    """
    if pieces.to_choose < FEWEST:
        return None
    try:
        best = _cheapest(pieces, solve, options)
    finally:
        basis = pieces.close()
    return None if best is None else (best, basis)


def _cheapest(pieces: PiecesApart, solve: Solve, options: SolveOptions) -> Floats | None:
    best: Floats | None = None
    usd = inf
    trying, share = _Trying(pieces, options), ENOUGH
    while trying.ways:
        trying.run(share * options.gap * abs(pieces.usd))
        value = chosen(pieces, trying.ways, solve, options)
        found = None if value is None else pieces.together(value)
        if found is not None and pieces.program.objective(found) < usd:
            best, usd = found, pieces.program.objective(found)
        if trying.ended or (best is not None and usd - pieces.usd <= options.gap * abs(usd)):
            break
        share *= AGAIN
    return best


class _Trying:
    """All numbers at the nearest, then of those near by, (c, k), what promises most in each piece.

    usd     (pieces,) of the best that was tried
    least   (c, pieces) no less does each of those near by cost; inf where it was tried and does not do
    ended   nothing is left to try, or no time
    """

    def __init__(self, pieces: PiecesApart, options: SolveOptions) -> None:
        self.pieces, self.options = pieces, options
        self.near = near_by(pieces)
        self.base = pieces.by_piece(pieces.point)
        self.usd, self.best = np.full(pieces.number, inf), self.near[0]
        self.least = self._at_least(self.base, pieces.slope(pieces.prices), pieces.point[pieces.whole])
        self.ways: list[TriedWay] = []
        self.ended = False
        self._try(self.best)

    def run(self, enough: float) -> None:
        """Ways, until the best of each piece promises no more than so much above the relaxation."""
        while not self.ended and self.usd.sum() - self.base.sum() > enough:
            pick = self.least.argmin(axis=0)
            promise, least = self.least[pick, np.arange(len(pick))], GAIN * abs(self.pieces.usd)
            gain = np.where(np.isinf(promise), 0.0, self.usd) - np.where(np.isinf(promise), 0.0, promise)
            some = gain > least / len(pick)
            if gain[some].sum() <= least:
                self.ended = True
            else:
                self._try(self._promising(pick, some))

    def _promising(self, pick: Ints, some: Bools) -> Floats:
        """(k,) of some pieces those near by that are picked, of all others the best known."""
        of = np.maximum(self.pieces.of, 0)
        picked = self.near[pick[of], np.arange(len(of))]
        return np.where((self.pieces.of >= 0) & some[of], picked, self.best)

    def _try(self, value: Floats) -> None:
        pieces = self.pieces
        way = None if self.options.late else pieces.tried(value)
        if way is None:
            self.ended = True
            return
        self.ways.append(way)
        self.least = np.maximum(self.least, self._at_least(way.penalised, way.slope, value))
        self.least[self._known_to_lack(way)] = inf
        better = way.usd < self.usd
        self.best = np.where((pieces.of >= 0) & better[pieces.of], value, self.best)
        self.usd = np.minimum(way.usd, self.usd)
        self.ended = len(self.ways) >= MOST_WAYS

    def _known_to_lack(self, way: TriedWay) -> Bools:
        """(c, pieces) those near by that are what was tried and does not do: what lacks is dear, but may be little."""
        pieces, lacks = self.pieces, ~way.does
        some = np.flatnonzero((pieces.of >= 0) & lacks[pieces.of])
        other = self.near[:, some] != way.value[some]
        differs = np.array([np.bincount(pieces.of[some], each, pieces.number) for each in other])
        return np.asarray(lacks & (differs == 0))

    def _at_least(self, usd: Floats, slope: Floats, value: Floats) -> Floats:
        """(c, pieces) what those near by cost at least, where a value (k,) costs so much and rises so."""
        pieces = self.pieces
        inside = pieces.of >= 0
        of, away = pieces.of[inside], (self.near - value)[:, inside] * slope[inside]
        return np.array([usd + np.bincount(of, each, pieces.number) for each in away])


def near_by(pieces: PiecesApart) -> Floats:
    """(c, k) numbers near those of the relaxation, the nearest first, for all pieces at once.

    Each is the nearest, with some whole columns of each piece by so much more or less.
    """
    nearest = np.clip(np.round(pieces.point[pieces.whole]), pieces.lower, pieces.upper)
    movable = (pieces.of >= 0) & (pieces.lower < pieces.upper)
    place = _ranks(pieces, np.where(movable, np.abs(pieces.slope(pieces.prices)), inf))
    moved = [movable & (place == k) for k in range(MOVED)]
    steps = np.array(list(product(STEPS, repeat=MOVED)), dtype=np.float64)
    return np.asarray(np.clip(nearest + steps @ np.array(moved), pieces.lower, pieces.upper))


def _ranks(pieces: PiecesApart, key: Floats) -> Ints:
    """(k,) of each whole column among those of its piece, the smallest key first."""
    order = np.lexsort((key, pieces.of))
    start = np.searchsorted(pieces.of[order], np.arange(pieces.number))
    rank = np.zeros(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order)) - start[np.maximum(pieces.of[order], 0)]
    return rank
