"""Better prices by a master program over what the pieces have done so far, its prices in a box around the best.

    max Σ_i limit_i · y_i + Σ_p θ_p      θ_p ≤ c·x_pk − y·(A x_pk) of every point k of piece p,   |y − y*| ≤ δ

δ grows where a round proves most of what the master promised, and shrinks where it proves nothing (the box step method:
Marsten, Hogan and Blankenship 1975). Right for few prices, as when what spans pieces is held: some ten rounds then end
at the best prices there are, where a volume method stops far before.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.rounds import GAIN, IDLE, PriceRounds

FIRST, LEAST = 0.2, 0.1  # the box, in parts of a price; a small price counts as this part of the median
WIDER, NARROWER = 1.5, 0.6


class BoxedRounds(PriceRounds):
    """As `PriceRounds`; prices of copies whose column has one value alone stay as they are.

    near   relative: rounds end where the master promises no more than that beyond the best bound
    """

    near = GAIN

    def __init__(self, pieces: PricedPieces, prices: Floats, solve: Solve, options: SolveOptions) -> None:
        super().__init__(pieces, prices, solve, options)
        copies, whole = pieces.copies, pieces.copies.program
        lower, upper = pieces.limits
        row = copies.row[pieces.reaching]
        moving = (lower == upper) | np.isinf(lower) | np.isinf(upper)
        held = (whole.col_lower == whole.col_upper)[copies.column]
        moving[row < 0] &= ~held
        self.moving = np.flatnonzero(moving)
        self.limit = np.where(np.isinf(lower), upper, lower)[self.moving]
        size = np.abs(self.prices[self.moving])
        usual = float(np.median(size[size > 0])) if (size > 0).any() else 1.0
        self.box = FIRST * np.maximum(size, LEAST * usual)
        self.cuts: list[Floats] = []  # (moving + 1,) A x_pk, and c·x_pk
        self.of: list[int] = []
        self.seen: list[Floats] = []
        self.weight = np.empty(0)
        self.promised = np.inf

    def _move(self, bound: float, plan_usd: float) -> None:
        gained = bound - self.bound
        if gained > 0:
            if np.isfinite(self.promised) and gained > 0.5 * (self.promised - self.bound):
                self.box *= WIDER
            self.bound, self.prices = bound, self.next
        else:
            self.box *= NARROWER
        if len(self.moving):
            self._remember()
            self._ask()
        if not len(self.moving) or self.promised - self.bound <= self.near * abs(self.bound):
            self.idle = IDLE

    def _remember(self) -> None:
        pieces = self.pieces
        for number, point in self.points.items():
            columns = pieces.columns[number + 1]
            done = pieces.across[:, columns] @ point
            usd = pieces.copies.program.cost[columns] @ point
            kept = np.delete(np.arange(len(done)), self.moving)
            usd -= done[kept] @ self.prices[kept]
            self.cuts.append(np.append(done[self.moving], usd))
            self.of.append(number + 1)
            self.seen.append(point)

    def _ask(self) -> None:
        """The next prices, and what the master promises of them."""
        n, pieces = len(self.moving), self.pieces
        centre = self.prices[self.moving]
        lower, upper = centre - self.box, centre + self.box
        least, most = (limit[self.moving] for limit in pieces.limits)
        lower = np.where(np.isinf(most), np.maximum(lower, 0.0), lower)
        upper = np.where(np.isinf(least), np.minimum(upper, 0.0), upper)
        parts = len(pieces.columns)
        known = np.unique(self.of)
        cuts = np.array(self.cuts)
        at = (np.ones(len(cuts)), (np.arange(len(cuts)), self.of))
        theta = sparse.csr_array(at, shape=(len(cuts), parts))
        free = np.zeros(parts)
        free[known] = np.inf
        master = LinearProgram(
            cost=-np.concatenate([self.limit, np.ones(parts)]),
            matrix=sparse.hstack([sparse.csr_array(cuts[:, :n]), theta], format="csr"),
            row_lower=np.full(len(cuts), -np.inf),
            row_upper=cuts[:, n],
            col_lower=np.concatenate([lower, -free]),
            col_upper=np.concatenate([upper, free]),
            integer=np.zeros(n + parts, dtype=np.bool_),
        )
        answer = self.solve(master, self.options.finishing)
        if answer.point is None:
            self.promised = self.bound
            return
        if answer.duals is not None:
            self.weight = np.maximum(-answer.duals.row, 0.0)
        kept = self.prices.copy()
        kept[self.moving] = 0.0
        self.promised = pieces.constant(kept) - master.objective(answer.point)
        found = self.prices.copy()
        found[self.moving] = answer.point[:n]
        self.next = pieces.usable(found)

    def mix(self) -> Floats:
        """(n + k,) the mean of what pieces have done that comes nearest to a plan of fractions, by the last master."""
        if not len(self.weight):
            assert self.mean is not None
            return self.mean
        columns = self.pieces.columns
        point, total = np.zeros(len(self.pieces.copies.part)), np.zeros(len(columns))
        for weight, of, seen in zip(self.weight.tolist(), self.of, self.seen, strict=False):
            point[columns[of]] += weight * seen
            total[of] += weight
        for of, sum_of in enumerate(total.tolist()):
            point[columns[of]] /= sum_of if sum_of > 0 else 1.0
        return point
