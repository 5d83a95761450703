"""A plan of a program of many small pieces, and a bound of the whole, piece by piece.

    1  the relaxation with its strong rows: a bound, prices, and what spans the pieces, rounded: the decisions
    2  each piece under these prices and decisions, to its end: its whole numbers, with which the rest is solved again
    3  rounds of better prices, each of which bounds the whole; now and then step 2 once more, under the best prices

A piece has some hundreds of columns and ten whole ones, so that our own tree ends in milliseconds. Where the clock ends
step 2, a piece has the whole numbers of the relaxation, rounded up; those that promise most come first.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from solvers.capacity_rows import within_limits
from solvers.components import Solve
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.piecewise.copies import with_copies
from solvers.piecewise.priced import PIECE, PricedPieces
from solvers.piecewise.rounds import PriceRounds
from solvers.strengthened import StrengthenedAnswer, strengthened

type Ints = NDArray[np.int64]

WHOLE = 1e-6
FOR_RELAXATION, FOR_PLAN = 0.3, 0.5
"""Shares of the time that is left: for rounds of strong rows, and for the pieces of the first plan."""

ROUNDED = 0.1
"""Of the gap asked for: pieces that all together cost no more than this by rounding up are rounded up."""

AGAIN = 2.0
"""How many times as long as the last linear program is kept for finishing the plan after the bound; beside it, as
long as a round took: a caller's own proof has one like it."""

PLANS = (1, 3, 6, 10, 15, 21, 28, 36)
"""Rounds after which a plan is made again."""

TAKEN = 0.5
"""Of what copies of a column cost: from here on the mean point is read as signing it."""


def solve_pieces(program: LinearProgram, part: Ints, solve: Solve, options: SolveOptions) -> Solution | None:
    """`part` (n,) is the piece of each column, −1 where it spans. None where no plan is met this way.

    `Stop.OPTIMAL` only where the gap asked for is reached; else `Stop.TIME_LIMIT` or `Stop.EXHAUSTED`.
    """
    began = time.perf_counter()
    answer = strengthened(program, options.within(FOR_RELAXATION))
    if answer is None:
        return None
    search = _PieceSearch(program, part, answer, solve, options)
    if not search.plan(search.prices, search.rounded, options.within(FOR_PLAN)):
        return None
    rounds = search.priced() if not search.reached else None
    stop = Stop.OPTIMAL if search.reached else Stop.TIME_LIMIT if options.late else Stop.EXHAUSTED
    raw = f"{search.pieces.number} pieces, {stop.value}"
    stats = Stats.of(program, raw=raw, solve_s=time.perf_counter() - began)
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

    @property
    def reached(self) -> bool:
        """The gap asked for."""
        return self.objective - self.bound <= self.options.gap * abs(self.objective)

    def priced(self) -> PriceRounds:
        """Rounds, and plans between them."""
        began = time.perf_counter()
        left_s = self.options.left_s - AGAIN * self.again_s
        rounds = PriceRounds(self.pieces, self.prices, self.solve, self.options.within(most_s=left_s))
        round_s, planned = 0.0, rounds.prices
        while not rounds.ended and not self.reached:
            if rounds.count and self.options.left_s < AGAIN * self.again_s + 2.0 * round_s:
                break  # one round's time is the proof's
            rounds.round(self.objective)
            self.bound = max(self.bound, rounds.bound)
            round_s = round_s or time.perf_counter() - began
            again = rounds.count in PLANS and rounds.prices is not planned
            if again and not self.reached and self.options.left_s > AGAIN * self.again_s + 3.0 * round_s:
                planned = rounds.prices
                self.plan(planned, self.rounded, rounds.options)
                signed = self._signed(rounds)
                if (signed != self.rounded).any():
                    self.plan(planned, signed, rounds.options)
        return rounds

    def _signed(self, rounds: PriceRounds) -> Floats:
        """(n,) what to sign, by what the mean point takes of the copies that have a price."""
        assert rounds.mean is not None
        n, column = self.program.n_columns, self.pieces.copies.column
        worth = np.maximum(self.pieces.cost(rounds.prices)[n:], 0.0)
        paid = np.bincount(column, worth, n)
        taken = np.bincount(column, worth * rounds.mean[n:], n)
        decided = np.where(paid > 0.0, taken >= TAKEN * paid, rounds.mean[:n] >= TAKEN)
        once = self.program.col_upper <= 1.0  # of what may be bought more than once the mean itself is read
        return np.where(self.spans, np.where(once, decided, np.round(rounds.mean[:n])), 0.0)

    def plan(self, prices: Floats, decided: Floats, options: SolveOptions) -> bool:
        """Take the whole numbers of pieces under prices and decisions; whether there is a plan with them."""
        began = time.perf_counter()
        fixed = self._whole(prices, decided, options)
        between = time.perf_counter()
        if fixed is None:
            return False
        point = self.solve(fixed, self.options.finishing).point
        self.again_s = time.perf_counter() - between if point is not None else between - began
        if point is None:
            return False
        objective = self.program.objective(point)
        if objective < self.objective:
            self.point, self.objective, self.rounded = point, objective, decided
        return True

    def _whole(self, prices: Floats, decided: Floats, options: SolveOptions) -> LinearProgram | None:
        """The program with the whole numbers of pieces under prices and decisions held; None: out of time."""
        program, pieces, answer = self.program, self.pieces, self.answer
        n, column = program.n_columns, pieces.copies.column
        first = self.point is None
        decided = np.where(self.spans, decided, program.col_upper)
        upper = pieces.copies.program.col_upper.copy()
        upper[n:] = np.minimum(upper[n:], decided[column])
        cost = pieces.cost(prices)
        cost[n:] = np.where(self.spans[column], 0.0, cost[n:])  # what is decided is paid for in any case
        value = np.where(program.integer, np.ceil(answer.point - WHOLE), answer.point)
        least = np.floor(answer.point + WHOLE) if first else np.zeros(n)
        work = replace(PIECE, late=lambda: options.late)
        for piece in self._dearest(value, decided, options):
            if options.late:
                if first:
                    break
                return None
            point = pieces.tree(pieces.piece(piece, cost, upper), None, work).point
            if point is not None:
                columns = pieces.columns[piece + 1]
                value[columns[columns < n]] = point[columns < n]
        value = np.where(self.spans, decided, value)
        whole = np.flatnonzero(program.integer)
        low, high = program.whole_bounds
        value = within_limits(program, np.clip(np.round(value), low, high), least)
        return program.fix(whole, value[whole])

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
