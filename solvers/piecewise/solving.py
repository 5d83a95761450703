"""A plan of a program of many small pieces, and a bound of the whole, piece by piece.

    1  the relaxation with its strong rows: a bound, prices, and what spans the pieces, rounded: the decisions
    2  each piece under these prices and decisions, to its end: its whole numbers, with which the rest is solved again
    3  what the pieces would do with one more of a contract, and which of all that was seen go together at least cost
       (see `signing`, `pool`): contracts and whole numbers of a better plan
    4  rounds of better prices, each of which bounds the whole, and step 3's choice among what they have seen

A piece has some hundreds of columns and ten whole ones, so that our own tree ends in milliseconds. Where the clock ends
step 2, a piece has the whole numbers of the relaxation, rounded up; those that promise most come first.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from solvers.capacity_rows import within_limits
from solvers.components import Solve
from solvers.core.deadline import clock_s
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, Ints, LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.piecewise.copies import with_copies
from solvers.piecewise.pool import PointPool
from solvers.piecewise.pooled import PooledRounds
from solvers.piecewise.priced import PricedPieces
from solvers.piecewise.rounds import PriceRounds
from solvers.piecewise.signing import Signing
from solvers.strengthened import StrengthenedAnswer, strengthened

WHOLE = 1e-6
FOR_RELAXATION, FOR_PLAN = 0.3, 0.5
"""Shares of the time that is left: for rounds of strong rows, and for the pieces of the first plan."""

ROUNDED = 0.1
"""Of the gap asked for: pieces that all together cost no more than this by rounding up are rounded up."""

AGAIN = 2.0
"""How many times as long as the last linear program is kept for finishing the plan after the bound; beside it, as
long as a round took: a caller's own proof has one like it."""

AT_ONCE = 8
"""Contracts tried before the pool is asked again."""

MOST_HELD = 12
"""Choices of what spans that are held."""


def solve_pieces(program: LinearProgram, part: Ints, solve: Solve, options: SolveOptions) -> Solution | None:
    """`part` (n,) is the piece of each column, −1 where it spans. None where no plan is met this way.

    `Stop.OPTIMAL` only where the gap asked for is reached; else `Stop.TIME_LIMIT` or `Stop.EXHAUSTED`.
    """
    began = clock_s()
    answer = strengthened(program, options.within(FOR_RELAXATION))
    if answer is None:
        return None
    search = _PieceSearch(program, part, answer, solve, options)
    if not search.plan(options.within(FOR_PLAN)):
        return None
    rounds = search.priced() if not search.reached else None
    late = options.late or search.cut_short
    stop = Stop.OPTIMAL if search.reached else Stop.TIME_LIMIT if late else Stop.EXHAUSTED
    raw = f"{search.pieces.number} pieces, {stop.value}"
    stats = Stats.of(program, raw=raw, solve_s=clock_s() - began)
    objective, bound = search.objective, min(search.bound, search.objective)
    prices = None if rounds is None else search.pieces.by_place(rounds.prices)
    return Solution(stop, search.point, objective, bound, stats=stats, prices=prices)


