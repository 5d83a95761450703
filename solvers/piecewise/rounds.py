"""Better prices, round by round: each looks at all pieces once, and moves prices towards rows that are missed.

    g_i = limit_i − (A x̄)_i              x̄ = ¾ x̄ + ¼ x, x what pieces and spanning columns do under the prices
    y ← y* + ½ θ (U − L*) / ‖g‖² · g     y* the best prices so far, L* what they prove, U what a plan costs

θ grows where a round proves more and falls where it does not (Held, Wolfe and Crowder 1974; the mean of the points:
Barahona and Anbil 2000, The volume algorithm, Math. Program. 87). x̄ comes near to what a plan of fractions does: what
it takes of copies that have a price says what to sign. Rounds are counted, so that equal programs give equal prices; a
clock only ends them.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats
from solvers.piecewise.priced import NEAR, PIECE, PricedPieces

MOST_ROUNDS = 40
IDLE = 8  # rounds that prove next to nothing more are the last
GAIN = 1e-5  # relative
NEWEST = 0.25  # its part of the mean point
GROWS, FALLS, LEAST_STEP = 1.1, 0.7, 0.01


class PriceRounds:
    """What rounds have found so far.

    bound    no point costs less
    prices   (r,) of rows that reach: those of the bound
    mean     (n + k,) x̄; None before the first round
    """

    def __init__(self, pieces: PricedPieces, prices: Floats, solve: Solve, options: SolveOptions) -> None:
        self.pieces, self.solve, self.options = pieces, solve, options
        self.prices = self.next = pieces.usable(prices)
        self.bound, self.step = -inf, 1.0
        self.mean: Floats | None = None
        self.points: dict[int, Floats] = {}
        self.count = self.idle = 0

    @property
    def ended(self) -> bool:
        """By the clock, or since more rounds would prove next to nothing."""
        return (
            self.options.late
            or self.count >= MOST_ROUNDS
            or self.idle >= IDLE
            or self.step < LEAST_STEP
            or not len(self.prices)
        )

    def round(self, plan_usd: float) -> None:
        """One more. The first is finished whatever the clock says: then by the root of each piece's tree alone."""
        pieces, prices = self.pieces, self.next
        cost, first = pieces.cost(prices), self.mean is None
        work = replace(PIECE, late=lambda: self.options.late)
        slack = NEAR * abs(plan_usd) / pieces.number if np.isfinite(plan_usd) else 0.0
        point, bound = np.zeros(len(cost)), pieces.constant(prices)
        for number in range(pieces.number):
            if self.options.late and not first:
                return
            tree = pieces.tree(pieces.piece(number, cost), self.points.get(number), work, slack)
            bound += tree.bound
            if tree.point is not None:
                point[pieces.columns[number + 1]] = self.points[number] = tree.point
        spanning = self.solve(pieces.piece(-1, cost), self.options.finishing)
        bound += spanning.bound
        if spanning.point is not None:
            point[pieces.columns[0]] = self.points[-1] = spanning.point
        self.count += 1
        self.mean = point if self.mean is None else (1.0 - NEWEST) * self.mean + NEWEST * point
        self._move(bound, plan_usd)

    def _move(self, bound: float, plan_usd: float) -> None:
        pieces = self.pieces
        gained = bound > self.bound + GAIN * abs(bound)
        self.idle = 0 if gained else self.idle + 1
        if bound > self.bound:
            self.bound, self.prices = bound, self.next
        self.step *= GROWS if gained else FALLS
        assert self.mean is not None
        lower, upper = pieces.limits
        done, y = pieces.across @ self.mean, self.prices
        below, above = np.isfinite(lower) & (done < lower), np.isfinite(upper) & (done > upper)
        missed = np.where(below, lower - done, np.where(above, upper - done, 0.0))
        missed = np.where((y > 0) & np.isfinite(lower), lower - done, missed)
        missed = np.where((y < 0) & np.isfinite(upper), upper - done, missed)
        size = float(missed @ missed)
        if not size > 0.0 or not np.isfinite(plan_usd - self.bound):
            self.idle = IDLE
            return
        length = 0.5 * self.step * max(plan_usd - self.bound, 0.0) / size
        self.next = pieces.usable(y + length * missed)
