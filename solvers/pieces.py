"""A program of many small pieces that share prices, quotas and contracts: solved piece by piece, the whole bounded.

    1  the relaxation with its strong rows: a bound, prices, and what spans the pieces, rounded: the decisions
    2  each piece under these prices and decisions, to its end: its whole numbers, with which the rest is solved again
    3  each piece under these prices, with copies of the decisions: the sum of their optima bounds the whole

A piece has some hundreds of columns and ten whole ones, so that our own tree ends in milliseconds. Where the clock ends
step 2 or 3, a piece has the whole numbers of the relaxation, rounded up, and counts with what the relaxation's
multipliers prove of it; those that promise most come first.
"""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from solvers.capacity_rows import CapacityRows, within_limits
from solvers.components import Solve
from solvers.copies import reach, with_copies
from solvers.core.options import SolveOptions
from solvers.core.program import Floats, LinearProgram
from solvers.core.result import Solution, Stats, Stop
from solvers.proof.safe import SafeBounds
from solvers.proof.tree import ProofTree, WorkLimits, branch_and_bound
from solvers.strengthened import StrengthenedAnswer, strengthened

type Ints = NDArray[np.int64]

NEAR = 1e-5
"""Relative: so far a piece is solved."""

WHOLE = 1e-6
PIECE = WorkLimits(nodes=500)
FOR_RELAXATION, FOR_PLAN = 0.3, 0.5
"""Shares of the time that is left: for rounds of strong rows, and for the pieces of the plan."""

ROUNDED = 0.1
"""Of the gap asked for: pieces that all together cost no more than this by rounding up are rounded up."""

AGAIN = 2.0
"""How many times as long as the last linear program is kept for finishing the plan after the bound; beside it, as
long as the relaxation took: a caller's own proof solves one like it."""


def solve_pieces(program: LinearProgram, part: Ints, solve: Solve, options: SolveOptions) -> Solution | None:
    """`part` (n,) is the piece of each column, −1 where it spans. None where no plan is met this way.

    `Stop.OPTIMAL` only where the gap asked for is reached; else `Stop.TIME_LIMIT` or `Stop.EXHAUSTED`.
    """
    began = time.perf_counter()
    answer = strengthened(program, options.within(FOR_RELAXATION))
    if answer is None:
        return None
    relaxed_s = time.perf_counter() - began
    pieces = _Pieces(program, part, answer)
    fixed = pieces.plan(options.within(FOR_PLAN))
    last = time.perf_counter()
    point = solve(fixed, options.finishing).point
    if point is None:
        return None
    objective, bound = program.objective(point), answer.bound
    if objective - bound > options.gap * abs(objective):
        again_s = time.perf_counter() - last  # what spans and flows are solved once more at the end
        left_s = options.left_s - AGAIN * again_s - relaxed_s
        bound = max(bound, pieces.bound(solve, options.within(most_s=left_s)))
    reached = objective - bound <= options.gap * abs(objective)
    stop = Stop.OPTIMAL if reached else Stop.TIME_LIMIT if options.late else Stop.EXHAUSTED
    raw = f"{pieces.number} pieces, {stop.value}"
    stats = Stats.of(program, raw=raw, solve_s=time.perf_counter() - began)
    return Solution(stop=stop, point=point, objective=objective, bound=min(bound, objective), stats=stats)