class _PieceSearch:
    """The best plan so far, and what is proven of any."""

    def __init__(
        self,
        program: LinearProgram,
        part: Ints,
        answer: StrengthenedAnswer,
        solve: Solve,
        options: SolveOptions,
    ) -> None:
        self.program, self.answer, self.solve, self.options = program, answer, solve, options
        copies = with_copies(program, part, answer)
        self.pieces = PricedPieces(copies)
        self.prices = copies.prices[self.pieces.reaching]
        self.part = part
        self.spans = program.integer & (part < 0)
        self.rounded = np.where(self.spans, np.round(answer.point), 0.0)
        self.point: Floats | None = None
        self.objective, self.bound = np.inf, answer.bound
        self.again_s = 0.0
        self.pool = PointPool(self.pieces, solve, options)
        self.signing = Signing(program, answer, self.pool, solve, options)
        self.held = set[bytes]()
        self.cut_short = (
            False  # by the clock: its part of the time is used, and the rest is for a plan and its proof
        )

    @property
    def reached(self) -> bool:
        """The gap asked for."""
        return self.objective - self.bound <= self.options.gap * abs(self.objective)

    def priced(self) -> PriceRounds:
        """Rounds, and plans between them."""
        began = clock_s()
        left_s = self.options.left_s - AGAIN * self.again_s
        options = self.options.within(most_s=left_s)
        rounds = (
            PooledRounds(self.pool, self.prices, self.solve, options)
            if self.pool.small
            else PriceRounds(self.pieces, self.prices, self.solve, options)
        )
        self.signing.options = rounds.options
        round_s = 0.0
        while not rounds.ended and not self.reached:
            if rounds.count and self.options.short_of(AGAIN * self.again_s + 2.0 * round_s):
                self.cut_short = True  # one round's time is the proof's
                break
            rounds.round(self.objective)
            self.bound = max(self.bound, rounds.bound)
            round_s = round_s or clock_s() - began
            if self.reached or not self.pool.small:
                continue
            if rounds.count == 1:
                self._sign()
            else:
                self._choose()
        self.cut_short |= rounds.options.late
        return rounds

    def _sign(self) -> None:
        """Contracts tried one by one, those first that the relaxation signs in part."""
        signing, decided = self.signing, self.rounded
        in_part = signing.in_part()
        self._try(decided, in_part.tolist())
        if not self.reached and not signing.options.late:
            self._try(decided, signing.promising(decided, in_part))

    def _try(self, decided: Floats, columns: list[int]) -> None:
        for first in range(0, len(columns), AT_ONCE):
            for column in columns[first : first + AT_ONCE]:
                if not self.signing.options.late:
                    self.signing.tried(decided, column)
            self._choose()

    def _choose(self) -> None:
        """What goes together best among all that was seen; first at the best prices for what it signs."""
        if self.signing.options.late:
            return
        while True:
            choice = self.pool.choice()
            if choice is None or choice.usd >= self.objective - WHOLE * abs(self.objective):
                return
            decided = np.zeros(self.program.n_columns)
            between = self.pieces.columns[0]
            decided[between] = np.where(self.spans[between], np.round(choice.spanning) + 0.0, 0.0)
            key = decided.tobytes()
            if key in self.held or len(self.held) >= MOST_HELD or self.signing.options.late:
                self._keep(choice.points, decided)
                return
            self.held.add(key)
            self.signing.hold(decided)

    def plan(self, options: SolveOptions) -> bool:
        """Take the whole numbers of pieces where what spans them is rounded; whether there is a plan with them."""
        program, answer = self.program, self.answer
        value = np.where(program.integer, np.ceil(answer.point - WHOLE), answer.point)
        limit = np.where(self.spans, self.rounded, program.col_upper)
        order = self._dearest(value, limit, options)
        return self._keep(self.signing.first(self.rounded, order, self.prices, options), self.rounded)

    def _keep(self, points: Mapping[int, Floats], decided: Floats) -> bool:
        """The plan with the whole numbers of these points, others as the relaxation has them, rounded up."""
        program, answer, n = self.program, self.answer, self.program.n_columns
        value = np.where(program.integer, np.ceil(answer.point - WHOLE), answer.point)
        for piece, seen in points.items():
            columns = self.pieces.columns[piece + 1]
            value[columns[columns < n]] = seen[columns < n]
        value = np.where(self.spans, decided, value)
        least = np.floor(answer.point + WHOLE) if self.point is None else np.zeros(n)
        whole = np.flatnonzero(program.integer)
        low, high = program.whole_bounds
        value = within_limits(program, np.clip(np.round(value), low, high), least)
        began = clock_s()
        point = self.solve(program.fix(whole, value[whole]), self.options.finishing).point
        if point is None:
            return False
        self.again_s = clock_s() - began
        self._remember(point, points, decided)
        objective = program.objective(point)
        if objective < self.objective:
            self.point, self.objective, self.rounded = point, objective, decided
        return True

    def _remember(self, point: Floats, besides: Mapping[int, Floats], decided: Floats) -> None:
        """What a plan does in other pieces goes into the pool, as if it needed all copies there."""
        column = self.pieces.copies.column
        does = np.concatenate([point, np.where(self.spans, decided, point)[column]])
        others = set(range(self.pieces.number)) - set(besides)
        self.pool.add({number: does[self.pieces.columns[number + 1]] for number in others})

    def _dearest(self, value: Floats, decided: Floats, options: SolveOptions) -> list[int]:
        """Pieces, those first that rounding up makes dearest; those that cost next to nothing are left out.

        Not so where something that the relaxation signs in part is not signed: who used it has to look elsewhere.
        """
        program, answer, copies = self.program, self.answer, self.pieces.copies
        dearer = program.cost * (value - answer.point) * program.integer
        extra = np.bincount(self.part + 1, dearer, self.pieces.number + 1)[1:]
        lost = decided[copies.column] < answer.point[copies.column] - WHOLE
        missing = np.bincount(copies.part[program.n_columns :], lost, self.pieces.number) > 0
        order = np.argsort(-extra, kind="stable")
        rest = np.cumsum(extra[order][::-1])[::-1]  # what all pieces from here on cost more, rounded up
        chosen: list[int] = order[
            missing[order] | (rest > ROUNDED * options.gap * abs(answer.bound))
        ].tolist()
        return chosen
