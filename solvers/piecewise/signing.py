"""What spans pieces, held and tried: what pieces do when this is signed goes into the pool of points.

held    what spans at one value: prices of the relaxation there, made better over the pieces that they touch
tried   one more of a column that spans, in the pieces that have a copy of it, at the prices of the relaxation with it

A relaxation of fractions of instances has less use for a contract than pools of whole ones, so that what it signs,
rounded, is seldom best: what pieces save by a contract says more. Which to sign the pool chooses.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from hashlib import blake2b
from math import inf

import numpy as np

from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.relaxation import Relaxation
from solvers.piecewise.pool import PointPool
from solvers.piecewise.pooled import box_of
from solvers.piecewise.priced import PIECE
from solvers.strengthened import StrengthenedAnswer

MOST_TRIED = 60  # columns that span, those first that the relaxation finds least dear
MOST_HELD = 6  # looks at pieces for one choice of what spans
NEAR = 1e-4  # relative: what is promised beyond that is looked at
WIDE, WIDER, NARROWER = 2.0, 2.0, 0.5  # the box, as in `pooled`
WHOLE = 1e-6
BITS = 30


class Signing:
    """Of one program; `decided` (n,) says how much there is of each whole column that spans.

    options   who searches may shorten their time
    """

    def __init__(
        self,
        program: LinearProgram,
        answer: StrengthenedAnswer,
        pool: PointPool,
        solve: Solve,
        options: SolveOptions,
    ) -> None:
        self.program, self.answer, self.pool, self.solve, self.options = program, answer, pool, solve, options
        pieces, copies = pool.pieces, pool.pieces.copies
        n, self.whole = program.n_columns, np.flatnonzero(program.integer)
        self.spans = np.flatnonzero(program.integer & (copies.part[:n] < 0))
        self.lower, self.upper = (bounds[self.whole] for bounds in program.whole_bounds)
        self.place = np.searchsorted(self.whole, self.spans)
        self.row = copies.row[pieces.reaching]
        opens = np.flatnonzero(copies.served >= 0)
        self.opened = copies.served[opens]
        self.keys = -copies.program.matrix[opens][:, n:]  # (opened, k) copies that open a column
        self.piece_of = copies.part[n:]
        self.strong = answer.added.added_to(program)
        self._looked: dict[tuple[int, bytes], tuple[float, Floats | None]] = {}

    @cached_property
    def relaxation(self) -> Relaxation:
        """With strong rows."""
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        return HighsRelaxation(self.strong, deadline=self.options.finishing.deadline)

    def hold(self, decided: Floats) -> None:
        """Points where this is signed, at the best prices there."""
        found = self._relaxed(decided)
        if found is None:
            return
        prices = centre = self.pool.pieces.usable(found[1])
        box, best = box_of(centre, WIDE), -inf
        for _ in range(MOST_HELD):
            bound, _ = self._look(prices, decided, range(self.pool.pieces.number), self.options)
            if bound is None:
                return
            if bound > best:
                best, centre, box = bound, prices, box * WIDER
            else:
                box = box * NARROWER
            asked = self.pool.prices(centre, box, decided)
            if asked is None or asked[1] - best <= NEAR * abs(best):
                return
            prices = asked[0]

    def in_part(self) -> Ints:
        """Columns that the relaxation signs in part."""
        value = self.answer.point[self.spans]
        return self.spans[np.abs(value - np.round(value)) > WHOLE]

    def promising(self, decided: Floats, besides: Ints) -> list[int]:
        """Other columns of which there may be one more, that first which makes the relaxation least dear."""
        cost = self.strong.cost - self.strong.matrix.T @ self.answer.multipliers
        more = self.spans[decided[self.spans] + 1 <= self.program.col_upper[self.spans]]
        more = np.setdiff1d(more, besides)
        usd = list[tuple[float, int]]()
        for j in more[np.argsort(cost[more], kind="stable")][:MOST_TRIED].tolist():
            found = None if self.options.late else self._relaxed(_one_more(decided, j))
            if found is not None:
                usd.append((found[0], j))
        return [j for _, j in sorted(usd)]

    def tried(self, decided: Floats, column: int) -> None:
        """Points with one more of a column."""
        more = _one_more(decided, column)
        found = None if more[column] > self.program.col_upper[column] else self._relaxed(more)
        if found is not None:
            copies = self.pool.pieces.copies
            touched = np.unique(self.piece_of[copies.column == column])
            self._look(self.pool.pieces.usable(found[1]), more, touched.tolist(), self.options)

    def _relaxed(self, decided: Floats) -> tuple[float, Floats] | None:
        """What the relaxation costs so, and its prices (r,) of rows that reach; ties have none."""
        lower, upper = self.lower.copy(), self.upper.copy()
        lower[self.place] = upper[self.place] = decided[self.spans]
        answer = self.relaxation.solve(lower, upper)
        if answer.point is None or answer.multipliers is None:
            return None
        prices = np.where(self.row >= 0, answer.multipliers[self.row], 0.0)
        return self.program.objective(answer.point), prices

    def first(
        self, decided: Floats, numbers: list[int], prices: Floats, options: SolveOptions
    ) -> dict[int, Floats]:
        """What pieces do where this is signed, as many as there is time for.

        prices   (r,) those to use where there is no relaxation, or too much of it for another look
        """
        found = self._relaxed(decided) if self.pool.small else None
        usable = self.pool.pieces.usable(np.where(self.row >= 0, prices, 0.0) if found is None else found[1])
        return self._look(usable, decided, numbers, options)[1]

    def _look(
        self, prices: Floats, decided: Floats, numbers: range | list[int], options: SolveOptions
    ) -> tuple[float | None, dict[int, Floats]]:
        """Some pieces where this is signed; what all of it costs at these prices (None: out of time), and points."""
        pieces, n = self.pool.pieces, self.program.n_columns
        copies = pieces.copies
        cost, upper = pieces.cost(prices), copies.program.col_upper.copy()
        spans = self.program.integer[copies.column]
        upper[n:] = np.where(spans, np.minimum(upper[n:], decided[copies.column]), upper[n:])
        cost[n:] = np.where(spans, 0.0, cost[n:])  # what is decided is paid for in any case
        shut = self.opened[self.keys @ upper[n:] <= 0.0]
        cost[shut] = upper[shut] = 0.0
        cost = _rounded(cost)  # prices that moved by what a solver rounds by leave a piece as it was
        work, points = replace(PIECE, late=lambda: options.late), dict[int, Floats]()
        usd = pieces.constant(prices)
        for number in numbers:
            columns = pieces.columns[number + 1]
            seen = blake2b(cost[columns].tobytes() + upper[columns].tobytes(), digest_size=16).digest()
            if (number, seen) not in self._looked:
                if options.late:
                    self.pool.add(points)
                    return None, points
                tree = pieces.tree(pieces.piece(number, cost, upper), None, work)
                self._looked[number, seen] = tree.bound, tree.point
            bound, point = self._looked[number, seen]
            usd += bound
            if point is not None:
                points[number] = point
        self.pool.add(points)
        between = pieces.piece(-1, cost)
        held = decided[pieces.columns[0]]
        between = replace(
            between,
            col_lower=np.where(between.integer, held, between.col_lower),
            col_upper=np.where(between.integer, held, between.col_upper),
        )
        return usd + self.solve(between, options.finishing).bound, points


def _rounded(value: Floats) -> Floats:
    """To nine digits, about."""
    part, power = np.frexp(value)
    rounded: Floats = np.ldexp(np.round(part * 2.0**BITS) / 2.0**BITS, power)
    return rounded


def _one_more(decided: Floats, column: int) -> Floats:
    more = decided.copy()
    more[column] += 1.0
    return more
