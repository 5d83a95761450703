"""Better prices by what pieces have done so far, in a box around the best; see `solvers.piecewise.pool`.

The box grows where a round proves most of what was promised, and shrinks where it proves nothing (the box step method:
Marsten, Hogan and Blankenship 1975).
"""

from __future__ import annotations

import numpy as np

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats
from solvers.piecewise.pool import PointPool
from solvers.piecewise.rounds import GAIN, IDLE, PriceRounds

FIRST, LEAST = 0.5, 0.1  # the box, in parts of a price; a small price counts as this part of the median
FAR_WIDER, WIDER, NARROWER = 4.0, 2.0, 0.5


def box_of(prices: Floats, part: float) -> Floats:
    """(r,) how far prices may move: by a part of what they are."""
    size = np.abs(prices)
    usual = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
    box: Floats = part * np.maximum(size, LEAST * usual)
    return box


class PooledRounds(PriceRounds):
    """As `PriceRounds`: each round puts into the pool what pieces do, and the next has the pool's prices."""

    def __init__(self, pool: PointPool, prices: Floats, solve: Solve, options: SolveOptions) -> None:
        super().__init__(pool.pieces, prices, solve, options)
        self.pool, self.box, self.promised = pool, box_of(self.prices, FIRST), np.inf

    def round(self, plan_usd: float) -> None:
        """One more, unless the pool's prices promise next to nothing."""
        if self.count:
            found = self.pool.prices(self.prices, self.box)
            if found is None or found[1] - self.bound <= GAIN * abs(self.bound):
                self.idle = IDLE
                return
            self.next, self.promised = found
        super().round(plan_usd)

    def _move(self, bound: float, plan_usd: float) -> None:
        if bound > self.bound:
            if np.isfinite(self.promised):
                kept = (bound - self.bound) / (self.promised - self.bound)
                self.box *= FAR_WIDER if kept > 0.8 else WIDER if kept > 0.5 else 1.0
            self.bound, self.prices = bound, self.next
        else:
            self.box *= NARROWER
        self.pool.add(self.points)