class _Pieces:
    """The pieces under the prices of a relaxation."""

    def __init__(self, program: LinearProgram, part: Ints, answer: StrengthenedAnswer) -> None:
        self.program, self.answer = program, answer
        self.copies = with_copies(program, part, answer)
        self.part, self.number = self.copies.part, int(part.max()) + 1
        whole, reaches, prices = self.copies.program, self.copies.reaches, self.copies.prices
        apart = whole.take(rows=~reaches).program
        self.apart = CapacityRows(apart).strong().added_to(apart)
        self.cost = whole.cost - whole.matrix.T @ prices
        limit = np.where(prices > 0, whole.row_lower, whole.row_upper)
        self.constant = program.offset + float((limit[prices != 0] * prices[prices != 0]).sum())
        order = np.argsort(self.part, kind="stable")
        edges = np.searchsorted(self.part[order], np.arange(-1, self.number + 1))
        self.columns = [order[first:end] for first, end in pairwise(edges)]  # what spans, then the pieces
        self.known: dict[int, Floats] = {}  # a point of each piece in the plan

    def plan(self, options: SolveOptions) -> LinearProgram:
        """The program with the whole numbers that the pieces take under the relaxation's decisions."""
        program, point = self.program, self.answer.point
        n, column = program.n_columns, self.copies.column
        spans = program.integer & (self.part[:n] < 0)
        decided = np.where(spans, np.round(point), program.col_upper)
        upper = self.copies.program.col_upper.copy()
        upper[n:] = np.minimum(upper[n:], decided[column])
        cost = self.cost.copy()
        cost[n:] = np.where(spans[column], 0.0, cost[n:])  # what is decided is paid for in any case
        value = np.where(program.integer, np.ceil(point - WHOLE), point)
        extra = np.bincount(
            self.part[:n] + 1, program.cost * (value - point) * program.integer, self.number + 1
        )
        order = np.argsort(-extra[1:], kind="stable")
        rest = np.cumsum(extra[1:][order][::-1])[::-1]  # what all pieces from here on cost more, rounded up
        enough = ROUNDED * options.gap * abs(self.answer.bound)
        for piece in order[rest > enough].tolist():
            if options.late:
                break
            solution = self._tree(piece, cost, upper, None, options).point
            if solution is not None:
                self.known[piece] = solution
                columns = self.columns[piece + 1]
                value[columns[columns < n]] = solution[columns < n]
        value = np.where(spans, decided, value)
        whole = np.flatnonzero(program.integer)
        low, high = program.whole_bounds
        value = within_limits(program, np.clip(np.round(value), low, high), np.floor(point + WHOLE))
        return program.fix(whole, value[whole])

    def bound(self, solve: Solve, options: SolveOptions) -> float:
        """No point costs less: the pieces' own optima under the prices, as far as there is time for them."""
        least = self._proven()
        spanning = self._piece(-1, self.cost, self.copies.program.col_upper)
        total = self.constant + solve(spanning, options.finishing).bound
        upper = self.copies.program.col_upper
        promise = np.zeros(self.number)
        for piece, point in self.known.items():
            promise[piece] = float(self.cost[self.columns[piece + 1]] @ point) - least[piece]
        for piece in np.argsort(-promise, kind="stable").tolist():
            if options.late:
                break
            tree = self._tree(piece, self.cost, upper, self.known.get(piece), options)
            least[piece] = max(least[piece], tree.bound)
        return total + float(least.sum())

    def _tree(
        self, piece: int, cost: Floats, upper: Floats, start: Floats | None, options: SolveOptions
    ) -> ProofTree:
        program = self._piece(piece, cost, upper)
        work = replace(PIECE, late=lambda: options.late)
        from solvers.highs_relaxation import HighsRelaxation  # here: an export of the program needs no solver

        return branch_and_bound(program, HighsRelaxation, start=start, within=(NEAR, 0.0), work=work)

    def _piece(self, piece: int, cost: Floats, upper: Floats) -> LinearProgram:
        columns = self.columns[piece + 1]
        program = self.apart.take(columns).program
        return replace(program, cost=cost[columns], col_upper=upper[columns])

    def _proven(self) -> Floats:
        """(pieces,) what the relaxation's multipliers prove of each."""
        program, answer, number = self.program, self.answer, self.number
        strong = answer.added.added_to(program)
        row = np.repeat(np.arange(strong.n_rows), np.diff(strong.matrix.indptr))
        part = self.part[: program.n_columns]
        first, last = reach(row, part[strong.matrix.indices], strong.n_rows)
        of_piece = np.where(first == last, last, number)
        added = np.arange(strong.n_rows) >= program.n_rows
        multipliers = np.where(added & (first < last), 0.0, answer.multipliers)
        return SafeBounds(strong).by_part(
            multipliers, of_piece, np.where(part < 0, number, part), number + 1
        )[:number]
